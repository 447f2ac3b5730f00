"""Which faces of a group are the most like it, and which the least."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facecluster.library import Library

__all__ = ["likeness"]


def likeness(library: Library, faces: Sequence[int], to: Sequence[int]) -> list[int]:
    """The faces, those nearest to the mean of `to` first; at the end any the network has not seen.

    Costs one look at the vectors of both.
    """
    grouping = library.groupings.newest()
    if grouping is None:
        return list(faces)
    seen, vectors = library.embeddings(grouping.model, faces)
    _, others = (seen, vectors) if to is faces else library.embeddings(grouping.model, to)
    if len(others) == 0:
        return list(faces)
    mean: NDArray[np.float32] = others.mean(axis=0)
    order = seen[np.argsort(-(vectors @ mean), kind="stable")].tolist()
    return [*order, *sorted(set(faces).difference(order))]
