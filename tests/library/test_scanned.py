"""What a scan takes out of the library, and where the words about it go."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from facecluster.library import Library
from facecluster.people import name_faces

from .conftest import Put, analysis

Steps = Callable[[Callable[[], object]], int]


def test_each_photo_that_goes_costs_the_same_however_many_go_with_it(
    library: Library, put: Put, steps: Steps
) -> None:
    cost = []
    for count in (20, 80):
        paths = [f"/{count}/{number}.jpg" for number in range(2 * count)]
        faces = [put(path, 1)[0] for path in paths]
        name_faces(library, faces[::2], "Ann", command="name")
        cost.append(steps(lambda gone=paths: library.scanned.remove(gone)))  # type: ignore[misc]
        library.scanned.follow(library.scanned.begin([])[0], [])
    assert cost[1] < 5 * cost[0]


def test_photos_on_any_disk_are_located(library: Library, model: int, put: Put) -> None:
    # Those of Windows have no root above all of them.
    paths = ["/photos/a.jpg", "C:\\photos\\a.jpg", "D:\\b.jpg"]
    for who, path in enumerate(paths):
        put(path, who)
    assert [one.file.path for one in library.scanned.located()] == paths
    other = library.scanned.register_model(fingerprint="g", name="other", dimension=16)
    assert [one.file.path for one in library.scanned.unembedded(other)] == paths
    assert library.scanned.unembedded(model) == []


@pytest.mark.parametrize("moved", [True, False])
def test_words_follow_the_moments_of_a_clip_that_was_moved_or_trimmed(
    library: Library, model: int, put: Put, moved: bool
) -> None:
    (ann,) = put("/a.mov#t=10", 1, content=f"{'a':>064}#t=10")
    name_faces(library, [ann], "Ann", command="name")
    newest, _ = library.scanned.begin(["/"])
    path = "/b.mov#t=10" if moved else "/a.mov#t=2"
    clip = [analysis(path, (1,), f"{'b':>064}{path[6:]}")]
    library.scanned.add(clip, detector="d", model=model)
    library.scanned.remove(["/a.mov"] if moved else [])
    library.scanned.follow(newest, ["/"])
    assert [(face.path, face.person) for face in library.faces()] == [(path, "Ann")]
