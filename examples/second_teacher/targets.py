"""What both teachers say of a face, as one embedding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["fit", "joint", "unit"]

Rows = NDArray[np.float32]


def fit(first: Rows, second: Rows) -> Rows:
    """The projection (D + E, D) of both teachers' unit rows, (N, D) and (N, E), side by side: on
    the directions in which faces differ most, turned so that it comes as near as can be to the
    first's. A turn changes no distance; a network taught by the first has less to unlearn."""
    both = np.concatenate([first, second], axis=1)
    directions = np.linalg.eigh(both.T @ both)[1][:, ::-1][:, : first.shape[1]]
    left, _, right = np.linalg.svd((both @ directions).T @ first)
    projection: Rows = (directions @ left @ right).astype(np.float32)
    return projection


def joint(first: Rows, second: Rows, projection: Rows) -> Rows:
    """The joint embeddings (N, D) of unit rows by both teachers, unit rows too."""
    return unit(np.concatenate([first, second], axis=1) @ projection)


def unit(rows: Rows) -> Rows:
    """The rows, each as long as 1."""
    scaled: Rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return scaled
