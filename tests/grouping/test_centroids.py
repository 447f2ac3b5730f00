import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecluster.grouping import METHODS, Constraints, candidates, centroids, cut, group, linkage
from facecluster.grouping.centroids import join_by_centroid

from .test_agglomerative import partition, people, small_tiles, unit


def averaged(rows, threshold, constraints):
    return cut(linkage(rows, threshold=threshold, constraints=constraints), threshold)


def centroid(rows):
    total = rows.astype(np.float64).sum(axis=0)
    return total / np.linalg.norm(total)


def allowed_pairs(rows, groups, barred, threshold):
    """(distance, place, place) of the groups that may be joined, one of two faces and more."""
    found = []
    for i, one in enumerate(groups):
        for j in range(i):
            pair = one | groups[j]
            if len(pair) == 2 or any(a in pair and b in pair for a, b in barred):
                continue
            distance = 2 - 2 * centroid(rows[list(one)]) @ centroid(rows[list(groups[j])])
            if distance <= threshold:
                found.append((distance, j, i))
    return found


def naively(rows, labels, threshold, constraints):
    """The same rounds, all distances computed anew each time."""
    barred = constraints.barred(rows).tolist()
    groups = sorted((set(one) for one in partition(labels)), key=min)
    while pairs := sorted(allowed_pairs(rows, groups, barred, threshold)):
        taken, seen = [], set()
        for _, i, j in pairs:
            # the nearest of both: none of their pairs came before it
            if i not in seen and j not in seen:
                taken.append((i, j))
            seen |= {i, j}
        for i, j in taken:
            groups[i] |= groups[j]
        gone = {j for _, j in taken}
        groups = [one for place, one in enumerate(groups) if place not in gone]
    return {frozenset(one) for one in groups}


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 120),
    dimension=st.sampled_from([3, 8, 32]),
    noise=st.sampled_from([0.5, 1.0, 1.4]),
    threshold=st.sampled_from([0.3, 0.7, 1.0, 1.4]),
    photos=st.booleans(),
)
def test_rounds_are_those_of_the_naive_loop(seed, n, dimension, noise, threshold, photos):
    rows = people(seed, n, dimension, noise, max(1, n // 8))
    chance = np.random.default_rng(seed)
    apart = chance.integers(n, size=(n // 10, 2))
    apart = apart[apart[:, 0] != apart[:, 1]]
    bound = Constraints(
        together=np.empty((0, 2), np.int64),
        apart=apart,
        photos=chance.integers(n, size=n) if photos else np.full(n, -1),
    )
    labels = averaged(rows, threshold, bound)
    joined = join_by_centroid(rows, labels, threshold=threshold, constraints=bound)
    assert partition(joined) == naively(rows, labels, threshold, bound)


def test_short_lists_change_nothing(monkeypatch):
    rows = people(3, 600, 16, 1.2, 12)
    bound = Constraints.none(len(rows))
    labels = averaged(rows, 0.8, bound)
    plain = join_by_centroid(rows, labels, threshold=1.2, constraints=bound)
    monkeypatch.setattr(centroids, "HELD", 1)
    monkeypatch.setattr(centroids, "LEAST_HELD", 1)
    monkeypatch.setattr(candidates, "KEPT", 2)
    small_tiles(monkeypatch, 64)
    assert (join_by_centroid(rows, labels, threshold=1.2, constraints=bound) == plain).all()
    assert len(partition(plain)) < len(partition(labels))


@pytest.mark.parametrize("method", METHODS)
def test_it_joins_what_each_method_leaves_apart(method):
    """Faces that scatter 1.2 from each other: people are found whole, and nobody is mixed."""
    true = np.repeat(np.arange(8), 40)
    noise = np.random.default_rng(0).normal(size=(320, 128)) / 128**0.5
    rows = unit(np.eye(8, 128)[true] + 1.15 * noise)

    def found(by_centroid):
        return group(
            rows,
            method=method,
            threshold=0.95,
            k=None,
            constraints=Constraints.none(320),
            by_centroid=by_centroid,
        )

    plain, joined = found(False), found(True)
    for label in range(joined.max() + 1):
        assert len(np.unique(true[joined == label])) == 1
    assert np.bincount(joined[joined >= 0])[:8].sum() >= 300
    assert np.bincount(plain[plain >= 0])[:8].sum() <= 200


def test_single_faces_are_left_to_average_linkage():
    rows = np.eye(3, 8, dtype=np.float32)
    labels = np.arange(3)
    alone = join_by_centroid(rows, labels, threshold=4, constraints=Constraints.none(3))
    assert alone.tolist() == [0, 1, 2]


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_to_join(n):
    rows = np.eye(n, 4, dtype=np.float32)
    found = join_by_centroid(rows, np.arange(n), threshold=1, constraints=Constraints.none(n))
    assert found.tolist() == list(range(n))


def test_faces_that_cancel_out_have_no_neighbour():
    rows = np.array([[1, 0], [-1, 0], [0, 1]], dtype=np.float32)
    labels = np.array([5, 5, 9])
    found = join_by_centroid(rows, labels, threshold=1.9, constraints=Constraints.none(3))
    assert found.tolist() == [0, 0, 2]
