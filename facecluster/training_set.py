"""Faces to train on: of a folder with a folder for each person, or those named in a library."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeAlias
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facecluster import align
from facecluster.analyzer import Analyzer
from facecluster.engines import threads
from facecluster.errors import TrainingError, UnreadableImage
from facecluster.evaluate import main_face
from facecluster.facenet.dataset import FaceTable
from facecluster.images import Picture, find_images, read
from facecluster.library import Library, Unembedded
from facecluster.records import Face
from facecluster.reembedding import read_unchanged

__all__ = [
    "MARGIN",
    "SIDE",
    "NamedFaces",
    "TrainingSet",
    "read_folder",
    "read_named_faces",
    "read_targets",
]

# The standard crop of 112 pixels, and so many more on each side for shifts, turns and scale.
MARGIN = 8
SIDE = align.TEMPLATE_SIZE + 2 * MARGIN
_BATCH = 16
# The main face of a picture, aligned; None where there is none.
Crop: TypeAlias = NDArray[np.uint8] | None


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
    are kept in `cache`, a .npz file whose folder is made, also when it ends before all are found;
    of pictures that are unchanged they are taken from there. TrainingError when there are not two
    people with two pictures each.
    """
    files = _files(folder)
    cache.parent.mkdir(parents=True, exist_ok=True)  # fails now, not when all are looked at
    kind = f"{analyzer.detector if analyzer else 'aligned'} {SIDE} {MARGIN}"
    seen = _kept(cache, kind, set(files.values()))
    known = len(seen)
    unreadable: dict[str, str] = {}
    try:
        rest = [name for name, stamp in files.items() if stamp not in seen]
        for name, face in _looked_at(folder, rest, analyzer, progress):
            if isinstance(face, UnreadableImage):
                unreadable[name] = str(face)  # not kept: it may be readable the next time
            else:
                seen[files[name]] = face
    finally:  # stopped after an hour, too
        if len(seen) > known:
            _keep(cache, kind, seen)
    return _table(folder, files, seen, unreadable)


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
        found = np.array([[float(x) for x in rows[name]] for name in names])
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, csv.Error) as error:
        raise TrainingError(f"{path} is no table of embeddings: {error}.") from error
    length = np.hypot.reduce(found, axis=1, keepdims=True) if found.ndim == 2 else np.zeros(1)
    if found.ndim != 2 or found.shape[1] < 2 or not np.all((length > 0) & np.isfinite(length)):
        raise TrainingError(f"{path} is no table of embeddings: a path, then numbers, each line.")
    unit: NDArray[np.float32] = (found / length).astype(np.float32)
    return unit


def _files(folder: Path) -> dict[str, str]:
    """The pictures in folders below the folder: the path from there, and what it is known by: a
    stamp of path, size and time."""
    if not folder.is_dir():
        raise TrainingError(f"{folder} is no folder: give one with a folder for each person.")
    top = Path(os.path.abspath(folder))  # without "..", as find_images tells them
    found = {}
    for stamp in find_images([top]):
        name = Path(stamp.path).relative_to(top).as_posix()
        if "/" in name:
            found[name] = f"{stamp.size} {stamp.mtime_ns} {name}"
    if not found:
        raise TrainingError(f"{folder} has no pictures in folders, one for each person.")
    return found


def _kept(cache: Path, kind: str, stamps: set[str]) -> dict[str, Crop]:
    """What was seen on those pictures before, by their stamps."""
    try:
        with cache.open("rb") as file, np.load(file, allow_pickle=False) as found:
            if str(found["kind"]) != kind:
                return {}
            faces = dict(zip(found["faces"].tolist(), found["pixels"], strict=True))
            faces |= dict.fromkeys(found["without"].tolist())
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, BadZipFile):
        return {}
    return {stamp: face for stamp, face in faces.items() if stamp in stamps}


def _keep(cache: Path, kind: str, seen: dict[str, Crop]) -> None:
    faces = {stamp: face for stamp, face in seen.items() if face is not None}
    with open(cache.with_suffix(".part"), "wb") as file:
        np.savez(
            file,
            kind=kind,
            faces=np.array(list(faces), dtype=np.str_),
            pixels=_stacked(list(faces.values())),
            without=np.array([one for one in seen if one not in faces], dtype=np.str_),
        )
    cache.with_suffix(".part").replace(cache)


def _table(
    folder: Path, files: dict[str, str], seen: dict[str, Crop], unreadable: dict[str, str]
) -> TrainingSet:
    """The faces in the order of the files, who they show, and what is to be said of the others."""
    rows = {name: face for name, stamp in files.items() if (face := seen.get(stamp)) is not None}
    skipped = [
        unreadable.get(name, f"No face was found on {folder / name}.")
        for name in files
        if name not in rows
    ]
    names = [name.split("/")[0] for name in rows]
    counts = Counter(names)
    single = sorted(name for name, count in counts.items() if count < 2)
    skipped += [f"{name} has one picture: it makes no pair." for name in single]
    if len(counts) - len(single) < 2:
        raise TrainingError(
            f"{folder} has not two people with two faces each: give each a folder with pictures."
        )
    numbers = {name: number for number, name in enumerate(sorted(counts))}
    people = np.array([numbers[name] for name in names], dtype=np.int64)
    table = FaceTable(_stacked(list(rows.values())), people, people, None, MARGIN)
    return TrainingSet(table, tuple(rows), tuple(skipped))


def _stacked(faces: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.stack(faces) if faces else np.empty((0, SIDE, SIDE, 3), dtype=np.uint8)


def _looked_at(
    folder: Path,
    names: list[str],
    analyzer: Analyzer | None,
    progress: Callable[[int, int], object],
) -> Iterator[tuple[str, Crop | UnreadableImage]]:
    """What there is on each of the pictures."""
    for start in range(0, len(names), _BATCH):
        pictures: dict[str, Picture] = {}
        for name in names[start : start + _BATCH]:
            try:
                pictures[name] = analyzer.read(folder / name) if analyzer else read(folder / name)
            except UnreadableImage as error:
                yield name, error
        yield from zip(pictures, _faces(list(pictures.values()), analyzer), strict=True)
        progress(min(start + _BATCH, len(names)), len(names))


def _faces(pictures: list[Picture], analyzer: Analyzer | None) -> list[Crop]:
    """The main face of each picture, None where there is none."""
    if analyzer is None:
        return [_framed(picture.pixels) for picture in pictures]
    found = analyzer.analyze(pictures) if pictures else []
    return [_main(picture, one.faces) for picture, one in zip(pictures, found, strict=True)]


def _main(picture: Picture, faces: Sequence[Face]) -> Crop:
    if not faces:
        return None
    boxes = [one.box for one in faces]
    return _aligned(picture, faces[main_face(boxes, picture.width, picture.height)])


def _aligned(picture: Picture, face: Face) -> NDArray[np.uint8]:
    """The standard crop of the face with MARGIN more on each side."""
    return align.crop(picture.pixels, np.asarray(face.landmarks) / picture.scale, SIDE, MARGIN)


def _framed(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An aligned crop at the standard size, its edges repeated around it."""
    side = align.TEMPLATE_SIZE
    image = Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR)
    return np.pad(np.asarray(image), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")


# Of one person; more would take the reading of many photos, and drown who has few.
_MOST = 60
_NOBODY = -1


@dataclass(frozen=True, slots=True)
class NamedFaces:
    """N faces: a table (identities are the library's people, -1 nobody), the day of each (N,)
    counted from year 1, -1 without a date, and the photos that could not be read."""

    table: FaceTable
    days: NDArray[np.int64]
    unreadable: int


def read_named_faces(
    library: Library,
    *,
    read: Callable[[Path], Picture],
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> NamedFaces:
    """Up to 60 named faces of each person, aligned, and whoever is beside them without a name.

    Left out are faces that are ignored or said not to be any. Each photo is read once.
    """
    truth = library.statements.truth()
    person = {fact.face: fact.person or 0 for fact in truth if fact.kind == "is"}
    hidden = {fact.face for fact in truth if fact.kind in ("ignore", "not-a-face")}
    chosen = _chosen(person)
    work = [one for one in library.scanned.located() if chosen & one.faces.keys()]
    pixels: list[NDArray[np.uint8]] = []
    people: list[int] = []
    days: list[int] = []
    unreadable = 0

    def look(one: Unembedded) -> dict[int, NDArray[np.uint8]] | None:
        picture = read_unchanged(one, read)
        wanted = {face for face in one.faces if face in chosen or face not in person} - hidden
        return {n: _aligned(picture, one.faces[n]) for n in wanted} if picture else None

    with closing(threads()(look, work)) as looks:
        for done, (one, crops) in enumerate(zip(work, looks, strict=True), start=1):
            unreadable += crops is None
            for face, crop in (crops or {}).items():
                pixels.append(crop)
                people.append(person.get(face, _NOBODY))
                days.append(_day(one.photo.taken_at))
            progress(done, len(work))
    identities = np.array(people, dtype=np.int64)
    table = FaceTable(_stacked(pixels), identities, identities, None, MARGIN)
    return NamedFaces(table, np.array(days, dtype=np.int64), unreadable)


def _chosen(person: dict[int, int]) -> set[int]:
    """The faces to read: of each person at most so many, evenly over their numbers."""
    faces: dict[int, list[int]] = {}
    for face in sorted(person):
        faces.setdefault(person[face], []).append(face)
    return {
        mine[place]
        for mine in faces.values()
        for place in np.unique(np.linspace(0, len(mine) - 1, min(_MOST, len(mine))).astype(int))
    }


def _day(taken_at: str | None) -> int:
    try:
        return date.fromisoformat((taken_at or "")[:10]).toordinal()
    except ValueError:
        return _NOBODY
