"""What both teachers say of a face, as one embedding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Joint", "first_of_made_up", "fit"]

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Joint:
    """How both teachers' vectors become one: the second's mean (D,), the projection (2 D, D)."""

    mean: Rows
    projection: Rows

    def embeddings(self, first: Rows, second: Rows) -> Rows:
        """Unit rows (N, D) of unit rows by the first teacher and descriptors by the second."""
        return _unit(_side_by_side(first, second - self.mean) @ self.projection)


def fit(first: Rows, second: Rows) -> Joint:
    """The projection on the directions in which faces differ most, turned so that the joint
    embedding is as near as can be to the first teacher's.

    A turn changes no distance; a network taught by the first teacher alone has less to unlearn.
    """
    mean = second.mean(axis=0)
    both = _side_by_side(first, second - mean)
    directions = np.linalg.eigh(both.T @ both)[1][:, ::-1][:, : first.shape[1]]
    left, _, right = np.linalg.svd((both @ directions).T @ first)
    return Joint(mean, (directions @ left @ right).astype(np.float32))


def first_of_made_up(first: tuple[Rows, Rows], second: tuple[Rows, Rows], made: Rows) -> Rows:
    """What the first teacher, who cannot be asked, would say of faces made up of two others.

    Its vectors of the two in the shares that explain the second's vector of the made-up face best
    (least squares). All (N, D), the second's less their mean; the result has unit rows.
    """
    face, other = second
    squares = (face * face).sum(1), (other * other).sum(1), (face * other).sum(1)
    with_face, with_other = (made * face).sum(1), (made * other).sum(1)
    determinant = squares[0] * squares[1] - squares[2] ** 2 + 1e-3
    of_face = (with_face * squares[1] - with_other * squares[2]) / determinant
    of_other = (with_other * squares[0] - with_face * squares[2]) / determinant
    # Never less than a trace of the face itself, or nothing would be left to put on the sphere.
    shares = np.maximum(of_face, 1e-4), np.maximum(of_other, 0.0)
    return _unit(shares[0][:, None] * first[0] + shares[1][:, None] * first[1])


def _side_by_side(first: Rows, second: Rows) -> Rows:
    return np.concatenate([first, _unit(second)], axis=1)


def _unit(rows: Rows) -> Rows:
    unit: Rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return unit
