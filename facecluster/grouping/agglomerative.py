"""Exact average linkage on the paper's squared distance, without the matrix of all distances.

On unit vectors the average squared distance between two groups is 2 - 2 * mean . mean, so a group
is a sum and a count. Average linkage is reducible: merging two groups brings no third one nearer to
anybody than the nearer of the two was. So every two groups that are each other's nearest may merge
at once, round after round, and the result is that of the textbook algorithm; a group with nobody
within the threshold is finished for good. Two rows that may not share a group are infinitely far
apart, and so is every pair of groups that holds them: an average with infinity stays infinite,
hence the same reasoning holds, and the merges are by distance among the allowed pairs.

Each group knows some near groups, and a bound: every group it does not list is at least as far as
that. When two groups merge, the average of their bounds, weighted by their sizes, bounds the merged
group; a nearest neighbour within the bound is proven without a look at anything else, and only
groups that run out of proven neighbours are scanned again. Ties are broken by a fixed shuffle of
the rows; identical vectors are merged first.

Cost: one symmetric n x n x d product in single precision (all lists), n * d doubles and a few tens
of pairs a face in memory, and scans of the groups that run out: few where strangers are farther
apart than the threshold, about as much again where every face has hundreds of others within it.
Distances that decide are computed in double precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import UsageError
from facecluster.grouping.candidates import HELD, near_pairs, seed_radius
from facecluster.grouping.constraints import Constraints, components, in_sorted, pair_keys

__all__ = ["Dendrogram", "cut", "identical_pairs", "linkage"]

# Pairs of rows gathered at a time for a double-precision distance: 2 x 2 MB at 128 dimensions.
CHUNK = 2048
# Pairs that a small library may hold in any case.
LEAST_HELD = 1 << 16
# A scan in single precision proves all but ties; those left are scanned in double precision, at
# last without a guess at the radius, which always proves.
SCANS = ((np.float32, True), (np.float64, True), (np.float64, False))


@dataclass(frozen=True)
class Dendrogram:
    """The merges of n rows, by rising height.

    rows is (M, 2), one row of each of the two groups that merged; heights (M,) their average
    squared distances, at most threshold; merges stated by the user and those of identical vectors
    have height 0.
    """

    n: int
    rows: NDArray[np.int64]
    heights: NDArray[np.float64]
    threshold: float


def linkage(
    embeddings: NDArray[np.float32], *, threshold: float, constraints: Constraints
) -> Dendrogram:
    """All merges of average linkage up to a squared distance of threshold.

    embeddings is (N, D) with unit rows. See the module for the method and its cost.
    """
    if not threshold >= 0.0:
        raise UsageError(f"The threshold is a squared distance, 0 to 4; got {threshold}.")
    forest = _Forest(embeddings, min(float(threshold), 4.0), constraints)
    while forest.step():
        pass
    rows = np.concatenate(forest.merged_rows)
    heights = np.concatenate(forest.merged_heights)
    order = np.argsort(heights, kind="stable")
    return Dendrogram(len(embeddings), rows[order], heights[order], float(threshold))


def cut(tree: Dendrogram, threshold: float) -> NDArray[np.int64]:
    """For each row the lowest row of its group, (n,), when merges stop at a squared distance.

    The threshold may be at most the one the tree was made with (UsageError): higher merges are not
    known.
    """
    if not 0.0 <= threshold <= tree.threshold:
        raise UsageError(
            f"Groups are known up to a squared distance of {tree.threshold:g}, not "
            f"{threshold:g}: group again."
        )
    return components(tree.n, tree.rows[tree.heights <= threshold])


class _Forest:
    """The groups still growing, one a slot, with the pairs that may be nearest neighbours.

    A pair of slots that is not listed is barred or at least max(bound of one, bound of the other)
    apart, where a slot's bound is limit - gap: a gap of 0 says that all pairs within the limit are
    listed.
    """

    def __init__(
        self, embeddings: NDArray[np.float32], limit: float, constraints: Constraints
    ) -> None:
        n = len(embeddings)
        barred = constraints.barred(embeddings)
        free = np.ones(n, dtype=np.bool_)
        free[constraints.together] = free[barred] = False
        twins = identical_pairs(embeddings, np.flatnonzero(free))
        root = components(n, np.concatenate([constraints.together, twins]))
        self.row, slot = np.unique(root, return_inverse=True)
        m = len(self.row)
        self.limit = limit
        self.sums = _sums(embeddings, slot, m)
        self.count = np.bincount(slot, minlength=m).astype(np.float64)
        self.gap = np.full(m, np.inf)
        self.alive = np.ones(m, dtype=np.bool_)
        self.shuffle = np.random.default_rng(0).permutation(n)
        self.a = np.empty(0, dtype=np.int64)
        self.b = np.empty(0, dtype=np.int64)
        self.distance = np.empty(0)
        self.bars = np.unique(np.sort(slot[barred], axis=1), axis=0)
        self.bar_keys = self._keys_of_bars()
        self.unsure = m
        self.held = max(HELD * n, LEAST_HELD)
        grown = np.flatnonzero(root != np.arange(n))
        self.merged_rows = [np.stack([root[grown], grown], axis=1)]
        self.merged_heights = [np.zeros(len(grown))]

    def step(self) -> bool:
        """Merge all proven pairs, or scan again where there are none; False at the end."""
        nearest = self._nearest()
        proven = nearest <= self.limit - self.gap
        unsure = self.alive & ~proven & (self.gap > 0.0)
        first, second, height = self._mutual(nearest, proven)
        if len(first):
            self._merge(first, second, height)
            self._retire()
            return True
        if not unsure.any():
            return False
        for precision, seeded in SCANS:
            self._compact()
            if self.unsure:
                self._scan(precision, seeded)
        self._retire()
        return True

    def _nearest(self) -> NDArray[np.float64]:
        nearest = np.full(len(self.alive), np.inf)
        np.minimum.at(nearest, self.a, self.distance)
        np.minimum.at(nearest, self.b, self.distance)
        return nearest

    def _mutual(
        self, nearest: NDArray[np.float64], proven: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Pairs of slots that are each other's proven nearest, no slot in two of them."""
        sure = np.where(proven, nearest, -1.0)
        pick = np.flatnonzero((self.distance == sure[self.a]) & (self.distance == sure[self.b]))
        a, b = self.a[pick], self.b[pick]
        one, other = self.shuffle[self.row[a]], self.shuffle[self.row[b]]
        # Among equal distances the order is that of the sum, then the lower place, in a fixed
        # shuffle: nothing in the data lines up with it, so a star of equal distances does not merge
        # one pair a round.
        order = np.lexsort((np.minimum(one, other), one + other))
        rank = np.empty(len(pick), dtype=np.int64)
        rank[order] = np.arange(len(pick))
        best = np.full(len(self.alive), len(pick))
        np.minimum.at(best, a, rank)
        np.minimum.at(best, b, rank)
        chosen = (best[a] == rank) & (best[b] == rank)
        return a[chosen], b[chosen], self.distance[pick[chosen]]

    def _merge(
        self, first: NDArray[np.int64], second: NDArray[np.int64], height: NDArray[np.float64]
    ) -> None:
        """Put each second slot into its first, and renew the pairs that touch either."""
        self.merged_rows.append(np.stack([self.row[first], self.row[second]], axis=1))
        self.merged_heights.append(height)
        old_count, old_gap = self.count.copy(), self.gap.copy()
        total = self.count[first] + self.count[second]
        weighted = self.gap[first] * self.count[first] + self.gap[second] * self.count[second]
        self.gap[first] = weighted / total
        self.count[first] = total
        self.sums[first] += self.sums[second]
        self.row[first] = np.minimum(self.row[first], self.row[second])
        self.alive[second] = False
        target = np.arange(len(self.alive))
        target[second] = first
        widest = self.gap.copy()
        widest[first] = np.maximum(old_gap[first], old_gap[second])
        if len(self.bars):
            self.bars = np.unique(np.sort(target[self.bars], axis=1), axis=0)
            self.bar_keys = self._keys_of_bars()
        moved = np.zeros(len(self.alive), dtype=np.bool_)
        moved[first] = moved[second] = True
        touched = moved[self.a] | moved[self.b]
        a, b, distance = self.a[touched], self.b[touched], self.distance[touched]
        weight = old_count[a] * old_count[b]
        self.a, self.b = self.a[~touched], self.b[~touched]
        self.distance = self.distance[~touched]
        self._join(target[a], target[b], distance, weight, widest)

    def _join(
        self,
        a: NDArray[np.int64],
        b: NDArray[np.int64],
        distance: NDArray[np.float64],
        weight: NDArray[np.float64],
        widest: NDArray[np.float64],
    ) -> None:
        """Add the pairs of merged slots, each once, averaged over the listed pairs of their parts.

        Where a part is not listed it is at least as far as the bounds say (widest: the widest gap
        among a slot's parts); only pairs that could still be within a bound are computed.
        """
        size = len(self.alive)
        keys = pair_keys(a, b, size)
        order = np.argsort(keys, kind="stable")
        order = order[(a != b)[order]]
        keys = keys[order]
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        if len(starts) == 0:
            return
        known = np.add.reduceat((distance * weight)[order], starts)
        present = np.add.reduceat(weight[order], starts)
        a, b = np.divmod(keys[starts], size)
        total = self.count[a] * self.count[b]
        floor = self.limit - np.minimum(widest[a], widest[b])
        missing = total - present
        least = known + np.where(missing > 0.0, missing * floor, 0.0)
        useful = least / total <= self.limit - np.minimum(self.gap[a], self.gap[b])
        useful &= ~in_sorted(keys[starts], self.bar_keys)
        a, b, missing = a[useful], b[useful], missing[useful]
        average = known[useful] / total[useful]
        part = np.flatnonzero(missing > 0.0)
        average[part] = self._distances(a[part], b[part])
        self._add(a, b, average)

    def _add(
        self, a: NDArray[np.int64], b: NDArray[np.int64], distance: NDArray[np.float64]
    ) -> None:
        """List the pairs that are within the bound of one of their two slots."""
        near = distance <= self.limit - np.minimum(self.gap[a], self.gap[b])
        self.a = np.concatenate([self.a, a[near]])
        self.b = np.concatenate([self.b, b[near]])
        self.distance = np.concatenate([self.distance, distance[near]])

    def _distances(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        """Average squared distances of pairs of slots, the same for (a, b) and (b, a)."""
        dots = np.empty(len(a))
        for start in range(0, len(a), CHUNK):
            part = slice(start, start + CHUNK)
            dots[part] = np.einsum("ij,ij->i", self.sums[a[part]], self.sums[b[part]])
        return np.maximum(2.0 - 2.0 * dots / (self.count[a] * self.count[b]), 0.0)

    def _scan(self, precision: type[np.floating], seeded: bool) -> None:
        """List anew the pairs of the first `unsure` slots, with bounds that prove their nearest."""
        fresh, size = self.unsure, len(self.alive)
        means = np.empty(self.sums.shape, dtype=precision)
        np.divide(self.sums, self.count[:, None], out=means, casting="same_kind")
        # What the product may be wrong by: each of d roundings by half an epsilon of a number below
        # 2.
        slack = means.shape[1] * float(np.finfo(precision).eps)
        rest = (self.a >= fresh) & (self.b >= fresh)
        self.a, self.b, self.distance = self.a[rest], self.b[rest], self.distance[rest]
        radius = self.limit - self.gap + slack
        radius[:fresh] = self.limit + slack
        if seeded:
            radius[:fresh] = seed_radius(means, fresh, self.limit + slack, self.held)
        found = near_pairs(means, radius, scanned=fresh, barred=self.bar_keys, held=self.held)
        gap = self.limit - (found.radius[:fresh] - slack)
        gap[found.radius[:fresh] >= self.limit + slack] = 0.0
        distance = self._distances(found.a, found.b)
        if precision is np.float64:
            nearest = np.full(size, np.inf)
            np.minimum.at(nearest, found.a, distance)
            np.minimum.at(nearest, found.b, distance)
            seen = nearest[:fresh] < np.inf
            gap[seen] = np.minimum(gap, self.limit - nearest[:fresh])[seen]
        self.gap[:fresh] = np.maximum(gap, 0.0)
        self._add(found.a, found.b, distance)

    def _retire(self) -> None:
        """Let go of the slots that have nobody left within the limit."""
        lonely = self.gap <= 0.0
        lonely[self.a] = lonely[self.b] = False
        self.alive &= ~lonely

    def _compact(self) -> None:
        """Number the living slots anew, those to be scanned first."""
        unsure = self.alive & (self._nearest() > self.limit - self.gap) & (self.gap > 0.0)
        self.unsure = int(unsure.sum())
        if self.unsure in (0, len(self.alive)):
            return
        keep = np.concatenate([np.flatnonzero(unsure), np.flatnonzero(self.alive & ~unsure)])
        place = np.full(len(self.alive), -1)
        place[keep] = np.arange(len(keep))
        self.sums, self.count, self.row = self.sums[keep], self.count[keep], self.row[keep]
        self.gap, self.alive = self.gap[keep], self.alive[keep]
        self.a, self.b = place[self.a], place[self.b]
        bars = place[self.bars]
        self.bars = np.sort(bars[(bars >= 0).all(axis=1)], axis=1)
        self.bar_keys = self._keys_of_bars()

    def _keys_of_bars(self) -> NDArray[np.int64]:
        return np.sort(pair_keys(self.bars[:, 0], self.bars[:, 1], len(self.alive)))


def _sums(embeddings: NDArray[np.float32], slot: NDArray[np.int64], m: int) -> NDArray[np.float64]:
    """The sum of the unit rows of each slot, (m, d)."""
    sums = np.zeros((m, embeddings.shape[1]))
    for start in range(0, len(embeddings), CHUNK):
        rows = embeddings[start : start + CHUNK].astype(np.float64)
        rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
        np.add.at(sums, slot[start : start + CHUNK], rows)
    return sums


def identical_pairs(embeddings: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs (row, first equal row), (M, 2), of identical vectors among some rows."""
    if len(rows) < 2:
        return np.empty((0, 2), dtype=np.int64)
    vectors = np.ascontiguousarray(embeddings[rows])
    raw = vectors.view(np.dtype((np.void, vectors.itemsize * vectors.shape[1]))).ravel()
    _, first, group = np.unique(raw, return_index=True, return_inverse=True)
    same: NDArray[np.int64] = np.stack([rows, rows[first[group]]], axis=1)
    others: NDArray[np.bool_] = same[:, 0] != same[:, 1]
    return same[others]
