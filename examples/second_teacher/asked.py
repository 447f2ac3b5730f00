"""Training by teachers that are asked about each picture.

The network and its teachers look at the same crop at once, the network in poorer light, so that no
picture comes twice and no answer can be learnt by heart (Beyer et al., "Knowledge distillation: A
good teacher is patient and consistent", 2022). Half of a batch are given faces that the network
takes for each other (confused.py), a quarter given ones of all kinds, a quarter made up anew of two
or three of them. Heads beside the network's own tell what a teacher sees on the way to its vector
(hints.py); they are dropped when the training is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from picked import picked
from torch import Tensor

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
from second_teacher.hints import fit_hints, hint_loss, shown_maps
from second_teacher.made_up import NOBODY, of_parents
from second_teacher.teacher import SIDE, Answers, Teacher, resized

__all__ = [
    "batch_of",
    "in_poorer_light",
    "start_hints",
    "train_by_answers",
    "train_by_looks",
]

# What the hints count.
HINTS = 0.5
# Faces among which those are looked for that the network confuses, and groups of them.
POOL = 30_000
GROUPS = 100_000
# Faces that the heads for hints are fitted to.
FITTED = 640
# One made-up face in so many is of three others, the rest of two.
_OF_THREE = 3


def start_hints(training: Training, table: FaceTable, teacher: Teacher) -> None:
    """Let the heads for hints tell what they can with the network as it is."""
    chance = np.random.default_rng((training.config.seed, 8))
    some = np.sort(chance.permutation(len(table))[:FITTED])
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
    return in_poorer_light(training, crops, generator), answers


def in_poorer_light(training: Training, crops: Tensor, generator: torch.Generator) -> Tensor:
    """Crops (B, 3, SIDE, SIDE) as the network is shown them."""
    seen = resized(crops, picture_size(training.config))
    pictures = standardise(spoil(seen, generator))
    return pictures.contiguous(memory_format=torch.channels_last)


def mine(training: Training, table: FaceTable, often: NDArray[np.float64]) -> NDArray[np.int64]:
    """Groups of faces (GROUPS, GROUP) that the averaged network takes for each other, of those that
    are drawn often."""
    assert table.targets is not None
    chance = np.random.default_rng((training.config.seed, training.step, 7))
    likely = np.flatnonzero(often >= often.max())
    pool = np.sort(chance.permutation(likely)[:POOL])
    faces, size = picked(table, pool), picture_size(training.config)
    with half_precision(training.device, training.config.half_precision):
        embeddings = embed_table(training.average, faces, size=size)
    others, excess = confusion(embeddings, table.targets[pool])
    return pool[confused_groups(others, excess, GROUPS, chance)]


def given_rows(training: Training, faces: int, step: int) -> NDArray[np.int64]:
    """The given faces in this process's share of the step's batch: rows (B, 3), two of mined
    groups, which follow each other, and one of any kind."""
    chance = np.random.default_rng((training.config.seed, step, 6))
    quarter = training.config.batch // 4
    groups = training.mined[chance.integers(0, len(training.mined), 2 * quarter // GROUP)]
    others = chance.integers(0, faces, (quarter, 1))
    return parallel.share(np.concatenate([groups.reshape(quarter, 2), others], axis=1))


def batch_of(training: Training, table: FaceTable, often: NDArray[np.float64], step: int) -> Tensor:
    """This process's share of the step's faces (B, S, S, 3), bytes: of each four the first two are
    mined, the third is a given one of any kind, the last made up."""
    rows = given_rows(training, len(table), step)
    chance = np.random.default_rng((training.config.seed, step, parallel.rank(), 9))
    parents = chance.choice(len(table), (len(rows), 3), p=often / often.sum())
    parents[len(rows) // _OF_THREE :, 2] = NOBODY
    generator = torch.Generator().manual_seed(int(chance.integers(2**62)))
    made = of_parents(table.pixels, parents, generator)
    given = np.asarray(table.pixels[rows.ravel()]).reshape(-1, 3, *made.shape[1:])
    faces = np.concatenate([given, made[:, None]], axis=1).reshape(-1, *made.shape[1:])
    return torch.from_numpy(faces).to(training.device)


def train_by_answers(
    training: Training, table: FaceTable, often: NDArray[np.float64], teacher: Teacher
) -> Iterator[Step]:
    """Run to config.steps, yielding after each step; stop or save between any two of them.

    The network has heads for hints (`adopt_hints`). The table's targets are what the teacher says
    of its faces as they are; often (N,) is how often each of them is a parent of one made up, and
    only those that are most often are looked at for confused ones. In each process the batch is of
    whole groups.
    """

    def look() -> tuple[Tensor, Answers]:
        stored = batch_of(training, table, often, training.step)
        return looked_at(training, stored, table.margin, teacher)

    return train_by_looks(training, table, often, look)


def train_by_looks(
    training: Training,
    table: FaceTable,
    often: NDArray[np.float64],
    look: Callable[[], tuple[Tensor, Answers]],
) -> Iterator[Step]:
    """As train_by_answers, look being what each step shows the network and is told of it."""
    config = training.config
    assert table.targets is not None
    training.network.train()
    freeze(training.network, config.frozen)
    bank = target_bank(training, table.targets)
    with shown_maps(training.network) as shown:
        while training.step < config.steps:
            started = time.perf_counter()
            if training.step % config.offline_every == 0:
                training.mined = mine(training, table, often)
            pictures, answers = look()
            rate = learning_rate(config, training.step)
            regression = _learn(training, pictures, answers, shown, bank)
            seconds = time.perf_counter() - started
            yield Step(training.step, regression, 0.0, 0, rate, config.batch / seconds)


def _learn(
    training: Training,
    pictures: Tensor,
    answers: Answers,
    shown: list[Tensor],
    bank: Tensor | None,
) -> float:
    """One step; what it gave of the distance to the targets. Without maps no hints are learnt."""
    config = training.config
    with half_precision(training.device, config.half_precision):
        embeddings = training.network(pictures)
        hints = HINTS * hint_loss(training.network, shown, answers.maps) if answers.maps else 0.0
    found, known = (parallel.gathered(part, config.batch) for part in (embeddings, answers.targets))
    regression, loss = taught_losses(config, found, known, bank)
    loss = loss + confusion_loss(_mined(found), _mined(known))
    descend(training, loss + hints / parallel.count())
    return float(regression.detach())


def _mined(rows: Tensor) -> Tensor:
    """The first two of each four rows."""
    return rows.reshape(-1, 4, rows.shape[1])[:, :2].flatten(0, 1)
