"""What a scan takes out of the library."""

from __future__ import annotations

from collections.abc import Callable

from facecluster.library import Library
from facecluster.people import name_faces

from .conftest import Put

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
