"""Training by a teacher that was asked about faces made up for it, beside one that was not.

The network tells what the asked teacher says of each face as it is: a blend's vector is not the
middle of two. Half of a batch are faces that it takes for each other (confused.py), a quarter given
faces, a quarter made-up ones. A head beside the network's own tells what the other teacher says of
the given ones (Hinton et al., "Distilling the Knowledge in a Neural Network", 2015). When the
training is over both become one layer (one_layer.py), or it is dropped.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from picked import picked
from torch import Tensor, nn
from torch.nn import functional

from facecluster.facenet import parallel
from facecluster.facenet.augment import standardise, vary
from facecluster.facenet.dataset import FaceTable
from facecluster.facenet.freezing import freeze
from facecluster.facenet.optimisers import descend, learning_rate
from facecluster.facenet.precision import half_precision
from facecluster.facenet.training import (
    Step,
    Training,
    embed_table,
    picture_size,
    target_bank,
    taught_losses,
    variations,
)
from second_teacher.confused import GROUP, confused_groups, confusion, confusion_loss
from second_teacher.fitted import features, fit

__all__ = ["Beside", "adopt_head", "asked_rows", "fit_heads", "train_by_answers"]

# What the other teacher's losses count.
BESIDE = 0.5
# Faces among which those are looked for that the network confuses, and groups of them.
POOL = 60_000
GROUPS = 100_000
# Faces that the heads are fitted to, half of them given ones.
FITTED = 30_000


@dataclass(frozen=True, slots=True)
class Beside:
    """What the other teacher says of the given faces, which are the table's first: unit rows
    (G, D). often (T,) is how often each face of the table is drawn beside the others."""

    vectors: NDArray[np.float32]
    often: NDArray[np.float64]


def adopt_head(training: Training, dimension: int) -> None:
    """Put a head beside the network's own: it is trained, averaged, saved and resumed with it."""
    head = nn.Linear(training.network.projection.in_features, dimension).to(training.device)
    training.network.add_module("second", head)
    training.average.add_module("second", copy.deepcopy(head).requires_grad_(False))
    decay = training.config.weight_decay
    training.optimiser.add_param_group({"params": list(head.parameters()), "weight_decay": decay})


def fit_heads(training: Training, table: FaceTable, beside: Beside) -> None:
    """Let both heads tell what they can of the teachers' vectors with the network as it is."""
    assert table.targets is not None
    chance = np.random.default_rng((training.config.seed, 8))
    given = len(beside.vectors)
    halves = np.arange(given), np.arange(given, len(table.targets))
    known, made = (np.sort(chance.permutation(rows)[: FITTED // 2]) for rows in halves)
    rows = np.concatenate([known, made])
    seen = features(training.network, picked(table, rows), size=picture_size(training.config))
    second = training.network.get_submodule("second")
    assert isinstance(second, nn.Linear)
    fit(training.network.projection, seen, torch.from_numpy(table.targets[rows]))
    fit(second, seen[: len(known)], torch.from_numpy(beside.vectors[known]))
    for name in ("projection", "second"):
        fitted = training.network.get_submodule(name).state_dict()
        training.average.get_submodule(name).load_state_dict(fitted)


def asked_rows(
    beside: Beside, mined: NDArray[np.int64], batch: int, *, seed: int, step: int
) -> NDArray[np.int64]:
    """Rows of a batch: every second is of a mined group, group after group; of the others every
    second is a given face."""
    chance = np.random.default_rng((seed, step, 6))
    given, total = len(beside.vectors), len(beside.often)
    rows = np.empty(batch, dtype=np.int64)
    rows[0::2] = mined[chance.integers(0, len(mined), batch // (2 * GROUP))].ravel()
    for place, faces in ((1, np.arange(given)), (3, np.arange(given, total))):
        often = beside.often[faces]
        rows[place::4] = chance.choice(faces, len(rows[place::4]), p=often / often.sum())
    return rows


def mine(training: Training, table: FaceTable, beside: Beside) -> NDArray[np.int64]:
    """Groups of faces (GROUPS, GROUP) that the averaged network takes for each other, of those that
    are drawn often."""
    assert table.targets is not None
    chance = np.random.default_rng((training.config.seed, training.step, 7))
    likely = np.flatnonzero(beside.often >= beside.often.max())
    pool = np.sort(chance.permutation(likely)[:POOL])
    faces, size = picked(table, pool), picture_size(training.config)
    others, excess = confusion(embed_table(training.average, faces, size=size), table.targets[pool])
    return pool[confused_groups(others, excess, GROUPS, chance)]


def train_by_answers(training: Training, table: FaceTable, beside: Beside) -> Iterator[Step]:
    """Run to config.steps, yielding after each step; stop or save between any two of them.

    The network has its second head (`adopt_head`). The table's targets are the asked teacher's.
    """
    config, given = training.config, len(beside.vectors)
    assert table.targets is not None
    head = training.network.get_submodule("second")
    training.network.train()
    freeze(training.network, config.frozen)
    bank = target_bank(training, table.targets[:given])
    other_bank = target_bank(training, beside.vectors)
    vectors: list[Tensor] = []
    training.network.projection.register_forward_pre_hook(
        lambda _, inputs: vectors.append(inputs[0])
    )
    while training.step < config.steps:
        started = time.perf_counter()
        if training.step % config.offline_every == 0:
            training.mined = mine(training, table, beside)
        rows = parallel.share(
            asked_rows(beside, training.mined, config.batch, seed=config.seed, step=training.step)
        )
        with half_precision(training.device, config.half_precision):
            embeddings = training.network(_pictures(training, table, rows))
        known = np.flatnonzero(rows < given)
        said = torch.from_numpy(beside.vectors[rows[known]]).to(training.device)
        found = functional.normalize(head(vectors.pop()[known].float()), dim=1)
        other = BESIDE * taught_losses(config, found, said, other_bank)[1]
        rate = learning_rate(config, training.step)
        targets = torch.from_numpy(table.targets[rows]).to(training.device)
        regression = _learn(training, embeddings, targets, bank, other)
        seconds = time.perf_counter() - started
        yield Step(training.step, regression, 0.0, 0, rate, config.batch / seconds)


def _pictures(training: Training, table: FaceTable, rows: NDArray[np.int64]) -> Tensor:
    size, generator = picture_size(training.config), variations(training)
    stored = torch.from_numpy(np.asarray(table.pixels[rows])).to(training.device)
    pictures = standardise(vary(stored, margin=table.margin, size=size, generator=generator))
    return pictures.contiguous(memory_format=torch.channels_last)


def _learn(
    training: Training, embeddings: Tensor, targets: Tensor, bank: Tensor | None, other: Tensor
) -> float:
    """One step; what it gave of the distance to the targets."""
    batch = training.config.batch
    found, known = parallel.gathered(embeddings, batch), parallel.gathered(targets, batch)
    regression, loss = taught_losses(training.config, found, known, bank)
    loss = loss + confusion_loss(found[0::2], known[0::2])
    descend(training, loss + other / parallel.count())
    return float(regression.detach())
