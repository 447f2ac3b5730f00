"""How the result of a method that knows no statements is made to obey them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facecluster.grouping.agglomerative import cut, linkage
from facecluster.grouping.constraints import Constraints

__all__ = ["obey"]


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
    used = labels.max(initial=-1)
    for rows, stated in constraints.of_groups(labels, np.unique(labels[barred[broken, 0]])):
        tree = linkage(embeddings[rows], threshold=4.0, constraints=stated)
        part, inverse = np.unique(cut(tree, 4.0), return_inverse=True)
        fresh = np.arange(len(part)) + used
        fresh[0] = labels[rows[0]]
        labels[rows] = fresh[inverse]
        used += len(part) - 1
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
