"""Group numbers that stay when the groups are made anew."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["renumber"]


def renumber(
    labels: NDArray[np.int64], previous: NDArray[np.int64], next_number: int
) -> tuple[NDArray[np.int64], int]:
    """The stable number of each face's group, (N,), -1 for none, and the next unused number.

    labels (N,) are those of `group`, previous (N,) the number each face had, or -1. A group keeps
    the number of the old group with which it shares most faces; where two ask for one number, the
    larger overlap wins, then the lower number, then the lower label. Other groups get next_number,
    next_number + 1, ... in order of their labels, so a number is never used twice for different
    groups. Raises ValueError when next_number was already given away.
    """
    if labels.shape != previous.shape:
        raise ValueError(f"labels {labels.shape} and previous {previous.shape} differ in shape")
    if len(previous) and int(previous.max()) >= next_number:
        raise ValueError(f"number {int(previous.max())} is in use, next_number is {next_number}")
    number: dict[int, int] = {}
    taken: set[int] = set()
    shared = (labels >= 0) & (previous >= 0)
    pairs, overlap = np.unique(
        np.stack([labels[shared], previous[shared]], axis=1), axis=0, return_counts=True
    )
    for index in np.lexsort((pairs[:, 0], pairs[:, 1], -overlap)):
        label, old = int(pairs[index, 0]), int(pairs[index, 1])
        if label not in number and old not in taken:
            number[label] = old
            taken.add(old)
    present = np.unique(labels[labels >= 0])
    for label in present.tolist():
        if label not in number:
            number[label] = next_number
            next_number += 1
    numbers = np.full(len(labels), -1, dtype=np.int64)
    grouped = labels >= 0
    table = np.array([number[label] for label in present.tolist()], dtype=np.int64)
    numbers[grouped] = table[np.searchsorted(present, labels[grouped])]
    return numbers, next_number
