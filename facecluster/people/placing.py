"""Who the faces that are in no group may be, by the centroids of the people that were named."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.library import Library
from facecluster.people.ages import unborn
from facecluster.people.nearness import distances_to_people, years

__all__ = ["Placement", "place_loose"]


@dataclass(frozen=True, slots=True)
class Placement:
    """A face in no group and the person it may be, at a squared distance from their centroid."""

    face: int
    path: str
    person: str
    squared_distance: float


def place_loose(library: Library, model: int, *, threshold: float) -> list[Placement]:
    """The faces in no group that may be somebody, the people with most of them first, by distance.

    Each is given the person whose named faces have the nearest centroid, within the threshold; a
    mean of many faces tells better than the nearest of them (on the 503 photos of the development
    library, at 1.06: 89 % right instead of 75 %). Left out are people of whom it was said that the
    face is not them, people who are on the same photo, and those not born yet. Costs (loose faces)
    x (people) x D.
    """
    faces, people, vectors = library.named_embeddings(model)
    loose = _unstated(library)
    if len(faces) == 0 or not loose:
        return []
    seen, rows = library.embeddings(model, loose)
    when, dates = years(library.taken(seen)), years(library.taken(faces))
    known, distances = distances_to_people(rows, when, people, vectors, dates)
    distances[_barred(library, seen, faces, people, known)] = np.inf
    best = distances.argmin(axis=1)
    near = distances[np.arange(len(seen)), best]
    paths = {face.face: face.path for face in library.faces()}
    names = [library.statements.name_of(person) for person in known.tolist()]
    found = [
        Placement(int(seen[row]), paths[int(seen[row])], names[best[row]], float(near[row]))
        for row in np.flatnonzero(near <= threshold).tolist()
        if int(seen[row]) in paths  # else it has gone meanwhile
    ]
    count = Counter(one.person for one in found)
    return sorted(found, key=lambda one: (-count[one.person], one.person, one.squared_distance))


def _unstated(library: Library) -> list[int]:
    loose = library.overview.loose()
    named = {fact.face for fact in library.statements.truth(loose) if fact.kind == "is"}
    return [face for face in loose if face not in named]


def _barred(
    library: Library,
    loose: NDArray[np.int64],
    faces: NDArray[np.int64],
    people: NDArray[np.int64],
    known: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Whom each loose face cannot be: (loose, known)."""
    place = {person: index for index, person in enumerate(known.tolist())}
    row = {face: index for index, face in enumerate(loose.tolist())}
    barred = np.zeros((len(loose), len(known)), dtype=np.bool_)
    for fact in library.statements.truth(loose.tolist()):
        if fact.kind == "is-not" and fact.person in place:
            barred[row[fact.face], place[fact.person]] = True
    barred |= unborn(library, library.taken(loose), known)
    there: dict[int, list[int]] = {}
    for photo, person in zip(library.photos_of(faces).tolist(), people.tolist(), strict=True):
        there.setdefault(photo, []).append(place[person])
    for index, photo in enumerate(library.photos_of(loose).tolist()):
        barred[index, there.get(photo, [])] = True
    return barred
