"""Embeddings in one signed byte a dimension ("128 bytes", section 5.3), and their distances."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LEVELS",
    "dequantize",
    "distance_bound",
    "pairwise_squared_distances",
    "quantize",
    "scale_for",
    "squared_distances",
]

# Bytes from -127 to 127: -128 is left out, so that every value has its opposite.
LEVELS = 127
# Up to here a sum of products of two bytes is a whole number that float32 holds exactly.
_EXACT_DIMENSION = (1 << 24) // LEVELS**2


def scale_for(embeddings: NDArray[np.floating]) -> float:
    """The bytes a unit of length, so that the largest value of these rows just fits.

    Belongs to the model, not to a row: only vectors of one scale can be compared. Values of other
    rows that are larger are cut off at the ends. No rows, or only zeros, give LEVELS, which suits
    every unit vector.
    """
    largest = float(np.abs(embeddings).max(initial=0.0))
    return LEVELS / largest if largest > 0 else float(LEVELS)


def quantize(embeddings: NDArray[np.floating], scale: float) -> NDArray[np.int8]:
    """The nearest byte to each value times scale, in the shape given, cut off at +-127.

    For values within +-127 / scale, `dequantize` gives back each within 1 / (2 scale). Raises
    ValueError for a scale that is not positive and for values that are not finite.
    """
    _check(scale)
    if not np.all(np.isfinite(embeddings)):
        raise ValueError("embeddings must be finite")
    scaled = np.rint(np.asarray(embeddings, dtype=np.float64) * scale)
    return np.clip(scaled, -LEVELS, LEVELS).astype(np.int8)


def dequantize(codes: NDArray[np.int8], scale: float) -> NDArray[np.float32]:
    """The values that the bytes stand for, in the shape given; rows are not quite of length 1."""
    _check(scale)
    return (codes / scale).astype(np.float32)


def squared_distances(
    left: NDArray[np.int8], right: NDArray[np.int8], scale: float
) -> NDArray[np.float64]:
    """Squared L2 distances of row i of left to row i of right, both (N, D): (N,), in whole steps.

    The arithmetic is on whole numbers; only the last division rounds.
    """
    _check(scale)
    difference = left.astype(np.int64) - right
    return np.asarray((difference * difference).sum(axis=-1) / scale**2)


def pairwise_squared_distances(
    left: NDArray[np.int8], right: NDArray[np.int8], scale: float
) -> NDArray[np.float64]:
    """Squared L2 distances of all rows: (N, D) and (M, D) -> (N, M), equal to the last digit.

    One float32 matrix product, exact because every sum in it is a whole number below 2^24; that
    holds up to D = 1040, and more raises ValueError. O(N M D).
    """
    _check(scale)
    if left.shape[-1] > _EXACT_DIMENSION:
        raise ValueError(f"at most {_EXACT_DIMENSION} dimensions, got {left.shape[-1]}")
    one, other = left.astype(np.float32), right.astype(np.float32)
    products = (one @ other.T).astype(np.float64)
    lengths = (
        (one * one).sum(axis=1, dtype=np.float64),
        (other * other).sum(axis=1, dtype=np.float64),
    )
    return np.asarray((lengths[0][:, None] + lengths[1] - 2.0 * products) / scale**2)


def distance_bound(dimension: int, scale: float) -> float:
    """The most by which a distance (not squared) can change when both vectors become bytes.

    Each value moves by at most 1 / (2 scale) when none is cut off, so each vector by
    sqrt(D) / (2 scale), and the distance of two by twice that.
    """
    _check(scale)
    return math.sqrt(dimension) / scale


def _check(scale: float) -> None:
    if not (scale > 0 and math.isfinite(scale)):
        raise ValueError(f"scale must be a positive number, got {scale}")
