"""Stands for both networks, at once and exactly: photos that `draw` made tell who is on them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facecluster.align import TEMPLATE
from facecluster.analyzer import Analyzer
from facecluster.images import Picture
from facecluster.records import Box, Point

SIDE = 28  # of a face, in pixels
Spot = tuple[int, int, int]  # x, y and who it is, 1 to 15


class Detection(NamedTuple):
    """Stands for the detector's own record, which comes with torch."""

    box: Box
    landmarks: tuple[Point, Point, Point, Point, Point]
    score: float


class FakeDetector:
    """Reads the faces from the first row of pixels, where `draw` wrote them."""

    def __init__(self, name: str = "fake", shift: int = 0) -> None:
        self.name, self.shift, self.seen = name, shift, 0

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        self.seen += len(pictures)
        return [[self._face(*spot) for spot in spots(picture.pixels)] for picture in pictures]

    def _face(self, x: int, y: int, who: int) -> Detection:
        x += self.shift
        a, b, c, d, e = (tuple(p) for p in (TEMPLATE * SIDE / 112 + [x, y]).tolist())
        return Detection(Box(x, y, x + SIDE, y + SIDE), (a, b, c, d, e), 0.9 + who / 1000)


class FakeEmbedder:
    """Everybody has an axis of their own; the grey level of the nose says who it is."""

    crop_size, margin, dimension = 28, 0.0, 16
    calibration = None

    def __init__(self, name: str = "model", sign: int = 1) -> None:
        self.name, self.fingerprint, self.sign, self.seen = name, f"print of {name}", sign, 0

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.seen += len(crops)
        who = np.rint(crops[:, 18, 14, 0] / 16).astype(int)
        return self.sign * np.eye(self.dimension, dtype=np.float32)[who]


def spots(pixels: NDArray[np.uint8]) -> list[Spot]:
    return [(int(x), int(y), int(who)) for x, y, who in pixels[0] if who]


def drawn(*faces: Spot, note: int = 0, size: tuple[int, int] = (96, 80)) -> NDArray[np.uint8]:
    """The pixels of a picture with these faces; note makes another content of the same picture."""
    pixels = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    for place, (x, y, who) in enumerate(faces):
        pixels[y : y + SIDE, x : x + SIDE] = who * 16
        pixels[0, place] = (x, y, who)
    pixels[-1, -1] = (note % 256, note // 256, 0)
    return pixels


def draw(path: Path, *faces: Spot, note: int = 0, size: tuple[int, int] = (96, 80)) -> Path:
    """A file with such a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(drawn(*faces, note=note, size=size)).save(path, format="PNG")
    return path


def fake_analyzer(
    detector: FakeDetector | None = None, embedder: FakeEmbedder | None = None
) -> Analyzer:
    return Analyzer(detector or FakeDetector(), embedder or FakeEmbedder())  # type: ignore[arg-type]


class SlowDetector(FakeDetector):
    """Takes its time, so that it can be killed meanwhile."""

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        time.sleep(0.01 * len(pictures))
        return super().detect(pictures)


def slow_analyzer() -> Analyzer:
    return fake_analyzer(SlowDetector())


class DeadlyDetector(FakeDetector):
    """The process dies of number 15."""

    def _face(self, x: int, y: int, who: int) -> Detection:
        if who == 15:
            os._exit(1)
        return super()._face(x, y, who)


def deadly_analyzer() -> Analyzer:
    return fake_analyzer(DeadlyDetector())


def other_analyzer() -> Analyzer:
    return fake_analyzer(FakeDetector("another version"))


def open_made_up(*_: object) -> Analyzer:
    """In the place of the function that opens the networks of a command."""
    return fake_analyzer()
