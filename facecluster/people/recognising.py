"""Who a new face may be, by the faces that were named."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.facenet.calibration import Calibration
from facecluster.library import Library
from facecluster.people.ages import unborn
from facecluster.people.nearness import distances_to_people, years
from facecluster.people.odds import probabilities

__all__ = ["Identity", "identify"]


# One named face this many times nearer than a person's centroid tells as much: whoever has changed
# much, a child, is far from the middle of all pictures. Measured: see measure_identify.py.
_ALONE = 1.4


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a face may be: None when nobody named is within the threshold.

    face is the nearest named face of the person who is nearest, at squared_distance (see
    `identify`), also beyond the threshold; both are None when nobody is named yet. probability that
    it is that person, of all who are named, is by the network's calibration, None when it has none.
    """

    person: str | None
    squared_distance: float | None
    face: int | None
    probability: float | None = None


def identify(
    library: Library,
    model: int,
    embeddings: NDArray[np.float32],
    *,
    threshold: float,
    k: int | None = None,
    calibration: Calibration | None = None,
    taken: str | None = None,
) -> list[Identity]:
    """Who each unit row of embeddings (M, D) is, by the faces that the user has named.

    It is the person whose named faces have the nearest centroid, within the threshold, those of
    about the time `taken` most of all (see nearness.py); a single face of theirs counts too, 1.4
    times as far as it is. With k it is by k-NN, as in the paper (section 5): the k nearest named
    faces within the threshold vote, each with (threshold - squared distance), and the distance is
    that to the winner's nearest face. At one threshold both find as many, the centroids with two
    wrong answers where k-NN gives five (measure_identify.py). Whoever was born after `taken`, an
    ISO 8601 time, is left out. ValueError for k < 1.
    """
    if k is not None and k < 1:
        raise ValueError(f"k must be >= 1, got {k}")
    faces, people, vectors = _named(library, model, taken)
    if len(faces) == 0:
        return [Identity(None, None, None) for _ in embeddings]
    when, dates = years([taken] * len(embeddings)), years(library.taken(faces))
    known, away = distances_to_people(embeddings, when, people, vectors, dates)
    chance = None if calibration is None else probabilities(away, calibration)
    found = []
    for number, row in enumerate(embeddings):
        distances = np.maximum(0.0, 2.0 - 2.0 * (vectors @ row).astype(np.float64))
        if k is None:
            best, distance = _nearest(away[number], distances, people, known)
        else:
            best, distance = _vote(distances, people, threshold, k)
        name = library.statements.name_of(int(people[best])) if distance <= threshold else None
        place = np.searchsorted(known, people[best])
        sure = None if chance is None else float(chance[number, place])
        found.append(Identity(name, distance, int(faces[best]), sure))
    return found


def _named(
    library: Library, model: int, taken: str | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The named faces of people who were born by then."""
    faces, people, vectors = library.named_embeddings(model)
    there = ~unborn(library, [taken], people)[0]
    return faces[there], people[there], vectors[there]


def _nearest(
    away: NDArray[np.float64],
    distances: NDArray[np.float64],
    people: NDArray[np.int64],
    known: NDArray[np.int64],
) -> tuple[int, float]:
    """The place of the nearest face of the nearest person, and how far this person is."""
    closest = np.full(len(known), np.inf)
    np.minimum.at(closest, np.searchsorted(known, people), distances)
    person = np.minimum(away, _ALONE * closest)
    best = int(person.argmin())
    theirs = np.where(people == known[best], distances, np.inf)
    return int(theirs.argmin()), float(person[best])


def _vote(
    distances: NDArray[np.float64], people: NDArray[np.int64], threshold: float, k: int
) -> tuple[int, float]:
    """The place and the distance of the winner's nearest face, or of the nearest face of all."""
    nearest = np.argsort(distances, kind="stable")[:k]
    votes: dict[int, float] = {}
    for place in nearest[distances[nearest] <= threshold].tolist():
        vote = threshold - float(distances[place])
        votes[int(people[place])] = votes.get(int(people[place]), 0.0) + vote
    # The first of equals is the one with the nearest face.
    winner = max(votes, key=lambda person: votes[person]) if votes else people[nearest[0]]
    best = next(place for place in nearest.tolist() if people[place] == winner)
    return best, float(distances[best])
