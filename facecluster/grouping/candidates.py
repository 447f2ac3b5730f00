"""Near pairs among many vectors by blocked products, with a bound on what is absent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from facecluster.grouping.constraints import in_sorted, pair_keys

__all__ = ["Pairs", "near_pairs", "seed_radius"]

# Rows of one block: the product of two blocks, 1 MB, stays in the cache of one core.
TILE = 512
# Neighbours that a crowded row keeps, and the pairs a row may hold, on average, before crowded ones
# are thinned out.
KEPT = 8
HELD = 2 * KEPT
# Pairs that a small library may hold in any case.
LEAST_HELD = 1 << 16
# One row of so many is in the sample that tells how near the near ones are.
STEP = 16

Hits: TypeAlias = "tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.floating]]"


@dataclass
class Pairs:
    """Pairs of positions, their squared distances, and the radius to which each is complete.

    A pair (i, j) that is not listed is barred, or at least max(radius[i], radius[j]) apart.
    """

    a: NDArray[np.int32]
    b: NDArray[np.int32]
    distance: NDArray[np.floating]
    radius: NDArray[np.float64]


def near_pairs(
    means: NDArray[np.floating],
    radius: NDArray[np.float64],
    *,
    scanned: int,
    barred: NDArray[np.int64],
    held: int,
) -> Pairs:
    """All pairs, one at least below `scanned`, that are nearer than the radius of one of the two.

    means is (m, d); the squared distance of a pair is 2 - 2 * dot. barred holds sorted pair keys
    that are left out. When more than `held` pairs are found, each scanned position keeps its KEPT
    nearest and its radius shrinks to the nearest one it gave up, so memory stays bounded; the
    radius of the others never changes. Costs scanned * m * d multiplications, halved where both
    positions are scanned.
    """
    nothing = np.empty(0, np.int32)
    found = Pairs(nothing, nothing, np.empty(0, means.dtype), radius.copy())
    waiting: list[Hits] = []
    count, space = 0, _Space(means.dtype)
    for top in range(0, scanned, TILE):
        floor = (1.0 - 0.5 * found.radius).astype(means.dtype)
        for left in range(top, len(means), TILE):
            a, b, distance = space.hits(means, floor, top, min(top + TILE, scanned), left)
            if len(a) and len(barred):
                free = ~in_sorted(pair_keys(a, b, len(means)), barred)
                a, b, distance = a[free], b[free], distance[free]
            waiting.append((a, b, distance))
            count += len(a)
            if count > held:
                _gather(found, waiting)
                _thin(found, scanned)
                count = len(found.a)
                floor = (1.0 - 0.5 * found.radius).astype(means.dtype)
    _gather(found, waiting)
    return found


class _Space:
    """The memory of one block of products, used again and again."""

    def __init__(self, precision: np.dtype[np.floating]) -> None:
        self.similarity = np.empty(TILE * TILE, dtype=precision)
        self.hit = np.empty(TILE * TILE, dtype=np.bool_)
        self.other = np.empty(TILE * TILE, dtype=np.bool_)

    def hits(
        self,
        means: NDArray[np.floating],
        floor: NDArray[np.floating],
        top: int,
        bottom: int,
        left: int,
    ) -> Hits:
        """The near pairs of one block of rows with one block of columns."""
        rows, columns = means[top:bottom], means[left : left + TILE]
        shape, size = (len(rows), len(columns)), len(rows) * len(columns)
        similarity = self.similarity[:size].reshape(shape)
        np.matmul(rows, columns.T, out=similarity)
        floor_a, floor_b = floor[top:bottom, None], floor[left : left + TILE]
        hit = self.hit[:size].reshape(shape)
        least = min(floor_a.min(), floor_b.min())
        if floor_a.max() == least or floor_b.max() == least:
            np.greater(similarity, least, out=hit)
        else:
            other = self.other[:size].reshape(shape)
            np.greater(similarity, floor_a, out=hit)
            np.greater(similarity, floor_b, out=other)
            np.logical_or(hit, other, out=hit)
        flat = np.flatnonzero(hit)
        i, j = np.divmod(flat, len(columns))
        if left == top:
            upper = i < j
            flat, i, j = flat[upper], i[upper], j[upper]
        near = 2.0 - 2.0 * similarity.ravel()[flat]
        return (i + top).astype(np.int32), (j + left).astype(np.int32), near


def _gather(
    found: Pairs,
    waiting: list[Hits],
) -> None:
    found.a = np.concatenate([found.a, *(hit[0] for hit in waiting)])
    found.b = np.concatenate([found.b, *(hit[1] for hit in waiting)])
    found.distance = np.concatenate([found.distance, *(hit[2] for hit in waiting)])
    waiting.clear()


def _thin(found: Pairs, scanned: int) -> None:
    """Keep the KEPT nearest pairs of each scanned position, and what the others were promised."""
    owner = np.concatenate([found.a, found.b])
    distance = np.concatenate([found.distance, found.distance])
    order = np.lexsort((distance, owner)).astype(np.int32)
    ends = owner[order]
    starts = np.searchsorted(ends, np.arange(len(found.radius) + 1)).astype(np.int32)
    rank = np.empty(len(owner), dtype=np.int32)
    rank[order] = np.arange(len(owner), dtype=np.int32) - starts[ends]
    near = np.where(owner < scanned, rank < KEPT, distance < found.radius[owner])
    crowded = np.flatnonzero(np.diff(starts)[:scanned] > KEPT)
    lost = distance[order[starts[crowded] + KEPT]]
    found.radius[crowded] = np.minimum(found.radius[crowded], lost)
    half = len(found.a)
    stays = near[:half] | near[half:]
    found.a, found.b = found.a[stays], found.b[stays]
    found.distance = found.distance[stays]


def seed_radius(
    means: NDArray[np.floating], scanned: int, limit: float, held: int
) -> NDArray[np.float64]:
    """For each scanned position a radius within which some tens of the others are expected.

    It is the limit for all unless a sample says that this would find too many pairs.
    """
    columns = means[:: max(1, min(STEP, len(means) // TILE))]
    rows = means[: scanned : max(1, scanned // 256)]
    share = float((2.0 - 2.0 * (rows @ columns[:2048].T) < limit).mean())
    radius = np.full(scanned, limit)
    if share * scanned * len(means) / 2 <= held / 2:
        return radius
    # As near as the second nearest of the sample is, some 2 * m / len(columns) are in the whole;
    # of the nearest of eight parts of the sample the second is about that, and quick to find.
    width = max(1, len(columns) // 8)
    place = min(max(1, 2 * KEPT * len(columns) // len(means)), len(columns) - 1)
    for top in range(0, scanned, TILE):
        block = means[top : min(top + TILE, scanned)]
        similarity = block @ columns.T
        if place == 1 and width > 8:
            similarity = similarity[:, : 8 * width].reshape(len(block), 8, width).max(axis=2)
        order = np.partition(similarity, -1 - place, axis=1)[:, -1 - place]
        radius[top : top + len(block)] = np.minimum(2.0 - 2.0 * order, limit)
    return radius
