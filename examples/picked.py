"""Some faces of a table, where they are."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from facecluster.facenet.dataset import FaceTable

__all__ = ["picked"]


class _Picked:
    """The pixels of some faces, read when they are asked for: ten gigabytes are not copied."""

    def __init__(self, pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> None:
        self.pixels, self.rows = pixels, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        return self.pixels[self.rows[at]]


def picked(table: FaceTable, rows: NDArray[np.int64]) -> FaceTable:
    """The rows as a table, the pixels where they are."""
    pixels = cast("NDArray[np.uint8]", _Picked(table.pixels, rows))
    targets = None if table.targets is None else table.targets[rows]
    return FaceTable(pixels, table.identities[rows], table.kin[rows], targets, table.margin)
