"""Near pairs among many vectors by blocked products, with a bound on what is absent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from facecluster.grouping.constraints import in_sorted, pair_keys
from facecluster.grouping.edges import incidence
from facecluster.processors import cores

__all__ = ["Pairs", "Vectors", "near_pairs", "seed_radius"]

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

# Blocks compared before pairs are thinned out again: bounds the memory of a crowd.
WAVE = 32
# Fewer pairs than this are compared in the caller's thread.
FEW = 1 << 22

# The vectors at some positions, (K, d), made when they are asked for.
Vectors: TypeAlias = "Callable[[NDArray[np.integer]], NDArray[np.floating]]"
Hits: TypeAlias = "tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.floating]]"
Block: TypeAlias = "tuple[int, int, int]"


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
    vectors: Vectors,
    radius: NDArray[np.float64],
    *,
    scanned: int,
    barred: NDArray[np.int64],
    held: int,
    rest_known: bool = False,
) -> Generator[float, None, Pairs]:
    """All pairs, one at least below `scanned`, that are nearer than the radius of one of the two.

    Yields the share that is done, returns the pairs. radius is (m,); the squared distance of a pair
    of vectors is 2 - 2 * dot. barred holds sorted pair keys that are left out. When more than
    `held` pairs are found, each scanned position keeps its KEPT nearest and its radius shrinks to
    the nearest one it gave up, so memory stays bounded; the radius of the others never changes.
    rest_known: barred holds all pairs nearer than the radius of a position that is not scanned, so
    that blocks of those with larger radii than the rows' have nothing new. Costs scanned * m * d
    multiplications, half where both are scanned, on all cores, and a copy of the vectors.
    """
    order = _by_radius(radius, scanned)
    means = vectors(np.arange(len(radius)) if order is None else order)
    nothing = np.empty(0, np.int32)
    complete = radius.copy() if order is None else radius[order]
    found = Pairs(nothing, nothing, np.empty(0, means.dtype), complete)
    waiting: list[Hits] = []
    count, space = 0, _Space(means.dtype)
    blocks = list(_blocks(scanned, complete, rest_known))
    with _side_by_side(scanned * len(means)) as each:
        for start in range(0, len(blocks), WAVE):
            floor = (1.0 - 0.5 * found.radius).astype(means.dtype)
            for hits in each(partial(_hits, means, floor, space), blocks[start : start + WAVE]):
                waiting.append(_allowed(hits, order, barred, len(means)))
                count += len(waiting[-1][0])
            if count > held:
                _gather(found, waiting)
                _thin(found, scanned)
                count = len(found.a)
            yield min(1.0, (start + WAVE) / len(blocks))
    _gather(found, waiting)
    return found if order is None else _in_place(found, order)


def _by_radius(radius: NDArray[np.float64], scanned: int) -> NDArray[np.int32] | None:
    """An order with positions of like radius side by side, the scanned ones first.

    A block of such is compared with one number. None where that is not worth a copy.
    """
    if scanned <= TILE:
        return None
    return np.lexsort((-radius, np.arange(len(radius)) >= scanned)).astype(np.int32)


def _in_place(found: Pairs, order: NDArray[np.int32]) -> Pairs:
    """The pairs by the positions that were put in this order."""
    a, b = order[found.a], order[found.b]
    radius = np.empty_like(found.radius)
    radius[order] = found.radius
    return Pairs(np.minimum(a, b), np.maximum(a, b), found.distance, radius)


def _allowed(
    hits: Hits, order: NDArray[np.int32] | None, barred: NDArray[np.int64], m: int
) -> Hits:
    """The hits without the barred pairs."""
    a, b, distance = hits
    if len(a) == 0 or len(barred) == 0:
        return hits
    keys = pair_keys(a, b, m) if order is None else pair_keys(order[a], order[b], m)
    free = ~in_sorted(keys, barred)
    return a[free], b[free], distance[free]


def _blocks(scanned: int, radius: NDArray[np.float64], rest_known: bool) -> Iterator[Block]:
    """Top, bottom and left of the blocks on and above the diagonal that may have pairs to find."""
    least = [radius[left : left + TILE].min() for left in range(0, len(radius), TILE)]
    for top in range(0, scanned, TILE):
        bottom = min(top + TILE, scanned)
        most = radius[top:bottom].max()
        for left in range(top, len(radius), TILE):
            if not (rest_known and left >= scanned and least[left // TILE] >= most):
                yield top, bottom, left


@contextmanager
def _side_by_side(pairs: int) -> Iterator[Callable[..., Iterable[Hits]]]:
    """A `map` that does one block a core, each with a product of a single thread.

    Threads that share one small product wait for each other longer than they work.
    """
    if pairs < FEW:
        yield map
        return
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores()) as pool:
        yield pool.map


class _Space(threading.local):
    """The memory of one block of products, used again and again: each thread has its own."""

    def __init__(self, precision: np.dtype[np.floating]) -> None:
        self.similarity = np.empty(TILE * TILE, dtype=precision)
        self.hit = np.empty(TILE * TILE, dtype=np.bool_)


def _hits(
    means: NDArray[np.floating], floor: NDArray[np.floating], space: _Space, block: Block
) -> Hits:
    """The near pairs of one block of rows with one block of columns."""
    top, bottom, left = block
    rows, columns = means[top:bottom], means[left : left + TILE]
    shape, size = (len(rows), len(columns)), len(rows) * len(columns)
    similarity = space.similarity[:size].reshape(shape)
    np.matmul(rows, columns.T, out=similarity)
    least = min(floor[top:bottom].min(), floor[left : left + TILE].min())
    hit = np.greater(similarity, least, out=space.hit[:size].reshape(shape))
    flat = np.flatnonzero(hit)
    i, j = np.divmod(flat.astype(np.int32), np.int32(len(columns)))
    i += top
    j += left
    near = similarity.ravel()[flat]
    wanted = near > np.minimum(floor[i], floor[j])
    if left == top:
        wanted &= i < j
    return i[wanted], j[wanted], 2.0 - 2.0 * near[wanted]


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
    rising = np.argsort(found.distance)
    found.a, found.b = found.a[rising], found.b[rising]
    found.distance = found.distance[rising]
    del rising
    pair, starts = incidence(found.a, found.b, len(found.radius))
    owner = np.repeat(np.arange(len(found.radius), dtype=np.int32), np.diff(starts))
    rank = np.arange(len(owner), dtype=np.int32) - starts[owner]
    near = np.where(owner < scanned, rank < KEPT, found.distance[pair] < found.radius[owner])
    stays = np.zeros(len(found.a), dtype=np.bool_)
    stays[pair[near]] = True
    for ends in (found.a, found.b):
        lost = ~stays & (ends < scanned)
        np.minimum.at(found.radius, ends[lost], found.distance[lost])
    found.a, found.b = found.a[stays], found.b[stays]
    found.distance = found.distance[stays]


def seed_radius(
    vectors: Vectors, m: int, scanned: int, limit: float, held: int
) -> NDArray[np.float64]:
    """For each scanned position, of m, a radius within which some tens of the others are expected.

    It is the limit for all unless a sample says that this would find too many pairs.
    """
    columns = vectors(np.arange(0, m, max(1, min(STEP, m // TILE))))
    rows = vectors(np.arange(0, scanned, max(1, scanned // 256)))
    share = float((2.0 - 2.0 * (rows @ columns[:2048].T) < limit).mean())
    radius = np.full(scanned, limit)
    if share * scanned * m / 2 <= held / 2:
        return radius
    # As near as the second nearest of the sample is, some 2 * m / len(columns) are in the whole;
    # of the nearest of eight parts of the sample the second is about that, and quick to find.
    width = max(1, len(columns) // 8)
    place = min(max(1, 2 * KEPT * len(columns) // m), len(columns) - 1)
    for top in range(0, scanned, TILE):
        block = vectors(np.arange(top, min(top + TILE, scanned)))
        similarity = block @ columns.T
        if place == 1 and width > 8:
            similarity = similarity[:, : 8 * width].reshape(len(block), 8, width).max(axis=2)
        order = np.partition(similarity, -1 - place, axis=1)[:, -1 - place]
        radius[top : top + len(block)] = np.minimum(2.0 - 2.0 * order, limit)
    return radius
