"""Poor faces put to groups: against plain loops, and that they change nothing for the others."""

from __future__ import annotations

import numpy as np
import pytest

from facecluster.grouping import Constraints, attach, attach_lone, group
from facecluster.grouping.attaching import LARGE, MARGIN, REACH

from .test_growing import EMPTY, faces


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("by_centroid", [True, False])
def test_each_goes_to_the_nearest_group_within_the_threshold(seed: int, by_centroid: bool) -> None:
    chance = np.random.default_rng(seed)
    rows = faces(seed, 60, 5, 0.7)
    labels = np.where(np.arange(60) < 40, chance.integers(-1, 6, size=60) * 3, -1)
    labels[labels < 0] = -1
    core = np.arange(60) < 35
    new = np.arange(60) >= 40
    found = attach(
        rows,
        labels,
        new,
        core,
        threshold=1.0,
        constraints=Constraints.none(60),
        by_centroid=by_centroid,
    )
    assert np.array_equal(found[:40], labels[:40])
    vectors = rows.astype(np.float64)
    for row in range(40, 60):
        away = {}
        for label in set(labels[core].tolist()) - {-1}:
            members = vectors[core & (labels == label)]
            if by_centroid:
                middle = members.mean(axis=0)
                away[label] = ((vectors[row] - middle / np.linalg.norm(middle)) ** 2).sum()
            else:
                away[label] = ((vectors[row] - members) ** 2).sum(axis=1).mean()
        best = min(away, key=lambda label: away[label])
        assert found[row] == (best if away[best] <= 1.0 else -1)


@pytest.mark.parametrize("block", [1, 4_000_000])  # a row at a time, and all at once
def test_of_two_on_one_photo_the_nearer_has_it(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facecluster.grouping.attaching.BLOCK", block)
    near, far, other = [1, 0.1, 0], [1, 0.95, 0], [0, 1, 0]
    rows = np.float32([[1, 0, 0], [1, 0, 0], other, other, far, near])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels = np.array([4, 4, 2, 2, -1, -1])
    photos = np.array([0, 1, 2, 3, 9, 9])
    new = labels < 0
    found = attach(
        rows, labels, new, ~new, threshold=1.0, constraints=Constraints(EMPTY, EMPTY, photos)
    )
    assert found.tolist() == [4, 4, 2, 2, 2, 4]
    close = attach(
        rows, labels, new, ~new, threshold=0.5, constraints=Constraints(EMPTY, EMPTY, photos)
    )
    assert close.tolist() == [4, 4, 2, 2, -1, 4]


def test_what_is_stated_holds() -> None:
    rows = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 0]]
    labels = np.array([0, 0, 1, 1, -1])
    new = labels < 0
    stated = Constraints(EMPTY, np.array([[4, 1]]), np.full(5, -1))
    assert attach(rows, labels, new, ~new, threshold=1.0, constraints=stated)[4] == -1
    assert attach(rows, labels, new, ~new, threshold=3.0, constraints=stated)[4] == 1


def test_without_groups_or_new_faces_nothing_changes() -> None:
    rows, none = faces(0, 4, 1, 0.2), Constraints.none(4)
    alone, every = np.full(4, -1), np.ones(4, dtype=np.bool_)
    assert attach(rows, alone, every, every, threshold=4, constraints=none).tolist() == [-1] * 4
    zero = np.zeros(4, dtype=np.int64)
    assert attach(rows, zero, ~every, every, threshold=4, constraints=none).tolist() == [0] * 4


def at(*degrees: float) -> np.ndarray:
    turn = np.radians(degrees)
    return np.stack([np.cos(turn), np.sin(turn)], axis=1).astype(np.float32)


def between(one: float, other: float) -> float:
    """The squared distance of two directions."""
    return float(2 - 2 * np.cos(np.radians(one - other)))


def test_margin_and_size_are_asked_of_the_nearest_group() -> None:
    rows = at(0, 0, 0, 50, 50, 20, 24)
    labels = np.array([0, 0, 0, 1, 1, -1, -1])
    new, none = labels < 0, Constraints.none(7)
    gap = between(20, 50) - between(20, 0)
    for margin, expected in ((gap - 0.01, [0, -1]), (gap + 0.01, [-1, -1]), (0.0, [0, 0])):
        found = attach(rows, labels, new, ~new, threshold=1, constraints=none, margin=margin)
        assert found[5:].tolist() == expected
    found = attach(rows, labels, new, ~new, threshold=1, constraints=none, margin=1.0, least=3)
    assert found[5:].tolist() == [0, 0], "a group that is too small is no rival"
    found = attach(rows, labels, new, ~new, threshold=1, constraints=none, least=4)
    assert found[5:].tolist() == [-1, -1]
    beside = Constraints(EMPTY, np.array([[5, 3]]), np.full(7, -1))
    found = attach(rows, labels, new, ~new, threshold=1, constraints=beside, margin=gap + 0.01)
    assert found[5] == 0, "nor is one where it cannot be"


def test_a_lone_face_joins_a_large_group_beyond_the_threshold_and_no_other() -> None:
    threshold = 0.2
    reach = np.degrees(np.arccos(1 - REACH * threshold / 2))
    just = np.degrees(np.arccos(1 - threshold / 2))
    assert just + 1 < reach
    large, small = [0.0] * LARGE, [180.0] * (LARGE - 1)
    rows = at(*large, *small, reach - 0.5, -reach - 0.5, 180 + reach - 0.5)
    labels = group(
        rows,
        method="agglomerative",
        threshold=threshold,
        k=None,
        constraints=Constraints.none(len(rows)),
    )
    assert labels[: LARGE - 1].tolist() == [0] * (LARGE - 1)
    assert labels[-3:].tolist() == [0, -1, -1]
    average = group(
        rows,
        method="agglomerative",
        threshold=threshold,
        k=None,
        constraints=Constraints.none(len(rows)),
        by_centroid=False,
    )
    assert average[-3:].tolist() == [-1, -1, -1]


def test_lone_faces_keep_out_of_groups_with_a_rival_or_a_statement() -> None:
    threshold = 0.2
    other = np.degrees(np.arccos(1 - (1 + MARGIN) * threshold / 2))
    rows = at(*[0.0] * LARGE, *[2 * other - 8] * LARGE, other - 6, -other + 8)
    labels = np.repeat([0, 1, -1], [LARGE, LARGE, 2])
    new = labels < 0
    none = Constraints.none(len(rows))
    found = attach_lone(rows, labels, new, ~new, threshold=threshold, constraints=none)
    assert found[-2:].tolist() == [-1, 0]
    apart = Constraints(EMPTY, np.array([[len(rows) - 1, 0]]), np.full(len(rows), -1))
    found = attach_lone(rows, labels, new, ~new, threshold=threshold, constraints=apart)
    assert found[-2:].tolist() == [-1, -1]
