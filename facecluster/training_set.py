"""Faces to train on, from a folder with a folder for each person: found, aligned, kept."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facecluster import align
from facecluster.errors import TrainingError, UnreadableImage
from facecluster.evaluate import main_face
from facecluster.facenet.dataset import FaceTable
from facecluster.images import find_images, read
from facecluster.scan import Analyzer

__all__ = ["MARGIN", "SIDE", "TrainingSet", "read_folder", "read_targets"]

# The standard crop of 112 pixels with room for shifts, turns and scale.
MARGIN = 8
SIDE = align.TEMPLATE_SIZE + 2 * MARGIN
_BATCH = 16


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """A table of faces, the path below the folder that each row comes from, and what was left out.

    skipped are sentences: unreadable pictures, pictures without a face, people with one picture.
    """

    table: FaceTable
    paths: tuple[str, ...]
    skipped: tuple[str, ...]

    @property
    def people(self) -> tuple[str, ...]:
        """The name of who each row shows: that of the folder."""
        return tuple(path.split("/")[0] for path in self.paths)


def read_folder(
    folder: Path,
    *,
    cache: Path,
    analyzer: Analyzer | None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> TrainingSet:
    """The main face of every picture below `folder`, whose sub-folders are the people.

    Without an analyzer the pictures are faces already, aligned to the standard template. The faces
    are kept in `cache`, a .npz file whose folder is made, and taken from there as long as `folder`
    is unchanged. TrainingError when there are not two people with two pictures each.
    """
    files = _files(folder)
    key = _key(files, analyzer)
    kept = _kept(cache, key)
    if kept is None:
        kept = _looked_at(folder, files, analyzer, progress)
        pixels, paths, skipped = kept
        cache.parent.mkdir(parents=True, exist_ok=True)
        with open(cache.with_suffix(".part"), "wb") as file:
            np.savez(file, key=key, pixels=pixels, paths=paths, skipped=skipped)
        cache.with_suffix(".part").replace(cache)
    pixels, paths, skipped = kept
    names = [path.split("/")[0] for path in paths]
    single = sorted(name for name in set(names) if names.count(name) < 2)
    notes = (*skipped, *(f"{name} has one picture: it makes no pair." for name in single))
    if len(set(names)) - len(single) < 2:
        raise TrainingError(
            f"{folder} has not two people with two faces each: give each a folder with pictures."
        )
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    people = np.array([numbers[name] for name in names], dtype=np.int64)
    return TrainingSet(FaceTable(pixels, people, people, None, MARGIN), tuple(paths), notes)


def read_targets(path: Path, names: Sequence[str]) -> NDArray[np.float32]:
    """A teacher's unit row for each of the paths, (N, D), from a CSV file.

    A line is the path below the folder, then its D numbers, without a head line. TrainingError for
    a path that is not there and for lines that are no vectors.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = {row[0]: row[1:] for row in csv.reader(file) if row}
        missing = next((name for name in names if name not in rows), None)
        if missing is not None:
            raise TrainingError(f"{path} has no embedding of {missing}.")
        found = np.array([[float(x) for x in rows[name]] for name in names], dtype=np.float32)
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, csv.Error) as error:
        raise TrainingError(f"{path} is no table of embeddings: {error}.") from error
    length = np.sqrt((found * found).sum(axis=1, keepdims=True)) if found.ndim == 2 else np.zeros(1)
    if found.ndim != 2 or found.shape[1] < 2 or not np.all(length > 0):
        raise TrainingError(f"{path} is no table of embeddings: a path, then numbers, each line.")
    unit: NDArray[np.float32] = found / length
    return unit


def _files(folder: Path) -> list[tuple[str, int, int]]:
    """The pictures in folders below the folder: path from there, size, time."""
    if not folder.is_dir():
        raise TrainingError(f"{folder} is no folder: give one with a folder for each person.")
    top = folder.absolute()
    found = [
        (Path(stamp.path).relative_to(top).as_posix(), stamp.size, stamp.mtime_ns)
        for stamp in find_images([top])
    ]
    found = [one for one in found if "/" in one[0]]
    if not found:
        raise TrainingError(f"{folder} has no pictures in folders, one for each person.")
    return found


def _key(files: list[tuple[str, int, int]], analyzer: Analyzer | None) -> str:
    return f"{analyzer.detector if analyzer else 'aligned'} {SIDE} {MARGIN} {files}"


def _kept(cache: Path, key: str) -> tuple[NDArray[np.uint8], list[str], list[str]] | None:
    try:
        with np.load(cache, allow_pickle=False) as found:
            if str(found["key"]) != key:
                return None
            return found["pixels"], found["paths"].tolist(), found["skipped"].tolist()
    except (OSError, ValueError, KeyError, EOFError):
        return None


def _looked_at(
    folder: Path,
    files: list[tuple[str, int, int]],
    analyzer: Analyzer | None,
    progress: Callable[[int, int], object],
) -> tuple[NDArray[np.uint8], list[str], list[str]]:
    pixels: list[NDArray[np.uint8]] = []
    paths: list[str] = []
    skipped: list[str] = []
    for start in range(0, len(files), _BATCH):
        names, pictures = [], []
        for name, _, _ in files[start : start + _BATCH]:
            try:
                picture = analyzer.read(folder / name) if analyzer else read(folder / name)
            except UnreadableImage as error:
                skipped.append(str(error))
                continue
            names.append(name)
            pictures.append(picture)
        faces = analyzer.analyze(pictures) if analyzer and pictures else []
        for place, (name, picture) in enumerate(zip(names, pictures, strict=True)):
            if analyzer is None:
                pixels.append(_framed(picture.pixels))
            elif not faces[place].faces:
                skipped.append(f"No face was found on {folder / name}.")
                continue
            else:
                mine = faces[place].faces
                best = mine[main_face([one.box for one in mine], picture.width, picture.height)]
                marks = np.asarray(best.landmarks) / picture.scale
                pixels.append(align.crop(picture.pixels, marks, SIDE, MARGIN))
            paths.append(name)
        progress(min(start + _BATCH, len(files)), len(files))
    whole = np.stack(pixels) if pixels else np.empty((0, SIDE, SIDE, 3), dtype=np.uint8)
    return whole, paths, skipped


def _framed(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An aligned crop at the standard size, its edges repeated around it."""
    side = align.TEMPLATE_SIZE
    image = Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR)
    return np.pad(np.asarray(image), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")
