"""Real pictures in all eight orientations, in a library with two named faces on each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facecluster.images import content_hash
from facecluster.library import Library
from facecluster.people import name_faces
from facecluster.records import Analysis, Box, Face, FileStamp, Photo, Quality

WIDTH, HEIGHT = 120, 80  # of every upright photo
BOXES = {
    "Ann": Box(10, 20, 30, 50),
    "Zoë <&> \"'{0}": Box(70, -4, 101, 33.5),
    None: Box(40, 50, 60, 75),
}
Fill = Callable[..., Path]


def picture(folder: Path, orientation: int) -> Path:
    """A JPEG whose upright form is WIDTH x HEIGHT, stored as this orientation says."""
    size = (HEIGHT, WIDTH) if orientation >= 5 else (WIDTH, HEIGHT)
    image = Image.new("RGB", size, (orientation * 20, 90, 90))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = folder / f"{orientation}.jpg"
    image.save(path, exif=exif)
    return path


def face(box: Box) -> Face:
    x, y = box.x0, box.y0
    points = ((x + 3, y + 3), (x + 7, y + 3), (x + 5, y + 5), (x + 3, y + 7), (x + 7, y + 7))
    return Face(box, points, 0.99, Quality(40.0, 99.0, 0.1))


def stamp(path: Path) -> FileStamp:
    return FileStamp(str(path), path.stat().st_size, path.stat().st_mtime_ns)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    folder.mkdir()
    for orientation in range(1, 9):
        picture(folder, orientation)
    return folder


@pytest.fixture
def fill(tmp_path: Path, album: Path) -> Fill:
    """Make the library anew with the photos of the album; their faces named, or not."""

    def make(*, named: bool) -> Path:
        path = tmp_path / "library.sqlite"
        path.unlink(missing_ok=True)
        with Library.open(path) as library:
            model = library.scanned.register_model(fingerprint="f", name="nn4", dimension=3)
            analyses = []
            for file in sorted(album.glob("*.jpg")):
                about = Photo(content_hash(file), WIDTH, HEIGHT, int(file.stem[0]), None)
                faces = tuple(face(box) for box in BOXES.values())
                rows = np.eye(3, dtype=np.float32)
                analyses.append(Analysis(stamp(file), about, faces, rows))
            library.scanned.add(analyses, detector="d", model=model)
            for one in library.faces() if named else ():
                for name, box in BOXES.items():
                    if name and one.box == box:
                        name_faces(library, [one.face], name, command="by hand")
        return path

    return make
