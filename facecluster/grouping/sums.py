"""The sums of the vectors of groups, where they point, and how they are kept while groups grow."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sums", "chunks", "directions", "item_sums"]

# Rows in double precision at a time: 0.5 MB at 128 dimensions.
CHUNK = 512


def chunks(n: int) -> Iterator[slice]:
    """Slices that part n rows, few enough at a time that what is computed of them is small."""
    return (slice(start, start + CHUNK) for start in range(0, n, CHUNK))


def item_sums(embeddings: NDArray[np.float32], items: NDArray[np.int64]) -> NDArray[np.float64]:
    """The sum of the rows of each item, (items, D); items (N,) count from 0 and none is without."""
    order = np.argsort(items, kind="stable")
    starts = np.flatnonzero(np.diff(items[order], prepend=-1))
    sums: NDArray[np.float64] = np.add.reduceat(embeddings[order], starts, dtype=np.float64)
    return sums


def directions(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The unit rows that sums of unit rows, (G, D), point to: centroids on the sphere.

    Faces that cancel out have no direction: their row is 0, at a distance of 2 from all.
    """
    length = np.sqrt(np.einsum("ij,ij->i", sums, sums))
    return np.asarray(sums / np.maximum(length, 1e-12)[:, None])


class Sums:
    """The sum of the rows of each group, one group a slot, the rows made exactly of length 1.

    A group of one row takes nothing but two numbers, as its sum is made of the row when asked for;
    others take a row of doubles each: at most half as many as there were rows.
    """

    def __init__(self, embeddings: NDArray[np.float32], slot: NDArray[np.int64]) -> None:
        """Rows (N, D), which stay where they are, and the slot of each, (N,), all from 0 in use."""
        self.embeddings = embeddings
        self.dimension = embeddings.shape[1]
        _, self.row, count = np.unique(slot, return_index=True, return_counts=True)
        # What the vector of a slot is to be divided by.
        self.length = np.ones(len(count))
        for part in chunks(len(count)):
            self.length[part] = _lengths(embeddings[self.row[part]].astype(np.float64))
        large = np.flatnonzero(count > 1)
        self.length[large] = 1.0
        # The place of a slot among the rows of doubles; -1 where it is one row of the embeddings.
        self.place = np.full(len(count), -1)
        self.place[large] = np.arange(len(large))
        self.used = len(large)
        self.large: NDArray[np.float64] = np.zeros((len(large), self.dimension))
        members = np.flatnonzero(count[slot] > 1)
        for part in chunks(len(members)):
            rows = embeddings[members[part]].astype(np.float64)
            rows /= _lengths(rows)[:, None]
            np.add.at(self.large, self.place[slot[members[part]]], rows)

    def of(self, slots: NDArray[np.integer]) -> NDArray[np.float64]:
        """The sums of some slots, (K, D)."""
        sums: NDArray[np.float64] = self._vectors(slots) / self.length[slots, None]
        return sums

    def dots(self, a: NDArray[np.integer], b: NDArray[np.integer]) -> NDArray[np.float64]:
        """The products of the sums of pairs of slots, (K,), the same for (a, b) and (b, a)."""
        dots = np.empty(len(a))
        for part in chunks(len(a)):
            one, other = self._vectors(a[part]), self._vectors(b[part])
            dots[part] = np.einsum("ij,ij->i", one, other)
        dots /= self.length[a] * self.length[b]
        return dots

    def _vectors(self, slots: NDArray[np.integer]) -> NDArray[np.float64]:
        """The sums of some slots, those of one row as long as the row is."""
        place = self.place[slots]
        alone = place < 0
        vectors: NDArray[np.float64]
        if not alone.any():
            vectors = self.large.take(place, axis=0)
            return vectors
        vectors = self.embeddings.take(self.row[slots], axis=0).astype(np.float64)
        vectors[~alone] = self.large.take(place[~alone], axis=0)
        return vectors

    def add(self, first: NDArray[np.integer], second: NDArray[np.integer]) -> None:
        """Add to each first slot the sum of its second, no slot being in two of the pairs."""
        for part in chunks(len(first)):
            total = self.of(first[part]) + self.of(second[part])
            place = np.maximum(self.place[first[part]], self.place[second[part]])
            new = np.flatnonzero(place < 0)
            place[new] = self.used + np.arange(len(new))
            self.used += len(new)
            if self.used > len(self.large):
                room = np.empty((self.used // 4 + CHUNK, self.dimension))
                self.large = np.concatenate([self.large, room])
            self.large[place] = total
            self.place[first[part]] = place
            self.length[first[part]] = 1.0

    def keep(self, slots: NDArray[np.integer]) -> None:
        """Forget all slots but these, which are numbered from 0 in this order."""
        self.row, self.place = self.row[slots], self.place[slots]
        self.length = self.length[slots]
        large = np.flatnonzero(self.place >= 0)
        self.large = self.large[self.place[large]]
        self.place[large] = np.arange(len(large))
        self.used = len(large)


def _lengths(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return lengths
