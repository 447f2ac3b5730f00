"""What the asked teacher says of a face, made a target for the bundled networks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["agreeing", "directions", "unit", "whole"]

Rows = NDArray[np.float32]


def whole(rows: Rows, centre: Rows) -> Rows:
    """The unit vectors (N, D) that the centre (D,) of all faces was taken off.

    Each row is what was left of one, made as long as 1; how long it had been, the vector's own
    length of 1 tells.
    """
    along = rows @ centre
    left = np.sqrt(along**2 + 1.0 - centre @ centre) - along
    return unit(left[:, None] * rows + centre)


def directions(rows: Rows, dimension: int) -> Rows:
    """The orthogonal directions (D, dimension) in which the rows (N, D) are longest."""
    found: Rows = np.linalg.eigh(rows.T @ rows)[1][:, ::-1][:, :dimension].astype(np.float32)
    return found


def agreeing(rows: Rows, wanted: Rows) -> Rows:
    """The turn (D, D) by which the rows (N, D) come nearest to those wanted: it moves no two of
    them apart or together."""
    left, _, right = np.linalg.svd(rows.T @ wanted)
    turn: Rows = (left @ right).astype(np.float32)
    return turn


def unit(rows: Rows) -> Rows:
    """The rows, each as long as 1."""
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    scaled: Rows = (rows / lengths).astype(np.float32)
    return scaled
