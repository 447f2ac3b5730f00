"""How probably faces are of each of several people, by the network's calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facecluster.facenet.calibration import Calibration

__all__ = ["centroid_distances", "centroids", "probabilities"]


def centroids(
    people: NDArray[np.int64], vectors: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The people, (P,), and the mean direction of each one's vectors, (P, D) unit rows.

    people (N,) tells whose the unit rows vectors (N, D) are.
    """
    known, place = np.unique(people, return_inverse=True)
    sums = np.zeros((len(known), vectors.shape[1]))
    np.add.at(sums, place, vectors.astype(np.float64))
    length = np.sqrt(np.einsum("ij,ij->i", sums, sums))
    return known, sums / np.maximum(length, 1e-12)[:, None]


def centroid_distances(
    rows: NDArray[np.floating], centroids: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The squared distance of each unit row, (M, D), to each centroid, (P, D): (M, P)."""
    return np.asarray(np.maximum(0.0, 2.0 - 2.0 * rows.astype(np.float64) @ centroids.T))


def probabilities(
    distances: NDArray[np.float64],
    calibration: Calibration,
    barred: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """P(it is this person) for squared distances (M, P) to the centroids of P people: (M, P).

    Before looking, somebody known and somebody else are as probable, and all who are not barred
    alike; the calibration's odds then weigh them against each other (Bayes). The distance is that
    to the centroid: the nearest of many faces is near by chance, and the average to all of them is
    as large as the person's faces are unlike (measure_identify.py has the figures).
    """
    allowed = np.ones(distances.shape, dtype=np.bool_) if barred is None else ~barred
    log_odds = np.where(allowed, calibration.intercept + calibration.slope * distances, -np.inf)
    # Scaled by the largest, or by the odds of somebody else (1), so that nothing overflows.
    top = np.maximum(log_odds.max(axis=1, initial=0.0), 0.0)[:, None]
    weights = np.exp(log_odds - top) / np.maximum(allowed.sum(axis=1), 1)[:, None]
    total = np.exp(-top) + weights.sum(axis=1)[:, None]
    return np.asarray(weights / total)
