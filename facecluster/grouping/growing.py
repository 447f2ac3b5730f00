"""New faces put to the groups there are, at a cost in proportion to what is new.

Old groups stay as they are: no face leaves one, and no two become one. What is new is compared with
them and with the faces in no group, and merges as in a full pass: first by average distance up to
the threshold, then by centroids. A group is a sum and a count, so how large it is does not matter.
Where there are no groups yet, the result is that of `group`, once `attach_lone` has followed.

Round after round all pairs that are each other's nearest allowed one merge, at least one of each
pair holding something new. Average linkage is reducible, so its rounds give what the textbook's
one merge at a time gives; centroids that were renewed are compared again (see agglomerative.py and
centroids.py).

Cost: for each round, a product of what is new, or has just merged, with all groups and all faces in
none, in double precision; each group's sum and direction and one block of the product in memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facecluster.grouping.constraints import Constraints, barred_pairs, components
from facecluster.grouping.sums import directions, item_sums

__all__ = ["grow"]

# Products held at a time: 32 MB.
BLOCK = 4_000_000


def grow(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    new: NDArray[np.bool_],
    *,
    threshold: float,
    constraints: Constraints,
    by_centroid: bool = True,
) -> NDArray[np.int64]:
    """Labels (N,) with the new rows placed; a row that had a label keeps it.

    embeddings is (N, D) with unit rows; labels (N,) the groups there are, -1 for a face in none,
    obeying the statements; new (N,) the rows to be placed, of those in no group. A new row joins a
    group or, with other rows in none, founds one: those get labels above all others, by falling
    size, then lowest row. A group has at least two faces or one of which it is stated who it is.
    Costs: see the module.
    """
    items = _items(labels, constraints)
    if len(items) == 0:
        return labels
    barred = barred_pairs(embeddings, items, labels < 0, constraints)
    growth = _Growth(embeddings, items, labels >= 0, new, barred, threshold)
    growth.merge(by_centroid=False)
    if by_centroid:
        growth.merge(by_centroid=True)
    return _labelled(labels, growth.of, new, constraints)


def _items(labels: NDArray[np.int64], constraints: Constraints) -> NDArray[np.int64]:
    """What each row is part of, (N,), counted from 0: its group, its company, or itself alone."""
    rows = np.arange(len(labels))
    grouped = np.flatnonzero(labels >= 0)
    _, first, group = np.unique(labels[grouped], return_index=True, return_inverse=True)
    root = rows.copy()
    root[grouped] = grouped[first][group]
    links = root[constraints.together]
    links = links[links[:, 0] != links[:, 1]]
    if len(links):
        root = components(len(rows), links)[root]
    _, place = np.unique(root, return_inverse=True)
    items: NDArray[np.int64] = place
    return items


class _Growth:
    """Items that merge; old ones are groups, active ones hold something new."""

    def __init__(
        self,
        embeddings: NDArray[np.float32],
        items: NDArray[np.int64],
        old: NDArray[np.bool_],
        new: NDArray[np.bool_],
        barred: NDArray[np.int64],
        threshold: float,
    ) -> None:
        self.of = items
        self.count = np.bincount(items)
        self.old = np.bincount(items, weights=old) > 0
        self.active = np.bincount(items, weights=new) > 0
        self.sums = item_sums(embeddings, items)
        self.threshold = threshold
        self.barred = np.concatenate([barred, barred[:, ::-1]])

    def merge(self, *, by_centroid: bool) -> None:
        """Merge nearest pairs until none is within the threshold."""
        self.by_centroid = by_centroid
        self.directions = self.sums.copy()
        self._renew(np.arange(len(self.count)))
        self.nearest = np.full(len(self.count), -1)
        self.distance = np.full(len(self.count), np.inf)
        changed = np.flatnonzero(self.active & (self.count > 0))
        while len(changed):
            self._look(changed)
            changed = self._join(*self._nearest_pairs())

    def _renew(self, items: NDArray[np.int64]) -> None:
        sums = self.sums[items]
        if self.by_centroid:
            self.directions[items] = directions(sums)
        else:
            self.directions[items] = sums / np.maximum(self.count[items], 1)[:, None]

    def _look(self, changed: NDArray[np.int64]) -> None:
        """Find the nearest item of some, and whether they are now the nearest of others."""
        self.distance[changed] = np.inf
        alive = self.count > 0
        # Two items that hold nothing new never merge.
        self._compare(changed[self.active[changed]], np.flatnonzero(alive))
        self._compare(changed[~self.active[changed]], np.flatnonzero(alive & self.active))

    def _compare(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> None:
        barred = self.of[self.barred]
        place = np.full(len(self.count), -1)
        place[columns] = np.arange(len(columns))
        step = max(1, BLOCK // max(1, len(columns)))
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            distance = 2.0 - 2.0 * self.directions[some] @ self.directions[columns].T
            distance[np.ix_(self.old[some], self.old[columns])] = np.inf
            row = np.full(len(self.count), -1)
            row[some] = np.arange(len(some))
            itself = some[place[some] >= 0]
            distance[row[itself], place[itself]] = np.inf
            apart = barred[(row[barred[:, 0]] >= 0) & (place[barred[:, 1]] >= 0)]
            distance[row[apart[:, 0]], place[apart[:, 1]]] = np.inf
            self._update(some, columns[distance.argmin(axis=1)], distance.min(axis=1))
            self._update(columns, some[distance.argmin(axis=0)], distance.min(axis=0))

    def _update(
        self, items: NDArray[np.int64], others: NDArray[np.int64], distance: NDArray[np.float64]
    ) -> None:
        nearer = (distance < self.distance[items]) & (distance <= self.threshold)
        self.nearest[items[nearer]] = others[nearer]
        self.distance[items[nearer]] = distance[nearer]

    def _nearest_pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Items that are each other's nearest, the lower one first."""
        near = np.flatnonzero(self.distance < np.inf)
        first = near[(self.nearest[self.nearest[near]] == near) & (near < self.nearest[near])]
        if len(first) == 0:
            # A product and its mirror image may be rounded differently: at least one pair goes on.
            first = near[np.argsort(self.distance[near], kind="stable")][:1]
        second = self.nearest[first]
        return np.minimum(first, second), np.maximum(first, second)

    def _join(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
        """Put each second item into its first; the items that have to look again."""
        target = np.arange(len(self.count))
        target[second] = first
        self.of = target[self.of]
        for values in (self.count, self.sums, self.old, self.active):
            values[first] += values[second]
        self.count[second] = 0
        self._renew(first)
        self.distance[second] = np.inf
        moved = np.zeros(len(self.count), dtype=np.bool_)
        moved[first] = moved[second] = True
        lost = (self.distance < np.inf) & moved[self.nearest]
        return np.union1d(first, np.flatnonzero(lost))


def _labelled(
    labels: NDArray[np.int64],
    items: NDArray[np.int64],
    new: NDArray[np.bool_],
    constraints: Constraints,
) -> NDArray[np.int64]:
    """The label of each row's item, those without one counted on from the highest."""
    _, first, item, size = np.unique(
        items, return_index=True, return_inverse=True, return_counts=True
    )
    label = np.full(len(size), -1, dtype=np.int64)
    label[item[labels >= 0]] = labels[labels >= 0]
    stated = np.zeros(len(size), dtype=np.bool_)
    stated[item[constraints.together]] = True
    grown = np.bincount(item, weights=new) > 0
    wanted = (label < 0) & (stated | (grown & (size > 1)))
    order = np.lexsort((first, -size))
    order = order[wanted[order]]
    label[order] = labels.max() + 1 + np.arange(len(order))
    return label[item]
