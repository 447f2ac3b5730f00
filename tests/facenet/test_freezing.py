"""What is frozen stays bit for bit, and the rest learns."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from facecluster.errors import TrainingError
from facecluster.facenet.dataset import FaceTable
from facecluster.facenet.training import Training, TrainingConfig, train

CONFIG = TrainingConfig(
    image_size=32, steps=2, batch=8, warmup=1, cooldown=1, half_precision=False, frozen=3
)


@pytest.fixture(scope="module")
def table() -> FaceTable:
    rng = np.random.default_rng(0)
    targets = rng.standard_normal((24, 128)).astype(np.float32)
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    pixels = rng.integers(0, 256, (24, 48, 48, 3)).astype(np.uint8)
    return FaceTable(pixels, np.arange(24), np.arange(24), targets, margin=4)


def test_the_stem_and_the_first_rows_stay_and_the_others_learn(table: FaceTable) -> None:
    training = Training(CONFIG, device="cpu")
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    list(train(training, table))
    moved = {
        name
        for name, value in training.network.state_dict().items()
        if not torch.equal(value, before[name])
    }
    frozen = ("trunk.stem.", "trunk.inceptions.0.", "trunk.inceptions.1.")
    assert not [name for name in moved if name.startswith(frozen)]
    assert {name for name in before if not name.startswith(frozen)} == moved


def test_more_parts_than_there_are_cannot_be_frozen(table: FaceTable) -> None:
    config = dataclasses.replace(CONFIG, frozen=12)
    with pytest.raises(TrainingError, match="nn4 has 11 parts to freeze, not 12"):
        next(train(Training(config, device="cpu"), table))
