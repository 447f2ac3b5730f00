"""Spherical k-means that leaves out who is out of reach."""

import numpy as np
import pytest

from facecluster.grouping import Constraints, kmeans
from facecluster.grouping.kmeans import centres_of, kmeans_steps
from facecluster.grouping.steps import result


def found(rows, centres, reach):
    return result(kmeans_steps(rows, centres, reach, Constraints.none(len(rows)), 0)).tolist()


@pytest.mark.parametrize("full", [kmeans.FULL, 0])
def test_faces_out_of_reach_do_not_pull_a_centre_away(monkeypatch, full):
    monkeypatch.setattr(kmeans, "FULL", full)
    rows = np.eye(3, dtype=np.float32)[[0, 0, 0, 1, 1, 1, 1, 1, 1]]
    centres = np.eye(3, dtype=np.float32)[:1]
    assert found(rows, centres, 0.5) == [0, 0, 0, -1, -1, -1, -1, -1, -1]
    assert found(rows, centres, 4.0) == [0] * 9


def test_a_centre_that_nobody_is_near_takes_nobody():
    rows = np.eye(3, dtype=np.float32)[[0, 0]]
    assert found(rows, np.eye(3, dtype=np.float32)[:2], 0.5) == [0, 0]
    assert found(rows, np.eye(3, dtype=np.float32)[2:], 0.5) == [-1, -1]


def test_centres_are_those_of_the_groups_that_are_large_enough():
    rows = np.eye(2, dtype=np.float32)[[0, 1, 0, 1, 1]]
    labels = np.array([7, 7, 3, 9, 9])
    half = np.sqrt(0.5)
    assert centres_of(rows, labels, 2) == pytest.approx(np.array([[half, half], [0, 1]]))
    assert len(centres_of(rows, labels, 3)) == 0
