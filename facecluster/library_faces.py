"""The faces of a library as a table to train on: who the user said they are, and of which day."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facecluster import align
from facecluster.engines import threads
from facecluster.facenet.dataset import FaceTable
from facecluster.images import Picture
from facecluster.library import Library, Unembedded
from facecluster.reembedding import read_unchanged
from facecluster.training_set import MARGIN, SIDE

__all__ = ["NamedFaces", "read_named_faces"]

# Of one person; more would take the reading of many photos, and drown who has few.
_MOST = 60
_NOBODY = -1


@dataclass(frozen=True, slots=True)
class NamedFaces:
    """N faces: a table (identities are the library's people, -1 nobody), the day of each (N,)
    counted from year 1, -1 without a date, and the photos that could not be read."""

    table: FaceTable
    days: NDArray[np.int64]
    unreadable: int


def read_named_faces(
    library: Library,
    *,
    read: Callable[[Path], Picture],
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> NamedFaces:
    """Up to 60 named faces of each person, aligned, and whoever is beside them without a name.

    Left out are faces that are ignored or said not to be any. Each photo is read once.
    """
    truth = library.statements.truth()
    person = {fact.face: fact.person or 0 for fact in truth if fact.kind == "is"}
    hidden = {fact.face for fact in truth if fact.kind in ("ignore", "not-a-face")}
    chosen = _chosen(person)
    work = [one for one in library.scanned.located() if chosen & one.faces.keys()]
    pixels: list[NDArray[np.uint8]] = []
    people: list[int] = []
    days: list[int] = []
    unreadable = 0

    def look(one: Unembedded) -> dict[int, NDArray[np.uint8]] | None:
        picture = read_unchanged(one, read)
        wanted = {face for face in one.faces if face in chosen or face not in person}
        return _crops(one, wanted - hidden, picture) if picture else None

    with closing(threads()(look, work)) as looks:
        for done, (one, crops) in enumerate(zip(work, looks, strict=True), start=1):
            unreadable += crops is None
            for face, crop in (crops or {}).items():
                pixels.append(crop)
                people.append(person.get(face, _NOBODY))
                days.append(_day(one.photo.taken_at))
            progress(done, len(work))
    whole = np.stack(pixels) if pixels else np.empty((0, SIDE, SIDE, 3), dtype=np.uint8)
    identities = np.array(people, dtype=np.int64)
    table = FaceTable(whole, identities, identities, None, MARGIN)
    return NamedFaces(table, np.array(days, dtype=np.int64), unreadable)


def _chosen(person: dict[int, int]) -> set[int]:
    """The faces to read: of each person at most so many, evenly over their numbers."""
    faces: dict[int, list[int]] = {}
    for face in sorted(person):
        faces.setdefault(person[face], []).append(face)
    return {
        mine[place]
        for mine in faces.values()
        for place in np.unique(np.linspace(0, len(mine) - 1, min(_MOST, len(mine))).astype(int))
    }


def _crops(one: Unembedded, wanted: set[int], picture: Picture) -> dict[int, NDArray[np.uint8]]:
    return {
        face: align.crop(
            picture.pixels, np.asarray(one.faces[face].landmarks) / picture.scale, SIDE, MARGIN
        )
        for face in wanted
    }


def _day(taken_at: str | None) -> int:
    try:
        return date.fromisoformat((taken_at or "")[:10]).toordinal()
    except ValueError:
        return _NOBODY
