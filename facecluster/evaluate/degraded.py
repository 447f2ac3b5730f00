"""Faces made worse on purpose: the paper's tables of JPEG quality and image size (section 5.1)."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facecluster import align
from facecluster.analyzer import Analyzer
from facecluster.evaluate import main_face

__all__ = ["PIXELS", "QUALITIES", "SETTINGS", "degraded_vectors"]

QUALITIES = (10, 20, 30, 50, 70, 90)
PIXELS = (1_600, 6_400, 14_400, 25_600, 65_536)
SETTINGS = (
    "as it is",
    *(f"JPEG quality {quality}" for quality in QUALITIES),
    *(f"{pixels:,} pixels" for pixels in PIXELS),
)
_BATCH = 16


def degraded_vectors(
    analyzer: Analyzer, paths: Sequence[Path]
) -> Iterator[dict[str, NDArray[np.float32]] | None]:
    """For each picture its main face's unit rows (D,) by setting; None where no face was found.

    The face is found in the picture as it is; its thumbnail is what is made worse, as in the paper:
    coded as JPEG at the size that the network sees, or of so many pixels, and then scaled to that.
    Raises UnreadableImage.
    """
    side = analyzer.embedder.crop_size
    for start in range(0, len(paths), _BATCH):
        pictures = [analyzer.read(path) for path in paths[start : start + _BATCH]]
        faces: list[list[NDArray[np.uint8]]] = []
        for picture, found in zip(pictures, analyzer.analyze(pictures), strict=True):
            if not found.faces:
                faces.append([])
                continue
            boxes = [face.box for face in found.faces]
            face = found.faces[main_face(boxes, picture.width, picture.height)]
            marks = np.asarray(face.landmarks) / picture.scale
            faces.append(_versions(picture.pixels, marks, side, analyzer.embedder.margin))
        crops = [crop for versions in faces for crop in versions]
        rows = iter(analyzer.embedder.embed(np.stack(crops)) if crops else ())
        for versions in faces:
            yield {name: next(rows) for name in SETTINGS} if versions else None


def _versions(
    pixels: NDArray[np.uint8], marks: NDArray[np.float64], side: int, margin: float
) -> list[NDArray[np.uint8]]:
    """The face as each of SETTINGS has it, all side x side pixels."""
    whole = align.crop(pixels, marks, side, margin)
    coded = [_coded(whole, quality) for quality in QUALITIES]
    sized = [align.crop(pixels, marks, math.isqrt(count), margin) for count in PIXELS]
    return [whole, *coded, *(_scaled(one, side) for one in sized)]


def _coded(crop: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(crop).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def _scaled(crop: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(crop).resize((side, side), Image.Resampling.BILINEAR))
