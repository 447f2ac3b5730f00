"""Readers of verification lists: in the formats of Labeled Faces in the Wild, and as CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import UsageError

__all__ = ["Pairs", "read_csv_pairs", "read_lfw_pairs", "read_pairs", "read_video_splits"]

_DIGITS = 9  # of the number of a fold or a picture: more than there are
_SAME = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class Pairs:
    """N pairs of pictures; left and right are paths below the folder of pictures.

    same (N,) says whether both show one person; folds (N,) are 0, 1, ..., or all 0 in a list that
    has none. more are the other columns of a CSV file by name, N values each.
    """

    left: tuple[str, ...]
    right: tuple[str, ...]
    same: NDArray[np.bool_]
    folds: NDArray[np.int64]
    more: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

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
        head = [int(word) for word in lines[0]] if lines else []
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"{path} is not a list of pairs as LFW has them: {error}.") from error
    if not head:
        raise UsageError(f"{path} has no pairs: its first line says how many there are.")
    folds, each = (1, *head) if len(head) == 1 else head if len(head) == 2 else (0, 0)
    if folds < 1 or each < 1 or len(rows) != 2 * folds * each:
        raise UsageError(f"{path} announces {head} and has {len(rows)} pairs, which does not fit.")
    left, right = [], []
    same = np.arange(len(rows)) % (2 * each) < each
    for number, (row, one_person) in enumerate(zip(rows, same, strict=True), start=2):
        if len(row) != (3 if one_person else 4) or not (_counts(row[1]) and _counts(row[-1])):
            raise UsageError(f"{path} has no pair as LFW writes them in its line {number}.")
        first, second = (row[0], row[1]), (row[0] if one_person else row[2], row[-1])
        left.append(_picture(*first))
        right.append(_picture(*second))
    return Pairs(
        tuple(left), tuple(right), same, np.arange(len(rows), dtype=np.int64) // (2 * each)
    )


def read_csv_pairs(path: Path) -> Pairs:
    """The pairs of a CSV file with the columns a, b and same (1 or 0), perhaps fold, and others.

    Raises UsageError, with the number of the line, for anything else.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file, strict=True)
            rows, columns = list(lines), list(lines.fieldnames or ())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, csv.Error) as error:
        raise UsageError(f"{path} is not a CSV file: {error}.") from error
    missing = [name for name in ("a", "b", "same") if name not in columns]
    if missing:
        raise UsageError(f"{path} has no column {missing[0]}: it needs a, b and same.")
    if not rows:
        raise UsageError(f"{path} has no pairs below its first line.")
    same, folds = [], []
    for number, row in enumerate(rows, start=2):
        word = (row["same"] or "").strip().lower()
        fold = (row.get("fold") or "0").strip()
        if word not in _SAME or not _counts(fold) or not row["a"] or not row["b"]:
            raise UsageError(f"{path} has no pair in its line {number}: a, b, same (1 or 0).")
        same.append(_SAME[word])
        folds.append(int(fold))
    others = [name for name in columns if name not in ("a", "b", "same", "fold")]
    return Pairs(
        tuple(row["a"] for row in rows),
        tuple(row["b"] for row in rows),
        np.array(same, dtype=np.bool_),
        np.array(folds, dtype=np.int64),
        {name: tuple(row[name] or "" for row in rows) for name in others},
    )


def read_video_splits(path: Path) -> Pairs:
    """The pairs of YouTube Faces' splits.txt; left and right are folders of frames.

    After a head line, each has the split from 1, two videos ("Some_Name/3"), 1 or 0 for whether
    they show one person, and perhaps more, between commas. Raises UsageError for anything else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()[1:]
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"{path} is not a list of pairs of videos: {error}.") from error
    rows = []
    for number, line in enumerate(lines, start=2):
        words = [word.strip() for word in line.split(",")]
        if words == [""]:
            continue
        if len(words) < 4 or not _counts(words[0]) or words[3] not in ("0", "1"):
            raise UsageError(
                f"{path} has no pair in its line {number}: split, video, video, 1 or 0."
            )
        rows.append(words)
    return Pairs(
        tuple(row[1] for row in rows),
        tuple(row[2] for row in rows),
        np.array([row[3] == "1" for row in rows], dtype=np.bool_),
        np.array([int(row[0]) for row in rows], dtype=np.int64),
    )


def read_pairs(path: Path) -> Pairs:
    """The pairs of a file in either format: CSV by the suffix .csv, else as LFW has them."""
    return read_csv_pairs(path) if path.suffix.lower() == ".csv" else read_lfw_pairs(path)


def _counts(word: str) -> bool:
    return word.isdecimal() and len(word) <= _DIGITS


def _picture(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}.jpg"
