"""What both teachers say of a face, as one embedding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Joint", "first_of_made_up", "fit", "unit"]

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Joint:
    """How both teachers' vectors become one: the second's mean (D,), the projection (2 D, D)."""

    mean: Rows
    projection: Rows

    def embeddings(self, first: Rows, second: Rows) -> Rows:
        """Unit rows (N, D) of unit rows by the first teacher and descriptors by the second."""
        return unit(_side_by_side(first, second - self.mean) @ self.projection)


def fit(first: Rows, second: Rows, *, weight: float = 1.0) -> Joint:
    """The projection on the directions in which faces differ most, turned so that the joint
    embedding is as near as can be to the first teacher's.

    weight is how long the second's vectors are beside the first's. A turn changes no distance; a
    network taught by the first teacher alone has less to unlearn.
    """
    mean = second.mean(axis=0)
    both = _side_by_side(first, second - mean) * np.repeat([1.0, weight], first.shape[1])
    directions = np.linalg.eigh(both.T @ both)[1][:, ::-1][:, : first.shape[1]]
    left, _, right = np.linalg.svd((both @ directions).T @ first)
    projection = directions @ left @ right * np.repeat([1.0, weight], first.shape[1])[:, None]
    return Joint(mean, projection.astype(np.float32))


def first_of_made_up(first: Rows, second: Rows, made: Rows) -> Rows:
    """What the first teacher, who cannot be asked, would say of faces made up of others.

    Its vectors of those, (N, P, D), in the shares that explain the second's vector of the made-up
    face (N, D) best: least squares, none below nothing. second (N, P, D) and made are less their
    mean; a part that is all zeros has no share. The result has unit rows.
    """
    products = np.einsum("npd,nqd->npq", second, second)
    products += 1e-3 * np.eye(first.shape[1], dtype=np.float32)
    shares = np.linalg.solve(products, np.einsum("npd,nd->np", second, made)[..., None])[..., 0]
    # Never less than a trace of the face itself, or nothing would be left to put on the sphere.
    shares = np.maximum(shares, [1e-4] + [0.0] * (first.shape[1] - 1))
    return unit(np.einsum("np,npd->nd", shares, first).astype(np.float32))


def _side_by_side(first: Rows, second: Rows) -> Rows:
    return np.concatenate([first, unit(second)], axis=1)


def unit(rows: Rows) -> Rows:
    """The rows, each as long as 1."""
    scaled: Rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return scaled
