"""Which blocks of pairs have to be compared, and what one comparison of all proves for later ones.

The first comparison passes over all pairs, tile by tile. It leaves, for each slot and each cell of
slots, the largest product of the slot with any of the cell. When slots merge, the average of their
bounds, by size, bounds the merged one, and it lies in the cells of both: a later search need not
look into the cells that are too far by their bounds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["TILE", "Block", "Cells", "Reach", "Tiles", "Vectors", "arranged"]

# Rows of one block: the product of two blocks, 1 MB, stays in the cache of one core.
TILE = 512
# Slots of a cell, and cells there are at most: a bound takes two bytes.
CELL = 2 * TILE
MOST_CELLS = 256
# One slot of so many is a pivot.
PIVOT = 128
# Half precision rounds numbers below 2 by no more than this.
HALF = 2.0**-11

# The vectors at some positions, (K, d), made when they are asked for.
Vectors: TypeAlias = "Callable[[NDArray[np.integer]], NDArray[np.floating]]"
Where: TypeAlias = "slice | NDArray[np.int32]"
# Rows, columns, and the number of the cell that the columns lie in.
Block: TypeAlias = "tuple[Where, Where, int]"


class Tiles:
    """All pairs of m positions, at least one of which is below `scanned`."""

    def __init__(self, scanned: int, m: int) -> None:
        self.blocks: list[Block] = [
            (slice(top, min(top + TILE, scanned)), slice(left, min(left + TILE, m)), 0)
            for top in range(0, scanned, TILE)
            for left in range(top, m, TILE)
        ]

    def first_seen(
        self, i: NDArray[np.int32], j: NDArray[np.int32], cell: int
    ) -> NDArray[np.bool_]:
        """Which pairs, by row and column of a block, no other block has."""
        return i < j


def arranged(vectors: Vectors, m: int, shuffle: NDArray[np.int64]) -> NDArray[np.int64]:
    """An order of m slots with like ones side by side: each at the pivot most similar to it.

    The pivots are the first of the shuffle. Costs m * m / PIVOT products.
    """
    pivots = _walk(vectors(np.sort(shuffle[: max(2, m // PIVOT)])))
    nearest = np.empty(m, dtype=np.int64)
    for top in range(0, m, TILE):
        part = np.arange(top, min(top + TILE, m))
        nearest[part] = np.argmax(vectors(part) @ pivots.T, axis=1)
    return np.argsort(nearest, kind="stable")


def _walk(pivots: NDArray[np.floating]) -> NDArray[np.floating]:
    """The pivots in the order of a walk, each time to the most similar of those left."""
    similarity = pivots @ pivots.T
    order = [0]
    while len(order) < len(pivots):
        similarity[:, order[-1]] = -np.inf
        order.append(int(similarity[order[-1]].argmax()))
    return pivots[order]


class Cells:
    """For each of m slots and each cell of the first slots a bound on the products of the two.

    The fewer cells hold what is like a slot, the more they save: see `arranged`.
    """

    def __init__(self, m: int, dimension: int) -> None:
        width = CELL * -(-m // (CELL * MOST_CELLS))
        # The cell of each tile.
        self.cell = [left // width for left in range(0, m, TILE)]
        cells = self.cell[-1] + 1
        self.bound = np.full((m, cells), -2.0, dtype=np.float16)
        # The cells in which a slot has members, a bit each.
        home = np.arange(m) // width
        self.spread: NDArray[np.uint8] = np.zeros((-(-cells // 8), m), dtype=np.uint8)
        self.spread[home // 8, np.arange(m)] = 128 >> (home % 8)
        # What a product in single precision may be wrong by, and a bound in half precision.
        self.slack = (dimension + 8) * float(np.finfo(np.float32).eps) + HALF
        self.lock = threading.Lock()
        self.planned = False

    def learn(
        self, rows: slice, columns: slice, most: tuple[NDArray[np.floating], NDArray[np.floating]]
    ) -> None:
        """Take note of the largest products of each row and of each column of a block of tiles."""
        with self.lock:
            for mine, others, peaks in zip((rows, columns), (columns, rows), most, strict=True):
                known = self.bound[mine, self.cell[others.start // TILE]]
                np.maximum(known, (peaks + self.slack).astype(np.float16), out=known)

    def merge(
        self, first: NDArray[np.integer], second: NDArray[np.integer], count: NDArray[np.float64]
    ) -> None:
        """Put each second slot into its first; count are the sizes of all slots before."""
        for start in range(0, len(first), TILE):
            one, other = first[start : start + TILE], second[start : start + TILE]
            share = (count[one] / (count[one] + count[other])).astype(np.float32)[:, None]
            mean = share * self.bound[one] + (1.0 - share) * self.bound[other]
            self.bound[one] = mean + np.float32(HALF)
            self.spread[:, one] |= self.spread[:, other]

    def keep(self, slots: NDArray[np.integer]) -> None:
        """Forget all slots but these, which are numbered from 0 in this order."""
        self.bound, self.spread = self.bound[slots], self.spread[:, slots]

    def plan(self, scanned: int, radius: NDArray[np.float64]) -> Tiles | Reach:
        """The blocks to compare for the first `scanned` slots.

        The first time, which has to scan all, these are all tiles, to learn from.
        """
        if self.planned:
            return Reach(self.bound, self.spread, 1.0 - 0.5 * radius[:scanned])
        self.planned = True
        return Tiles(scanned, len(radius))


class Reach:
    """Of all pairs those that may be nearer than the radius of the one that is scanned.

    The first slots, one of each floor, are scanned: those that may have a product over it with a
    slot of a cell are compared with all that have members there.
    """

    def __init__(
        self,
        bound: NDArray[np.float16],
        spread: NDArray[np.uint8],
        floor: NDArray[np.float64],
    ) -> None:
        self.spread = spread
        self.reached = np.empty((len(spread), len(floor)), dtype=np.uint8)
        for top in range(0, len(floor), TILE):
            rows = slice(top, min(top + TILE, len(floor)))
            self.reached[:, rows] = np.packbits(bound[rows] > floor[rows, None], axis=1).T
        self.blocks: list[Block] = list(self._blocks(bound.shape[1]))

    def _blocks(self, cells: int) -> Iterator[Block]:
        for cell in range(cells):
            rows, columns = (_of_cell(bits, cell) for bits in (self.reached, self.spread))
            for top in range(0, len(rows), TILE):
                for left in range(0, len(columns), TILE):
                    yield rows[top : top + TILE], columns[left : left + TILE], cell

    def first_seen(
        self, i: NDArray[np.int32], j: NDArray[np.int32], cell: int
    ) -> NDArray[np.bool_]:
        """Which pairs, by row and column of a block, no earlier block has, nor one the other way.

        Slots in several cells meet in several; of two that are scanned both may reach the other.
        """
        byte, bits = divmod(cell, 8)
        common = self.reached[: byte + 1, i] & self.spread[: byte + 1, j]
        earlier = common[:-1].any(axis=0) | (common[-1] & (0xFF00 >> bits & 0xFF) != 0)
        seen: NDArray[np.bool_] = ~earlier & (i != j)
        back = np.flatnonzero((j < i) & seen)
        seen[back] = ~(self.reached[:, j[back]] & self.spread[:, i[back]]).any(axis=0)
        return seen


def _of_cell(bits: NDArray[np.uint8], cell: int) -> NDArray[np.int32]:
    """The positions whose bit of a cell is set."""
    byte, bit = divmod(cell, 8)
    return np.flatnonzero(bits[byte] & np.uint8(128 >> bit)).astype(np.int32)
