"""Names as a JSON document that another library can take in, and as rows for a table.

A name belongs to a box on a photo with this content, so it finds its face on another machine, in
another folder, under another file name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facecluster.exchange.matching import Named, said_of_faces
from facecluster.exchange.tree import UnusableFile
from facecluster.library import Library, ListedPhoto
from facecluster.records import Box

__all__ = ["FORMAT", "NamedPhoto", "document", "named_photos", "read_document"]

FORMAT = "facecluster-names-1"
_MAX_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class NamedPhoto:
    """A photo and those of its faces that the user has named; boxes in upright full-size pixels."""

    photo: ListedPhoto
    faces: tuple[Named, ...]


def named_photos(library: Library, roots: Sequence[str] | None) -> list[NamedPhoto]:
    """The photos below the roots (None: all) with faces that the user has named, by path."""
    named, _ = said_of_faces(library)
    return [
        NamedPhoto(photo, tuple(named[photo.photo]))
        for photo in library.photos(roots)
        if photo.photo in named
    ]


def document(photos: Sequence[NamedPhoto]) -> dict[str, object]:
    """The JSON document of these photos; `read_document` reads it."""
    return {
        "format": FORMAT,
        "photos": [
            {
                "sha256": one.photo.about.sha256,
                "path": one.photo.path,
                "width": one.photo.about.width,
                "height": one.photo.about.height,
                "taken_at": one.photo.about.taken_at,
                "faces": [
                    {
                        "box": [face.box.x0, face.box.y0, face.box.x1, face.box.y1],
                        "person": face.name,
                    }
                    for face in one.faces
                ],
            }
            for one in photos
        ],
    }


def read_document(path: Path) -> dict[str, list[Named]]:
    """The named faces of a document, by the SHA-256 of their photo's content.

    UnusableFile, with a reason that can follow the file's name, for anything else.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UnusableFile("is larger than 1 GB")
        whole = json.loads(path.read_bytes())
    except OSError as error:
        raise UnusableFile("may not be read") from error
    except (ValueError, RecursionError) as error:
        raise UnusableFile("is no JSON") from error
    if not isinstance(whole, dict) or whole.get("format") != FORMAT:
        raise UnusableFile(f"is not what 'export json' writes: its format is not {FORMAT}")
    photos = whole.get("photos")
    found: dict[str, list[Named]] = {}
    for photo in photos if isinstance(photos, list) else ():
        if not isinstance(photo, dict) or not isinstance(photo.get("sha256"), str):
            raise UnusableFile("has a photo without sha256")
        faces = photo.get("faces")
        found.setdefault(photo["sha256"], []).extend(
            _face(face, path) for face in (faces if isinstance(faces, list) else ())
        )
    return found


def _face(face: Mapping[str, object], source: Path) -> Named:
    box = face.get("box") if isinstance(face, dict) else None
    name = face.get("person") if isinstance(face, dict) else None
    if not isinstance(name, str) or not isinstance(box, list) or len(box) != 4:
        raise UnusableFile("has a face without box or person")
    try:
        numbers = [float(x) for x in box if isinstance(x, (int, float)) and math.isfinite(x)]
    except OverflowError:  # of an integer beyond all floats
        numbers = []
    if len(numbers) != 4 or numbers[0] >= numbers[2] or numbers[1] >= numbers[3]:
        raise UnusableFile(f"has a face whose box is not [x0, y0, x1, y1]: {str(box)[:100]}")
    return Named(name, Box(*numbers), str(source))
