import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecluster.grouping.blocks import Cells, Tiles, arranged
from facecluster.grouping.candidates import near_pairs
from facecluster.grouping.constraints import pair_keys
from facecluster.grouping.steps import result

from .test_agglomerative import people, small_tiles


def pairs_of(plan):
    for rows, columns, cell in plan.blocks:
        i = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        j = np.arange(columns.start, columns.stop) if isinstance(columns, slice) else columns
        i, j = (grid.ravel().astype(np.int32) for grid in np.meshgrid(i, j, indexing="ij"))
        seen = plan.first_seen(i, j, cell)
        yield from zip(i[seen].tolist(), j[seen].tolist(), strict=True)


@pytest.mark.parametrize(("scanned", "m"), [(0, 5), (5, 5), (9, 20), (16, 20), (20, 20)])
def test_tiles_have_every_pair_once(monkeypatch, scanned, m):
    small_tiles(monkeypatch, 4)
    pairs = list(pairs_of(Tiles(scanned, m)))
    assert sorted(pairs) == [(i, j) for i in range(scanned) for j in range(i + 1, m)]


def test_like_rows_are_put_side_by_side():
    chance = np.random.default_rng(0)
    centres = np.linalg.qr(chance.normal(size=(32, 32)))[0][:6]
    who = chance.integers(6, size=1200)
    rows = (centres[who] + 0.02 * chance.normal(size=(1200, 32))).astype(np.float32)
    one_each = np.unique(who, return_index=True)[1]
    rest = np.setdiff1d(np.arange(1200), one_each)
    order = arranged(rows.__getitem__, 1200, np.concatenate([one_each, rest]))
    assert sorted(order.tolist()) == list(range(1200))
    assert np.count_nonzero(np.diff(who[order])) == 5


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    m=st.integers(2, 150),
    count=st.sampled_from([2, 12, 60]),
    rounds=st.integers(0, 4),
    precision=st.sampled_from([np.float32, np.float64]),
)
def test_no_near_pair_is_left_out_after_merges(seed, m, count, rounds, precision):
    chance = np.random.default_rng(seed)
    means = people(seed, m, 16, 0.5, count).astype(np.float64)
    size = np.ones(m)
    with pytest.MonkeyPatch.context() as patch:
        small_tiles(patch, 8)
        means = means[arranged(means.astype(np.float32).__getitem__, m, chance.permutation(m))]
        cells = Cells(m, means.shape[1])
        search(means.astype(np.float32), np.full(m, 1.0), m, cells)
        for _ in range(rounds):
            means, size = merged(means, size, cells, chance)
        scanned = int(chance.integers(len(means) + 1))
        radius = np.full(len(means), -1.0)
        radius[:scanned] = chance.uniform(0.1, 1.5, size=scanned)
        listed = search(means.astype(precision), radius, scanned, cells)
    assert len(set(listed)) == len(listed)
    apart = 2.0 - 2.0 * means @ means.T
    for i in range(scanned):
        for j in range(i + 1, len(means)):
            if apart[i, j] < max(radius[i], radius[j]) - 1e-5:
                assert (i, j) in listed


def search(means, radius, scanned, cells):
    none = np.empty(0, np.int64)
    found = result(
        near_pairs(means.__getitem__, radius, scanned=scanned, barred=none, held=10**6, cells=cells)
    )
    return list(zip(found.a.tolist(), found.b.tolist(), strict=True))


def merged(means, size, cells, chance):
    """A third of the slots put into others, and the rest in another order."""
    drawn = chance.permutation(len(means))[: len(means) // 3 * 2].reshape(2, -1)
    first, second = drawn
    cells.merge(first, second, size)
    total = size[first] + size[second]
    sums = size[first, None] * means[first] + size[second, None] * means[second]
    means, size = means.copy(), size.copy()
    means[first], size[first] = sums / total[:, None], total
    keep = chance.permutation(np.setdiff1d(np.arange(len(means)), second))
    cells.keep(keep)
    return means[keep], size[keep]


def test_what_is_far_is_not_compared_again(monkeypatch):
    small_tiles(monkeypatch, 8)
    means = np.repeat(np.eye(8, dtype=np.float32), 16, axis=0)
    cells = Cells(128, 8)
    search(means, np.full(128, 0.5), 128, cells)
    pairs = set(pairs_of(cells.plan(32, np.full(128, 0.5))))
    assert {tuple(sorted(pair)) for pair in pairs} == {
        (i, j) for i in range(32) for j in range(i + 1, 16 * (i // 16 + 1))
    }


def test_barred_pairs_are_left_out_of_later_searches(monkeypatch):
    small_tiles(monkeypatch, 8)
    means = people(1, 64, 16, 0.5, 3)
    cells = Cells(64, means.shape[1])
    search(means, np.full(64, 1.0), 64, cells)
    apart = 2.0 - 2.0 * means @ means.T
    near = [(i, j) for i in range(64) for j in range(i + 1, 64) if apart[i, j] < 0.9]
    keys = np.sort(pair_keys(*np.array(near[::2]).T, 64))
    found = result(
        near_pairs(
            means.__getitem__, np.full(64, 0.9), scanned=64, barred=keys, held=10**6, cells=cells
        )
    )
    assert sorted(zip(found.a.tolist(), found.b.tolist(), strict=True)) == near[1::2]
