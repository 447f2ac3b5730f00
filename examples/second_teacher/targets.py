"""What the asked teacher says of a face, made a target for the bundled networks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["directions", "recentred", "unit"]

Rows = NDArray[np.float32]


def recentred(rows: Rows, centre: Rows, share: float) -> Rows:
    """Unit rows (N, D), which the centre (D,) of all faces was taken off, less a share of it.

    Each row is what is left of a unit vector less the centre, made as long as 1. That vector is
    found again: how long the rest was, its length of 1 tells.
    """
    along = rows @ centre
    rest = np.sqrt(along**2 + 1.0 - centre @ centre) - along
    return unit(rest[:, None] * rows + (1.0 - share) * centre)


def directions(rows: Rows, dimension: int) -> Rows:
    """The orthogonal directions (D, dimension) in which the rows (N, D) are longest."""
    found: Rows = np.linalg.eigh(rows.T @ rows)[1][:, ::-1][:, :dimension].astype(np.float32)
    return found


def unit(rows: Rows) -> Rows:
    """The rows, each as long as 1."""
    scaled: Rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return scaled.astype(np.float32)
