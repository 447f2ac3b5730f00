"""How the result of a method that knows no statements is made to obey them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facecluster.grouping.agglomerative import cut, linkage
from facecluster.grouping.constraints import Constraints

__all__ = ["drop_strays", "obey"]


def obey(
    labels: NDArray[np.int64], embeddings: NDArray[np.float32], constraints: Constraints
) -> NDArray[np.int64]:
    """Labels (N,) in which all statements hold, changed only where they did not.

    First all faces of a stated person go to the group that holds most of them (the lower label at a
    tie; a new group when none is in one). Then each group that holds two faces kept apart is
    divided by average linkage among its allowed pairs, nearest first, until no two parts may merge.
    """
    labels = _gather(labels, constraints)
    barred = constraints.barred(embeddings)
    broken = labels[barred[:, 0]] == labels[barred[:, 1]]
    broken &= labels[barred[:, 0]] >= 0
    for label in np.unique(labels[barred[broken, 0]]).tolist():
        rows = np.flatnonzero(labels == label)
        tree = linkage(embeddings[rows], threshold=4.0, constraints=constraints.subset(rows))
        part, inverse = np.unique(cut(tree, 4.0), return_inverse=True)
        fresh = np.arange(len(part)) + labels.max()
        fresh[0] = label
        labels[rows] = fresh[inverse]
    return labels


def _gather(labels: NDArray[np.int64], constraints: Constraints) -> NDArray[np.int64]:
    labels = labels.copy()
    stated = np.unique(constraints.together)
    person = constraints.people()[stated]
    grouped = labels[stated] >= 0
    pairs, votes = np.unique(
        np.stack([person[grouped], labels[stated][grouped]], axis=1), axis=0, return_counts=True
    )
    home: dict[int, int] = {}
    for index in np.lexsort((pairs[:, 1], -votes)):
        home.setdefault(int(pairs[index, 0]), int(pairs[index, 1]))
    fresh = int(labels.max(initial=-1)) + 1
    for who in np.unique(person).tolist():
        if who not in home:
            home[who] = fresh
            fresh += 1
    labels[stated] = [home[who] for who in person.tolist()]
    return labels


def drop_strays(
    labels: NDArray[np.int64],
    embeddings: NDArray[np.float32],
    constraints: Constraints,
    threshold: float,
) -> NDArray[np.int64]:
    """Labels without the faces whose average squared distance to their group exceeds the threshold.

    Such faces distort the average of the others, so only the farther half of a group's leave at a
    time, at least one. A face of which the user stated who it is stays.
    """
    labels = labels.copy()
    stated = np.unique(constraints.together)
    rows = np.flatnonzero(labels >= 0)
    while len(rows):
        _, group = np.unique(labels[rows], return_inverse=True)
        average = _average(embeddings[rows].astype(np.float64), group)
        # Rows are unit only in single precision.
        far = np.flatnonzero((average > threshold + 1e-6) & ~np.isin(rows, stated))
        far = far[np.lexsort((-average[far], group[far]))]
        place = np.arange(len(far)) - np.searchsorted(group[far], group[far])
        several = np.bincount(group[far], minlength=1)[group[far]]
        labels[rows[far[place < np.maximum(several // 2, 1)]]] = -1
        rows = rows[np.isin(group, group[far]) & (labels[rows] >= 0)]
    return labels


def _average(vectors: NDArray[np.float64], group: NDArray[np.int64]) -> NDArray[np.float64]:
    """The average squared distance of each row to the others of its group, 0 for a row alone."""
    size = np.bincount(group)[group]
    sums = np.zeros((int(group.max()) + 1, vectors.shape[1]))
    np.add.at(sums, group, vectors)
    dots = np.einsum("ij,ij->i", vectors, sums[group] - vectors)
    return np.where(size > 1, 2.0 - 2.0 * dots / np.maximum(size - 1, 1), 0.0)
