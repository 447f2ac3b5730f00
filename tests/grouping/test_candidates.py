import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecluster.grouping import candidates
from facecluster.grouping.candidates import near_pairs, seed_radius
from facecluster.grouping.constraints import pair_keys
from facecluster.grouping.edges import Edges, incidence
from facecluster.grouping.steps import result

from .test_agglomerative import small_tiles


def vectors(seed, m, dimension=6):
    rows = np.random.default_rng(seed).normal(size=(m, dimension))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def naive(means):
    return {
        (i, j): 2.0 - 2.0 * float(means[i] @ means[j]) for j in range(len(means)) for i in range(j)
    }


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    m=st.integers(1, 60),
    scanned=st.floats(0, 1),
    held=st.sampled_from([4, 30, 10_000]),
)
def test_no_pair_nearer_than_the_radius_is_missed(seed, m, scanned, held):
    means, chance = vectors(seed, m), np.random.default_rng(seed)
    scanned = int(scanned * m)
    radius = chance.uniform(0, 3, size=m)
    radius[chance.random(m) < 0.3] = -1.0
    barred = np.sort(pair_keys(*chance.integers(m, size=(2, m // 2)), m))
    with pytest.MonkeyPatch.context() as patch:
        small_tiles(patch, 16)
        patch.setattr(candidates, "KEPT", 3)
        found = result(
            near_pairs(means.__getitem__, radius, scanned=scanned, barred=barred, held=held)
        )
    listed = dict(
        zip(zip(found.a.tolist(), found.b.tolist(), strict=True), found.distance, strict=True)
    )
    assert len(listed) == len(found.a)
    assert (found.radius <= radius).all()
    assert (found.radius[scanned:] == radius[scanned:]).all()
    if held == 10_000:
        assert (found.radius == radius).all()
    for (i, j), distance in naive(means).items():
        if (i, j) in listed:
            assert listed[i, j] == pytest.approx(distance)
            assert i * m + j not in barred
        elif i < scanned and i * m + j not in barred:
            assert distance >= max(found.radius[i], found.radius[j]) - 1e-9


@pytest.mark.parametrize("held", [1, 50])
def test_every_scanned_position_keeps_its_nearest_when_memory_is_short(monkeypatch, held):
    small_tiles(monkeypatch, 32)
    means = vectors(3, 200)
    none = np.empty(0, np.int64)
    found = result(
        near_pairs(means.__getitem__, np.full(200, 4.1), scanned=200, barred=none, held=held)
    )
    assert len(found.a) < 200 * candidates.KEPT * 2
    similarity = means @ means.T - 9 * np.eye(200)
    listed = set(zip(found.a.tolist(), found.b.tolist(), strict=True))
    for i, j in enumerate(similarity.argmax(axis=1).tolist()):
        assert (min(i, j), max(i, j)) in listed


def test_the_first_radius_is_the_limit_where_pairs_are_few():
    means = np.eye(300, dtype=np.float32)
    assert (seed_radius(means.__getitem__, 300, 300, 1.5, 100) == 1.5).all()


@pytest.mark.parametrize("m", [40, 3000])
def test_the_first_radius_holds_some_tens_in_a_crowd(m):
    means = vectors(4, m, 8).astype(np.float32)
    radius = seed_radius(means.__getitem__, m, m, 4.0, m)
    near = (2.0 - 2.0 * means @ means.T < radius[:, None]).sum(axis=1)
    assert 8 <= np.median(near) <= 100


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 12), count=st.integers(0, 40))
def test_edges_are_listed_at_both_their_ends(seed, size, count):
    a, b = np.random.default_rng(seed).integers(size, size=(2, count)).astype(np.int32)
    numbers, starts = incidence(a, b, size)
    for vertex in range(size):
        plain = sorted([*np.flatnonzero(a == vertex), *np.flatnonzero(b == vertex)])
        assert numbers[starts[vertex] : starts[vertex + 1]].tolist() == plain


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 40))
def test_edges_are_those_of_a_plain_list(seed, size):
    chance = np.random.default_rng(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facecluster.grouping.edges.RECENT", 3)
        a, b = chance.integers(size, size=(2, 30))
        edges = Edges(size, a, b, np.arange(30.0))
        plain = {float(k): (a[k], b[k]) for k in range(30)}
        for turn in range(12):
            some = np.unique(chance.integers(size, size=chance.integers(1, 1 + size)))
            numbers = edges.of(some)
            assert (np.diff(numbers) > 0).all()
            expected = {k for k, ends in plain.items() if np.isin(ends, some).any()}
            assert set(edges.distance[numbers].tolist()) == expected
            gone = numbers[chance.random(len(numbers)) < 0.5]
            for key in edges.distance[gone].tolist():
                del plain[key]
            edges.drop(gone)
            more = chance.integers(size, size=(2, chance.integers(0, 9)))
            names = 100.0 * (turn + 1) + np.arange(more.shape[1])
            edges.add(more[0], more[1], names)
            plain.update(zip(names.tolist(), more.T, strict=True))
        assert set(edges.distance[edges.all()].tolist()) == set(plain)
