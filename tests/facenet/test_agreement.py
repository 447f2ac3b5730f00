"""BCubed, pairs and purity equal naive loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facecluster.errors import UsageError
from facecluster.facenet import agreement as a

LABELS = st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 4)), min_size=1, max_size=25).map(
    lambda rows: np.array(rows, dtype=np.int64).T
)


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
