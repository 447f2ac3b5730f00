"""New faces put to old groups: against a loop that merges one pair at a time, and against `group`
where there were no groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facecluster.grouping import Constraints, attach_lone, group, grow, settle

EMPTY = np.empty((0, 2), dtype=np.int64)


def faces(seed: int, n: int, people: int, scatter: float) -> NDArray[np.float32]:
    chance = np.random.default_rng(seed)
    centres = chance.normal(size=(people, 16))
    rows = centres[chance.integers(people, size=n)] + scatter * chance.normal(size=(n, 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def said(seed: int, n: int) -> Constraints:
    """Some faces named, some of two people, and several on one photo."""
    chance = np.random.default_rng(seed)
    a, b, c, d = (int(row) for row in chance.choice(n, 4, replace=False))
    return Constraints(
        np.array([[a, b], [c, c]]),
        np.array([[a, c], [d, a]]),
        chance.integers(-1, 1 + n // 2, size=n),
    )


@given(
    st.integers(0, 10**6),
    st.integers(4, 60),
    st.integers(1, 8),
    st.sampled_from([0.3, 0.7, 1.1]),
    st.booleans(),
)
@settings(max_examples=60)
def test_from_nothing_the_groups_are_those_of_a_full_pass(
    seed: int, n: int, people: int, scatter: float, by_centroid: bool
) -> None:
    rows, stated = faces(seed, n, people, scatter), said(seed, n)
    expected = group(
        rows,
        method="agglomerative",
        threshold=0.6,
        k=None,
        constraints=stated,
        by_centroid=by_centroid,
    )
    grown = grow(
        rows,
        np.full(n, -1),
        np.ones(n, dtype=np.bool_),
        threshold=0.6,
        constraints=stated,
        by_centroid=by_centroid,
    )
    if by_centroid:
        lone, every = grown < 0, np.ones(n, dtype=np.bool_)
        grown = attach_lone(rows, grown, lone, every, threshold=0.6, constraints=stated)
    # Sizes have changed since they were numbered.
    assert np.array_equal(grown < 0, expected < 0)
    placed = grown >= 0
    pairs = np.unique(np.stack([grown[placed], expected[placed]], axis=1), axis=0)
    assert len(pairs) == len(np.unique(grown[placed])) == len(np.unique(expected[placed]))


def naive(
    rows: NDArray[np.float32],
    labels: NDArray[np.int64],
    new: NDArray[np.bool_],
    threshold: float,
    stated: Constraints,
) -> list[set[int]]:
    """Average linkage of what is new with all there is, the nearest allowed pair at a time."""
    groups = [set(np.flatnonzero(labels == one).tolist()) for one in np.unique(labels[labels >= 0])]
    old = [True] * len(groups)
    for row in np.flatnonzero(labels < 0).tolist():
        groups.append({row})
        old.append(False)
    vectors = rows.astype(np.float64)
    barred = {frozenset(pair) for pair in stated.barred(rows).tolist()}
    while True:
        best = None
        for i in range(len(groups)):
            for j in range(i):
                pairs = [(one, other) for one in groups[i] for other in groups[j]]
                if old[i] and old[j]:
                    continue
                if not any(new[row] for row in groups[i] | groups[j]):
                    continue
                if any(frozenset(pair) in barred for pair in pairs):
                    continue
                away = np.mean([((vectors[a] - vectors[b]) ** 2).sum() for a, b in pairs])
                if away <= threshold and (best is None or away < best[0]):
                    best = away, i, j
        if best is None:
            return groups
        _, i, j = best
        groups[j] |= groups.pop(i)
        old[j] |= old.pop(i)


@pytest.mark.parametrize("seed", range(12))
def test_new_faces_merge_as_one_pair_at_a_time_would(seed: int) -> None:
    chance = np.random.default_rng(seed)
    rows = faces(seed, 26, 5, 0.6)
    photos = chance.integers(0, 20, size=26)
    before, stated = 18, Constraints(EMPTY, EMPTY, photos)
    labels = np.full(26, -1, dtype=np.int64)
    labels[:before] = group(
        rows[:before],
        method="agglomerative",
        threshold=0.6,
        k=None,
        constraints=Constraints(EMPTY, EMPTY, photos[:before]),
        by_centroid=False,
    )
    new = np.arange(26) >= before
    grown = grow(rows, labels, new, threshold=0.6, constraints=stated, by_centroid=False)
    expected = {frozenset(one) for one in naive(rows, labels, new, 0.6, stated) if len(one) > 1}
    assert {frozenset(np.flatnonzero(grown == one).tolist()) for one in set(grown) - {-1}} == (
        expected
    )


@given(st.integers(0, 10**6), st.integers(8, 60), st.booleans())
@settings(max_examples=60)
def test_nobody_leaves_a_group_and_what_was_said_holds(
    seed: int, n: int, by_centroid: bool
) -> None:
    chance = np.random.default_rng(seed)
    rows, stated = faces(seed, n, 6, 0.7), said(seed, n)
    old = np.arange(n) < n // 2
    labels = np.full(n, -1, dtype=np.int64)
    labels[old] = group(
        rows[old],
        method="agglomerative",
        threshold=0.6,
        k=None,
        constraints=stated.subset(np.flatnonzero(old)),
    )
    labels[labels >= 0] += 7  # numbers need not begin anywhere
    labels = settle(rows, labels, np.zeros(n, dtype=np.bool_), threshold=0.6, constraints=stated)
    new = ~old & (chance.random(n) < 0.8)
    grown = grow(rows, labels, new, threshold=0.8, constraints=stated, by_centroid=by_centroid)
    assert np.array_equal(grown[labels >= 0], labels[labels >= 0])
    barred = stated.barred(rows)
    one, other = grown[barred].T
    # what shares a group by a word does so though another of it be on the same photo
    matters = (labels[barred] < 0).any(axis=1) & ~np.isin(barred, stated.together).any(axis=1)
    assert not np.any((one == other) & (one >= 0) & matters)
    one, other = grown[stated.apart].T
    assert not np.any((one == other) & (one >= 0))
    a, b = stated.together[0]
    assert grown[a] == grown[b] >= 0 or (labels[a] >= 0 and labels[b] >= 0)
    founded, sizes = np.unique(grown[grown > labels.max()], return_counts=True)
    assert founded.tolist() == list(range(labels.max() + 1, labels.max() + 1 + len(founded)))
    assert sizes.tolist() == sorted(sizes, reverse=True)
    # of the faces in no group before, those that are not new only go where something new is
    for label in founded.tolist():
        members = np.flatnonzero(grown == label)
        assert new[members].any() or np.isin(members, stated.together).any()


def test_two_old_groups_stay_two_whatever_comes_between() -> None:
    rows = np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 0]]
    rows[4] = np.float32([1, 1, 0, 0]) / np.sqrt(np.float32(2))
    labels = np.array([3, 3, 5, 5, -1])
    grown = grow(
        rows, labels, labels < 0, threshold=4.0, constraints=Constraints.none(5), by_centroid=True
    )
    assert grown[:4].tolist() == [3, 3, 5, 5]
    assert grown[4] in (3, 5)


def test_nothing_new_changes_nothing_and_no_faces_are_fine() -> None:
    rows = faces(0, 9, 1, 0.3)
    labels = np.array([0, 0, 0, -1, -1, 4, 4, -1, -1])
    nothing = np.zeros(9, dtype=np.bool_)
    none = Constraints.none(9)
    assert np.array_equal(grow(rows, labels, nothing, threshold=4, constraints=none), labels)
    assert len(grow(rows[:0], labels[:0], nothing[:0], threshold=1, constraints=none.none(0))) == 0
