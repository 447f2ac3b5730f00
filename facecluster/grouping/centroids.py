"""Groups joined by their centroids: a second look, once average linkage has made the groups.

The average distance between two groups stays as large as single faces scatter, however many there
are; their centroids, the mean directions on the sphere, lose that scatter as groups grow. So two
parts of one person that are too far apart on average are often near by their centroids, while
two people are not: at equal precision more faces of a person come together. Two single faces are as
far apart as their centroids, hence nothing changes for them.

Round after round all groups that are each other's nearest allowed one are joined, as long as their
centroids are within the threshold. This linkage is not reducible (a new centroid may be nearer to
a third one than both old ones were), so new centroids are compared with all others again.

Cost: a product of the groups of two faces and more with all groups, in single precision, then, for
each round, one of the groups that were joined; each group's centroid and some twenty pairs a group
in memory. Distances that decide are computed in double precision; among equal ones the lowest rows
are joined first.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from facecluster.grouping.candidates import HELD, LEAST_HELD, near_pairs
from facecluster.grouping.constraints import Constraints, pair_keys
from facecluster.grouping.edges import Edges
from facecluster.grouping.steps import result
from facecluster.grouping.sums import chunks, directions, item_sums

__all__ = ["join_by_centroid", "join_steps"]


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
    steps = join_steps(embeddings, labels, threshold=threshold, constraints=constraints)
    return result(steps)


def join_steps(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    threshold: float,
    constraints: Constraints,
) -> Generator[float, None, NDArray[np.int64]]:
    """The same as `join_by_centroid`, which yields the share that is done meanwhile."""
    groups = _Groups(embeddings, labels, constraints.barred(embeddings), threshold)
    changed = np.flatnonzero(groups.count > 1)
    several = len(changed)
    while len(changed):
        yield 1.0 - len(changed) / several
        groups.look(changed)
        while len(unsure := groups.unsure()):
            groups.look(unsure)
        changed = groups.join(*groups.nearest_pairs())
    return groups.lowest[groups.of]


class _Groups:
    """The groups by their lowest rows, and the edges between those that are near.

    A pair that is no edge is barred, or of two single faces, or at least the larger of the two
    radii apart.
    """

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
        self.sums = item_sums(embeddings, self.of)
        self.centroids = np.empty_like(self.sums)
        self.single = np.empty(self.sums.shape, dtype=np.float32)
        self._renew(np.arange(len(order)))
        self.threshold = threshold
        self.barred = barred
        self.radius = np.full(len(order), threshold)
        self.nearest = np.full(len(order), np.inf)
        self.stale = np.zeros(len(order), dtype=np.bool_)
        none = np.empty(0, dtype=np.int64)
        self.edges = Edges(len(order), none, none, np.empty(0))

    def _renew(self, groups: NDArray[np.int64]) -> None:
        self.centroids[groups] = directions(self.sums[groups])
        self.single[groups] = self.centroids[groups]

    def look(self, changed: NDArray[np.int64]) -> None:
        """Find the edges of some groups anew, among all groups."""
        self._forget(changed)
        rest = self.count > 0
        rest[changed] = False
        order = np.concatenate([changed, np.flatnonzero(rest)])
        # What a product in single precision may be wrong by.
        slack = (self.centroids.shape[1] + 8) * float(np.finfo(np.float32).eps)
        radius = self.radius[order] + slack
        radius[: len(changed)] = self.threshold + slack
        found = result(
            near_pairs(
                lambda places: self.single[order[places]],
                radius,
                scanned=len(changed),
                barred=self._barred(order),
                held=max(HELD * len(order), LEAST_HELD),
            )
        )
        a, b = order[found.a], order[found.b]
        distance = self._distances(a, b)
        self._renew_nearest(a, b, distance)
        # The nearest is listed, but for what single precision cannot tell.
        near = np.minimum(self.nearest[changed], self.threshold)
        self.radius[changed] = np.maximum(found.radius[: len(changed)] - slack, near)
        self.radius[changed] = np.minimum(self.radius[changed], self.threshold)
        near_one = distance <= np.maximum(self.radius[a], self.radius[b])
        self.edges.add(a[near_one], b[near_one], distance[near_one])

    def _forget(self, groups: NDArray[np.int64]) -> None:
        """Drop the edges of some groups, and the nearest of all that had one with them."""
        gone = self.edges.of(groups)
        a, b = self.edges.a[gone], self.edges.b[gone]
        self.edges.drop(gone)
        self.nearest[groups] = self.nearest[a] = self.nearest[b] = np.inf
        self.stale[groups] = self.stale[a] = self.stale[b] = True
        left = self.edges.of(np.unique(np.concatenate([a, b])))
        self._renew_nearest(self.edges.a[left], self.edges.b[left], self.edges.distance[left])

    def _renew_nearest(
        self, a: NDArray[np.integer], b: NDArray[np.integer], distance: NDArray[np.float64]
    ) -> None:
        """Take note of edges that are there."""
        for ends in (a, b):
            self.stale[ends[distance < self.nearest[ends]]] = True
            np.minimum.at(self.nearest, ends, distance)

    def _barred(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """The pairs of groups that hold rows kept apart, as sorted keys of their places."""
        place = np.zeros(len(self.count), dtype=np.int64)
        place[order] = np.arange(len(order))
        ends = place[self.of[self.barred]]
        return np.unique(pair_keys(ends[:, 0], ends[:, 1], len(order)))

    def _distances(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        dots = np.empty(len(a))
        for some in chunks(len(a)):
            dots[some] = np.einsum("ij,ij->i", self.centroids[a[some]], self.centroids[b[some]])
        return 2.0 - 2.0 * dots

    def unsure(self) -> NDArray[np.int64]:
        """Groups that may have a nearer one than their edges tell."""
        known = np.minimum(self.nearest, self.threshold) <= self.radius
        return np.flatnonzero(~known & (self.count > 0))

    def nearest_pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Groups that are each other's nearest, the lower one first, no group in two pairs.

        Only edges of groups whose nearest is another than before can have become such a pair.
        """
        edges = self.edges.of(np.flatnonzero(self.stale))
        self.stale[:] = False
        a, b, distance = self.edges.a[edges], self.edges.b[edges], self.edges.distance[edges]
        pick = (distance == self.nearest[a]) & (distance == self.nearest[b])
        pick &= distance <= self.threshold
        first, second = np.minimum(a[pick], b[pick]), np.maximum(a[pick], b[pick])
        order = np.lexsort((second, first))
        first, second = first[order].astype(np.int64), second[order].astype(np.int64)
        best = np.full(len(self.count), len(first))
        rank = np.arange(len(first))
        np.minimum.at(best, first, rank)
        np.minimum.at(best, second, rank)
        chosen = (best[first] == rank) & (best[second] == rank)
        # Equal distances leave pairs for the next round.
        self.stale[first[~chosen]] = self.stale[second[~chosen]] = True
        return first[chosen], second[chosen]

    def join(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
        """Put each second group into its first; returns the groups that have to be looked at."""
        target = np.arange(len(self.count))
        target[second] = first
        self.of = target[self.of]
        self.count[first] += self.count[second]
        self.count[second] = 0
        self.sums[first] += self.sums[second]
        self._renew(first)
        self._forget(second)
        return first
