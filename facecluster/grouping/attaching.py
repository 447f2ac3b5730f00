"""Faces too poor to found or to bridge groups, each put to the group that it is nearest to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facecluster.grouping.constraints import Constraints
from facecluster.grouping.growing import barred_pairs, item_sums

__all__ = ["attach"]

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
) -> NDArray[np.int64]:
    """Labels (N,) with each new row in the nearest allowed group, if any is near.

    embeddings is (N, D) with unit rows, labels (N,) -1 for none; new (N,) are rows in none. Near is
    within a squared distance of threshold to the centroid of the group's core rows (N,), or without
    by_centroid to them on average. No new row changes where another one goes, but of two that may
    not share a group the nearer has it. Costs (new rows) x (groups) x D.
    """
    labels = labels.copy()
    rows = np.flatnonzero(new)
    good = np.flatnonzero(core & (labels >= 0))
    if len(rows) == 0 or len(good) == 0:
        return labels
    groups, group = np.unique(labels[good], return_inverse=True)
    sums = item_sums(embeddings[good], group)
    length = np.bincount(group).astype(np.float64)
    if by_centroid:
        length = np.maximum(np.sqrt(np.einsum("ij,ij->i", sums, sums)), 1e-12)
    middles = sums / length[:, None]
    barred = barred_pairs(embeddings, np.arange(len(labels)), labels < 0, constraints)
    barred = np.concatenate([barred, barred[:, ::-1]])
    step = max(1, BLOCK // len(groups))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        distance = 2.0 - 2.0 * embeddings[some].astype(np.float64) @ middles.T
        _place(some, distance, labels, groups, barred, threshold)
    return labels


def _place(
    rows: NDArray[np.int64],
    distance: NDArray[np.float64],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    barred: NDArray[np.int64],
    threshold: float,
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
        if distance[index, best] <= threshold:
            labels[row] = groups[best]
