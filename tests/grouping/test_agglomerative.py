import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster
from scipy.cluster.hierarchy import linkage as textbook
from scipy.spatial.distance import pdist

from facecluster.errors import UsageError
from facecluster.grouping import (
    Constraints,
    Dendrogram,
    agglomerative,
    blocks,
    candidates,
    cut,
    linkage,
)


def unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def people(seed, n, dimension, noise, count):
    """Rows around `count` random directions; noise 1 is as long as the direction itself."""
    chance = np.random.default_rng(seed)
    centres = unit(chance.normal(size=(count, dimension)))
    which = chance.integers(count, size=n)
    return unit(centres[which] + noise * chance.normal(size=(n, dimension)) / dimension**0.5)


def small_tiles(patch, tile):
    """Blocks so small, and searched again by cells, in libraries of a few faces."""
    patch.setattr(blocks, "TILE", tile)
    patch.setattr(blocks, "CELL", 2 * tile)
    patch.setattr(blocks, "PIVOT", 8)
    patch.setattr(candidates, "TILE", tile)
    patch.setattr(agglomerative, "FEWEST", 2 * tile)
    patch.setattr(agglomerative, "CROWDED", 0.0)


def partition(labels):
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


def oracle(rows, threshold):
    rows = rows.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return fcluster(textbook(pdist(rows, "sqeuclidean"), "average"), threshold, "distance")


def ours(rows, threshold, constraints=None):
    constraints = constraints or Constraints.none(len(rows))
    return cut(linkage(rows, threshold=threshold, constraints=constraints), threshold)


def replay(tree: Dendrogram, rows, constraints):
    """Check that each merge joins the nearest allowed pair of groups, and that none is left."""
    rows = rows.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    pairwise = 2.0 - 2.0 * rows @ rows.T
    for i, j in constraints.barred(rows).tolist():
        pairwise[i, j] = pairwise[j, i] = np.inf
    members = {i: [i] for i in range(len(rows))}

    def join(i, j):
        both = members[i] + members[j]
        members.update(dict.fromkeys(both, both))

    def distances():
        groups = list({id(group): group for group in members.values()}.values())
        return [
            pairwise[np.ix_(one, other)].mean()
            for k, one in enumerate(groups)
            for other in groups[:k]
        ]

    for i, j in constraints.together.tolist():
        if members[i] is not members[j]:
            join(i, j)
    assert (np.diff(tree.heights) >= 0).all()
    for (i, j), height in zip(tree.rows.tolist(), tree.heights, strict=True):
        if members[i] is members[j]:
            continue
        between = pairwise[np.ix_(members[i], members[j])].mean()
        assert height == pytest.approx(between, abs=1e-6)
        assert height <= min(distances()) + 1e-6
        join(i, j)
    assert min(distances(), default=np.inf) > tree.threshold - 1e-6
    assert {frozenset(group) for group in members.values()} == partition(cut(tree, tree.threshold))


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 300),
    dimension=st.sampled_from([2, 3, 8, 32, 128]),
    noise=st.sampled_from([0.01, 0.3, 0.9, 3.0]),
    count=st.sampled_from([1, 3, 20, 200]),
    threshold=st.sampled_from([0.05, 0.6, 1.1, 1.9, 4.0]),
)
def test_equals_scipy(seed, n, dimension, noise, count, threshold):
    rows = people(seed, n, dimension, noise, count)
    assert partition(ours(rows, threshold)) == partition(oracle(rows, threshold))


@pytest.mark.parametrize("threshold", [1.1, 1.99, 4.0])
@pytest.mark.parametrize(("dimension", "noise"), [(128, 0.9), (8, 1.0), (4, 3.0)])
def test_equals_scipy_where_lists_overflow(monkeypatch, threshold, dimension, noise):
    small_tiles(monkeypatch, 64)
    monkeypatch.setattr(candidates, "KEPT", 2)
    rows = people(5, 1200, dimension, noise, 40)
    assert partition(ours(rows, threshold)) == partition(oracle(rows, threshold))


def test_equals_scipy_when_memory_forces_thinning(monkeypatch):
    monkeypatch.setattr("facecluster.grouping.agglomerative.HELD", 4)
    monkeypatch.setattr("facecluster.grouping.agglomerative.LEAST_HELD", 1)
    small_tiles(monkeypatch, 32)
    monkeypatch.setattr(candidates, "KEPT", 2)
    rows = people(6, 700, 16, 1.0, 12)
    for threshold in (0.9, 1.5, 4.0):
        assert partition(ours(rows, threshold)) == partition(oracle(rows, threshold))


@pytest.mark.parametrize("threshold", [0.3, 1.1])
def test_equals_scipy_with_copies_of_rows(threshold):
    rows = people(1, 120, 16, 0.8, 10)
    rows = rows[np.random.default_rng(2).integers(120, size=600)]
    assert partition(ours(rows, threshold)) == partition(oracle(rows, threshold))


@settings(max_examples=40)
@given(
    rows=st.lists(st.tuples(*[st.integers(-1, 1)] * 3).filter(any), min_size=1, max_size=24),
    threshold=st.sampled_from([0.0, 0.5, 1.0, 2.0, 4.0]),
)
def test_with_ties_every_merge_is_a_nearest_pair(rows, threshold):
    rows = unit(rows)
    none = Constraints.none(len(rows))
    replay(linkage(rows, threshold=threshold, constraints=none), rows, none)


@st.composite
def statements(draw, largest=24):
    n = draw(st.integers(1, largest))
    person = draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
    some = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))
    drawn = draw(st.lists(some, max_size=n))
    together = [pair for pair in drawn if person[pair[0]] == person[pair[1]]]
    apart = [
        pair for pair in draw(st.lists(some, max_size=n)) if person[pair[0]] != person[pair[1]]
    ]
    photos = draw(st.lists(st.integers(-1, n // 2), min_size=n, max_size=n))
    return n, Constraints(
        together=np.array(together, dtype=np.int64).reshape(-1, 2),
        apart=np.array(apart, dtype=np.int64).reshape(-1, 2),
        photos=np.array(photos, dtype=np.int64),
    )


@settings(max_examples=80)
@given(
    stated=statements(),
    seed=st.integers(0, 2**32 - 1),
    noise=st.sampled_from([0.0, 0.5, 1.0]),
    threshold=st.sampled_from([0.2, 1.1, 4.0]),
)
def test_with_statements_every_merge_is_the_nearest_allowed_pair(stated, seed, noise, threshold):
    n, constraints = stated
    rows = people(seed, n, 4, noise, 3)
    replay(linkage(rows, threshold=threshold, constraints=constraints), rows, constraints)


@pytest.mark.parametrize("seed", range(6))
def test_with_statements_and_short_memory_the_merges_are_the_same(monkeypatch, seed):
    monkeypatch.setattr("facecluster.grouping.agglomerative.HELD", 3)
    monkeypatch.setattr("facecluster.grouping.agglomerative.LEAST_HELD", 1)
    small_tiles(monkeypatch, 16)
    monkeypatch.setattr(candidates, "KEPT", 2)
    rows = people(seed, 90, 6, 0.8, 4)
    chance = np.random.default_rng(seed)
    drawn = chance.integers(90, size=(40, 2))
    truth = chance.integers(5, size=90)
    alike = truth[drawn[:, 0]] == truth[drawn[:, 1]]
    constraints = Constraints(drawn[alike][:5], drawn[~alike], chance.integers(40, size=90))
    replay(linkage(rows, threshold=2.5, constraints=constraints), rows, constraints)


def test_no_rows_have_no_merges():
    tree = linkage(np.empty((0, 8), np.float32), threshold=1.0, constraints=Constraints.none(0))
    assert len(tree.rows) == len(tree.heights) == len(cut(tree, 1.0)) == 0


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), noise=st.sampled_from([0.3, 0.9, 2.0]))
def test_the_order_of_the_rows_does_not_matter(seed, noise):
    rows = people(seed, 150, 16, noise, 15)
    order = np.random.default_rng(seed).permutation(150)
    labels = np.empty(150, dtype=np.int64)
    labels[order] = ours(rows[order], 1.1)
    assert partition(labels) == partition(ours(rows, 1.1))


def test_cut_lower_equals_grouping_anew():
    rows = people(3, 400, 32, 0.9, 40)
    tree = linkage(rows, threshold=1.6, constraints=Constraints.none(400))
    for threshold in (0.0, 0.4, 0.9, 1.3, 1.6):
        assert partition(cut(tree, threshold)) == partition(ours(rows, threshold))


def test_cut_above_what_is_known_is_refused():
    tree = linkage(people(3, 20, 8, 0.5, 3), threshold=1.0, constraints=Constraints.none(20))
    with pytest.raises(UsageError, match="group again"):
        cut(tree, 1.2)


@pytest.mark.parametrize("threshold", [-0.1, float("nan")])
def test_a_threshold_that_is_no_distance_is_refused(threshold):
    with pytest.raises(UsageError, match="0 to 4"):
        linkage(people(3, 4, 8, 0.5, 3), threshold=threshold, constraints=Constraints.none(4))


@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-4])
def test_a_thousand_almost_equal_rows_end_in_one_group(noise):
    chance = np.random.default_rng(0)
    rows = unit(np.eye(1, 64) + noise * chance.normal(size=(1000, 64)))
    assert len(np.unique(ours(rows, 0.5))) == 1


def test_equidistant_rows_end_in_one_group_or_none():
    rows = np.eye(400, dtype=np.float32)
    assert len(np.unique(ours(rows, 1.99))) == 400
    assert len(np.unique(ours(rows, 2.0))) == 1


def test_equal_calls_give_equal_trees():
    rows = people(9, 500, 32, 1.0, 30)
    one, other = (linkage(rows, threshold=1.4, constraints=Constraints.none(500)) for _ in range(2))
    assert np.array_equal(one.rows, other.rows)
    assert np.array_equal(one.heights, other.heights)
