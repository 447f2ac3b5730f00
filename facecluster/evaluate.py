"""How good a network is on pictures of known people, by the product's own reading and detection."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facecluster.analyzer import Analyzer
from facecluster.errors import UsageError
from facecluster.facenet import agreement
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
from facecluster.library import Library, ListedFace
from facecluster.records import Box

__all__ = [
    "RATES",
    "Embedded",
    "Verification",
    "embed_main_faces",
    "grouping",
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
    faces: int


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
            yield Embedded(path, vector, len(found.faces))


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


def grouping(library: Library, truth: Path) -> dict[str, float]:
    """How the newest grouping agrees with a CSV file of who is who.

    The file has the columns person and either face (a number) or path (or file): the photo's main
    face. A path may be the end of the library's one. Faces in no group count as groups of one.
    """
    faces = library.faces()
    by_number = {face.face: face for face in faces}
    people = _people(truth, by_number, _by_path(library, faces))
    known = sorted(people)
    labels = np.array([_label(by_number[face]) for face in known], dtype=np.int64)
    answer = np.unique([people[face] for face in known], return_inverse=True)[1]
    found = dict(agreement.grouping(labels, answer.astype(np.int64)))
    crowds = Counter((face.photo, face.group) for face in faces if face.group is not None)
    found["faces compared"] = float(len(known))
    found["faces beside another of their group on one photo"] = float(
        sum(count for count in crowds.values() if count > 1)
    )
    return found


def _label(face: ListedFace) -> int:
    return -1 if face.group is None else face.group


def _by_path(library: Library, faces: Sequence[ListedFace]) -> dict[str, int]:
    """The main face of each photo, by all of its paths."""
    on: dict[int, list[ListedFace]] = {}
    for face in faces:
        on.setdefault(face.photo, []).append(face)
    main = {}
    for photo in library.photos():
        here = on.get(photo.photo, [])
        if here:
            place = main_face([one.box for one in here], photo.about.width, photo.about.height)
            main.update(dict.fromkeys(photo.paths, here[place].face))
    return main


def _people(
    truth: Path, by_number: dict[int, ListedFace], by_path: dict[str, int]
) -> dict[int, str]:
    """Who each face of the CSV file is."""
    try:
        with truth.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, strict=True))
    except OSError as error:
        raise UsageError(f"{truth} cannot be read: {error.strerror}.") from error
    except (ValueError, csv.Error) as error:
        raise UsageError(f"{truth} is not a CSV file: {error}.") from error
    key = next((name for name in ("face", "path", "file") if rows and name in rows[0]), None)
    if key is None or "person" not in rows[0]:
        raise UsageError(f"{truth} needs the columns person and face, path or file.")
    numbers, ends = {str(face): face for face in by_number}, _ends(by_path)
    people: dict[int, str] = {}
    for number, row in enumerate(rows, start=2):
        value = row[key] or ""
        face = numbers.get(value) if key == "face" else ends.get(Path(value).parts[::-1])
        if face is not None and row["person"]:
            if people.setdefault(face, row["person"]) != row["person"]:
                raise UsageError(
                    f"{truth} names a face in its line {number} that it named otherwise before: "
                    "of a photo of several people say the faces' numbers."
                )
        elif not row["person"] or not value:
            raise UsageError(f"{truth} has nobody or nothing in its line {number}.")
    if not people:
        raise UsageError(f"No face of {truth} is in the library: scan the photos first.")
    return people


def _ends(by_path: dict[str, int]) -> dict[tuple[str, ...], int]:
    """Each path's face by every end of the path, its parts last first; unless two share the end."""
    found: dict[tuple[str, ...], int | None] = {}
    for path, face in by_path.items():
        parts = Path(os.path.abspath(path)).parts[::-1]
        for length in range(1, len(parts) + 1):
            end = parts[:length]
            found[end] = face if found.get(end, face) == face else None
    return {end: face for end, face in found.items() if face is not None}
