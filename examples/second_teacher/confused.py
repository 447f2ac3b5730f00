"""Faces that a network takes for each other although the teacher does not: what false merges are
made of. Two faces drawn at random are hardly ever such a pair, so they are looked for, as hard
negatives are (the paper's section 3.2)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

__all__ = ["GROUP", "confused_groups", "confusion", "confusion_loss"]

# A face and three that the network takes for it.
GROUP = 4
# Of so many faces that the network puts nearest, those whom the teacher puts farthest beyond.
NEAR = 48
MOST = 8
BLOCK = 1024


def confusion(
    embeddings: NDArray[np.float32], targets: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each of N faces the rows of those it is confused with, (N, MOST), and how much nearer
    they are than the teacher says, on average (N,). Rows of both are unit; O(N N D)."""
    found, said = torch.from_numpy(embeddings), torch.from_numpy(targets)
    others, excess = [], []
    for start in range(0, len(found), BLOCK):
        similar = found[start : start + BLOCK] @ found.T
        mine = torch.arange(len(similar))
        similar[mine, start + mine] = -2.0
        near, rows = similar.topk(min(NEAR, len(found) - 1), dim=1)
        wanted = torch.einsum("id,ikd->ik", said[start : start + BLOCK], said[rows])
        worst, places = (2.0 * (near - wanted)).topk(min(MOST, rows.shape[1]), dim=1)
        others.append(rows.gather(1, places))
        excess.append(worst.mean(1))
    return torch.cat(others).numpy(), torch.cat(excess).double().numpy()


def confused_groups(
    others: NDArray[np.int64], excess: NDArray[np.float64], count: int, chance: np.random.Generator
) -> NDArray[np.int64]:
    """Rows (count, GROUP) of a face and some it is confused with, the worst ones most often."""
    often = np.maximum(excess, 0.05) ** 1.5
    faces = chance.choice(len(excess), count, p=often / often.sum())
    places = chance.random((count, others.shape[1])).argsort(axis=1)[:, : GROUP - 1]
    partners = np.take_along_axis(others[faces], places, axis=1)
    return np.concatenate([faces[:, None], partners], axis=1)


def confusion_loss(embeddings: Tensor, targets: Tensor) -> Tensor:
    """Mean squared excess of nearness within each group: rows (G * GROUP, D), group after group."""
    found, said = (rows.float().reshape(-1, GROUP, rows.shape[1]) for rows in (embeddings, targets))
    excess = 2.0 * (found @ found.mT - said @ said.mT)
    one, other = torch.triu_indices(GROUP, GROUP, 1)
    return functional.relu(excess[:, one, other]).pow(2).mean()
