"""Groups that follow what was said, or taken back, since they were made; nothing else moves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facecluster.grouping.agglomerative import cut, linkage
from facecluster.grouping.constraints import Constraints

__all__ = ["settle"]

# No two unit vectors are farther apart.
_ALL = 4.0


def settle(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    released: NDArray[np.bool_],
    *,
    threshold: float,
    constraints: Constraints,
) -> NDArray[np.int64]:
    """Labels (N,) that obey the statements; -1 for a row that has to leave its group.

    embeddings is (N, D) with unit rows; labels (N,) the groups there are, -1 for none. Faces stated
    to be one person go to the group that holds most of them. A face that was rejected leaves. A
    group of two people is divided: what average linkage puts with the one it has most of stays.
    released (N,) marks faces of which the user took back whose they are: each stays only while
    average linkage at the threshold puts it with most of its group. Costs little but for groups
    that are divided, each like a grouping of its faces.
    """
    labels = _gathered(labels, constraints)
    said = Constraints(
        constraints.together, constraints.apart, np.full(len(labels), -1, dtype=np.int64)
    )
    _let_go(labels, said)
    broken = np.unique(labels[_broken(labels, said)[:, 0]])
    for rows, stated in said.of_groups(labels, broken):
        part = _parts(embeddings[rows], stated, _ALL)
        labels[rows[part != np.bincount(part).argmax()]] = -1
    let_go = np.unique(labels[released & (labels >= 0)])
    for rows, stated in said.of_groups(labels, let_go):
        part = _parts(embeddings[rows], stated, threshold)
        weight = np.where(released[rows].all(), True, ~released[rows])
        home = np.bincount(part, weights=weight).argmax()
        labels[rows[released[rows] & (part != home)]] = -1
    return labels


def _gathered(labels: NDArray[np.int64], constraints: Constraints) -> NDArray[np.int64]:
    """Labels with the faces of each stated person in one group, if any of them is in one.

    That is the group that holds most of them, but one in which they are outvoted only if need be.
    """
    labels = labels.copy()
    stated = np.unique(constraints.together)
    person = constraints.people()
    grouped = stated[labels[stated] >= 0]
    held, votes = np.unique(
        np.stack([person[grouped], labels[grouped]], axis=1), axis=0, return_counts=True
    )
    outvoted = _outvoted(held, votes, person[constraints.apart])
    home = np.full(len(labels), -1, dtype=np.int64)
    order = np.lexsort((-held[:, 1], votes, ~outvoted))
    home[held[order, 0]] = held[order, 1]  # the last one counts
    labels[stated] = home[person[stated]]
    return labels


def _outvoted(
    held: NDArray[np.int64], votes: NDArray[np.int64], apart: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which pairs of person and label, (H, 2), have more faces of somebody kept apart beside them.

    apart is (K, 2), people kept apart.
    """
    found = np.zeros(len(held), dtype=np.bool_)
    labels, people = np.unique(held[:, 1], return_counts=True)
    mixed = np.flatnonzero(np.isin(held[:, 1], labels[people > 1]))
    apart = apart[np.isin(apart, held[mixed, 0]).all(axis=1)]
    strangers = {frozenset(pair) for pair in apart.tolist()}
    for one in mixed.tolist():
        for other in mixed[held[mixed, 1] == held[one, 1]].tolist():
            if frozenset((held[one, 0], held[other, 0])) in strangers:
                found[one] |= votes[one] < votes[other]
    return found


def _broken(labels: NDArray[np.int64], constraints: Constraints) -> NDArray[np.int64]:
    """The pairs of rows kept apart that are in one group."""
    one, other = labels[constraints.apart].T
    pairs: NDArray[np.int64] = constraints.apart[(one == other) & (one >= 0)]
    return pairs


def _let_go(labels: NDArray[np.int64], constraints: Constraints) -> None:
    """Take out of their groups the faces that are kept apart from it and are nobody's."""
    broken = _broken(labels, constraints)
    alone = ~np.isin(broken, constraints.together)
    labels[broken[:, 0][alone[:, 0]]] = -1
    labels[broken[:, 1][alone[:, 1] & ~alone[:, 0]]] = -1


def _parts(
    embeddings: NDArray[np.float32], constraints: Constraints, threshold: float
) -> NDArray[np.int64]:
    """The part of a group that each of its rows is in, counted from 0."""
    tree = linkage(embeddings, threshold=threshold, constraints=constraints)
    parts: NDArray[np.int64] = np.unique(cut(tree, threshold), return_inverse=True)[1]
    return parts
