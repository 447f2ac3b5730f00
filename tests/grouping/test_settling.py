"""Groups that follow what was said since they were made, and faces that stay where nothing was."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from facecluster.grouping import Constraints, group, settle

from .test_growing import faces, said

EMPTY = np.empty((0, 2), dtype=np.int64)


def settled(
    rows: object,
    labels: list[int],
    together: object = EMPTY,
    apart: object = EMPTY,
    released: list[int] | None = None,
) -> list[int]:
    n = len(labels)
    found = settle(
        np.asarray(rows, dtype=np.float32),
        np.array(labels),
        np.isin(np.arange(n), released or []),
        threshold=0.5,
        constraints=Constraints(
            np.asarray(together, dtype=np.int64),
            np.asarray(apart, dtype=np.int64),
            np.full(n, -1, dtype=np.int64),
        ),
    )
    return found.tolist()


ONE = np.eye(4)[[0] * 6]  # six faces of one person
TWO = np.eye(4)[[0, 0, 0, 1, 1, 1]]  # three of each of two


def test_nothing_said_changes_nothing() -> None:
    assert settled(TWO, [1, 1, -1, 1, 2, 2]) == [1, 1, -1, 1, 2, 2]


def test_a_rejected_face_leaves_alone() -> None:
    named = [[0, 0], [0, 1]]
    assert settled(ONE, [1] * 6, named, [[5, 0]]) == [1, 1, 1, 1, 1, -1]
    assert settled(ONE, [1] * 6, named, [[0, 5]]) == [1, 1, 1, 1, 1, -1]


def test_faces_said_to_be_one_person_go_where_most_of_them_are() -> None:
    chain = [[0, 1], [1, 2], [2, 3], [3, 4]]
    assert settled(ONE, [4, 4, 3, 3, 3, 4], chain) == [3, 3, 3, 3, 3, 4]
    assert settled(ONE, [4, 4, 3, 3, -1, 4], chain) == [3, 3, 3, 3, 3, 4], "the lower of equals"
    assert settled(ONE, [-1] * 6, chain) == [-1] * 6


def test_a_group_of_two_people_is_divided_by_likeness() -> None:
    two = [[0, 0], [3, 3], [3, 4]]
    assert settled(TWO, [1] * 6, two, [[0, 3]]) == [1, 1, 1, -1, -1, -1]


def test_faces_named_in_the_group_of_somebody_else_go_to_their_own_person() -> None:
    rows, bobs, anns = np.eye(4)[[0] * 7], [[0, 1], [1, 2], [2, 3]], [[4, 5], [5, 6]]
    # the two last of group 1 are Ann's, who has group 2
    assert settled(rows, [1, 1, 1, 1, 1, 1, 2], bobs + anns, [[0, 4]]) == [1, 1, 1, 1, 2, 2, 2]
    # a face of Bob in the group of Ann
    assert settled(rows, [2, 1, 1, 1, 2, 2, 2], bobs + anns, [[0, 4]]) == [1, 1, 1, 1, 2, 2, 2]


def test_a_name_taken_back_lets_go_what_is_not_alike() -> None:
    # the last three had been named like the first three
    assert settled(TWO, [1] * 6, [[0, 1], [1, 2]], released=[3, 4, 5]) == [1, 1, 1, -1, -1, -1]
    assert settled(ONE, [1] * 6, [[0, 1], [1, 2]], released=[3, 4, 5]) == [1] * 6
    # a whole group was named, which is taken back: it stays what it was
    assert settled(TWO, [1, 1, 1, 2, 2, 2], released=[3, 4, 5]) == [1, 1, 1, 2, 2, 2]
    # faces of which nothing was taken back stay, like or not
    assert settled(TWO, [1] * 6, released=[5]) == [1, 1, 1, 1, 1, -1]


@given(st.integers(0, 10**6), st.integers(8, 60))
@settings(max_examples=60)
def test_what_is_settled_obeys_and_nobody_else_moves(seed: int, n: int) -> None:
    rows, stated = faces(seed, n, 4, 0.7), said(seed, n)
    before = group(
        rows, method="agglomerative", threshold=1.0, k=None, constraints=Constraints.none(n)
    )
    after = settle(rows, before, np.zeros(n, dtype=np.bool_), threshold=1.0, constraints=stated)
    one, other = after[stated.apart].T
    assert not np.any((one == other) & (one >= 0))
    spoken = np.unique(np.concatenate([stated.together, stated.apart]))
    divided = before[stated.together]
    untouched = ~np.isin(np.arange(n), spoken) & ~np.isin(before, divided)
    assert np.array_equal(after[untouched], before[untouched])
    left = after != before
    assert np.all((after[left] == -1) | np.isin(np.flatnonzero(left), stated.together))
