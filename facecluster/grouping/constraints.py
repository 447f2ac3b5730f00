"""What the user stated, as rows that must share a group and rows that never may."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import UsageError
from facecluster.grouping.sums import chunks

__all__ = [
    "NEAR_DUPLICATE",
    "Constraints",
    "barred_pairs",
    "components",
    "in_sorted",
    "pair_keys",
]

# Two faces of one photo are one person only when nearer than this squared distance: a mirror, a
# collage, a framed picture, a panorama or a face detected twice. Two photos of one person are
# seldom as near, two people hardly ever.
NEAR_DUPLICATE = 0.4


@dataclass(frozen=True)
class Constraints:
    """Statements about the rows of one call to `group`; all three methods obey them.

    together is (M, 2): the two rows are one person, and start in one group; a row paired with
    itself is a face that was named alone: it is a group even by itself. apart is (K, 2): the two
    rows never share a group, by any chain of merges. photos is (N,), the photo of each row or -1:
    two rows of one photo at a squared distance of near_duplicate or more are kept apart just as
    strictly, unless they are stated to be together.
    """

    together: NDArray[np.int64]
    apart: NDArray[np.int64]
    photos: NDArray[np.int64]
    near_duplicate: float = NEAR_DUPLICATE

    @classmethod
    def none(cls, n: int) -> Constraints:
        """No statement about any of n rows, each in a photo of its own."""
        empty = np.empty((0, 2), dtype=np.int64)
        return cls(together=empty, apart=empty, photos=np.full(n, -1, dtype=np.int64))

    def people(self) -> NDArray[np.int64]:
        """For each row the lowest row stated to be the same person, itself when nothing is said."""
        return self._people

    @cached_property
    def _people(self) -> NDArray[np.int64]:
        people = components(len(self.photos), self.together)
        people.setflags(write=False)
        return people

    @cached_property
    def _stated(self) -> NDArray[np.bool_]:
        """Which rows are in `together`, (N,)."""
        stated = np.zeros(len(self.photos), dtype=np.bool_)
        stated[self.together] = True
        return stated

    def contradictions(self) -> NDArray[np.int64]:
        """The pairs of `apart`, (C, 2), that `together` makes one person."""
        person = self.people()
        same: NDArray[np.bool_] = person[self.apart[:, 0]] == person[self.apart[:, 1]]
        return self.apart[same]

    def validate(self, n: int) -> None:
        """Raise ValueError for arrays that do not fit n rows, UsageError for contradictions."""
        if self.photos.shape != (n,):
            raise ValueError(f"photos must have shape ({n},), got {self.photos.shape}")
        for name, pairs in (("together", self.together), ("apart", self.apart)):
            if pairs.ndim != 2 or pairs.shape[1] != 2:
                raise ValueError(f"{name} must have shape (pairs, 2), got {pairs.shape}")
            if len(pairs) and (pairs.min() < 0 or pairs.max() >= n):
                raise ValueError(f"{name} names a row outside 0..{n - 1}")
        contradictions = self.contradictions()
        if len(contradictions):
            one, other = contradictions[0]
            raise UsageError(
                f"Rows {one} and {other} are stated to be one person and also to be different "
                "people: undo one of the two statements."
            )

    def subset(self, rows: NDArray[np.int64]) -> Constraints:
        """The same statements about some of the rows, which are numbered 0.. in the order given."""
        place = np.full(len(self.photos), -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        apart = place[self.apart]
        return self._about(rows, apart[(apart >= 0).all(axis=1)])

    def of_groups(
        self, labels: NDArray[np.int64], wanted: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], Constraints]]:
        """The rows of each wanted label, rising, and the `subset` for them.

        labels is (N,), and may be changed meanwhile. Statements are gone through once for all.
        """
        inside = self.apart[labels[self.apart[:, 0]] == labels[self.apart[:, 1]]]
        groups = _by_label(np.arange(len(labels)), labels, wanted)
        pairs = _by_label(inside, labels[inside[:, 0]], wanted)
        for rows, apart in zip(groups, pairs, strict=True):
            yield rows, self._about(rows, np.searchsorted(rows, apart))

    def _about(self, rows: NDArray[np.int64], apart: NDArray[np.int64]) -> Constraints:
        """What is stated about these rows, of which those in these places are kept apart."""
        _, first, who = np.unique(self.people()[rows], return_index=True, return_inverse=True)
        linked = np.stack([first[who], np.arange(len(rows))], axis=1)
        return Constraints(
            together=linked[self._stated[rows]],
            apart=apart,
            photos=self.photos[rows],
            near_duplicate=self.near_duplicate,
        )

    def barred(self, embeddings: NDArray[np.float32]) -> NDArray[np.int64]:
        """All pairs of rows, (B, 2), that may not share a group: the stated, and those of photos.

        Costs a product for each pair of rows on one photo.
        """
        person = self.people()
        beside = self.beside()
        strangers = beside[person[beside[:, 0]] != person[beside[:, 1]]]
        return np.concatenate([self.apart, self.unlike(embeddings, strangers)])

    def beside(self) -> NDArray[np.int64]:
        """All pairs of rows, (P, 2), that are on one photo."""
        order = np.argsort(self.photos, kind="stable")
        order = order[self.photos[order] >= 0]
        pairs: list[NDArray[np.int64]] = [np.empty((0, 2), dtype=np.int64)]
        for step in range(1, len(order)):
            # In this order rows of one photo are neighbours: 1, 2, ... places apart.
            same = np.flatnonzero(self.photos[order[step:]] == self.photos[order[:-step]])
            if len(same) == 0:
                break
            pairs.append(np.stack([order[same], order[same + step]], axis=1))
        return np.concatenate(pairs)

    def unlike(
        self, embeddings: NDArray[np.float32], pairs: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Those of the pairs of rows, (P, 2), that are no near duplicates."""
        distance = np.empty(len(pairs))
        for some in chunks(len(pairs)):
            one, other = (embeddings[rows].astype(np.float64) for rows in pairs[some].T)
            distance[some] = 2.0 - 2.0 * np.einsum("ij,ij->i", one, other)
        return pairs[distance >= self.near_duplicate]


def barred_pairs(
    embeddings: NDArray[np.float32],
    items: NDArray[np.int64],
    free: NDArray[np.bool_],
    constraints: Constraints,
) -> NDArray[np.int64]:
    """Pairs of rows, (B, 2), whose items stay apart, one of each at least in no group yet."""

    def between_items(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
        matters = free[pairs].any(axis=1) & (items[pairs[:, 0]] != items[pairs[:, 1]])
        kept: NDArray[np.int64] = pairs[matters]
        return kept

    beside = constraints.unlike(embeddings, between_items(constraints.beside()))
    return np.concatenate([between_items(constraints.apart), beside])


def _by_label(
    items: NDArray[np.int64], labels: NDArray[np.int64], wanted: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    """The items of each wanted label, in their order; labels has that of each item."""
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels, wanted, "left", sorter=order).tolist()
    ends = np.searchsorted(labels, wanted, "right", sorter=order).tolist()
    return [items[order[start:end]] for start, end in zip(starts, ends, strict=True)]


def components(n: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each of n rows, the lowest row that a chain of pairs (M, 2) connects it to."""
    parent = list(range(n))
    for one, other in pairs.tolist():
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        while parent[other] != other:
            parent[other] = parent[parent[other]]
            other = parent[other]
        if one < other:
            parent[other] = one
        else:
            parent[one] = other
    # A parent is never a higher row, so one pass in rising order reaches every root.
    for row in range(n):
        parent[row] = parent[parent[row]]
    return np.array(parent, dtype=np.int64)


def pair_keys(a: NDArray[np.integer], b: NDArray[np.integer], n: int) -> NDArray[np.int64]:
    """One number for each unordered pair of numbers below n."""
    keys: NDArray[np.int64] = np.minimum(a, b).astype(np.int64) * n + np.maximum(a, b)
    return keys


def in_sorted(keys: NDArray[np.int64], table: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which keys are in a sorted table."""
    if len(table) == 0:
        return np.zeros(len(keys), dtype=np.bool_)
    place = np.minimum(np.searchsorted(table, keys), len(table) - 1)
    return np.asarray(table[place] == keys)
