"""Which faces are one person: three ways to group embeddings, all bound by what the user stated."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import UsageError
from facecluster.grouping.agglomerative import Dendrogram, cut, linkage, linkage_steps
from facecluster.grouping.attaching import attach, attach_lone
from facecluster.grouping.centroids import join_steps
from facecluster.grouping.constraints import NEAR_DUPLICATE, Constraints
from facecluster.grouping.density import hdbscan_steps
from facecluster.grouping.growing import grow
from facecluster.grouping.kmeans import kmeans_steps
from facecluster.grouping.numbering import renumber
from facecluster.grouping.settling import settle
from facecluster.grouping.steps import part, result

__all__ = [
    "METHODS",
    "NEAR_DUPLICATE",
    "Constraints",
    "Dendrogram",
    "attach",
    "attach_lone",
    "cut",
    "group",
    "group_steps",
    "grow",
    "linkage",
    "renumber",
    "result",
    "settle",
]

METHODS = ("agglomerative", "kmeans", "hdbscan")
# About the share of the time that average linkage takes, before groups are joined by centroids.
LINKED = 0.7


def group(
    embeddings: NDArray[np.float32],
    *,
    method: str,
    threshold: float | None,
    k: int | None,
    constraints: Constraints,
    by_centroid: bool = True,
    minimum: int = 2,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Labels (N,): 0..G-1 by falling size, then lowest row; -1 for a face in no group.

    embeddings is (N, D) with unit rows; threshold a squared distance (0 to 4) that agglomerative
    and hdbscan need, and kmeans when k is None; k is for kmeans alone. agglomerative is average
    linkage; unless by_centroid is False its groups are then joined by their centroids, and lone
    faces put to large groups that are clearly the nearest (see `attach_lone`). A group has at least
    `minimum` faces, or a face of which it is stated who it is (a row of constraints.together); all
    other faces are in no group. With any method all statements hold; no faces give no labels, one
    face gives -1, two faces are a group when they are within the threshold, identical vectors are
    one group, and faces all farther apart than the threshold are in none. Raises UsageError for an
    unknown method, a setting that is missing, and contradicting statements; ValueError for arrays
    that do not fit.
    """
    return result(
        group_steps(
            embeddings,
            method=method,
            threshold=threshold,
            k=k,
            constraints=constraints,
            by_centroid=by_centroid,
            minimum=minimum,
            seed=seed,
        )
    )


def group_steps(
    embeddings: NDArray[np.float32],
    *,
    method: str,
    threshold: float | None,
    k: int | None,
    constraints: Constraints,
    by_centroid: bool = True,
    minimum: int = 2,
    seed: int = 0,
) -> Generator[float, None, NDArray[np.int64]]:
    """The same as `group`, which yields the share that is done meanwhile, 0 to 1, rising."""
    _check_settings(method, k, minimum)
    _check(embeddings, constraints)
    if len(embeddings) == 0:
        return np.empty(0, dtype=np.int64)
    if method == "kmeans":
        labels = yield from kmeans_steps(embeddings, threshold, k, constraints, minimum, seed)
    elif threshold is None:
        raise UsageError(f"{method} needs a threshold, a squared distance between 0 and 4.")
    elif method == "hdbscan":
        labels = yield from hdbscan_steps(embeddings, threshold, constraints, minimum)
    else:
        labels = yield from _agglomerative(embeddings, threshold, constraints, by_centroid)
    return _in_order(labels, constraints, minimum)


def _agglomerative(
    embeddings: NDArray[np.float32], threshold: float, constraints: Constraints, by_centroid: bool
) -> Generator[float, None, NDArray[np.int64]]:
    steps = linkage_steps(embeddings, threshold=threshold, constraints=constraints)
    labels = cut((yield from part(steps, 0.0, LINKED if by_centroid else 1.0)), threshold)
    if not by_centroid:
        return labels
    more = join_steps(embeddings, labels, threshold=threshold, constraints=constraints)
    labels = yield from part(more, LINKED, 1.0)
    _, group, size = np.unique(labels, return_inverse=True, return_counts=True)
    lone = size[group] == 1
    lone[constraints.together] = False
    labels[lone] = -1
    return attach_lone(
        embeddings,
        labels,
        lone,
        np.ones_like(lone),
        threshold=threshold,
        constraints=constraints,
    )


def _check_settings(method: str, k: int | None, minimum: int) -> None:
    if method not in METHODS:
        raise UsageError(f"Unknown method {method!r}: choose one of {', '.join(METHODS)}.")
    if k is not None and method != "kmeans":
        raise UsageError(f"The number of groups is for kmeans, not {method}: leave out k.")
    if minimum < 1:
        raise UsageError(f"The smallest group must have at least 1 face, got {minimum}.")


def _check(embeddings: NDArray[np.float32], constraints: Constraints) -> None:
    if embeddings.ndim != 2:
        raise ValueError(f"embeddings must be (faces, dimensions), got shape {embeddings.shape}")
    constraints.validate(len(embeddings))
    length = np.einsum("ij,ij->i", embeddings, embeddings)
    if not np.all(np.abs(length - 1.0) < 1e-2):
        raise ValueError("embeddings must have finite rows of length 1")


def _in_order(
    labels: NDArray[np.int64], constraints: Constraints, minimum: int
) -> NDArray[np.int64]:
    """Labels counted by falling size, then lowest row; -1 for what is too small and unnamed."""
    if minimum == 1:
        alone = labels < 0
        labels = labels.copy()
        labels[alone] = labels.max() + 1 + np.arange(np.count_nonzero(alone))
    _, first, group, size = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    wanted = size >= minimum
    wanted[group[np.unique(constraints.together)]] = True
    wanted[group[labels < 0]] = False
    order = np.lexsort((first, -size))
    order = order[wanted[order]]
    number = np.full(len(size), -1, dtype=np.int64)
    number[order] = np.arange(len(order))
    return number[group]
