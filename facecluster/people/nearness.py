"""How far faces are from people: from the middles of their faces, those of the time most of all.

People change, children most. On made-up lives a child's faces are told right in 95 of 100 instead
of 93 when named faces count half for each four years between, and adults lose next to nothing; the
nearest of separate middles for each period is worse than one for all (measure_years.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facecluster.grouping import directions

__all__ = ["centroids", "distances_to_people", "years"]

# Years between two photos in which a face loses half of its weight.
HALF = 4.0
# Of a face without a date, where the other has one.
UNDATED = 0.5


def years(taken: Sequence[str | None]) -> NDArray[np.float64]:
    """The year of each time, ISO 8601, with its part in months; NaN for None, (N,)."""
    return np.array(
        [np.nan if time is None else int(time[:4]) + (int(time[5:7]) - 0.5) / 12 for time in taken]
    )


def centroids(
    people: NDArray[np.int64], vectors: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The people, (P,), and the mean direction of each one's vectors, (P, D) unit rows.

    people (N,) tells whose the unit rows vectors (N, D) are.
    """
    order, known, starts = _by_person(people)
    return known, _middles(vectors[order].astype(np.float64), starts)


def distances_to_people(
    rows: NDArray[np.floating],
    when: NDArray[np.float64],
    people: NDArray[np.int64],
    vectors: NDArray[np.float32],
    taken: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The people, (P,), and each row's squared distance to their centroids, (M, P).

    rows is (M, D), unit, or means of unit rows, whose average distance it is, of photos of the
    years `when` (M,), NaN where unknown; people (N,) tells whose the unit rows vectors (N, D) are,
    of photos of the years `taken` (N,). For a row with a date the named faces weigh half for every
    four years between. Costs (different years of rows) x N x D.
    """
    order, known, starts = _by_person(people)
    sorted_vectors = vectors[order].astype(np.float64)
    found = np.empty((len(rows), len(known)))
    year = np.floor(when)
    for one in np.unique(year):
        here = np.isnan(year) if np.isnan(one) else year == one
        weights = _weights(one + 0.5, taken)[order, None]
        middles = _middles(weights * sorted_vectors, starts)
        found[here] = 2.0 - 2.0 * rows[here].astype(np.float64) @ middles.T
    return known, np.maximum(found, 0.0, out=found)


def _by_person(
    people: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """An order that puts those of one person beside each other, the people, and their starts."""
    order = np.argsort(people, kind="stable")
    known, starts = np.unique(people[order], return_index=True)
    return order, known, starts


def _middles(vectors: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The directions of the sums of the rows from each start to the next."""
    if len(starts) == 0:
        return np.empty((0, vectors.shape[1]))
    return directions(np.add.reduceat(vectors, starts, axis=0))


def _weights(year: float, taken: NDArray[np.float64]) -> NDArray[np.float64]:
    if np.isnan(year):
        return np.ones(len(taken))
    weights: NDArray[np.float64] = 2.0 ** (-np.abs(taken - year) / HALF)
    return np.where(np.isnan(taken), UNDATED, weights)
