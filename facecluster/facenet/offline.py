"""Triplets mined offline: every n steps, by the newest network, over a part of the data (3.2)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from facecluster.errors import TrainingError
from facecluster.facenet.mining import hardest

__all__ = ["are_triplets", "draw_triplets", "mine_rows", "sampled_rows"]

Rows = NDArray[np.int64]


def sampled_rows(identities: NDArray[np.int64], most: int, *, seed: int, step: int) -> Rows:
    """Rows of whole identities with two faces and more, in an order of this step: two identities,
    and others up to `most` rows in all."""
    rng = np.random.default_rng((seed, 5, step))
    values, counts = np.unique(identities[identities >= 0], return_counts=True)
    chosen: list[Rows] = []
    total = 0
    for identity in rng.permutation(values[counts > 1]):
        rows = np.flatnonzero(identities == identity)
        if len(chosen) > 1 and total + len(rows) > most:
            break
        chosen.append(rows)
        total += len(rows)
    if len(chosen) < 2:
        raise TrainingError("Triplets need at least two identities with two faces each.")
    return np.concatenate(chosen).astype(np.int64)


def mine_rows(
    embeddings: NDArray[np.float32], identities: NDArray[np.int64], rows: Rows, margin: float
) -> Rows:
    """Anchor, positive and negative, (T, 3) rows of the whole table: each sampled face with its
    farthest positive and nearest negative, where these break the margin; where none does, all,
    which teach nothing more.

    embeddings is (M, D), of the M sampled rows; O(M^2 D) time, a block of it in memory.
    """
    vectors, people = torch.from_numpy(embeddings), torch.from_numpy(identities[rows])
    found = hardest(vectors, people, margin)
    if len(found) == 0:
        found = hardest(vectors, people, 4.0)
    return np.asarray(rows[found.numpy()].reshape(-1, 3), dtype=np.int64)


def are_triplets(mined: Rows, identities: NDArray[np.int64]) -> bool:
    """Whether there are rows (T, 3), and each is still an anchor, its positive and a negative: they
    are not when people came to the table, or left it, since they were mined."""
    if len(mined) == 0 or mined.max() >= len(identities):
        return False
    people = identities[mined]
    anchor, positive, negative = people.T
    return bool(np.all((people.min(1) >= 0) & (anchor == positive) & (anchor != negative)))


def draw_triplets(mined: Rows, count: int, *, seed: int, step: int) -> Rows:
    """`count` of the mined triplets, (count, 3), of this step; all of them when they are fewer."""
    if len(mined) <= count:
        return mined
    rng = np.random.default_rng((seed, 6, step))
    return mined[rng.choice(len(mined), count, replace=False)]
