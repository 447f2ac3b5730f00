"""RAW photos, written by hand as the smallest DNG that LibRaw opens, read through their preview."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facecluster.errors import UnreadableImage
from facecluster.images import find_images, read
from facecluster.images.raw import RAW_SUFFIXES, way_to_turn

pytest.importorskip("rawpy")

LAYOUT = {1: "B", 2: "s", 3: "H", 4: "I"}  # TIFF's types BYTE, ASCII, SHORT and LONG
SRATIONAL = 10
UPRIGHT = (600, 400)  # the photo when it is held upright, and its red corner, top left
# EXIF orientation -> how often 90 degrees counter-clockwise turn the upright picture into what the
# sensor stores.
STORED = {1: 0, 3: 2, 6: 1, 8: 3}


def upright_picture(width: int = 300, height: int = 200) -> NDArray[np.uint8]:
    pixels = np.full((height, width, 3), (0, 0, 255), dtype=np.uint8)
    pixels[: height // 3, : width // 3] = (255, 0, 0)
    return pixels


def jpeg(pixels: NDArray[np.uint8], *, orientation: int | None = None) -> bytes:
    file, exif = io.BytesIO(), Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.fromarray(pixels).save(file, "JPEG", exif=exif, quality=95)
    return file.getvalue()


def directory(tags: dict[int, tuple[int, object]], at: int) -> bytes:
    """A TIFF directory that will stand at this offset, with the values of its tags behind it."""
    entries, behind = b"", b""
    start = at + 2 + 12 * len(tags) + 4
    for tag, (kind, value) in sorted(tags.items()):
        if kind == 2:
            count, data = len(value), value  # type: ignore[arg-type]
        elif kind == SRATIONAL:
            count = len(value)  # type: ignore[arg-type]
            data = b"".join(struct.pack("<ii", number, 1) for number in value)  # type: ignore[attr-defined]
        else:
            count = len(value)  # type: ignore[arg-type]
            data = struct.pack(f"<{count}{LAYOUT[kind]}", *value)  # type: ignore[misc]
        if len(data) > 4:
            field = struct.pack("<I", start + len(behind))
            behind += data + b"\0" * (len(data) % 2)
        else:
            field = data.ljust(4, b"\0")
        entries += struct.pack("<HHI", tag, kind, count) + field
    return struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0) + behind


def write_dng(
    path: Path, preview: bytes | None, *, orientation: int = 1, upright: tuple[int, int] = UPRIGHT
) -> Path:
    """A grey DNG whose sensor stores the upright size as the orientation says, with a preview."""
    width, height = upright[::-1] if orientation >= 5 else upright
    sensor = np.full((height, width), 20_000, dtype="<u2").tobytes()
    image = preview or b"\0\0"
    image += b"\0" * (len(image) % 2)
    strip, sub = 8 + len(image), 8 + len(image) + len(sensor)
    mosaic = directory(
        {254: (4, [0]), 256: (4, [width]), 257: (4, [height]), 258: (3, [16]), 259: (3, [1])}
        | {262: (3, [32803]), 273: (4, [strip]), 277: (3, [1]), 278: (4, [height])}
        | {279: (4, [len(sensor)]), 33421: (3, [2, 2]), 33422: (1, [0, 1, 1, 2])},
        sub,
    )
    size = Image.open(io.BytesIO(preview)).size if preview else (0, 0)
    shown: dict[int, tuple[int, object]] = {
        **{254: (4, [1]), 256: (4, [size[0]]), 257: (4, [size[1]]), 258: (3, [8, 8, 8])},
        **{259: (3, [7]), 262: (3, [6]), 273: (4, [8]), 277: (3, [3]), 278: (4, [size[1]])},
        279: (4, [len(preview or b"")]),
    }
    about: dict[int, tuple[int, object]] = {
        **{271: (2, b"Maker\0"), 272: (2, b"Model 1\0"), 274: (3, [orientation])},
        **{306: (2, b"2021:07:08 09:10:11\0"), 330: (4, [sub]), 50706: (1, [1, 4, 0, 0])},
        **{50708: (2, b"Model 1\0"), 50721: (SRATIONAL, [1, 0, 0, 0, 1, 0, 0, 0, 1])},
    }
    main = directory(about | (shown if preview else {}), sub + len(mosaic))
    head = struct.pack("<2sHI", b"II", 42, sub + len(mosaic))
    path.write_bytes(head + image + sensor + mosaic + main)
    return path


def corners(pixels: NDArray[np.uint8]) -> list[bool]:
    """Whether the corners are red, clockwise from the top left."""
    places = (pixels[5, 5], pixels[5, -5], pixels[-5, -5], pixels[-5, 5])
    return [bool(place[0] > 150 > place[2]) for place in places]


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("told", [False, True])
def test_the_preview_is_upright_and_has_the_scale_of_the_whole_photo(
    tmp_path: Path, orientation: int, told: bool
) -> None:
    stored = np.rot90(upright_picture(), STORED[orientation])
    preview = jpeg(stored, orientation=orientation if told else None)
    path = write_dng(tmp_path / "a.dng", preview, orientation=orientation)
    picture = read(path, longest=300)
    assert picture.pixels.shape == (200, 300, 3)
    assert corners(picture.pixels) == [True, False, False, False]
    assert (picture.width, picture.height, picture.scale) == (*UPRIGHT, 2.0)
    assert picture.orientation == orientation
    assert picture.taken_at == "2021-07-08T09:10:11"


@pytest.mark.parametrize("orientation", [6, 8])
def test_a_preview_that_is_upright_already_is_not_turned(tmp_path: Path, orientation: int) -> None:
    tall = upright_picture(200, 300)
    path = write_dng(tmp_path / "a.dng", jpeg(tall), orientation=orientation, upright=(400, 600))
    picture = read(path, longest=300)
    assert picture.pixels.shape == (300, 200, 3)
    assert corners(picture.pixels) == [True, False, False, False]
    assert (picture.width, picture.height, picture.scale) == (400, 600, 2.0)


def test_the_preview_is_reduced_like_any_picture(tmp_path: Path) -> None:
    path = write_dng(tmp_path / "A.DNG", jpeg(upright_picture(600, 400)))
    picture = read(path, longest=150)
    assert picture.pixels.shape == (100, 150, 3)
    assert picture.scale == 4.0


def test_a_preview_of_another_shape_is_the_part_of_the_sensor_that_it_shows(tmp_path: Path) -> None:
    path = write_dng(tmp_path / "a.dng", jpeg(upright_picture(320, 180)))
    picture = read(path, longest=300)
    assert picture.scale == pytest.approx(600 / 320)
    assert (picture.width, picture.height) == (600, 338)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("size", [None, (60, 40)])
def test_without_a_preview_of_use_the_sensor_is_seen(
    tmp_path: Path, orientation: int, size: tuple[int, int] | None
) -> None:
    preview = jpeg(np.rot90(upright_picture(*size), STORED[orientation])) if size else None
    picture = read(write_dng(tmp_path / "a.dng", preview, orientation=orientation))
    assert picture.pixels.shape == (200, 300, 3)
    assert (picture.width, picture.height, picture.scale) == (*UPRIGHT, 2.0)
    assert picture.taken_at == "2021-07-08T09:10:11"


@pytest.mark.parametrize(
    ("told", "orientation", "preview", "full", "turn"),
    [
        (6, 6, (300, 200), (400, 600), 6),  # as the sensor sees it, and said so twice
        (1, 6, (300, 200), (400, 600), 6),  # its own EXIF does not know of the turn
        (6, 6, (200, 300), (400, 600), 1),  # it is upright, whatever is said
        (1, 1, (300, 200), (600, 400), 1),
        (3, 1, (300, 200), (600, 400), 3),
        (1, 1, (300, 200), (400, 600), 1),  # no way fits: as it says itself
        (8, 1, (300, 300), (600, 400), 8),  # a square fits either way
    ],
)
def test_who_is_believed_about_the_way_to_turn(
    told: int, orientation: int, preview: tuple[int, int], full: tuple[int, int], turn: int
) -> None:
    assert way_to_turn(told, orientation, preview, full) == turn


@pytest.mark.parametrize("kind", ["no RAW", "cut short", "empty"])
def test_what_is_damaged_is_one_sentence(tmp_path: Path, kind: str) -> None:
    path = write_dng(tmp_path / "a.dng", jpeg(upright_picture()))
    damaged = {"no RAW": b"no photo" * 100, "cut short": path.read_bytes()[:3000], "empty": b""}
    path.write_bytes(damaged[kind])
    with pytest.raises(UnreadableImage, match=r"a\.dng (cannot be read|is damaged)"):
        read(path)


def test_a_damaged_preview_is_one_sentence(tmp_path: Path) -> None:
    preview = jpeg(upright_picture())
    path = write_dng(tmp_path / "a.dng", preview)
    path.write_bytes(path.read_bytes().replace(preview[-1000:], bytes(1000)))
    with pytest.raises(UnreadableImage, match="damaged"):
        read(path)


def test_a_raw_photo_beside_a_picture_of_its_name_is_that_picture(tmp_path: Path) -> None:
    for name in ("a.DNG", "a.jpg", "b.nef", "c.NEF", "c.HEIC", "d.cr2", "d.dng", "d.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "b.jpg").mkdir()
    names = [Path(file.path).name for file in find_images([tmp_path])]
    assert names == ["a.jpg", "b.nef", "c.HEIC", "d.cr2", "d.dng"]
    assert [Path(file.path).name for file in find_images([tmp_path / "a.DNG"])] == ["a.DNG"]


def test_without_the_package_the_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_dng(tmp_path / "a.dng", jpeg(upright_picture()))
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(UnreadableImage, match=r"pip install 'facecluster\[raw\]'"):
        read(path)


def test_suffixes_are_lower_case_with_a_dot() -> None:
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in RAW_SUFFIXES)
