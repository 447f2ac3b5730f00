"""Training by a teacher that is asked about each picture, beside one that was asked about a few.

The network and the asked teacher look at the same crop at once, the network in poorer light, so
that no picture comes twice and no answer can be learnt by heart (Beyer et al., "Knowledge
distillation: A good teacher is patient and consistent", 2022). Half of a batch are given faces that
the network takes for each other (confused.py), a quarter given ones of all kinds, a quarter made up
anew of two or three of them. Heads beside the network's own tell what the teacher sees on the way
to its vector (hints.py), and what the other teacher said of the given ones (Hinton et al.,
"Distilling the Knowledge in a Neural Network", 2015). When the training is over the latter and the
network's own become one layer (one_layer.py), or it is dropped.
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
from facecluster.facenet.augment import spoil, standardise, warp
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
from second_teacher.hints import adopt_hints, fit_hints, hint_loss, shown_maps
from second_teacher.made_up import NOBODY, of_parents
from second_teacher.teacher import SIDE, Answers, Teacher

__all__ = ["Beside", "adopt_heads", "fit_heads", "train_by_answers"]

# What the other teacher's losses count, and the hints.
BESIDE = 0.8
HINTS = 0.5
# Faces among which those are looked for that the network confuses, and groups of them.
POOL = 30_000
GROUPS = 100_000
# Faces that the heads are fitted to, and those of them whose maps are.
FITTED = 20_000
FITTED_MAPS = 640
# One made-up face in so many is of three others, the rest of two.
_OF_THREE = 3


@dataclass(frozen=True, slots=True)
class Beside:
    """What the other teacher says of the table's faces: unit rows (N, D). often (N,) is how often
    each is drawn beside the others."""

    vectors: NDArray[np.float32]
    often: NDArray[np.float64]


def adopt_heads(training: Training, dimension: int) -> None:
    """Put a head for the other teacher, and those for hints, beside the network's own: they are
    trained, averaged, saved and resumed with it."""
    head = nn.Linear(training.network.projection.in_features, dimension).to(training.device)
    training.network.add_module("second", head)
    training.average.add_module("second", copy.deepcopy(head).requires_grad_(False))
    decay = training.config.weight_decay
    training.optimiser.add_param_group({"params": list(head.parameters()), "weight_decay": decay})
    adopt_hints(training)


def fit_heads(training: Training, table: FaceTable, beside: Beside, teacher: Teacher) -> None:
    """Let all heads tell what they can with the network as it is."""
    assert table.targets is not None
    chance = np.random.default_rng((training.config.seed, 8))
    drawn = chance.permutation(len(table))
    rows, some = np.sort(drawn[:FITTED]), np.sort(drawn[:FITTED_MAPS])
    with half_precision(training.device, training.config.half_precision):
        seen = features(training.network, picked(table, rows), size=picture_size(training.config))
    second = training.network.get_submodule("second")
    assert isinstance(second, nn.Linear)
    fit(training.network.projection, seen, torch.from_numpy(table.targets[rows]))
    fit(second, seen, torch.from_numpy(beside.vectors[rows]))
    for name in ("projection", "second"):
        fitted = training.network.get_submodule(name).state_dict()
        training.average.get_submodule(name).load_state_dict(fitted)
    stored = torch.from_numpy(np.array(table.pixels[some])).to(training.device)
    pictures, answers = looked_at(training, stored, table.margin, teacher)
    half = half_precision(training.device, training.config.half_precision)
    with torch.no_grad(), half, shown_maps(training.average.eval()) as shown:
        training.average(pictures)
        fit_hints(training, shown, answers.maps)


def looked_at(
    training: Training, stored: Tensor, margin: int, teacher: Teacher
) -> tuple[Tensor, Answers]:
    """Stored faces (B, S, S, 3) as this step's variations show them to the network, and what the
    teacher says of the same crops in better light."""
    generator = variations(training)
    crops = warp(stored, margin=margin, size=(SIDE, SIDE), generator=generator)
    answers = teacher(crops)
    smaller = functional.interpolate(
        crops, size=picture_size(training.config), mode="bilinear", antialias=True
    )
    pictures = standardise(spoil(smaller, generator))
    return pictures.contiguous(memory_format=torch.channels_last), answers


def mine(training: Training, table: FaceTable, beside: Beside) -> NDArray[np.int64]:
    """Groups of faces (GROUPS, GROUP) that the averaged network takes for each other, of those that
    are drawn often."""
    assert table.targets is not None
    chance = np.random.default_rng((training.config.seed, training.step, 7))
    likely = np.flatnonzero(beside.often >= beside.often.max())
    pool = np.sort(chance.permutation(likely)[:POOL])
    faces, size = picked(table, pool), picture_size(training.config)
    with half_precision(training.device, training.config.half_precision):
        embeddings = embed_table(training.average, faces, size=size)
    others, excess = confusion(embeddings, table.targets[pool])
    return pool[confused_groups(others, excess, GROUPS, chance)]


def given_rows(training: Training, faces: int) -> NDArray[np.int64]:
    """The given faces in this process's share of the step's batch: rows (B, 3), two of mined
    groups, which follow each other, and one of any kind."""
    chance = np.random.default_rng((training.config.seed, training.step, 6))
    quarter = training.config.batch // 4
    groups = training.mined[chance.integers(0, len(training.mined), 2 * quarter // GROUP)]
    others = chance.integers(0, faces, (quarter, 1))
    return parallel.share(np.concatenate([groups.reshape(quarter, 2), others], axis=1))


def with_new_faces(
    training: Training, table: FaceTable, beside: Beside, rows: NDArray[np.int64]
) -> Tensor:
    """The faces of rows (B, 3), each three followed by one made up: bytes (4 B, S, S, 3)."""
    chance = np.random.default_rng((training.config.seed, training.step, parallel.rank(), 9))
    often = beside.often / beside.often.sum()
    parents = chance.choice(len(table), (len(rows), 3), p=often)
    parents[len(rows) // _OF_THREE :, 2] = NOBODY
    generator = torch.Generator().manual_seed(int(chance.integers(2**62)))
    made = of_parents(table.pixels, parents, generator)
    given = np.asarray(table.pixels[rows.ravel()]).reshape(-1, 3, *made.shape[1:])
    faces = np.concatenate([given, made[:, None]], axis=1).reshape(-1, *made.shape[1:])
    return torch.from_numpy(faces).to(training.device)


def train_by_answers(
    training: Training, table: FaceTable, beside: Beside, teacher: Teacher
) -> Iterator[Step]:
    """Run to config.steps, yielding after each step; stop or save between any two of them.

    The network has its other heads (`adopt_heads`). The table's targets are what the asked teacher
    says of its faces as they are. In each process the batch is of whole groups.
    """
    config = training.config
    assert table.targets is not None
    training.network.train()
    freeze(training.network, config.frozen)
    banks = target_bank(training, table.targets), target_bank(training, beside.vectors)
    with shown_maps(training.network) as shown:
        while training.step < config.steps:
            started = time.perf_counter()
            if training.step % config.offline_every == 0:
                training.mined = mine(training, table, beside)
            rows = given_rows(training, len(table))
            stored = with_new_faces(training, table, beside, rows)
            pictures, answers = looked_at(training, stored, table.margin, teacher)
            said = torch.from_numpy(beside.vectors[rows.ravel()]).to(training.device)
            rate = learning_rate(config, training.step)
            regression = _learn(training, pictures, answers, said, shown, banks)
            seconds = time.perf_counter() - started
            yield Step(training.step, regression, 0.0, 0, rate, config.batch / seconds)


def _learn(
    training: Training,
    pictures: Tensor,
    answers: Answers,
    said: Tensor,
    shown: list[Tensor],
    banks: tuple[Tensor | None, Tensor | None],
) -> float:
    """One step; what it gave of the distance to the targets. said is of the given faces, the first
    three of each four pictures."""
    config, network = training.config, training.network
    with half_precision(training.device, config.half_precision):
        features = network.trunk(pictures).float()
        hints = HINTS * hint_loss(network, shown, answers.maps)
    given = _of_each_four(features, slice(3))
    other = functional.normalize(network.get_submodule("second")(given), dim=1)
    mine = hints + BESIDE * taught_losses(config, other, said, banks[1])[1]
    embeddings = functional.normalize(network.projection(features), dim=1)
    found, known = (parallel.gathered(part, config.batch) for part in (embeddings, answers.targets))
    regression, loss = taught_losses(config, found, known, banks[0])
    mined = (_of_each_four(part, slice(2)) for part in (found, known))
    loss = loss + confusion_loss(*mined)
    descend(training, loss + mine / parallel.count())
    return float(regression.detach())


def _of_each_four(rows: Tensor, some: slice) -> Tensor:
    return rows.reshape(-1, 4, rows.shape[1])[:, some].flatten(0, 1)
