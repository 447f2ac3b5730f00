"""Training by answers that are kept for a while: for a network so small that asking its teachers
takes most of the time. Each crop is learnt from in LOOKS kinds of light before it is forgotten, in
another company of crops each time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facecluster.facenet import parallel
from facecluster.facenet.augment import warp
from facecluster.facenet.dataset import FaceTable
from facecluster.facenet.training import Step, Training, variations
from second_teacher.asked import batch_of, in_poorer_light, train_by_looks
from second_teacher.confused import GROUP
from second_teacher.teacher import SIDE, Answers, Teacher

__all__ = ["LOOKS", "ROUND", "ask_for_round", "shown_at", "train_by_kept_answers"]

# Steps that a crop is kept for, and how many of them show it.
ROUND = 400
LOOKS = 4
# Faces that stay together: a group that is confused, with the others of its rows.
_TOGETHER = 2 * GROUP

# Crops (N, 3, SIDE, SIDE), bytes, and what the teacher says of them (N, D).
Kept = tuple[Tensor, Tensor]


def train_by_kept_answers(
    training: Training, table: FaceTable, often: NDArray[np.float64], teacher: Teacher
) -> Iterator[Step]:
    """As train_by_answers, without hints; offline_every is a multiple of ROUND."""
    assert training.config.offline_every % ROUND == 0
    kept: Kept | None = None

    def look() -> tuple[Tensor, Answers]:
        nonlocal kept
        if kept is None or training.step % ROUND == 0:
            kept = ask_for_round(training, table, often, teacher)
        crops, targets = shown_at(training, kept)
        pictures = in_poorer_light(training, crops.float(), variations(training))
        return pictures, Answers(targets, ())

    return train_by_looks(training, table, often, look)


def ask_for_round(
    training: Training, table: FaceTable, often: NDArray[np.float64], teacher: Teacher
) -> Kept:
    """This process's crops of the round that the step is in, the same wherever in it the training
    goes on."""
    first = training.step - training.step % ROUND
    crops, targets = [], []
    for step in range(first, first + ROUND // LOOKS):
        stored = batch_of(training, table, often, step)
        seed = np.random.default_rng((training.config.seed, step, parallel.rank(), 10))
        generator = torch.Generator().manual_seed(int(seed.integers(2**62)))
        seen = warp(stored, margin=table.margin, size=(SIDE, SIDE), generator=generator)
        crops.append(seen.round().clamp(0, 255).byte())
        targets.append(teacher(seen).targets)
    return torch.cat(crops), torch.cat(targets)


def shown_at(training: Training, kept: Kept) -> Kept:
    """This step's share of them: each once in every ROUND / LOOKS steps, in another order each
    time."""
    crops, targets = kept
    place = training.step % (ROUND // LOOKS)
    chance = np.random.default_rng((training.config.seed, training.step - place, 11))
    order = chance.permutation(len(crops) // _TOGETHER).reshape(ROUND // LOOKS, -1)[place]
    rows = (order[:, None] * _TOGETHER + np.arange(_TOGETHER)).ravel()
    shown = torch.from_numpy(rows).to(crops.device)
    return crops[shown], targets[shown]
