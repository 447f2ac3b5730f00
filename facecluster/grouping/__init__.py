"""Which faces are one person: three ways to group embeddings, all bound by what the user stated."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from facecluster.grouping.agglomerative import Dendrogram, cut, linkage, linkage_steps
from facecluster.grouping.attaching import attach, attach_lone
from facecluster.grouping.centroids import join_steps
from facecluster.grouping.constraints import NEAR_DUPLICATE, Constraints
from facecluster.grouping.density import hdbscan_steps
from facecluster.grouping.growing import grow
from facecluster.grouping.kmeans import centres_of, kmeans_steps, spread_centres
from facecluster.grouping.numbering import renumber
from facecluster.grouping.settings import METHODS, Settings
from facecluster.grouping.settling import settle
from facecluster.grouping.steps import part, result
from facecluster.grouping.sums import directions, item_sums

__all__ = [
    "METHODS",
    "NEAR_DUPLICATE",
    "Constraints",
    "Dendrogram",
    "Settings",
    "attach",
    "attach_lone",
    "cut",
    "directions",
    "group",
    "group_steps",
    "grow",
    "item_sums",
    "linkage",
    "linkage_steps",
    "renumber",
    "result",
    "settle",
]

Linkage: TypeAlias = Callable[..., Generator[float, None, Dendrogram]]

# About the share of the time that is over before groups are joined by centroids, and before k-means
# moves its first centres.
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
    """The same as `group_steps`, all at once, with the fields of Settings one by one."""
    settings = Settings(method, threshold, k, by_centroid, minimum, seed)
    return result(group_steps(embeddings, settings, constraints))


def group_steps(
    embeddings: NDArray[np.float32],
    settings: Settings,
    constraints: Constraints,
    linked: Linkage = linkage_steps,
) -> Generator[float, None, NDArray[np.int64]]:
    """Labels (N,): 0..G-1 by falling size, then lowest row; -1 for a face in no group.

    Yields the share that is done meanwhile, 0 to 1, rising. embeddings is (N, D) with unit rows.
    agglomerative is average linkage; unless by_centroid is False its groups, and those of hdbscan,
    are then joined by their centroids. kmeans without k takes the number of groups that are found
    so, and begins with their centroids; faces farther than the threshold from all centres are in
    none. At last lone faces are put to large groups that are clearly the nearest (see
    `attach_lone`), by any method, unless by_centroid is False or k is given.

    A group has at least `minimum` faces, or a face of which it is stated who it is (a row of
    constraints.together). With any method all statements hold; no faces give no labels, one face
    gives -1, two faces are a group when they are within the threshold, identical vectors are one
    group, and faces all farther apart than the threshold are in none. linked takes the place of
    linkage_steps, with the same merges, up to the threshold at least. Raises UsageError for
    contradicting statements; ValueError for arrays that do not fit.
    """
    _check(embeddings, constraints)
    if len(embeddings) == 0:
        return np.empty(0, dtype=np.int64)
    if settings.method == "hdbscan":
        labels = yield from _hdbscan(embeddings, settings, constraints)
    elif settings.method == "kmeans":
        labels = yield from _kmeans(embeddings, settings, constraints, linked)
    else:
        labels = yield from _agglomerative(embeddings, settings, constraints, linked)
    if settings.by_centroid and settings.k is None:
        labels = _lone_attached(labels, embeddings, settings, constraints)
    return _in_order(labels, constraints, settings.minimum)


def _agglomerative(
    embeddings: NDArray[np.float32], settings: Settings, constraints: Constraints, linked: Linkage
) -> Generator[float, None, NDArray[np.int64]]:
    steps = linked(embeddings, threshold=settings.reach, constraints=constraints)
    tree = yield from part(steps, 0.0, LINKED if settings.by_centroid else 1.0)
    labels = cut(tree, settings.reach)
    return (yield from _joined(labels, embeddings, settings, constraints))


def _hdbscan(
    embeddings: NDArray[np.float32], settings: Settings, constraints: Constraints
) -> Generator[float, None, NDArray[np.int64]]:
    steps = hdbscan_steps(embeddings, settings.reach, constraints, settings.minimum)
    labels = yield from part(steps, 0.0, LINKED if settings.by_centroid else 1.0)
    return (yield from _joined(labels, embeddings, settings, constraints))


def _joined(
    labels: NDArray[np.int64],
    embeddings: NDArray[np.float32],
    settings: Settings,
    constraints: Constraints,
) -> Generator[float, None, NDArray[np.int64]]:
    """The groups joined by their centroids, if that is wanted."""
    if not settings.by_centroid:
        return labels
    alone = _each_alone(labels)
    steps = join_steps(embeddings, alone, threshold=settings.reach, constraints=constraints)
    return (yield from part(steps, LINKED, 1.0))


def _kmeans(
    embeddings: NDArray[np.float32], settings: Settings, constraints: Constraints, linked: Linkage
) -> Generator[float, None, NDArray[np.int64]]:
    if settings.k is not None:
        centres = spread_centres(embeddings, settings.k, settings.seed)
    else:
        start = _agglomerative(embeddings, settings, constraints, linked)
        labels = yield from part(start, 0.0, LINKED)
        centres = centres_of(embeddings, labels, settings.minimum)
    steps = kmeans_steps(embeddings, centres, settings.reach, constraints, settings.seed)
    return (yield from part(steps, LINKED, 1.0))


def _lone_attached(
    labels: NDArray[np.int64],
    embeddings: NDArray[np.float32],
    settings: Settings,
    constraints: Constraints,
) -> NDArray[np.int64]:
    _, group, size = np.unique(labels, return_inverse=True, return_counts=True)
    lone = (labels < 0) | (size[group] == 1)
    lone[constraints.together] = False
    labels = np.where(lone, -1, labels)
    everybody = np.ones_like(lone)
    return attach_lone(
        embeddings, labels, lone, everybody, threshold=settings.reach, constraints=constraints
    )


def _each_alone(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The labels, with one of its own for each face in no group."""
    alone = labels < 0
    labels = labels.copy()
    labels[alone] = labels.max() + 1 + np.arange(np.count_nonzero(alone))
    return labels


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
        labels = _each_alone(labels)
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
