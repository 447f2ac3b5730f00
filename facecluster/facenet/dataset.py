"""Training faces: aligned pictures in one array, who they show, and a teacher's embeddings."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from facecluster.errors import TrainingError

__all__ = [
    "FaceTable",
    "at_most",
    "hold_out",
    "read_table",
    "towards_identities",
    "without_doubtful",
]

_MARGIN = 8  # pixels around the standard crop that the pictures of such a folder have


@dataclass(frozen=True, slots=True)
class FaceTable:
    """N aligned faces: pixels (N, S, S, 3) bytes, identities and kin (N,) integers, targets (N,
    D) or None.

    identities is -1 where nobody knows; kin is equal for members of one family. margin pixels on
    each side of a picture lie outside of the standard crop.
    """

    pixels: NDArray[np.uint8]
    identities: NDArray[np.int64]
    kin: NDArray[np.int64]
    targets: NDArray[np.float32] | None
    margin: int

    def __len__(self) -> int:
        return len(self.identities)

    def take(self, rows: NDArray[np.int64]) -> FaceTable:
        """The given rows as a table of their own; the pixels are copied."""
        targets = None if self.targets is None else self.targets[rows]
        return FaceTable(
            self.pixels[rows], self.identities[rows], self.kin[rows], targets, self.margin
        )


def read_table(folder: Path, *, cache: Path) -> FaceTable:
    """The faces of `folder`: faces.csv, faces-*.zip and, where present, teacher.npy.

    The pictures are decoded once into `cache` (a .npy file, 48 KiB a face of 128 pixels) and
    mapped from there. A person is written FAMILY/MEMBER: the first part says who is related.
    Raises TrainingError for what is missing.
    """
    index = folder / "faces.csv"
    if not index.is_file():
        raise TrainingError(f"{folder} holds no faces.csv; give a folder of training faces.")
    with index.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise TrainingError(f"{index} lists no faces.")
    if not cache.is_file():
        _decode(folder, rows, cache)
    pixels = np.load(cache, mmap_mode="r")
    if len(pixels) != len(rows):
        raise TrainingError(
            f"{cache} has {len(pixels)} faces, {index} {len(rows)}: delete {cache}."
        )
    people = [row["person"] for row in rows]
    families = [
        person if person.startswith("celebrity/") else person.split("/")[0] for person in people
    ]
    teacher = folder / "teacher.npy"
    targets = np.load(teacher).astype(np.float32) if teacher.is_file() else None
    return FaceTable(pixels, _numbered(people), _numbered(families), targets, _MARGIN)


def hold_out(
    table: FaceTable, share: float, *, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to train on and rows kept back: a share of the families and identities, each with all
    its faces."""
    known = np.unique(table.kin[table.kin >= 0])
    kept = np.random.default_rng((seed, 3)).permutation(known)[: round(len(known) * share)]
    held = np.isin(table.kin, kept)
    return np.flatnonzero(~held).astype(np.int64), np.flatnonzero(held).astype(np.int64)


def at_most(
    table: FaceTable, rows: NDArray[np.int64], most: int, *, seed: int
) -> NDArray[np.int64]:
    """The rows, but of each identity no more than `most`, chosen by the seed.

    A network that meets a few people too often learns these by heart instead of faces.
    """
    shuffled = np.random.default_rng((seed, 4)).permutation(rows)
    seen: dict[int, int] = {}
    kept = []
    for row in shuffled:
        identity = int(table.identities[row])
        seen[identity] = seen.get(identity, 0) + 1
        if identity < 0 or seen[identity] <= most:
            kept.append(row)
    return np.sort(np.array(kept, dtype=np.int64))


def without_doubtful(table: FaceTable, *, limit: float) -> FaceTable:
    """The table, with identity -1 for faces that the teacher finds too unlike their identity.

    That is, whose mean squared distance to the nearer half of the identity's other faces is
    beyond limit. Wrong labels are the poison of triplets; the regression needs no labels.
    """
    if table.targets is None:
        return table
    identities = table.identities.copy()
    for identity in np.unique(identities[identities >= 0]):
        rows = np.flatnonzero(table.identities == identity)
        if len(rows) < 2:
            continue
        distances = 2.0 - 2.0 * table.targets[rows] @ table.targets[rows].T
        np.fill_diagonal(distances, np.inf)
        nearer = np.sort(distances, axis=1)[:, : len(rows) // 2]
        identities[rows[nearer.mean(axis=1) > limit]] = -1
    return dataclasses.replace(table, identities=identities)


def towards_identities(table: FaceTable, share: float) -> FaceTable:
    """The table, with each target moved a share (0 to 1) of the way to its identity's mean.

    What a teacher says of one picture is part light and pose; the mean of a person's pictures is
    less so. Identities of fewer than three faces, and faces of nobody known, stay.
    """
    if table.targets is None or share == 0:
        return table
    targets = table.targets.copy()
    for identity in np.unique(table.identities[table.identities >= 0]):
        rows = np.flatnonzero(table.identities == identity)
        if len(rows) < 3:
            continue
        mean = table.targets[rows].mean(axis=0)
        mean /= np.linalg.norm(mean)
        moved = (1.0 - share) * table.targets[rows] + share * mean
        targets[rows] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return dataclasses.replace(table, targets=targets)


def _numbered(names: list[str]) -> NDArray[np.int64]:
    numbers = {name: number for number, name in enumerate(sorted(set(names) - {""}))}
    return np.array([numbers.get(name, -1) for name in names], dtype=np.int64)


def _decode(folder: Path, rows: list[dict[str, str]], cache: Path) -> None:
    partial = cache.with_suffix(".part")
    pixels: np.memmap[tuple[int, ...], np.dtype[np.uint8]] | None = None
    with contextlib.ExitStack() as stack:
        archives: dict[str, zipfile.ZipFile] = {}
        for number, row in enumerate(rows):
            shard = f"faces-{int(row['shard']):02d}.zip"
            try:
                if shard not in archives:
                    archives[shard] = stack.enter_context(zipfile.ZipFile(folder / shard))
                with Image.open(io.BytesIO(archives[shard].read(row["name"]))) as image:
                    picture = np.asarray(image.convert("RGB"))
            except (OSError, KeyError, UnidentifiedImageError, zipfile.BadZipFile) as error:
                raise TrainingError(
                    f"{row['name']} of {folder / shard} is unreadable: {error}"
                ) from error
            if pixels is None:
                shape = (len(rows), *picture.shape)
                pixels = open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
            pixels[number] = picture
    if pixels is not None:
        pixels.flush()
        partial.replace(cache)
