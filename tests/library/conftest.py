"""A library filled by hand: every face is at a place of its own, with a vector of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from facecluster.library import Library
from facecluster.records import Analysis, Box, Face, FileStamp, Photo, Quality

Put = Callable[..., list[int]]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "library.sqlite") as opened:
        yield opened


@pytest.fixture
def model(library: Library) -> int:
    return library.scanned.register_model(fingerprint="f", name="nn", dimension=16)


def face_at(place: int) -> Face:
    x = 100.0 * place
    points = ((x + 3, 3.0), (x + 7, 3.0), (x + 5, 5.0), (x + 3, 7.0), (x + 7, 7.0))
    return Face(Box(x, 0.0, x + 10, 12.0), points, 0.99, Quality(40.0, 99.0, 0.1))


def analysis(path: str, people: Sequence[int], content: str | None = None) -> Analysis:
    """A photo whose faces, left to right, are of these people (0 to 15)."""
    rows = np.eye(16, dtype=np.float32)[list(people)].reshape(len(people), 16)
    photo = Photo(f"{content or path:>064}", 640, 480, 1, None)
    faces = tuple(face_at(place) for place in range(len(people)))
    return Analysis(FileStamp(path, 100, 1), photo, faces, rows)


@pytest.fixture
def put(library: Library, model: int) -> Put:
    """Add a photo with faces of these people; their numbers."""

    def add(path: str, *people: int, content: str | None = None) -> list[int]:
        library.scanned.add([analysis(path, people, content)], detector="d", model=model)
        return [face.face for face in library.faces() if face.path == path]

    return add


@pytest.fixture
def save(library: Library, model: int) -> Callable[[dict[int, int]], None]:
    """Make this the grouping: the group number of each face."""

    def keep(numbers: dict[int, int]) -> None:
        library.groupings.save(
            model=model,
            method="by hand",
            settings={"threshold": 1.1, "k": None},
            faces=np.array(list(numbers), dtype=np.int64),
            numbers=np.array(list(numbers.values()), dtype=np.int64),
            next_number=max(numbers.values(), default=0) + 1,
        )

    return keep


@pytest.fixture
def steps(library: Library) -> Callable[[Callable[[], object]], int]:
    """How many steps SQLite takes for something: what it costs, on any computer the same."""

    def count(what: Callable[[], object]) -> int:
        taken: list[None] = []
        sqlite = library._connection._sqlite
        sqlite.set_progress_handler(lambda: taken.append(None), 1)
        what()
        sqlite.set_progress_handler(None, 1)
        return len(taken)

    return count
