"""Section 4's figures equal naive loops over all pairs."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facecluster.errors import UsageError
from facecluster.facenet import agreement as a
from facecluster.facenet import evaluation as e
from facecluster.facenet.pairs import read_lfw_pairs

# Few different values, so that ties are common.
DISTANCES = st.lists(st.integers(0, 12).map(lambda n: n / 4), min_size=1, max_size=25).map(
    lambda values: np.array(values, dtype=np.float64)
)
LABELS = st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 4)), min_size=1, max_size=25).map(
    lambda rows: np.array(rows, dtype=np.int64).T
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


def test_lfw_lists_of_both_forms_are_read(tmp_path: Path) -> None:
    development = tmp_path / "pairsDevTest.txt"
    development.write_text("2\nAnn_A\t1\t3\nBob\t2\t10\nAnn_A\t1\tBob\t2\nCy\t4\tAnn_A\t9\n")
    pairs = read_lfw_pairs(development)
    assert pairs.left[0] == "Ann_A/Ann_A_0001.jpg" and pairs.right[1] == "Bob/Bob_0010.jpg"
    assert (pairs.left[3], pairs.right[3]) == ("Cy/Cy_0004.jpg", "Ann_A/Ann_A_0009.jpg")
    assert pairs.same.tolist() == [True, True, False, False] and not pairs.folds.any()
    view2 = tmp_path / "pairs.txt"
    view2.write_text("2\t1\nA\t1\t2\nA\t1\tB\t1\nC\t1\t2\nC\t1\tD\t1\n")
    pairs = read_lfw_pairs(view2)
    assert pairs.folds.tolist() == [0, 0, 1, 1] and len(pairs) == 4
    assert pairs.same.tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("hello", "not a list"),
        ("", "has no pairs"),
        ("\n", "has no pairs"),
        ("2\nA\t1\t2\n", "does not fit"),
        ("1\t2\t3\n", "does not fit"),
        ("0\n", "does not fit"),
        ("1\nA\t1\t2\nA\t1\t2\n", "line 3"),
        ("1\nA\t1\tx\nA\t1\tB\t2\n", "line 2"),
        ("1\nA\t1\t²\nA\t1\tB\t2\n", "line 2"),
        (f"1\nA\t1\t2\nA\t1\tB\t{'9' * 5000}\n", "line 3"),
    ],
)
def test_other_files_are_refused(content: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=reason):
        read_lfw_pairs(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_lfw_pairs(tmp_path / "none.txt")


@given(LABELS)
@settings(max_examples=200)
def test_agreement_equals_naive_loops(rows: NDArray[np.int64]) -> None:
    labels, truth = rows
    n = range(len(labels))

    def together(i: int, j: int) -> bool:
        return i == j or bool(labels[i] == labels[j] >= 0)

    groups = [[j for j in n if together(i, j)] for i in n]
    people = [[j for j in n if truth[i] == truth[j]] for i in n]
    both = [len(set(groups[i]) & set(people[i])) for i in n]
    found = a.bcubed(labels, truth)
    assert found.precision == pytest.approx(
        sum(b / len(g) for b, g in zip(both, groups, strict=True)) / len(n)
    )
    assert found.recall == pytest.approx(
        sum(b / len(p) for b, p in zip(both, people, strict=True)) / len(n)
    )
    pairs = [(i, j) for i in n for j in range(i)]
    grouped, one = (
        [p for p in pairs if together(*p)],
        [p for p in pairs if truth[p[0]] == truth[p[1]]],
    )
    right = len(set(grouped) & set(one))
    found = a.pairwise(labels, truth)
    assert found.precision == (right / len(grouped) if grouped else 1.0)
    assert found.recall == (right / len(one) if one else 1.0)
    distinct = {tuple(group) for group in groups}
    most = sum(max(sum(truth[i] == t for i in group) for t in truth) for group in distinct)
    assert a.purity(labels, truth) == pytest.approx(most / len(n))


def test_the_figures_of_a_grouping() -> None:
    labels, truth = np.array([0, 0, 1, 1, -1]), np.array([7, 7, 8, 8, 8])
    figures = dict(a.grouping(labels, truth))
    assert figures["BCubed precision"] == figures["purity"] == 1.0
    assert figures["BCubed recall"] == pytest.approx((2 + 2 * 2 / 3 + 1 / 3) / 5)
    assert (figures["groups"], figures["people"], figures["share in a group"]) == (2, 2, 0.8)
    assert a.Agreement(0.0, 0.0).f == 0.0


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="as many"):
        a.bcubed(np.zeros(2, dtype=np.int64), np.zeros(3, dtype=np.int64))
    with pytest.raises(UsageError, match="no faces"):
        a.bcubed(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


def test_distances_that_rounding_parts_are_no_threshold() -> None:
    """Their middle is one of them, and would accept what is said to be refused."""
    near = np.nextafter(1.0, 2.0)
    distances, same = np.array([near, np.nextafter(near, 2.0)]), np.array([True, False])
    threshold, accuracy = e.best_threshold(distances, same)
    assert accuracy == np.mean((distances <= threshold) == same) == 0.5
