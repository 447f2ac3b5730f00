"""Groups joined by their centroids: a second look, once average linkage has made the groups.

The average distance between two groups stays as large as single faces scatter, however many there
are; their centroids, the mean directions on the sphere, lose that scatter as groups grow. So two
parts of one person that are too far apart on average are often near by their centroids, while
two people are not: at equal precision more faces of a person come together. Two single faces are as
far apart as their centroids, hence nothing changes for them.

Round after round all groups that are each other's nearest allowed one are joined, as long as their
centroids are within the threshold. This linkage is not reducible (a new centroid may be nearer to
a third one than both old ones were), so new centroids are compared with all others again.

Cost: a product of the groups of two faces and more with all groups, in double precision, then, for
each round, one of the groups that were joined or lost their nearest one; each group's centroid and
one block of the product in memory. Among equal distances the lowest row is the nearest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facecluster.grouping.constraints import Constraints

__all__ = ["join_by_centroid"]

# Products held at a time: 32 MB.
BLOCK = 4_000_000


def join_by_centroid(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    threshold: float,
    constraints: Constraints,
) -> NDArray[np.int64]:
    """For each row the lowest row of its group, (N,), groups with near centroids joined.

    embeddings is (N, D) with unit rows, labels (N,) any numbers, each row in a group. Centroids are
    within a squared distance of threshold; statements hold as they do in `labels`.
    """
    groups = _Groups(embeddings, labels, constraints.barred(embeddings), threshold)
    changed = np.flatnonzero(groups.count > 1)
    while len(changed):
        groups.look(changed)
        first, second = groups.nearest_pairs()
        changed = groups.join(first, second)
    return groups.lowest[groups.of]


class _Groups:
    """The groups by their lowest rows, and the nearest one of each, if within the threshold."""

    def __init__(
        self,
        embeddings: NDArray[np.float32],
        labels: NDArray[np.int64],
        barred: NDArray[np.int64],
        threshold: float,
    ) -> None:
        _, lowest, group = np.unique(labels, return_index=True, return_inverse=True)
        order = np.argsort(lowest)
        self.lowest = lowest[order]
        self.of = np.argsort(order)[group]
        self.count = np.bincount(self.of)
        self.sums = np.zeros((len(order), embeddings.shape[1]))
        np.add.at(self.sums, self.of, embeddings)
        self.centroids = self.sums.copy()
        self._renew(np.arange(len(order)))
        self.threshold = threshold
        self.barred = np.concatenate([barred, barred[:, ::-1]])
        self.nearest = np.full(len(order), -1)
        self.distance = np.full(len(order), np.inf)

    def _renew(self, groups: NDArray[np.int64]) -> None:
        sums = self.sums[groups]
        length = np.sqrt(np.einsum("ij,ij->i", sums, sums))
        # Faces that cancel out have no direction: such a group is at a distance of 2 from all.
        self.centroids[groups] = sums / np.maximum(length, 1e-12)[:, None]

    def look(self, changed: NDArray[np.int64]) -> None:
        """Find the nearest group of some, and whether they are now the nearest of others."""
        self.distance[changed] = np.inf
        alive = np.flatnonzero(self.count)
        place = np.zeros(len(self.count), dtype=np.int64)
        place[alive] = np.arange(len(alive))
        barred = self.of[self.barred]
        barred = barred[np.argsort(barred[:, 0], kind="stable")]
        step = max(1, BLOCK // len(alive))
        for start in range(0, len(changed), step):
            rows = changed[start : start + step]
            distance = 2.0 - 2.0 * self.centroids[rows] @ self.centroids[alive].T
            distance[np.arange(len(rows)), place[rows]] = np.inf
            for row, group in enumerate(rows.tolist()):
                first, last = np.searchsorted(barred[:, 0], [group, group + 1])
                distance[row, place[barred[first:last, 1]]] = np.inf
            self._update(rows, alive[distance.argmin(axis=1)], distance.min(axis=1))
            self._update(alive, rows[distance.argmin(axis=0)], distance.min(axis=0))

    def _update(
        self, groups: NDArray[np.int64], others: NDArray[np.int64], distance: NDArray[np.float64]
    ) -> None:
        nearer = (distance < self.distance[groups]) & (distance <= self.threshold)
        self.nearest[groups[nearer]] = others[nearer]
        self.distance[groups[nearer]] = distance[nearer]

    def nearest_pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Groups that are each other's nearest, the lower one first."""
        near = np.flatnonzero(self.distance < np.inf)
        first = near[(self.nearest[self.nearest[near]] == near) & (near < self.nearest[near])]
        if len(first) == 0:
            # A product and its mirror image may be rounded differently: at least one pair goes on.
            first = near[np.argsort(self.distance[near], kind="stable")][:1]
        second = self.nearest[first]
        return np.minimum(first, second), np.maximum(first, second)

    def join(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
        """Put each second group into its first; the groups that have to look again."""
        target = np.arange(len(self.count))
        target[second] = first
        self.of = target[self.of]
        self.count[first] += self.count[second]
        self.count[second] = 0
        self.sums[first] += self.sums[second]
        self._renew(first)
        self.distance[second] = np.inf
        moved = np.zeros(len(self.count), dtype=np.bool_)
        moved[first] = moved[second] = True
        lost = (self.distance < np.inf) & moved[self.nearest]
        return np.union1d(first, np.flatnonzero(lost))
