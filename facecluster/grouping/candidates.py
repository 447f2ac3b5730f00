"""Near pairs among many vectors by blocked products, with a bound on what is absent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.grouping.constraints import in_sorted, pair_keys

__all__ = ["Pairs", "near_pairs", "seed_radius"]

# Rows of one block: the product of two blocks, 4 MB, stays in the cache of one core.
TILE = 1024
# Neighbours that a crowded row keeps, and the pairs a row may hold, on average, before crowded ones
# are thinned out.
KEPT = 16
HELD = 2 * KEPT


@dataclass
class Pairs:
    """Pairs of positions, their squared distances, and the radius to which each is complete.

    A pair (i, j) that is not listed is barred, or at least max(radius[i], radius[j]) apart.
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]
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
    found = Pairs(
        np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, means.dtype), radius.copy()
    )
    waiting: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.floating]]] = []
    count = 0
    for top in range(0, scanned, TILE):
        for left in range(top, len(means), TILE):
            hits = _tile(means, found.radius, top, min(top + TILE, scanned), left)
            if len(hits[0]) == 0:
                continue
            if len(barred):
                free = ~in_sorted(pair_keys(hits[0], hits[1], len(means)), barred)
                hits = (hits[0][free], hits[1][free], hits[2][free])
            waiting.append(hits)
            count += len(hits[0])
            if count > held:
                _gather(found, waiting)
                _thin(found, scanned)
                count = len(found.a)
    _gather(found, waiting)
    return found


def _tile(
    means: NDArray[np.floating], radius: NDArray[np.float64], top: int, bottom: int, left: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.floating]]:
    """The near pairs of one block of rows with one block of columns."""
    columns = means[left : left + TILE]
    similarity = means[top:bottom] @ columns.T
    floor_a = (1.0 - 0.5 * radius[top:bottom]).astype(means.dtype)
    floor_b = (1.0 - 0.5 * radius[left : left + TILE]).astype(means.dtype)
    lowest = min(floor_a.min(), floor_b.min())
    if floor_a.max() == lowest or floor_b.max() == lowest:
        hit = similarity > lowest
    else:
        hit = similarity > np.minimum(floor_a[:, None], floor_b)
    flat = np.flatnonzero(hit)
    i, j = np.divmod(flat, len(columns))
    if left == top:
        upper = i < j
        flat, i, j = flat[upper], i[upper], j[upper]
    return i + top, j + left, 2.0 - 2.0 * similarity.ravel()[flat]


def _gather(
    found: Pairs,
    waiting: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.floating]]],
) -> None:
    found.a = np.concatenate([found.a, *(hit[0] for hit in waiting)])
    found.b = np.concatenate([found.b, *(hit[1] for hit in waiting)])
    found.distance = np.concatenate([found.distance, *(hit[2] for hit in waiting)])
    waiting.clear()


def _thin(found: Pairs, scanned: int) -> None:
    """Keep the KEPT nearest pairs of each scanned position, and what the others were promised."""
    owner = np.concatenate([found.a, found.b])
    distance = np.concatenate([found.distance, found.distance])
    order = np.lexsort((distance, owner))
    starts = np.searchsorted(owner[order], np.arange(len(found.radius) + 1))
    rank = np.empty(len(owner), dtype=np.int64)
    rank[order] = np.arange(len(owner)) - starts[owner[order]]
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
    columns = means[:: max(1, len(means) // max(2 * TILE, len(means) // KEPT))]
    rows = means[: scanned : max(1, scanned // 256)]
    share = float((2.0 - 2.0 * (rows @ columns[:2048].T) < limit).mean())
    radius = np.full(scanned, limit)
    if share * scanned * len(means) / 2 <= held / 2:
        return radius
    # So near in the sample that about 2 * KEPT are nearer in the whole; never less than the third,
    # as the sample may hold the row itself.
    place = min(max(2, 2 * KEPT * len(columns) // len(means)), len(columns) - 1)
    for top in range(0, scanned, TILE):
        block = means[top : min(top + TILE, scanned)]
        distance = 2.0 - 2.0 * (block @ columns.T)
        nearest = np.partition(distance, place, axis=1)[:, place]
        radius[top : top + len(block)] = np.minimum(nearest, limit)
    return radius
