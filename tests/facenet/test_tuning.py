"""Who is held out, what is compared, and where thresholds go when a network is tuned."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facecluster.embed import BUNDLED, find_model
from facecluster.errors import TrainingError
from facecluster.facenet.checkpoint import load, save
from facecluster.facenet.dataset import FaceTable
from facecluster.facenet.header import read_header
from facecluster.facenet.training import embed_mirrored
from facecluster.facenet.tuning import (
    TUNING,
    DistanceMap,
    fit_distance_map,
    split,
    trial,
    tune,
    tuned_from,
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled network on smaller faces."""
    bundled = find_model(BUNDLED).path
    assert bundled is not None
    network, header = load(bundled)
    path = tmp_path_factory.mktemp("small") / "small.safetensors"
    save(network, path, dataclasses.replace(header, name="small", height=48, width=48))
    return path


@settings(max_examples=50)
@given(st.data())
def test_nobody_and_no_day_is_on_both_sides(data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(3, 12), min_size=6, max_size=12))
    identities = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    identities = np.concatenate([identities, np.full(4, -1)])
    days = np.array(
        data.draw(st.lists(st.integers(-1, 9), min_size=len(identities), max_size=len(identities)))
    )
    parts = split(identities, days, share=0.25, seed=data.draw(st.integers(0, 99)))
    every = np.concatenate([parts.train, parts.people, parts.dates])
    assert sorted(every.tolist()) == list(range(len(identities)))
    held = set(identities[parts.people].tolist())
    assert len(held) == max(2, round(0.25 * len(counts))) and -1 not in held
    assert not held & set(identities[parts.train].tolist())
    assert not held & set(identities[parts.dates].tolist())
    for person in set(identities[parts.dates].tolist()):
        trained = days[parts.train[identities[parts.train] == person]]
        later = days[parts.dates[identities[parts.dates] == person]]
        assert later.min() > trained.max()
        assert len(trained) >= 2
        assert len(later) <= round(0.25 * (len(trained) + len(later)))


def test_too_few_people_are_told() -> None:
    identities = np.repeat(np.arange(9), [5, 5, 5, 5, 5, 2, 2, 1, 1]).astype(np.int64)
    with pytest.raises(TrainingError, match="needs 6 people with 3 named faces each: there are 5"):
        split(identities, np.zeros(len(identities), dtype=np.int64), share=0.25, seed=0)


def points(seed: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    who = np.repeat(np.arange(12), 5).astype(np.int64)
    rows = np.eye(16)[who] + noise * chance.normal(size=(60, 16))
    return who, (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_the_trial_is_val_at_one_far_by_hand() -> None:
    (who, before), (_, after) = points(0, 0.4), points(1, 0.2)
    found = trial(who, before, after)
    assert found is not None
    assert (found.same, found.different, found.far) == (120, 60 * 59 // 2 - 120, 1e-2)
    for rows, val in ((before, found.before), (after, found.after)):
        same, others = [], []
        for i in range(60):
            for j in range(i):
                distance = float(((rows[i] - rows[j]).astype(np.float64) ** 2).sum())
                (same if who[i] == who[j] else others).append(distance)
        limit = sorted(others)[16]  # of 1,650 pairs, 16 may be accepted
        assert val == pytest.approx(sum(d < limit for d in same) / 120, abs=0.009)
    assert found.after > found.before


def test_few_pairs_are_no_trial() -> None:
    who, rows = points(0, 0.3)
    assert trial(who[:10], rows[:10], rows[:10]) is None
    assert trial(np.arange(60), rows, rows) is None


def test_thresholds_and_probabilities_follow_the_distances_of_strangers() -> None:
    who, rows = points(0, 0.4)
    same = fit_distance_map(who, rows, rows)
    assert (same.offset, same.factor) == pytest.approx((0.0, 1.0), abs=1e-6)
    # One more common dimension brings every pair nearer by the same factor.
    nearer = np.concatenate([rows, np.full((60, 1), 0.5, dtype=np.float32)], axis=1)
    nearer /= np.linalg.norm(nearer, axis=1, keepdims=True)
    found = fit_distance_map(who, rows, nearer)
    assert (found.offset, found.factor) == pytest.approx((0.0, 1 / 1.25), abs=1e-4)
    bundled = find_model(BUNDLED).path
    assert bundled is not None
    old = read_header(bundled)
    move = DistanceMap(0.1, 0.5)
    new = move.moved(old)
    assert new.thresholds == pytest.approx({u: 0.1 + 0.5 * t for u, t in old.thresholds.items()})
    assert old.calibration is not None and new.calibration is not None
    for distance in (0.5, 1.1, 1.5):
        wanted = old.calibration.probability(distance)
        assert new.calibration.probability(move(distance)) == pytest.approx(wanted)
    for rate in (1e-2, 1e-4):
        wanted = move(old.calibration.threshold(rate).threshold)
        assert new.calibration.threshold(rate).threshold == pytest.approx(wanted)
    assert move(-9) > 0 and move(9) == 4


def drawn(who: np.ndarray) -> FaceTable:
    chance = np.random.default_rng(0)
    looks = chance.integers(0, 256, (who.max() + 1, 6, 6, 3)).repeat(8, axis=1).repeat(8, axis=2)
    pixels = np.clip(looks[who] + chance.integers(-60, 60, (len(who), 48, 48, 3)), 0, 255)
    return FaceTable(pixels.astype(np.uint8), who, who, None, 4)


def test_people_named_once_make_no_batch(small: Path) -> None:
    config = dataclasses.replace(TUNING, steps=1, P=9, K=2, half_precision=False)
    training = tuned_from(small, config)
    assert len(list(tune(training, drawn(np.array([0, 0, 1, 1, 2, 2, 3, 4, 5]))))) == 1
    assert training.config.P == 3
    with pytest.raises(TrainingError, match="two faces: 1 found"):
        list(tune(tuned_from(small, config), drawn(np.array([0, 0, 1, 2, 3]))))


def test_tuning_moves_the_network_a_little_and_keeps_its_statistics(small: Path) -> None:
    table = drawn(np.repeat(np.arange(4), 2).astype(np.int64))
    config = dataclasses.replace(TUNING, steps=2, P=9, K=2, batch=99, warmup=1, margin=1.0)
    training = tuned_from(small, dataclasses.replace(config, averaging=0.0, half_precision=False))
    before = embed_mirrored(training.average, table, size=(48, 48))
    kept = {n: b.clone() for n, b in training.network.named_buffers() if "running" in n}
    steps = list(tune(training, table))
    assert len(steps) == 2 and all(step.triplets for step in steps)
    assert training.config.P == 4 and training.config.batch == 8  # as many as there are
    after = embed_mirrored(training.average, table, size=(48, 48))
    assert 1e-6 < ((before - after) ** 2).sum(axis=1).mean() < 1
    for name, buffer in training.network.named_buffers():
        if name in kept:
            assert torch.equal(buffer, kept[name])
