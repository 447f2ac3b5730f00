"""Near pairs among many vectors by blocked products, with a bound on what is absent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from facecluster.grouping.blocks import TILE, Block, Cells, Reach, Tiles, Vectors, Where
from facecluster.grouping.constraints import in_sorted, pair_keys
from facecluster.grouping.edges import incidence
from facecluster.processors import cores

__all__ = ["Pairs", "near_pairs", "seed_radius"]

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
    vectors: Vectors,
    radius: NDArray[np.float64],
    *,
    scanned: int,
    barred: NDArray[np.int64],
    held: int,
    cells: Cells | None = None,
) -> Generator[float, None, Pairs]:
    """All pairs, one at least below `scanned`, that are nearer than the radius of one of the two.

    Yields the share that is done, returns the pairs. radius is (m,); the squared distance of a pair
    of vectors is 2 - 2 * dot. barred holds sorted pair keys that are left out. When more than
    `held` pairs are found, each scanned position keeps its KEPT nearest and its radius shrinks to
    the nearest one it gave up, so memory stays bounded; the radius of the others never changes.
    cells learn from a first call, of all positions; later calls leave out what they prove far, and
    a pair that only a position not scanned asks for: its edge is known. Costs scanned * m * d
    multiplications, half where both are scanned, on all cores, and a copy of the vectors.
    """
    m = len(radius)
    means = vectors(np.arange(m))
    found, space = _nothing(radius, means.dtype), _Space(means.dtype)
    waiting: list[Hits] = []
    count = 0
    plan = cells.plan(scanned, radius) if cells else Tiles(scanned, m)
    with _side_by_side(scanned * m) as each:
        for start in range(0, len(plan.blocks), WAVE):
            floor = (1.0 - 0.5 * found.radius).astype(means.dtype)
            hits_of = partial(_hits, means, floor, space, plan, cells)
            for hits in each(hits_of, plan.blocks[start : start + WAVE]):
                waiting.append(_allowed(hits, barred, m))
                count += len(waiting[-1][0])
            if count > held:
                _gather(found, waiting)
                _thin(found, scanned)
                count = len(found.a)
            yield min(1.0, (start + WAVE) / len(plan.blocks))
    _gather(found, waiting)
    return found


def _nothing(radius: NDArray[np.float64], precision: np.dtype[np.floating]) -> Pairs:
    """No pairs yet, to be complete within the radius of each position."""
    none = np.empty(0, np.int32)
    return Pairs(none, none, np.empty(0, precision), radius.copy())


def _allowed(hits: Hits, barred: NDArray[np.int64], m: int) -> Hits:
    """The hits without the barred pairs."""
    a, b, distance = hits
    if len(a) == 0 or len(barred) == 0:
        return hits
    free = ~in_sorted(pair_keys(a, b, m), barred)
    return a[free], b[free], distance[free]


@contextmanager
def _side_by_side(pairs: int) -> Iterator[Callable[..., Iterable[Any]]]:
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
        self.products = np.empty(TILE * TILE, dtype=precision)


def _hits(
    means: NDArray[np.floating],
    floor: NDArray[np.floating],
    space: _Space,
    plan: Tiles | Reach,
    cells: Cells | None,
    block: Block,
) -> Hits:
    """The near pairs of one block of rows with one block of columns."""
    rows, columns, cell = block
    one, other = means[rows], means[columns]
    similarity = space.products[: len(one) * len(other)].reshape(len(one), len(other))
    np.matmul(one, other.T, out=similarity)
    most = similarity.max(axis=1)
    if cells and isinstance(rows, slice) and isinstance(columns, slice):
        cells.learn(rows, columns, (most, similarity.max(axis=0)))
    at, beside = _over(similarity, most, floor[rows], floor[columns])
    i, j = _places(rows, at), _places(columns, beside)
    new = plan.first_seen(i, j, cell)
    near, i, j = similarity[at[new], beside[new]], i[new], j[new]
    return np.minimum(i, j), np.maximum(i, j), 2.0 - 2.0 * near


def _over(
    similarity: NDArray[np.floating],
    most: NDArray[np.floating],
    left: NDArray[np.floating],
    top: NDArray[np.floating],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the products exceed the floor of their row or of their column.

    most is the largest of each row: few rows have one that is worth a look.
    """
    rows = np.flatnonzero(most > np.minimum(left, top.min()))
    over = similarity[rows] > np.minimum(left[rows, None], top)
    i, j = np.divmod(np.flatnonzero(over), len(top))
    return rows[i], j


def _places(where: Where, numbers: NDArray[np.int64]) -> NDArray[np.int32]:
    """The positions of rows, or columns, of a block."""
    places: NDArray[np.int32]
    if isinstance(where, slice):
        places = (numbers + where.start).astype(np.int32)
    else:
        places = where[numbers]
    return places


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
    sample = np.arange(0, m, max(1, min(STEP, m // TILE)))
    # Each of the eight parts below has some of everywhere: like ones may lie side by side.
    columns = vectors(np.concatenate([sample[part::8] for part in range(8)]))
    rows = vectors(np.arange(0, scanned, max(1, scanned // 256)))
    share = float((2.0 - 2.0 * (rows @ columns[:2048].T) < limit).mean())
    radius = np.full(scanned, limit)
    if share * scanned * m / 2 <= held / 2:
        return radius
    # As near as the second nearest of the sample is, some 2 * m / len(columns) are in the whole;
    # of the nearest of eight parts of the sample the second is about that, and quick to find.
    width = max(1, len(columns) // 8)
    place = min(max(1, 2 * KEPT * len(columns) // m), len(columns) - 1)

    def nearest(top: int) -> NDArray[np.floating]:
        block = vectors(np.arange(top, min(top + TILE, scanned)))
        similarity = block @ columns.T
        if place == 1 and width > 8:
            similarity = similarity[:, : 8 * width].reshape(len(block), 8, width).max(axis=2)
        found: NDArray[np.floating] = np.partition(similarity, -1 - place, axis=1)[:, -1 - place]
        return found

    tops = range(0, scanned, TILE)
    with _side_by_side(scanned * len(columns)) as each:
        for top, products in zip(tops, each(nearest, tops), strict=True):
            part = radius[top : top + TILE]
            np.minimum(part, 2.0 - 2.0 * products, out=part)
    return radius
