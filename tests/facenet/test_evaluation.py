"""Section 4's figures equal naive loops over all pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facecluster.errors import UsageError
from facecluster.facenet import evaluation as e

# Few different values, so that ties are common.
DISTANCES = st.lists(st.integers(0, 12).map(lambda n: n / 4), min_size=1, max_size=25).map(
    lambda values: np.array(values, dtype=np.float64)
)
Floats = NDArray[np.float64]


@given(DISTANCES, DISTANCES)
@settings(max_examples=150)
def test_the_curve_area_and_equal_error_equal_naive_loops(same: Floats, different: Floats) -> None:
    curve = e.roc(same, different)
    for threshold, far, val in zip(curve.thresholds, curve.far, curve.val, strict=True):
        assert val == sum(d <= threshold for d in same) / len(same)
        assert far == sum(d <= threshold for d in different) / len(different)
        assert val == e.validation_rate(same, threshold)
        assert far == e.false_accept_rate(different, threshold)
    assert (curve.far[0], curve.val[0], curve.far[-1], curve.val[-1]) == (0, 0, 1, 1)
    wins = sum((s < d) + (s == d) / 2 for s in same for d in different)
    assert e.area_under_curve(same, different) == pytest.approx(wins / len(same) / len(different))
    rate, threshold = e.equal_error_rate(same, different)
    gaps = [abs(far - (1 - val)) for far, val in zip(curve.far, curve.val, strict=True)]
    at = gaps.index(min(gaps))
    assert threshold == curve.thresholds[at]
    assert rate == pytest.approx((curve.far[at] + 1 - curve.val[at]) / 2)


@given(DISTANCES, st.floats(0, 1))
@settings(max_examples=150)
def test_the_threshold_of_a_rate_keeps_it_and_is_the_largest(different: Floats, far: float) -> None:
    threshold = e.threshold_at_far(different, far)
    assert e.false_accept_rate(different, threshold) <= far + 1e-9
    if threshold < 4:
        higher = float(np.nextafter(threshold, np.inf))
        assert e.false_accept_rate(different, higher) > far


@given(DISTANCES, DISTANCES)
@settings(max_examples=150)
def test_the_best_threshold_is_best(same: Floats, different: Floats) -> None:
    distances = np.concatenate([same, different])
    truth = np.arange(len(distances)) < len(same)
    threshold, accuracy = e.best_threshold(distances, truth)
    assert accuracy == np.mean((distances <= threshold) == truth)
    candidates = [-1.0, *distances]
    assert accuracy == max(float(np.mean((distances <= d) == truth)) for d in candidates)


def test_the_best_threshold_lies_in_the_middle_of_the_gap() -> None:
    distances = np.array([0.2, 0.6, 1.8, 2.0])
    assert e.best_threshold(distances, distances < 1) == (pytest.approx(1.2), 1.0)


def test_folded_accuracy_takes_the_threshold_from_the_other_folds() -> None:
    rng = np.random.default_rng(0)
    same = np.arange(200) % 2 == 0
    distances = np.where(same, rng.normal(1, 0.4, 200), rng.normal(1.8, 0.4, 200))
    folds = e.even_folds(same)
    found = e.folded_accuracy(distances, same, folds)
    naive = []
    for fold in range(10):
        rest = folds != fold
        threshold, _ = e.best_threshold(distances[rest], same[rest])
        rows = [i for i in range(200) if folds[i] == fold]
        naive.append(sum((distances[i] <= threshold) == same[i] for i in rows) / len(rows))
    assert found.accuracies.tolist() == naive
    assert found.mean == pytest.approx(sum(naive) / 10)
    deviation = math.sqrt(sum((x - sum(naive) / 10) ** 2 for x in naive) / 9)
    assert found.standard_error == pytest.approx(deviation / math.sqrt(10))
    with pytest.raises(UsageError, match="two folds"):
        e.folded_accuracy(distances, same, np.zeros(200, dtype=np.int64))


def test_even_folds_hold_as_many_of_each_kind_in_runs() -> None:
    same = np.array([True] * 50 + [False] * 50)
    folds = e.even_folds(same)
    assert folds[:6].tolist() == [0, 0, 0, 0, 0, 1]
    for fold in range(10):
        assert (folds[same] == fold).sum() == (folds[~same] == fold).sum() == 5


def test_no_pairs_are_one_clear_sentence() -> None:
    nothing, some = np.empty(0), np.ones(1)
    for call in (e.roc, e.area_under_curve, e.equal_error_rate):
        with pytest.raises(UsageError, match="no different pairs"):
            call(some, nothing)
    with pytest.raises(ValueError, match="from 0 to 1"):
        e.threshold_at_far(some, 2.0)


def test_squared_distances_are_squared() -> None:
    left, right = np.array([[1.0, 0], [0, 1]], dtype=np.float32), np.array([[1.0, 0], [0, -1]])
    assert e.squared_distances(left, right).tolist() == [0.0, 4.0]


def test_distances_that_rounding_parts_are_no_threshold() -> None:
    """Their middle is one of them, and would accept what is said to be refused."""
    near = np.nextafter(1.0, 2.0)
    distances, same = np.array([near, np.nextafter(near, 2.0)]), np.array([True, False])
    threshold, accuracy = e.best_threshold(distances, same)
    assert accuracy == np.mean((distances <= threshold) == same) == 0.5
