"""Pictures to faces with embeddings: detection, alignment and the network as one step."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facecluster import allocator, images
from facecluster.align import TEMPLATE_SIZE, crop
from facecluster.images import LONGEST, Picture
from facecluster.quality import measure
from facecluster.records import Face

if TYPE_CHECKING:
    from facecluster.detect import Detection, Detector
    from facecluster.embed import Embedder

__all__ = ["Analyzer", "Found"]

# Batches after which freed memory goes back: 256 photos of a scan. Without it a scan holds some 135
# MB more after two thousand photos, and ever more; it costs 10 ms of processor time.
_GIVE_BACK = 32


@dataclass(frozen=True, slots=True)
class Found:
    """The faces of one picture and their unit rows (N, D); row i is face i."""

    faces: tuple[Face, ...]
    embeddings: NDArray[np.float32]


class Analyzer:
    """Detector, alignment and network as one step from pictures to faces with embeddings.

    detector is the name under which results are kept: it changes when other faces may be found.
    What the same weights found with other settings can stay, unless it insists.
    """

    def __init__(
        self,
        detector: Detector,
        embedder: Embedder,
        *,
        longest: int = LONGEST,
        insists: bool = False,
    ) -> None:
        self._detector = detector
        self._longest = longest
        self._insists = insists
        self._batches = itertools.count(1)
        self.embedder = embedder
        self.detector = f"{detector.name} {longest}px"

    def accepts(self, detector: str | None) -> bool:
        """Whether what that detector found, by its name, can stay."""
        if detector is None or self._insists:
            return detector == self.detector
        return detector.split()[:1] == self.detector.split()[:1]

    def read(self, path: Path) -> Picture:
        """The picture at the size that the detector is given; raises UnreadableImage."""
        return images.read(path, longest=self._longest)

    def read_all(self, path: Path) -> list[tuple[str, Picture]]:
        """The same of all that the file shows, each with what follows its path (`read_all`)."""
        return images.read_all(path, longest=self._longest)

    def analyze(self, pictures: Sequence[Picture]) -> list[Found]:
        """The faces of each picture; both networks see those of all pictures together."""
        detected = self._detector.detect(pictures)
        aligned = [
            [pair for detection in detections if (pair := self._align(picture, detection))]
            for picture, detections in zip(pictures, detected, strict=True)
        ]
        rows = self._embed([pixels for pairs in aligned for _, pixels in pairs])
        parts = _split(rows, [len(pairs) for pairs in aligned])
        return [
            Found(tuple(face for face, _ in pairs), part)
            for pairs, part in zip(aligned, parts, strict=True)
        ]

    def embed(
        self, pictures: Sequence[Picture], faces: Sequence[Sequence[Face]]
    ) -> list[NDArray[np.float32]]:
        """Unit rows (N, D) for the N known faces of each picture."""
        crops = [
            self._crop(picture, np.asarray(face.landmarks) / picture.scale)
            for picture, mine in zip(pictures, faces, strict=True)
            for face in mine
        ]
        return _split(self._embed(crops), [len(mine) for mine in faces])

    def _align(self, picture: Picture, found: Detection) -> tuple[Face, NDArray[np.uint8]] | None:
        """The face and its crop; None for one so broken that it has no size."""
        points = np.asarray(found.landmarks, dtype=np.float64)
        try:
            pixels = self._crop(picture, points / picture.scale)
            # Sharpness is compared between faces, so its crop has one size with every network.
            sample = pixels
            if (self.embedder.crop_size, self.embedder.margin) != (TEMPLATE_SIZE, 0):
                sample = crop(picture.pixels, points / picture.scale, TEMPLATE_SIZE)
        except ValueError:
            return None
        return Face(found.box, found.landmarks, found.score, measure(points, sample)), pixels

    def _crop(self, picture: Picture, points: NDArray[np.float64]) -> NDArray[np.uint8]:
        return crop(picture.pixels, points, self.embedder.crop_size, self.embedder.margin)

    def _embed(self, crops: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        if next(self._batches) % _GIVE_BACK == 0:
            allocator.give_back()
        if not crops:
            return np.empty((0, self.embedder.dimension), dtype=np.float32)
        rows: NDArray[np.float32] = self.embedder.embed(np.stack(crops))
        return rows


def _split(rows: NDArray[np.float32], sizes: Sequence[int]) -> list[NDArray[np.float32]]:
    return np.split(rows, np.cumsum(sizes)[:-1]) if sizes else []
