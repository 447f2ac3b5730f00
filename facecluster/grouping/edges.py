"""Weighted edges that are found by their vertices, at a cost in proportion to their number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Edges", "incidence"]

# Edges added since the index was made, over which every question passes once.
RECENT = 4096


def incidence(
    a: NDArray[np.int32], b: NDArray[np.int32], size: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The numbers of the edges at each of `size` vertices, rising, vertex after vertex.

    Returns them, (2 E,), and where each vertex starts, (size + 1,).
    """
    # Numbers of 64 bits are sorted several times as fast as places are by what is at them.
    keys = np.concatenate([a, b]).astype(np.int64) << 32
    keys[: len(a)] |= np.arange(len(a))
    keys[len(a) :] |= np.arange(len(a))
    keys.sort()
    starts = np.searchsorted(keys, np.arange(size + 1, dtype=np.int64) << 32)
    return (keys & 0xFFFFFFFF).astype(np.int32), starts.astype(np.int32)


class Edges:
    """Undirected edges between vertices 0..size-1, each with a number by which it is dropped.

    Older edges are found by an index, the newest by looking through them; the index is made anew
    when a quarter is new or half is gone. Numbers hold until the next call of `of`.
    """

    def __init__(
        self,
        size: int,
        a: NDArray[np.integer],
        b: NDArray[np.integer],
        distance: NDArray[np.float64],
    ) -> None:
        self.size = size
        self.a = a.astype(np.int32)
        self.b = b.astype(np.int32)
        self.distance = distance
        self.used = len(a)
        self.present: NDArray[np.bool_] = np.ones(self.used, dtype=np.bool_)
        self.indexed = self.dropped = 0
        self.starts: NDArray[np.int32] = np.zeros(size + 1, dtype=np.int32)
        self.order: NDArray[np.int32] = np.empty(0, dtype=np.int32)

    def _index(self) -> None:
        """Number the edges anew, without those dropped, and sort their ends."""
        kept = self.all()
        self.a, self.b, self.distance = self.a[kept], self.b[kept], self.distance[kept]
        self.used = self.indexed = len(kept)
        self.present = np.ones(self.used, dtype=np.bool_)
        self.dropped = 0
        self.order, self.starts = incidence(self.a, self.b, self.size)

    def all(self) -> NDArray[np.int64]:
        """The numbers of all edges."""
        return np.flatnonzero(self.present[: self.used])

    def of(self, vertices: NDArray[np.integer]) -> NDArray[np.int64]:
        """The numbers of all edges with an end among the vertices, each once, rising."""
        if 4 * len(vertices) > self.size:
            return self._marked(vertices, 0)
        recent = self.used - self.indexed
        if recent > max(RECENT, self.indexed // 4) or self.dropped > max(RECENT, self.used // 2):
            self._index()
        lengths = self.starts[vertices + 1] - self.starts[vertices]
        offsets = np.repeat(self.starts[vertices] - np.cumsum(lengths) + lengths, lengths)
        old = self.order[offsets + np.arange(len(offsets))]
        old = np.sort(old[self.present[old]])
        # An edge with both ends among the vertices was met twice.
        old = old[np.diff(old, prepend=-1) > 0].astype(np.int64)
        return np.concatenate([old, self._marked(vertices, self.indexed)])

    def _marked(self, vertices: NDArray[np.integer], start: int) -> NDArray[np.int64]:
        marked = np.zeros(self.size, dtype=np.bool_)
        marked[vertices] = True
        part = slice(start, self.used)
        hit = (marked[self.a[part]] | marked[self.b[part]]) & self.present[part]
        return np.flatnonzero(hit) + start

    def drop(self, numbers: NDArray[np.int64]) -> None:
        """Remove edges by their numbers."""
        self.present[numbers] = False
        self.dropped += len(numbers)

    def add(
        self, a: NDArray[np.integer], b: NDArray[np.integer], distance: NDArray[np.float64]
    ) -> None:
        """Add edges."""
        end = self.used + len(a)
        if end > len(self.a):
            room = max(end - len(self.a), len(self.a) // 8, RECENT)
            self.a = np.concatenate([self.a, np.zeros(room, dtype=np.int32)])
            self.b = np.concatenate([self.b, np.zeros(room, dtype=np.int32)])
            self.distance = np.concatenate([self.distance, np.zeros(room)])
            self.present = np.concatenate([self.present, np.zeros(room, dtype=np.bool_)])
        part = slice(self.used, end)
        self.a[part], self.b[part], self.distance[part] = a, b, distance
        self.present[part] = True
        self.used = end
