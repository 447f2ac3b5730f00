"""How good a network is on pictures of known people, by the product's own reading and detection.

This module has the protocol of pairs; beside it are groups, videos, and faces made worse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facecluster.analyzer import Analyzer
from facecluster.errors import UsageError
from facecluster.facenet.evaluation import (
    FoldedAccuracy,
    FoldedValidation,
    Roc,
    area_under_curve,
    equal_error_rate,
    even_folds,
    folded_accuracy,
    folded_validation,
    roc,
    squared_distances,
)
from facecluster.facenet.pairs import Pairs
from facecluster.records import Box

__all__ = [
    "RATES",
    "Embedded",
    "Verification",
    "embed_main_faces",
    "main_face",
    "verification",
]

Rows = NDArray[np.float32]
RATES = (1e-1, 1e-2, 1e-3, 1e-4)
# Photos that the networks see together.
_BATCH = 16
# No two points of the sphere are farther apart: pairs with a face that was not found.
_FARTHEST = 4.0


def main_face(boxes: Sequence[Box], width: float, height: float) -> int:
    """The place of the face that a photo of this size is of: large, and near the middle."""

    def weight(box: Box) -> float:
        across = (box.x0 + box.x1 - width) / 2
        down = (box.y0 + box.y1 - height) / 2
        return box.width * box.height - 2 * (across**2 + down**2)

    return max(range(len(boxes)), key=lambda place: weight(boxes[place]))


@dataclass(frozen=True, slots=True)
class Embedded:
    """The main face of a picture: a unit row (D,), None where no face was found."""

    path: Path
    vector: NDArray[np.float32] | None


def embed_main_faces(analyzer: Analyzer, paths: Sequence[Path]) -> Iterator[Embedded]:
    """The main face of each picture, in order; raises UnreadableImage for one without pixels."""
    for start in range(0, len(paths), _BATCH):
        batch = paths[start : start + _BATCH]
        pictures = [analyzer.read(path) for path in batch]
        for path, picture, found in zip(batch, pictures, analyzer.analyze(pictures), strict=True):
            vector = None
            if found.faces:
                boxes = [face.box for face in found.faces]
                vector = found.embeddings[main_face(boxes, picture.width, picture.height)]
            yield Embedded(path, vector)


@dataclass(frozen=True, slots=True)
class Verification:
    """All figures of a list of pairs (sections 4 and 5.6); distances are squared.

    without_face counts the pictures in which no face was found: their pairs are refused, at the
    largest distance there is.
    """

    pairs: int
    same: int
    without_face: int
    accuracy: FoldedAccuracy
    area_under_curve: float
    equal_error_rate: float
    rates: tuple[FoldedValidation, ...]
    curve: Roc


def verification(
    pairs: Pairs,
    vectors: Mapping[str, NDArray[np.float32] | None],
    rows: NDArray[np.int64] | None = None,
    *,
    distance: Callable[[Rows, Rows], NDArray[np.float64]] = squared_distances,
) -> Verification:
    """The figures of the pairs, or of some rows of them, from a unit row for each picture's name.

    distance takes (N, D) and (N, D) to (N,). Lists without folds are divided in ten runs of each
    kind, as LFW's folds are. UsageError when there are not pairs of both kinds in each fold.
    """
    rows = np.arange(len(pairs)) if rows is None else rows
    same = pairs.same[rows]
    folds = pairs.folds[rows]
    if len(np.unique(pairs.folds)) < 2:
        folds = even_folds(same)
    for fold in np.unique(folds).tolist():
        if len(np.unique(same[folds == fold])) < 2:
            raise UsageError(
                f"Fold {fold} has no pairs of one person, or none of two: more pairs are needed."
            )
    names = [(pairs.left[row], pairs.right[row]) for row in rows.tolist()]
    distances = _distances(names, vectors, distance)
    seen = {name for two in names for name in two}
    return Verification(
        pairs=len(names),
        same=int(same.sum()),
        without_face=sum(vectors[name] is None for name in seen),
        accuracy=folded_accuracy(distances, same, folds),
        area_under_curve=area_under_curve(distances[same], distances[~same]),
        equal_error_rate=equal_error_rate(distances[same], distances[~same])[0],
        rates=tuple(folded_validation(distances, same, folds, far) for far in RATES),
        curve=roc(distances[same], distances[~same]),
    )


def _distances(
    names: Sequence[tuple[str, str]],
    vectors: Mapping[str, Rows | None],
    distance: Callable[[Rows, Rows], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Of each pair; the farthest there is where one has no face."""
    distances = np.full(len(names), _FARTHEST)
    known = [place for place, two in enumerate(names) if all(vectors[n] is not None for n in two)]
    if known:
        left, right = (
            np.array([vectors[names[place][side]] for place in known]) for side in (0, 1)
        )
        distances[known] = distance(left, right)
    return distances
