"""What crosses the layers: plain, frozen values that know nothing of where they are kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Analysis", "Box", "Face", "FileStamp", "Group", "Person", "Photo", "Quality"]

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the upright, full-size photo; may reach beyond its edges."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Pixels from left to right."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.y1 - self.y0

    def iou(self, other: Box) -> float:
        """Intersection over union with another box, in [0, 1]."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.width * self.height + other.width * other.height - shared)


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a face can be recognised.

    size is the distance between the eyes' line and the mouth's in full-size pixels, sharpness the
    variance of the Laplacian of the aligned grey crop (grey levels squared), yaw in [-1, 1]: 0
    looks at the camera, +-1 is a profile.
    """

    size: float
    sharpness: float
    yaw: float


@dataclass(frozen=True, slots=True)
class Face:
    """One detected face, in pixels of the upright full-size photo.

    landmarks: left eye, right eye, nose, left and right mouth corner as seen in the picture. score
    in [0, 1].
    """

    box: Box
    landmarks: tuple[Point, Point, Point, Point, Point]
    score: float
    quality: Quality


@dataclass(frozen=True, slots=True)
class Photo:
    """One picture by its content: width and height are of the upright full-size photo.

    orientation is the EXIF value 1-8 of the stored file; taken_at an ISO 8601 local time, or None.
    """

    sha256: str
    width: int
    height: int
    orientation: int
    taken_at: str | None


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What tells, without opening it, whether a file has changed."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """All that a scan learnt of one file; committed whole or not at all.

    photo is None if and only if error says why; embeddings has row i for faces[i], unit float32 (N,
    D).
    """

    file: FileStamp
    photo: Photo | None
    faces: tuple[Face, ...]
    embeddings: NDArray[np.float32] | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """One group of the newest grouping.

    person is the name that most of its stated faces have, or None.
    """

    number: int
    faces: int
    photos: int
    person: str | None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody the user has named."""

    id: int
    name: str
    faces: int
    photos: int
