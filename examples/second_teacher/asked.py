"""Training by a teacher that was asked about faces made up for it, beside one that was not.

Half of a batch are given faces, whose targets both teachers know; every second of them is blended
with another. The other half are made up, and teach by the second teacher alone: a head beside the
network's own tells that one's vector of every face that is no blend (Hinton et al., "Distilling the
Knowledge in a Neural Network", 2015). It is dropped when the training is over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from facecluster.facenet import parallel
from facecluster.facenet.augment import mix, standardise, vary
from facecluster.facenet.dataset import FaceTable
from facecluster.facenet.freezing import freeze
from facecluster.facenet.optimisers import descend, learning_rate
from facecluster.facenet.training import (
    Step,
    Training,
    picture_size,
    target_bank,
    taught_losses,
    variations,
)

__all__ = ["Answers", "adopt_head", "asked_rows", "train_by_answers"]


@dataclass(frozen=True, slots=True)
class Answers:
    """What the second teacher says of each face of the lessons: unit rows (N, D), the first `given`
    of them of given faces; rows (T,) are those of the faces trained on."""

    vectors: NDArray[np.float32]
    rows: NDArray[np.int64]
    given: int

    def of(self, faces: NDArray[np.int64]) -> Tensor:
        """Of some of the faces trained on."""
        return torch.from_numpy(self.vectors[self.rows[faces]])


def adopt_head(training: Training, dimension: int) -> None:
    """Put a head beside the network's own: it is trained, saved and resumed with it."""
    head = nn.Linear(training.network.projection.in_features, dimension).to(training.device)
    training.network.add_module("second", head)
    decay = training.config.weight_decay
    training.optimiser.add_param_group({"params": list(head.parameters()), "weight_decay": decay})


def asked_rows(given: int, total: int, batch: int, *, seed: int, step: int) -> NDArray[np.int64]:
    """Rows of a batch in turn: one of the first `given`, and one of those after them."""
    chance = np.random.default_rng((seed, step, 6))
    rows = np.empty(batch, dtype=np.int64)
    rows[0::2] = chance.integers(0, given, len(rows[0::2]))
    rows[1::2] = chance.integers(given, total, len(rows[1::2]))
    return rows


def train_by_answers(training: Training, table: FaceTable, answers: Answers) -> Iterator[Step]:
    """Run to config.steps, yielding after each step; stop or save between any two of them.

    The network has its second head (`adopt_head`). Of the table the first answers.given faces are
    given ones, with targets, the others are made up.
    """
    config = training.config
    assert table.targets is not None
    head = training.network.get_submodule("second")
    training.network.train()
    freeze(training.network, config.frozen)
    bank = target_bank(training, table.targets[: answers.given])
    other_bank = target_bank(training, answers.vectors[answers.rows[: answers.given]])
    vectors: list[Tensor] = []
    training.network.projection.register_forward_pre_hook(
        lambda _, inputs: vectors.append(inputs[0])
    )
    while training.step < config.steps:
        started = time.perf_counter()
        rows = parallel.share(
            asked_rows(
                answers.given, len(table), config.batch, seed=config.seed, step=training.step
            )
        )
        batch = _prepared(training, table, rows)
        with torch.autocast(batch.pictures.device.type, torch.bfloat16, config.half_precision):
            embeddings = training.network(batch.pictures)
        said = answers.of(rows[batch.plain]).to(training.device)
        found = functional.normalize(head(vectors.pop()[batch.plain].float()), dim=1)
        beside = taught_losses(config, found, said, other_bank)[1]
        rate = learning_rate(config, training.step)
        regression = _learn(training, embeddings, batch, bank, beside)
        seconds = time.perf_counter() - started
        yield Step(training.step, regression, 0.0, 0, rate, config.batch / seconds)


@dataclass(frozen=True, slots=True)
class _Batch:
    """pictures, targets of the given ones (every second), and which pictures are no blends."""

    pictures: Tensor
    targets: Tensor
    plain: NDArray[np.int64]


def _prepared(training: Training, table: FaceTable, rows: NDArray[np.int64]) -> _Batch:
    size, generator = picture_size(training.config), variations(training)
    stored = torch.from_numpy(np.asarray(table.pixels[rows])).to(training.device)
    pictures = standardise(vary(stored, margin=table.margin, size=size, generator=generator))
    assert table.targets is not None
    targets = torch.from_numpy(table.targets[rows]).to(training.device)
    blended = np.arange(0, len(rows), 4)
    pictures[blended], targets[blended] = mix(
        pictures[blended], targets[blended], share=1.0, generator=generator
    )
    plain = np.flatnonzero(np.arange(len(rows)) % 4)
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    return _Batch(pictures, targets[0::2], plain)


def _learn(
    training: Training, embeddings: Tensor, batch: _Batch, bank: Tensor | None, beside: Tensor
) -> float:
    """One step; what it gave of the distance to the targets."""
    total = len(range(0, training.config.batch, 2))
    found = parallel.gathered(embeddings[0::2], total)
    targets = parallel.gathered(batch.targets, total)
    regression, loss = taught_losses(training.config, found, targets, bank)
    descend(training, loss + beside / parallel.count())
    return float(regression.detach())
