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

Cost: one symmetric n x n x d product in single precision, scans of the groups that run out, which
leave out what the first product proved to be far (blocks.py), and a round for each layer of merges;
n * d singles, a sum in double precision for each grown group (n / 2 at most), some twenty pairs and
at most 0.5 KB of bounds a face in memory. 100,000 x 128 with people of up to 5,000 faces took the
processor time of 2.5 such products and 0.4 GB, 20,000 four times the memory of the vectors
(tests/benchmarks/bench_grouping.py). Distances that decide are computed in double precision.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from facecluster.errors import UsageError
from facecluster.grouping.blocks import Cells, arranged
from facecluster.grouping.candidates import HELD, LEAST_HELD, near_pairs, seed_radius
from facecluster.grouping.constraints import Constraints, components, pair_keys
from facecluster.grouping.edges import Edges
from facecluster.grouping.steps import part, result
from facecluster.grouping.sums import Sums, chunks

__all__ = ["Dendrogram", "cut", "identical_pairs", "linkage", "linkage_steps"]

# Pairs that a scan of few slots may find for each, on average: more would cost more than they save.
ASKED = 4 * HELD
# A scan in single precision proves all but ties; those left are scanned in double precision, at
# last without a guess at the radius, which always proves.
SCANS = ((np.float32, True), (np.float64, True), (np.float64, False))
# Fewer slots are searched again as a whole.
FEWEST = 8192
# Where fewer slots than this share have crowds around them few are searched again, and what cells
# learn costs more than it saves.
CROWDED = 0.8
# About the share of the time that the first scan takes.
FIRST = 0.5


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
    return result(linkage_steps(embeddings, threshold=threshold, constraints=constraints))


def linkage_steps(
    embeddings: NDArray[np.float32], *, threshold: float, constraints: Constraints
) -> Generator[float, None, Dendrogram]:
    """The same as `linkage`, which yields the share that is done meanwhile."""
    if not threshold >= 0.0:
        raise UsageError(f"The threshold is a squared distance, 0 to 4; got {threshold}.")
    forest = _Forest(embeddings, min(float(threshold), 4.0), constraints)
    # The products are small: threads of one would wait for each other, and then for the next one at
    # the cost of all else.
    with threadpool_limits(1, "blas"):
        yield from forest.grow()
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

    The edges are pairs of slots with their average squared distance, infinite where barred. A pair
    that is no edge is at least max(bound of one, bound of the other) apart, where a slot's bound is
    limit - gap: a gap of 0 says that all its pairs within the limit are edges.
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
        self.shuffle = np.random.default_rng(0).permutation(n)
        self.row, slot = np.unique(root, return_inverse=True)
        m = len(self.row)
        self.cells: Cells | None = None
        if m >= FEWEST:
            slot = self._arrange(embeddings, slot)
        self.limit = limit
        self.sums = Sums(embeddings, slot)
        self.count = np.bincount(slot, minlength=m).astype(np.float64)
        self.gap = np.full(m, np.inf)
        self.alive = np.ones(m, dtype=np.bool_)
        bars = np.unique(np.sort(slot[barred], axis=1), axis=0)
        self.edges = Edges(m, bars[:, 0], bars[:, 1], np.full(len(bars), np.inf))
        self.unsure = m
        self.done = 0.0
        self._start()
        self.held = max(HELD * n, LEAST_HELD)
        grown = np.flatnonzero(root != np.arange(n))
        self.merged_rows = [np.stack([root[grown], grown], axis=1)]
        self.merged_heights: list[NDArray[np.float64]] = [np.zeros(len(grown))]

    def _arrange(
        self, embeddings: NDArray[np.float32], slot: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Number the slots so that like ones are side by side; returns the new slot of each row."""
        m = len(self.row)
        pivots = np.random.default_rng(0).permutation(m)
        order = arranged(lambda places: embeddings[self.row[places]], m, pivots)
        self.row = self.row[order]
        self.cells = Cells(m, embeddings.shape[1])
        place = np.empty(m, dtype=np.int64)
        place[order] = np.arange(m)
        arranged_slot: NDArray[np.int64] = place[slot]
        return arranged_slot

    def _start(self) -> None:
        """Forget all nearest neighbours, and where slots have gone."""
        self.nearest = np.full(len(self.alive), np.inf)
        self.target = np.arange(len(self.alive))
        self.stale = self.target
        self.widest = self.gap.copy()

    def grow(self) -> Generator[float, None, None]:
        """Merge all proven pairs, scan again where there are none, until nothing can merge."""
        m = len(self.alive)
        while True:
            first, second, height = self._mutual()
            if len(first):
                self._merge(first, second, height)
                settled = 1.0 - np.count_nonzero(self.alive) / m
                self.done = max(self.done, FIRST + (1.0 - FIRST) * settled)
                yield self.done
            elif self._is_unsure().any():
                yield from self._scan_again()
            else:
                return

    def _scan_again(self) -> Generator[float, None, None]:
        for precision, seeded in SCANS:
            self._compact()
            if not self.unsure:
                return
            yield from self._scan(precision, seeded)

    def _is_unsure(self) -> NDArray[np.bool_]:
        """Which slots may have a nearer neighbour than the edges say."""
        return self.alive & (self.nearest > self.limit - self.gap) & (self.gap > 0.0)

    def _mutual(self) -> tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.float64]]:
        """Pairs of slots that are each other's proven nearest, no slot in two of them.

        Only an edge of a slot whose nearest has changed can have become such a pair.
        """
        self.nearest[self.stale] = np.inf
        edges = self.edges.of(self.stale)
        a, b, distance = self._ends(edges)
        np.minimum.at(self.nearest, a, distance)
        np.minimum.at(self.nearest, b, distance)
        pick = (distance == self.nearest[a]) & (distance == self.nearest[b])
        pick &= distance <= self.limit - np.maximum(self.gap[a], self.gap[b])
        a, b, distance = a[pick], b[pick], distance[pick]
        one, other = self.shuffle[self.row[a]], self.shuffle[self.row[b]]
        # Among equal distances the order is that of the sum, then the lower place, in a fixed
        # shuffle: nothing in the data lines up with it, so a star of equal distances does not merge
        # one pair a round.
        order = np.lexsort((np.minimum(one, other), one + other))
        rank = np.empty(len(a), dtype=np.int64)
        rank[order] = np.arange(len(a))
        best = np.full(len(self.alive), len(a))
        np.minimum.at(best, a, rank)
        np.minimum.at(best, b, rank)
        chosen = (best[a] == rank) & (best[b] == rank)
        return a[chosen], b[chosen], distance[chosen]

    def _ends(
        self, edges: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
        return self.edges.a[edges], self.edges.b[edges], self.edges.distance[edges]

    def _merge(
        self, first: NDArray[np.integer], second: NDArray[np.integer], height: NDArray[np.float64]
    ) -> None:
        """Put each second slot into its first, and renew the edges of both."""
        self.merged_rows.append(np.stack([self.row[first], self.row[second]], axis=1))
        self.merged_heights.append(height)
        touched = self.edges.of(np.concatenate([first, second]))
        a, b, distance = self._ends(touched)
        self.edges.drop(touched)
        weight = self.count[a] * self.count[b]
        losers = [a[distance == self.nearest[a]], b[distance == self.nearest[b]]]
        total = self.count[first] + self.count[second]
        weighted = self.gap[first] * self.count[first] + self.gap[second] * self.count[second]
        self.widest[first] = np.maximum(self.gap[first], self.gap[second])
        self.gap[first] = weighted / total
        if self.cells is not None:
            self.cells.merge(first, second, self.count)
        self.count[first] = total
        self.sums.add(first, second)
        self.row[first] = np.minimum(self.row[first], self.row[second])
        self.alive[second] = False
        self.target[second] = first
        self.stale = np.unique(self.target[np.concatenate([first, *losers])])
        self._join(self.target[a], self.target[b], distance, weight)
        self.widest[first] = self.gap[first]

    def _join(
        self,
        a: NDArray[np.integer],
        b: NDArray[np.integer],
        distance: NDArray[np.float64],
        weight: NDArray[np.float64],
    ) -> None:
        """Add the edges of merged slots, each once, averaged over the edges of their parts.

        Parts without an edge are at least as far as the bounds say (widest: the widest gap of a
        slot's parts); only pairs that could still be within a bound are computed.
        """
        keys = pair_keys(a, b, len(self.alive))
        order = np.argsort(keys, kind="stable")
        order = order[(a != b)[order]]
        keys = keys[order]
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        if len(starts) == 0:
            return
        known = np.add.reduceat((distance * weight)[order], starts)
        present = np.add.reduceat(weight[order], starts)
        a, b = np.divmod(keys[starts], len(self.alive))
        total = self.count[a] * self.count[b]
        floor = self.limit - np.minimum(self.widest[a], self.widest[b])
        missing = total - present
        least = (known + np.where(missing > 0.0, missing * floor, 0.0)) / total
        barred = known == np.inf
        useful = barred | (least <= self.limit - np.minimum(self.gap[a], self.gap[b]))
        a, b, average = a[useful], b[useful], known[useful] / total[useful]
        part = np.flatnonzero((missing > 0.0)[useful] & ~barred[useful])
        average[part] = self._distances(a[part], b[part])
        self._add(a, b, average)

    def _add(
        self, a: NDArray[np.integer], b: NDArray[np.integer], distance: NDArray[np.float64]
    ) -> None:
        """Make edges of the pairs that are barred or within the bound of one of their slots."""
        near = distance <= self.limit - np.minimum(self.gap[a], self.gap[b])
        near |= distance == np.inf
        self.edges.add(a[near], b[near], distance[near])

    def _distances(self, a: NDArray[np.integer], b: NDArray[np.integer]) -> NDArray[np.float64]:
        """Average squared distances of pairs of slots, the same for (a, b) and (b, a)."""
        dots = self.sums.dots(a, b) / (self.count[a] * self.count[b])
        distances: NDArray[np.float64] = np.maximum(2.0 - 2.0 * dots, 0.0)
        return distances

    def _means(
        self, precision: type[np.floating], slots: NDArray[np.integer]
    ) -> NDArray[np.floating]:
        """The middles of the groups at some slots, (K, d)."""
        means = np.empty((len(slots), self.sums.dimension), dtype=precision)
        for some in chunks(len(slots)):
            sums, count = self.sums.of(slots[some]), self.count[slots[some], None]
            np.divide(sums, count, out=means[some], casting="same_kind")
        return means

    def _scan(self, precision: type[np.floating], seeded: bool) -> Generator[float, None, None]:
        """Find anew the edges of the first `unsure` slots, with bounds that prove their nearest."""
        fresh, size = self.unsure, len(self.alive)
        held = min(self.held, max(ASKED * fresh, LEAST_HELD))
        # What the product may be wrong by: d roundings, and those of the means and the radius, each
        # by half an epsilon of at most 2.
        slack = (self.sums.dimension + 8) * float(np.finfo(precision).eps)
        means = partial(self._means, precision)
        a, b, distance = self._ends(self.edges.all())
        # All that is known of the slots that are not scanned stays so.
        kept = (distance == np.inf) | (a >= fresh) | (b >= fresh)
        keys = np.sort(pair_keys(a[kept], b[kept], size))
        self.edges = Edges(size, a[kept], b[kept], distance[kept])
        radius = self.limit - self.gap + slack
        radius[:fresh] = self.limit + slack
        if seeded:
            radius[:fresh] = seed_radius(means, size, fresh, self.limit + slack, held)
        if fresh == size and np.mean(radius < self.limit + slack) < CROWDED:
            self.cells = None
        scan = near_pairs(means, radius, scanned=fresh, barred=keys, held=held, cells=self.cells)
        found = yield from part(scan, self.done, max(self.done, FIRST))
        self.done = max(self.done, FIRST)
        gap = self.limit - (found.radius[:fresh] - slack)
        gap[found.radius[:fresh] >= self.limit + slack] = 0.0
        distance = self._distances(found.a, found.b)
        if precision is np.float64:
            nearest = np.full(size, np.inf)
            for one, other, apart in ((found.a, found.b, distance), self._ends(self.edges.all())):
                np.minimum.at(nearest, one, apart)
                np.minimum.at(nearest, other, apart)
            # Within the radius the nearest is known but for rounding; beyond, a listed pair is only
            # what the other slot asked for.
            seen = nearest[:fresh] <= found.radius[:fresh] + slack
            gap[seen] = np.minimum(gap, self.limit - nearest[:fresh])[seen]
        self.gap[:fresh] = np.maximum(gap, 0.0)
        self._add(found.a, found.b, distance)
        self._start()

    def _compact(self) -> None:
        """Number the slots that are not finished anew, those to be scanned first."""
        a, b, distance = self._ends(self.edges.all())
        np.minimum.at(self.nearest, a, distance)
        np.minimum.at(self.nearest, b, distance)
        # Nobody is left within the limit of these.
        self.alive &= (self.gap > 0.0) | (self.nearest < np.inf)
        unsure = self._is_unsure()
        self.unsure = int(unsure.sum())
        if self.unsure in (0, len(self.alive)):
            return
        keep = np.concatenate([np.flatnonzero(unsure), np.flatnonzero(self.alive & ~unsure)])
        place = np.full(len(self.alive), -1)
        place[keep] = np.arange(len(keep))
        self.sums.keep(keep)
        if self.cells is not None:
            self.cells.keep(keep)
        self.count, self.row = self.count[keep], self.row[keep]
        self.gap, self.alive = self.gap[keep], self.alive[keep]
        a, b = place[a], place[b]
        stays = (a >= 0) & (b >= 0)
        self.edges = Edges(len(keep), a[stays], b[stays], distance[stays])
        self._start()


def identical_pairs(embeddings: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs (row, first equal row), (M, 2), of identical vectors among some rows."""
    # Few rows share even the first number, and the others need no copy.
    _, first, shared = np.unique(embeddings[rows, 0], return_inverse=True, return_counts=True)
    rows = rows[shared[first] > 1]
    if len(rows) == 0:
        return np.empty((0, 2), dtype=np.int64)
    vectors = np.ascontiguousarray(embeddings[rows])
    raw = vectors.view(np.dtype((np.void, vectors.itemsize * vectors.shape[1]))).ravel()
    _, first, group = np.unique(raw, return_index=True, return_inverse=True)
    same: NDArray[np.int64] = np.stack([rows, rows[first[group]]], axis=1)
    others: NDArray[np.bool_] = same[:, 0] != same[:, 1]
    return same[others]
