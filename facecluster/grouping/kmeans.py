"""Spherical k-means: k groups around unit centres, each face with the centre it is nearest to."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from facecluster.grouping.constraints import Constraints
from facecluster.grouping.repair import obey
from facecluster.grouping.settings import FARTHEST
from facecluster.grouping.steps import result

__all__ = ["centres_of", "kmeans_steps", "spread_centres"]

ITERATIONS = 50
# Above this many rows the centres learn from batches; below, from all rows at each step.
FULL = 50_000
BATCH = 8_192
# So many starts are tried, where rows times centres are no more than CHEAP.
STARTS = 8
CHEAP = 2_000_000
# What a product in single precision may be wrong by.
SLACK = 1e-5


def kmeans_steps(
    embeddings: NDArray[np.float32],
    centres: NDArray[np.float32],
    reach: float,
    constraints: Constraints,
    seed: int,
) -> Generator[float, None, NDArray[np.int64]]:
    """Labels (N,) of spherical k-means, made to obey the statements; yields the share done.

    centres is (K, D) with unit rows, where the search begins. A face farther than a squared
    distance of reach from all centres is in no group, -1, and teaches none: else the strangers that
    every library is full of would pull the centres away from their people. Each step lowers the sum
    over all faces of the distance to the nearest centre, or of reach where that is less. Costs
    n * k * d multiplications an iteration; over 50,000 rows two passes in mini-batches take the
    place of the iterations.
    """
    if len(centres) == 0:
        return obey(np.full(len(embeddings), -1, dtype=np.int64), embeddings, constraints)
    learn = _learn_in_batches if len(embeddings) > FULL else _learn
    centres = yield from learn(embeddings, centres, reach, seed)
    return obey(_assign(embeddings, centres, reach), embeddings, constraints)


def centres_of(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], minimum: int
) -> NDArray[np.float32]:
    """The unit centres (K, D) of the groups of at least `minimum` rows; labels (N,) any numbers."""
    _, group, size = np.unique(labels, return_inverse=True, return_counts=True)
    return _unit(_sums(embeddings, group, len(size))[size >= minimum])


def spread_centres(embeddings: NDArray[np.float32], k: int, seed: int) -> NDArray[np.float32]:
    """The best (K, D) of several greedy k-means++ starts: learnt centres with the nearest faces.

    K is k, or the number of rows where that is less.
    """
    from sklearn.cluster import kmeans_plusplus

    k = min(k, len(embeddings))
    starts = STARTS if len(embeddings) * k <= CHEAP else 1
    best, nearest = embeddings[:0], -np.inf
    for start in range(starts):
        centres, _ = kmeans_plusplus(embeddings, k, random_state=seed + start)
        if starts > 1:
            centres = result(_learn(embeddings, centres, FARTHEST, seed))
        near = float((embeddings @ centres.T).max(axis=1).sum(dtype=np.float64))
        if near > nearest:
            best, nearest = centres, near
    return best


def _learn(
    embeddings: NDArray[np.float32], centres: NDArray[np.float32], reach: float, _seed: int
) -> Generator[float, None, NDArray[np.float32]]:
    before: NDArray[np.int64] = np.empty(0, dtype=np.int64)
    for turn in range(ITERATIONS):
        yield turn / ITERATIONS
        labels = _assign(embeddings, centres, reach)
        if np.array_equal(labels, before):
            break
        before = labels
        sums = _sums(embeddings, labels, len(centres))
        # A centre that nobody is nearest to stays where it is.
        empty = np.bincount(labels[labels >= 0], minlength=len(centres)) == 0
        sums[empty] = centres[empty]
        centres = _unit(sums)
    return centres


def _learn_in_batches(
    embeddings: NDArray[np.float32], centres: NDArray[np.float32], reach: float, seed: int
) -> Generator[float, None, NDArray[np.float32]]:
    sums = centres.astype(np.float64)
    chance = np.random.default_rng(seed)
    for turn in range(2):
        order = chance.permutation(len(embeddings))
        for start in range(0, len(order), BATCH):
            yield (turn + start / len(order)) / 2
            rows = embeddings[order[start : start + BATCH]]
            sums += _sums(rows, _assign(rows, centres, reach), len(centres))
            centres = _unit(sums)
    return centres


def _assign(
    embeddings: NDArray[np.float32], centres: NDArray[np.float32], reach: float
) -> NDArray[np.int64]:
    """The nearest centre of each row, -1 where that is out of reach."""
    labels = np.empty(len(embeddings), dtype=np.int64)
    rows = max(1, (1 << 22) // len(centres))
    for start in range(0, len(embeddings), rows):
        similarity = embeddings[start : start + rows] @ centres.T
        best = similarity.argmax(axis=1)
        near = 2.0 - 2.0 * similarity[np.arange(len(best)), best] <= reach + SLACK
        labels[start : start + rows] = np.where(near, best, -1)
    return labels


def _sums(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], k: int
) -> NDArray[np.float64]:
    sums = np.zeros((k, embeddings.shape[1]))
    np.add.at(sums, labels[labels >= 0], embeddings[labels >= 0])
    return sums


def _unit(sums: NDArray[np.float64]) -> NDArray[np.float32]:
    length = np.sqrt(np.einsum("ij,ij->i", sums, sums))[:, None]
    centres: NDArray[np.float32] = (sums / np.maximum(length, 1e-12)).astype(np.float32)
    return centres
