"""How probably faces are of each of several people, by the network's calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facecluster.facenet.calibration import Calibration

__all__ = ["probabilities"]


def probabilities(
    distances: NDArray[np.float64],
    calibration: Calibration,
    barred: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """P(it is this person) for squared distances (M, P) to P people: (M, P).

    Before looking, somebody known and somebody else are as probable, and all who are not barred
    alike; the calibration's odds then weigh them against each other (Bayes). For a face the
    distance is that to a person's centroid: the nearest of many faces is near by chance, and the
    average to all of them is as large as the person's faces are unlike (measure_identify.py).
    """
    allowed = np.ones(distances.shape, dtype=np.bool_) if barred is None else ~barred
    log_odds = np.where(allowed, calibration.intercept + calibration.slope * distances, -np.inf)
    # Scaled by the largest, or by the odds of somebody else (1), so that nothing overflows.
    top = np.maximum(log_odds.max(axis=1, initial=0.0), 0.0)[:, None]
    weights = np.exp(log_odds - top) / np.maximum(allowed.sum(axis=1), 1)[:, None]
    total = np.exp(-top) + weights.sum(axis=1)[:, None]
    return np.asarray(weights / total)
