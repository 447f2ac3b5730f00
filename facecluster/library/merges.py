"""The merges of the last full pass, so that another threshold need not find them again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.library.connection import Connection

__all__ = ["KeptMerges", "Merges"]


@dataclass(frozen=True, slots=True)
class KeptMerges:
    """Pairs of rows (M, 2) that merged, at squared distances (M,), rising, up to threshold."""

    rows: NDArray[np.int64]
    heights: NDArray[np.float64]
    threshold: float


class Merges:
    """The newest merges, and what they were made of; 16 bytes each."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, made_of: bytes) -> KeptMerges | None:
        """The merges that were made of just this, as a digest tells; else None."""
        found = self._connection.rows(
            "select pairs, heights, threshold from merges where made_of = ?", (made_of,)
        )
        if not found:
            return None
        pairs, heights, threshold = found[0]
        rows = np.frombuffer(pairs, dtype="<i4").astype(np.int64).reshape(-1, 2)
        return KeptMerges(rows, np.frombuffer(heights, dtype="<f8").copy(), threshold)

    def keep(self, made_of: bytes, merges: KeptMerges) -> None:
        """Keep these in place of those there are."""
        with self._connection.transaction():
            self._connection.run("delete from merges")
            self._connection.run(
                "insert into merges (made_of, pairs, heights, threshold) values (?, ?, ?, ?)",
                (
                    made_of,
                    merges.rows.astype("<i4").tobytes(),
                    merges.heights.astype("<f8").tobytes(),
                    float(merges.threshold),
                ),
            )
