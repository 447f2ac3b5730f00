"""Spherical k-means: k groups around unit centres, each face with the centre it is nearest to."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import UsageError
from facecluster.grouping.agglomerative import cut, linkage_steps
from facecluster.grouping.constraints import Constraints
from facecluster.grouping.repair import drop_strays, obey
from facecluster.grouping.steps import part, result

__all__ = ["kmeans_steps"]

ITERATIONS = 50
# Above this many rows the centres learn from batches; below, from all rows at each step.
FULL = 50_000
BATCH = 8_192
# With k given, so many starts are tried, where rows times centres are no more than this.
STARTS = 8
# About the share of the time that finding the first centres takes.
START = 0.7
CHEAP = 2_000_000


def kmeans_steps(
    embeddings: NDArray[np.float32],
    threshold: float | None,
    k: int | None,
    constraints: Constraints,
    minimum: int,
    seed: int,
) -> Generator[float, None, NDArray[np.int64]]:
    """Labels (N,) of spherical k-means, made to obey the statements; yields the share done.

    With k, the centres start by greedy k-means++ from the seed, and every face is in one of at most
    k groups (more only where statements divide one). Without k, it is the number of groups of
    `minimum` faces or more that average linkage finds at the threshold, whose means are the first
    centres, and faces on average farther than the threshold from the rest of their group are in
    none. Costs n * k * d multiplications an iteration; over 50,000 rows two passes in mini-batches
    take the place of the iterations.
    """
    if k is not None and k < 1:
        raise UsageError(f"The number of groups must be at least 1, got {k}.")
    if k is None:
        if threshold is None:
            raise UsageError("k-means needs a number of groups, or a threshold to find it by.")
        steps = linkage_steps(embeddings, threshold=threshold, constraints=constraints)
        tree = yield from part(steps, 0.0, START)
        centres = _centres(embeddings, cut(tree, threshold), minimum)
    else:
        centres = _plus_plus(embeddings, k, seed)
    if len(centres) == 0:
        return obey(np.full(len(embeddings), -1, dtype=np.int64), embeddings, constraints)
    learn = _learn_in_batches if len(embeddings) > FULL else _learn
    centres = yield from part(learn(embeddings, centres, seed), START, 1.0)
    labels = _assign(embeddings, centres)
    if k is None and threshold is not None:
        labels = drop_strays(labels, embeddings, constraints, threshold)
    return obey(labels, embeddings, constraints)


def _centres(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], minimum: int
) -> NDArray[np.float32]:
    _, group, size = np.unique(labels, return_inverse=True, return_counts=True)
    return _unit(_sums(embeddings, group, len(size))[size >= minimum])


def _plus_plus(embeddings: NDArray[np.float32], k: int, seed: int) -> NDArray[np.float32]:
    """The best of several greedy k-means++ starts: learnt centres with the nearest faces."""
    from sklearn.cluster import kmeans_plusplus

    k = min(k, len(embeddings))
    starts = STARTS if len(embeddings) * k <= CHEAP else 1
    best, nearest = embeddings[:0], -np.inf
    for start in range(starts):
        centres, _ = kmeans_plusplus(embeddings, k, random_state=seed + start)
        if starts > 1:
            centres = result(_learn(embeddings, centres, seed))
        near = float((embeddings @ centres.T).max(axis=1).sum(dtype=np.float64))
        if near > nearest:
            best, nearest = centres, near
    return best


def _learn(
    embeddings: NDArray[np.float32], centres: NDArray[np.float32], _seed: int
) -> Generator[float, None, NDArray[np.float32]]:
    before = np.full(len(embeddings), -1, dtype=np.int64)
    for turn in range(ITERATIONS):
        yield turn / ITERATIONS
        labels = _assign(embeddings, centres)
        if np.array_equal(labels, before):
            break
        before = labels
        sums = _sums(embeddings, labels, len(centres))
        # A centre that nobody is nearest to stays where it is.
        empty = np.bincount(labels, minlength=len(centres)) == 0
        sums[empty] = centres[empty]
        centres = _unit(sums)
    return centres


def _learn_in_batches(
    embeddings: NDArray[np.float32], centres: NDArray[np.float32], seed: int
) -> Generator[float, None, NDArray[np.float32]]:
    sums = centres.astype(np.float64)
    chance = np.random.default_rng(seed)
    for turn in range(2):
        order = chance.permutation(len(embeddings))
        for start in range(0, len(order), BATCH):
            yield (turn + start / len(order)) / 2
            rows = embeddings[order[start : start + BATCH]]
            sums += _sums(rows, _assign(rows, centres), len(centres))
            centres = _unit(sums)
    return centres


def _assign(embeddings: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    labels = np.empty(len(embeddings), dtype=np.int64)
    rows = max(1, (1 << 22) // len(centres))
    for start in range(0, len(embeddings), rows):
        similarity = embeddings[start : start + rows] @ centres.T
        labels[start : start + rows] = similarity.argmax(axis=1)
    return labels


def _sums(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], k: int
) -> NDArray[np.float64]:
    sums = np.zeros((k, embeddings.shape[1]))
    np.add.at(sums, labels, embeddings)
    return sums


def _unit(sums: NDArray[np.float64]) -> NDArray[np.float32]:
    length = np.sqrt(np.einsum("ij,ij->i", sums, sums))[:, None]
    centres: NDArray[np.float32] = (sums / np.maximum(length, 1e-12)).astype(np.float32)
    return centres
