"""Readers of verification lists in the formats of Labeled Faces in the Wild."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import UsageError

__all__ = ["Pairs", "read_lfw_pairs"]


@dataclass(frozen=True, slots=True)
class Pairs:
    """N pairs of pictures; left and right are paths below LFW's folder of pictures.

    same (N,) says whether both show one person; folds (N,) are 0, 1, ..., or all 0 in a list that
    has none.
    """

    left: tuple[str, ...]
    right: tuple[str, ...]
    same: NDArray[np.bool_]
    folds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.left)


def read_lfw_pairs(path: Path) -> Pairs:
    """The pairs of `pairs.txt` (folds) or of `pairsDevTrain.txt` and `pairsDevTest.txt` (none).

    The first line is "folds TAB n" or "n"; then, for each fold, n lines "name i j" of one person
    and n lines "name i name j" of two. Raises UsageError for any other file.
    """
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
        rows = [line for line in lines[1:] if line]
        head = [int(word) for word in lines[0]]
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, IndexError) as error:
        raise UsageError(f"{path} is not a list of pairs as LFW has them: {error}.") from error
    folds, each = (1, *head) if len(head) == 1 else head if len(head) == 2 else (0, 0)
    if folds < 1 or each < 1 or len(rows) != 2 * folds * each:
        raise UsageError(f"{path} announces {head} and has {len(rows)} pairs, which does not fit.")
    left, right = [], []
    same = np.arange(len(rows)) % (2 * each) < each
    for number, (row, one_person) in enumerate(zip(rows, same, strict=True), start=2):
        if len(row) != (3 if one_person else 4) or not (row[1] + row[-1]).isdigit():
            raise UsageError(f"{path} has no pair as LFW writes them in its line {number}.")
        first, second = (row[0], row[1]), (row[0] if one_person else row[2], row[-1])
        left.append(_picture(*first))
        right.append(_picture(*second))
    return Pairs(
        tuple(left), tuple(right), same, np.arange(len(rows), dtype=np.int64) // (2 * each)
    )


def _picture(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}.jpg"
