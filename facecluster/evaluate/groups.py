"""How well the library's groups agree with a list of who is who."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facecluster.errors import UsageError
from facecluster.evaluate import main_face
from facecluster.facenet import agreement
from facecluster.library import Library, ListedFace

__all__ = ["compare_groups"]


def compare_groups(library: Library, truth: Path) -> dict[str, float]:
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
