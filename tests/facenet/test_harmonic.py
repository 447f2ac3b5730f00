"""Harmonic embeddings (appendix): new vectors that can be compared with stored old ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from facecluster.embed import BUNDLED, find_model
from facecluster.errors import TrainingError
from facecluster.facenet.dataset import FaceTable
from facecluster.facenet.evaluation import all_pairs, validation_at_far
from facecluster.facenet.harmonic import old_vectors
from facecluster.facenet.training import Training, TrainingConfig, embed_mirrored, train

CONFIG = TrainingConfig(
    image_size=32,
    dimension=32,
    steps=16,
    batch=0,
    P=8,
    K=2,
    distill_weight=0.0,
    triplet_weight=1.0,
    margin=0.3,
    learning_rate=2e-3,
    warmup=2,
    cooldown=6,
    averaging=0.8,
    half_precision=False,
)


def people(seed: int, count: int, each: int) -> tuple[FaceTable, np.ndarray]:
    """Faces of one colour a person, and vectors that an old network made of these colours."""
    chance = np.random.default_rng(seed)
    who = np.repeat(np.arange(count), each).astype(np.int64)
    colours = chance.integers(30, 226, (count, 3))
    noise = chance.integers(-25, 26, (len(who), 40, 40, 3))
    pixels = np.clip(colours[who][:, None, None] + noise, 0, 255).astype(np.uint8)
    old = np.random.default_rng(99).normal(size=(3, 32))
    rows = (pixels.mean(axis=(1, 2)) / 127.5 - 1) @ old + 0.05 * chance.normal(size=(len(who), 32))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return FaceTable(pixels, who, who, rows, 4), who


def test_val_across_is_that_of_the_loops() -> None:
    table, who = people(0, 5, 4)
    other = people(1, 5, 4)[0]
    assert table.targets is not None and other.targets is not None
    same, different = [], []
    for i in range(20):
        for j in range(20):
            if i != j:
                d = float(((table.targets[i] - other.targets[j]).astype(np.float64) ** 2).sum())
                (same if who[i] == who[j] else different).append(d)
    limit = sorted(different)[32]  # of 320 pairs, 32 may be accepted
    wanted = sum(d < limit for d in same) / len(same)
    found = validation_at_far(*all_pairs(who, table.targets, other.targets), 0.1)
    assert found == pytest.approx(wanted)


def test_the_new_network_learns_to_speak_with_the_old() -> None:
    """On people never trained on, VAL across the two networks rises, by triplets alone."""
    table, _ = people(0, 24, 4)
    held, who = people(1, 24, 3)
    assert held.targets is not None
    training = Training(dataclasses.replace(CONFIG, harmonic=True), device="cpu")
    values = []
    for _ in range(2):
        vectors = embed_mirrored(training.average, held, size=(32, 32))
        values.append(validation_at_far(*all_pairs(who, vectors, held.targets), 0.1))
        assert all(step.distillation == 0 for step in train(training, table))
    assert values[0] < 0.3
    assert values[1] > values[0] + 0.2, values


def test_the_old_network_must_fit() -> None:
    path = find_model(BUNDLED).path
    assert path is not None
    table, _ = people(0, 2, 2)
    with pytest.raises(TrainingError, match="of 128 dimensions, the new network 64: say --dim"):
        old_vectors(path, table, dimension=64)
    assert old_vectors(path, table, dimension=128).shape == (4, 128)
    with pytest.raises(TrainingError, match="needs old vectors"):
        lonely = dataclasses.replace(table, targets=None)
        next(train(Training(dataclasses.replace(CONFIG, harmonic=True), device="cpu"), lonely))


def test_an_old_file_that_is_none_is_told(tmp_path: Path) -> None:
    from facecluster.errors import ModelError

    table, _ = people(0, 2, 2)
    with pytest.raises(ModelError):
        old_vectors(tmp_path / "none.safetensors", table, dimension=32)
