"""Batches: who is in them, and that a seed and a step say it all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecluster.errors import TrainingError
from facecluster.facenet.sampler import identity_batch, uniform_batch


@given(count=st.integers(1, 60), size=st.integers(1, 60), seed=st.integers(0, 5))
def test_an_epoch_meets_a_row_at_most_once(count: int, size: int, seed: int) -> None:
    if size > count:
        with pytest.raises(TrainingError, match=f"{size} faces"):
            uniform_batch(count, size, seed=seed, step=0)
        return
    epoch = [uniform_batch(count, size, seed=seed, step=s) for s in range(count // size)]
    rows = np.concatenate(epoch)
    assert len(np.unique(rows)) == len(rows) == count // size * size
    assert rows.min() >= 0 and rows.max() < count


def test_epochs_differ_and_repeat_with_the_seed() -> None:
    first = uniform_batch(100, 100, seed=1, step=0)
    assert not np.array_equal(first, uniform_batch(100, 100, seed=1, step=1))
    assert np.array_equal(first, uniform_batch(100, 100, seed=1, step=0))


@given(step=st.integers(0, 50), P=st.integers(1, 6), K=st.integers(1, 5))
def test_a_batch_is_p_identities_by_k_faces(step: int, P: int, K: int) -> None:
    identities = np.repeat([0, 1, 2, 3, 4, 5, -1, 9], [2, 3, 4, 5, 6, 7, 8, 1])
    rows = identity_batch(identities, identities, P=P, K=K, seed=0, step=step)
    drawn = identities[rows].reshape(P, K)
    assert (drawn == drawn[:, :1]).all()
    assert len(np.unique(drawn[:, 0])) == P
    assert not np.isin(drawn, [-1, 9]).any()  # nobody unknown, nobody with one face
    for line in rows.reshape(P, K):
        available = int((identities == identities[line[0]]).sum())
        assert len(np.unique(line)) == K or available < K


def test_relatives_come_along() -> None:
    identities = np.repeat(np.arange(40), 3)
    kin = identities // 4
    for step in range(10):
        rows = identity_batch(identities, kin, P=8, K=2, seed=0, step=step)
        families, members = np.unique(kin[rows[::2]], return_counts=True)
        assert len(families) == 2 and (members == 4).all()


def test_too_few_identities_is_one_clear_sentence() -> None:
    identities = np.array([0, 0, 1, 1, 2, -1, -1])
    with pytest.raises(TrainingError, match="3 identities needs as many with two faces: 2 found"):
        identity_batch(identities, identities, P=3, K=2, seed=0, step=0)
