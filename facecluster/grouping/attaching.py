"""Faces put to the groups there are, one by one: nothing is founded, and no two groups meet.

Poor faces, which may neither found nor bridge groups, join the nearest within the threshold. Faces
left alone by all merging join a large group from somewhat farther away where it is clearly the
nearest: the centroid of many faces tells better than a single one, and whoever else it could be
would be nearly as near. (measure_lone.py has the figures.)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from facecluster.grouping.constraints import Constraints, barred_pairs
from facecluster.grouping.sums import directions, item_sums

__all__ = ["attach", "attach_lone"]

# A large group, in core faces; how far a lone face may be from it, and how much farther from the
# next one it has to be, both in thresholds.
LARGE = 8
REACH = 1.35
MARGIN = 0.5

# Products held at a time: 32 MB.
BLOCK = 4_000_000


def attach(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    new: NDArray[np.bool_],
    core: NDArray[np.bool_],
    *,
    threshold: float,
    constraints: Constraints,
    by_centroid: bool = True,
    margin: float = 0.0,
    least: int = 1,
) -> NDArray[np.int64]:
    """Labels (N,) with each new row in the nearest allowed group, if any is near.

    embeddings is (N, D) with unit rows, labels (N,) -1 for none; new (N,) are rows in none. Near is
    within a squared distance of threshold to the centroid of the group's core rows (N,), or without
    by_centroid to them on average, and at least `margin` nearer than any other group; groups with
    fewer than `least` core rows do not count. No new row changes where another one goes, but of two
    that may not share a group the nearer has it. Costs (new rows) x (groups) x D.
    """
    labels = labels.copy()
    rows = np.flatnonzero(new)
    if len(rows) == 0:
        return labels
    groups, middles = _middles(embeddings, labels, core, by_centroid=by_centroid, least=least)
    if len(groups) == 0:
        return labels
    barred = barred_pairs(embeddings, np.arange(len(labels)), labels < 0, constraints)
    barred = np.concatenate([barred, barred[:, ::-1]])
    # Only rows that may take each other's place have to come in the order of their nearness.
    near = np.zeros(len(labels))
    rivals = rows[np.isin(rows, barred[new[barred].all(axis=1)])]
    for some, distance in _distances(embeddings, rivals, middles):
        near[some] = distance.min(axis=1)
    rows = rows[np.argsort(near[rows], kind="stable")]
    for some, distance in _distances(embeddings, rows, middles):
        _place(some, distance, labels, groups, barred, threshold, margin)
    return labels


def attach_lone(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    new: NDArray[np.bool_],
    core: NDArray[np.bool_],
    *,
    threshold: float,
    constraints: Constraints,
) -> NDArray[np.int64]:
    """Labels (N,) with the new rows that nothing else has placed in large groups clearly nearest.

    new (N,) are rows in no group; threshold is that of grouping. The rest as in `attach`.
    """
    return attach(
        embeddings,
        labels,
        new,
        core,
        threshold=REACH * threshold,
        constraints=constraints,
        margin=MARGIN * threshold,
        least=LARGE,
    )


def _middles(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    core: NDArray[np.bool_],
    *,
    by_centroid: bool,
    least: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The groups of at least so many core rows, (G,), and the centroids or means of these."""
    good = np.flatnonzero(core & (labels >= 0))
    if len(good) == 0:
        return np.empty(0, dtype=np.int64), np.empty((0, embeddings.shape[1]))
    groups, group = np.unique(labels[good], return_inverse=True)
    sums = item_sums(embeddings[good], group)
    count = np.bincount(group)
    wanted = count >= least
    middles = directions(sums) if by_centroid else sums / count[:, None]
    return groups[wanted], middles[wanted]


def _distances(
    embeddings: NDArray[np.float32], rows: NDArray[np.int64], middles: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Some of the rows at a time, in their order, with their distances (S, G) from the middles."""
    step = max(1, BLOCK // len(middles))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        yield some, 2.0 - 2.0 * embeddings[some].astype(np.float64) @ middles.T


def _place(
    rows: NDArray[np.int64],
    distance: NDArray[np.float64],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    barred: NDArray[np.int64],
    threshold: float,
    margin: float,
) -> None:
    """Give these rows the label of their nearest group, those that are nearest first."""
    kept_from: dict[int, list[int]] = {}
    for row, other in barred[np.isin(barred[:, 0], rows)].tolist():
        kept_from.setdefault(row, []).append(other)
    place = {label: index for index, label in enumerate(groups.tolist())}
    near = distance.min(axis=1)
    for index in np.argsort(near, kind="stable").tolist():
        if near[index] > threshold:
            break
        row = int(rows[index])
        for other in kept_from.get(row, ()):
            if int(labels[other]) in place:
                distance[index, place[int(labels[other])]] = np.inf
        best = int(distance[index].argmin())
        next_one = np.delete(distance[index], best).min(initial=np.inf)
        if distance[index, best] <= min(threshold, next_one - margin):
            labels[row] = groups[best]
