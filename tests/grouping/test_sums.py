import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecluster.grouping import Constraints, linkage
from facecluster.grouping.sums import Sums


def vectors(seed, n, dimension=5):
    return np.random.default_rng(seed).normal(size=(n, dimension)).astype(np.float32)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40), turns=st.integers(0, 6))
def test_sums_are_those_of_plain_lists_of_rows(seed, n, turns):
    rows, chance = vectors(seed, n), np.random.default_rng(seed)
    _, slot = np.unique(chance.integers(n, size=n), return_inverse=True)
    units = rows / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    members = [np.flatnonzero(slot == k).tolist() for k in range(slot.max() + 1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facecluster.grouping.sums.CHUNK", 3)
        sums = Sums(rows, slot)
        for _ in range(turns):
            mixed = chance.permutation(len(members))
            pairs = mixed[: len(mixed) // 4 * 2].reshape(-1, 2)
            sums.add(pairs[:, 0], pairs[:, 1])
            for first, second in pairs.tolist():
                members[first] = members[first] + members[second]
            kept = chance.permutation(np.setdiff1d(mixed, pairs[:, 1]))
            sums.keep(kept)
            members = [members[k] for k in kept.tolist()]
            plain = np.stack([units[group].sum(axis=0) for group in members])
            every = np.arange(len(members))
            assert sums.of(every) == pytest.approx(plain, abs=1e-12)
            other = chance.permutation(every)
            dots = sums.dots(every, other)
            assert dots == pytest.approx((plain * plain[other]).sum(axis=1), abs=1e-12)
            assert np.array_equal(dots, sums.dots(other, every))


def test_rows_alone_take_no_doubles():
    rows = vectors(0, 4000, 128)
    tracemalloc.start()
    Sums(rows, np.arange(4000))
    top = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert top < rows.nbytes / 2


def test_average_linkage_takes_at_most_four_times_the_memory_of_the_vectors():
    centres = np.repeat(vectors(1, 1000, 128), 12, axis=0)
    rows = centres + 0.9 * vectors(2, len(centres), 128)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    tracemalloc.start()
    linkage(rows, threshold=1.1, constraints=Constraints.none(len(rows)))
    top = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert top <= 4 * rows.nbytes
