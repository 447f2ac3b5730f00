import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecluster.errors import TrainingError
from facecluster.facenet.offline import are_triplets, draw_triplets, mine_rows, sampled_rows


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(4, 30), st.sampled_from([0.05, 0.2, 1.0]))
def test_mined_are_argmax_positives_and_argmin_negatives(seed, count, margin):
    chance = np.random.default_rng(seed)
    identities = chance.integers(-1, 5, size=count)
    rows = np.sort(chance.permutation(count)[: max(3, count // 2)])
    vectors = unit(chance.normal(size=(count, 6)))
    mined = mine_rows(vectors[rows], identities, rows, margin)
    distances = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=2)
    expected = {}
    for a in rows.tolist():
        if identities[a] < 0:
            continue
        same = [p for p in rows.tolist() if p != a and identities[p] == identities[a]]
        other = [n for n in rows.tolist() if identities[n] not in (-1, identities[a])]
        if same and other:
            expected[a] = max(distances[a, same]), min(distances[a, other])
    broken = {a for a, (far, near) in expected.items() if near < far + margin - 1e-6}
    maybe = {a for a, (far, near) in expected.items() if abs(near - far - margin) <= 1e-5}
    anchors = set(mined[:, 0].tolist())
    if broken - maybe:
        assert broken - maybe <= anchors <= broken | maybe
    for a, p, n in mined.tolist():
        assert distances[a, p] == pytest.approx(expected[a][0], abs=1e-5)
        assert distances[a, n] == pytest.approx(expected[a][1], abs=1e-5)


def test_whole_identities_are_sampled_anew_each_time():
    identities = np.repeat(np.arange(20), 3)
    identities[-1] = 99  # alone
    rows = sampled_rows(identities, 12, seed=0, step=0)
    assert len(rows) <= 12
    values, counts = np.unique(identities[rows], return_counts=True)
    assert 99 not in values and set(counts.tolist()) <= {2, 3}
    again = sampled_rows(identities, 12, seed=0, step=0)
    assert rows.tolist() == again.tolist()
    assert rows.tolist() != sampled_rows(identities, 12, seed=0, step=100).tolist()


@pytest.mark.parametrize("step", range(6))
def test_people_of_more_faces_than_are_sampled_are_somebody_to_learn_from(step):
    identities = np.repeat([0, 1, 2], [30, 20, 3])
    rows = sampled_rows(identities, 24, seed=0, step=step)
    assert len(np.unique(identities[rows])) == 2


def test_without_two_people_there_are_no_triplets():
    with pytest.raises(TrainingError, match="at least two identities"):
        sampled_rows(np.array([1, 1, 1, -1, -1, 2]), 9, seed=0, step=0)


def test_draws_are_of_the_step_and_never_twice_the_same_triplet():
    mined = np.arange(90).reshape(30, 3)
    drawn = draw_triplets(mined, 8, seed=1, step=5)
    assert drawn.shape == (8, 3)
    assert len({tuple(one) for one in drawn.tolist()}) == 8
    assert drawn.tolist() == draw_triplets(mined, 8, seed=1, step=5).tolist()
    assert drawn.tolist() != draw_triplets(mined, 8, seed=1, step=6).tolist()
    assert draw_triplets(mined[:3], 8, seed=1, step=5).tolist() == mined[:3].tolist()


def test_rows_are_triplets_of_the_people_they_were_mined_from():
    identities = np.array([0, 0, 1, 1, -1, -1])
    mined = np.array([[0, 1, 2], [3, 2, 0]])
    assert are_triplets(mined, identities)
    assert not are_triplets(mined[:0], identities)
    assert not are_triplets(mined, identities[:3])
    for row in ([0, 2, 3], [0, 1, 1], [4, 5, 0], [0, 1, 4]):
        assert not are_triplets(np.array([*mined, row]), identities)
