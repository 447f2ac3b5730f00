"""Who a new face may be, by the faces that were named."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.facenet.calibration import Calibration
from facecluster.library import Library
from facecluster.people.odds import average_distances, probabilities

__all__ = ["Identity", "identify"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a face may be: None when no named face is within the threshold.

    face is the named face that decided, at squared_distance; beyond the threshold the nearest
    one; both are None when nobody is named yet. probability that it is that face's person, of all
    who are named, is by the network's calibration, None when it has none.
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
    k: int = 5,
    calibration: Calibration | None = None,
) -> list[Identity]:
    """Who each unit row of embeddings (M, D) is, by the k nearest faces that the user has named.

    Those within the threshold vote, each with (threshold - squared distance), so that one very
    near face outweighs several at the edge. The person with most votes is it, at the distance of
    their nearest face.
    """
    if k < 1:
        raise ValueError(f"k must be >= 1, got {k}")
    faces, people, vectors = library.named_embeddings(model)
    if len(faces) == 0:
        return [Identity(None, None, None) for _ in embeddings]
    known, average = average_distances(embeddings, people, vectors)
    chance = None if calibration is None else probabilities(average, calibration)
    found = []
    for number, row in enumerate(embeddings):
        distances = np.maximum(0.0, 2.0 - 2.0 * (vectors @ row).astype(np.float64))
        best, within = _vote(distances, people, threshold, k)
        name = library.statements.name_of(int(people[best])) if within else None
        place = int(np.searchsorted(known, people[best]))
        probability = None if chance is None else float(chance[number, place])
        found.append(Identity(name, float(distances[best]), int(faces[best]), probability))
    return found


def _vote(
    distances: NDArray[np.float64], people: NDArray[np.int64], threshold: float, k: int
) -> tuple[int, bool]:
    """The place of the winner's nearest face and True, or of the nearest face and False."""
    nearest = np.argsort(distances, kind="stable")[:k]
    votes: dict[int, float] = {}
    for place in nearest[distances[nearest] <= threshold].tolist():
        vote = threshold - float(distances[place])
        votes[int(people[place])] = votes.get(int(people[place]), 0.0) + vote
    if not votes:
        return int(nearest[0]), False
    # The first of equals is the one with the nearest face.
    winner = max(votes, key=lambda person: votes[person])
    return next(place for place in nearest.tolist() if people[place] == winner), True
