"""Small pictures of faces, cut from their photos, to look at."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from facecluster.errors import UnreadableImage
from facecluster.images import Picture, read
from facecluster.processors import cores
from facecluster.records import Box

__all__ = ["as_jpeg", "cut", "portraits", "thumbnails"]

# A face and a little around it: this part of its longer side on each side of the middle.
_REACH = 0.65
_LONGEST = 1280
_QUALITY = 85  # of JPEGs


def cut(picture: Picture, box: Box, side: int) -> Image.Image:
    """The face in the box and a little around it, side x side pixels; black beyond the edges."""
    half = _REACH * max(box.width, box.height) / picture.scale
    x = (box.x0 + box.x1) / 2 / picture.scale
    y = (box.y0 + box.y1) / 2 / picture.scale
    corners = (round(x - half), round(y - half), round(x + half), round(y + half))
    image = Image.fromarray(picture.pixels).crop(corners)
    return image.resize((side, side), Image.Resampling.LANCZOS)


def as_jpeg(image: Image.Image) -> bytes:
    """The image as the bytes of a JPEG file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def portraits(
    wanted: Mapping[int, tuple[str, Box]], side: int
) -> Iterator[tuple[int, Image.Image | None]]:
    """Each face, by number, with its picture; None where its photo cannot be read now.

    wanted gives a face's photo and its box there. Every photo is read once, all cores at work, and
    faces come photo by photo in the order of their paths.
    """
    photos: dict[str, list[int]] = {}
    for face, (path, _) in wanted.items():
        photos.setdefault(path, []).append(face)

    def look(path: str) -> list[tuple[int, Image.Image | None]]:
        picture = _read(path, _LONGEST)
        return [
            (face, cut(picture, wanted[face][1], side) if picture else None)
            for face in photos[path]
        ]

    with ThreadPoolExecutor(cores()) as threads:
        for found in threads.map(look, sorted(photos)):
            yield from found


def thumbnails(photos: Mapping[int, str], longest: int) -> Iterator[tuple[int, Image.Image | None]]:
    """Each photo, by number, at most so many pixels long; None where it cannot be read now."""

    def look(number: int) -> tuple[int, Image.Image | None]:
        picture = _read(photos[number], longest)
        if picture is None:
            return number, None
        image = Image.fromarray(picture.pixels)
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        return number, image

    with ThreadPoolExecutor(cores()) as threads:
        yield from threads.map(look, photos)


def _read(path: str, longest: int) -> Picture | None:
    try:
        return read(Path(path), longest=longest)
    except UnreadableImage:
        return None
