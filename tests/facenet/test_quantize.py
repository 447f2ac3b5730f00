"""Bytes stand for embeddings within exact bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from facecluster.facenet import quantize as q


def units(count: int, dimension: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


VALUES = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 6), st.integers(1, 9)), elements=st.floats(-1, 1, width=32)
)


@given(VALUES)
@settings(max_examples=200)
def test_the_round_trip_is_within_half_a_step(values: NDArray[np.float32]) -> None:
    scale = q.scale_for(values)
    if not np.isfinite(scale):
        return
    back = q.dequantize(q.quantize(values, scale), scale)
    assert np.abs(back.astype(np.float64) - values).max() <= 0.5 / scale * (1 + 1e-6)


@given(st.integers(0, 10_000), st.sampled_from([2, 64, 128, 512]))
@settings(max_examples=40)
def test_distances_move_by_no_more_than_the_bound(seed: int, dimension: int) -> None:
    rows = units(6, dimension, seed)
    scale = q.scale_for(rows)
    codes = q.quantize(rows, scale)
    true = np.linalg.norm(rows[:3].astype(np.float64) - rows[3:], axis=1)
    seen = np.sqrt(q.squared_distances(codes[:3], codes[3:], scale))
    assert np.abs(seen - true).max() <= q.distance_bound(dimension, scale)


@given(st.integers(0, 10_000))
@settings(max_examples=20)
def test_both_ways_to_the_distances_equal_a_naive_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    left, right = (
        rng.integers(-127, 128, (4, 512), dtype=np.int8),
        rng.integers(-127, 128, (3, 512), dtype=np.int8),
    )
    left[0], right[0] = 127, -127  # the largest sum there is
    naive = [
        [sum((int(a) - int(b)) ** 2 for a, b in zip(x, y, strict=True)) / 90.0**2 for y in right]
        for x in left
    ]
    assert np.array_equal(q.pairwise_squared_distances(left, right, 90.0), naive)
    assert np.array_equal(q.squared_distances(left[:3], right, 90.0), np.diag(np.array(naive)[:3]))


def test_values_beyond_the_scale_are_cut_off_and_signs_are_symmetric() -> None:
    values = np.array([[0.5, -0.5, 0.1, -0.1]], dtype=np.float32)
    codes = q.quantize(values, 1000.0)
    assert codes.tolist() == [[127, -127, 100, -100]]


def test_no_rows_are_fine() -> None:
    nothing = np.empty((0, 128), dtype=np.float32)
    assert q.scale_for(nothing) == 127.0
    assert q.quantize(nothing, 127.0).shape == (0, 128)
    assert q.pairwise_squared_distances(
        np.empty((0, 8), dtype=np.int8), np.ones((2, 8), dtype=np.int8), 1.0
    ).shape == (0, 2)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_makes_no_sense_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        q.quantize(units(1, 4), scale)


def test_what_is_not_finite_and_what_is_too_wide_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        q.quantize(np.array([[np.nan]]), 127.0)
    wide = np.zeros((1, 1041), dtype=np.int8)
    with pytest.raises(ValueError, match="1040"):
        q.pairwise_squared_distances(wide, wide, 1.0)
