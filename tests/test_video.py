"""Frames of clips, which are made here: which are chosen, how they come out, what is damaged."""

from __future__ import annotations

import gc
import hashlib
import os
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clips import RECORDED, av, turn, write_clip
from conftest import SAMPLES
from numpy.typing import NDArray
from PIL import Image

from facecluster import images
from facecluster.errors import UnreadableImage
from facecluster.images import content_hash, find_images, read, read_all, reading
from facecluster.images.video import FRAMES

FORMATS = {
    "a.mp4": "libx264",
    "a.mov": "libx264",
    "a.mkv": "libx264",
    "a.webm": "libvpx-vp9",
    "a.avi": "mpeg4",
    "a.wmv": "wmv2",
    "a.mts": "libx264",
}


def scenes(count: int, *, size: tuple[int, int] = (160, 96)) -> list[NDArray[np.uint8]]:
    """Pictures no two of which are alike: a bright bar that moves, and a red corner, top left."""
    found = []
    for number in range(count):
        pixels = np.full((size[1], size[0], 3), (0, 0, 200), dtype=np.uint8)
        pixels[: size[1] // 3, : size[0] // 3] = (255, 0, 0)
        start = size[0] // 3 + number * size[0] * 2 // 3 // count
        pixels[size[1] // 2 :, start : start + 12] = 255
        found.append(pixels)
    return found


def sample(number: int, width: int = 320) -> NDArray[np.uint8]:
    """One of the drawn photos."""
    with Image.open(sorted(SAMPLES.iterdir())[number]) as photo:
        return np.array(photo.convert("RGB").resize((width, width * 3 // 4)))


def moments(path: Path) -> list[float]:
    return [float(name.removeprefix("#t=")) for name, _ in read_all(path)]


def corners(pixels: NDArray[np.uint8]) -> list[bool]:
    """Whether the corners are red, clockwise from the top left."""
    places = (pixels[5, 5], pixels[5, -6], pixels[-6, -6], pixels[-6, 5])
    return [bool(place[0] > 150 > place[2]) for place in places]


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("name", FORMATS)
def test_frames_are_spread_over_the_clip_and_can_be_read_again(tmp_path: Path, name: str) -> None:
    clip = write_clip(tmp_path / name, scenes(40), codec=FORMATS[name], rate=2, keys=2)
    found = read_all(clip)
    times = moments(clip)
    assert 5 <= len(found) <= FRAMES
    assert times == sorted(set(times)) and times[0] < 4 and 13 < times[-1] < 20
    for fragment, picture in found:
        again = read(Path(f"{clip}{fragment}"))
        assert np.array_equal(again.pixels, picture.pixels)
        assert (again.taken_at, again.width) == (picture.taken_at, 160)


def test_a_clip_that_does_not_tell_its_length_is_spread_too(tmp_path: Path) -> None:
    live = {"live": "1"}  # as a browser records
    clip = write_clip(tmp_path / "a.webm", scenes(16), codec="libvpx-vp9", options=live)
    with av.open(str(clip)) as container:
        assert container.duration is None
    assert moments(clip)[-1] > 12 and len(moments(clip)) >= 6


def test_what_is_seen_at_a_moment_is_what_was_filmed(tmp_path: Path) -> None:
    filmed = [sample(number) for number in range(24)]
    clip = write_clip(tmp_path / "a.mp4", filmed)
    found = read_all(clip)
    assert moments(clip) == [1, 4, 7, 10, 13, 16, 19, 22]
    for fragment, picture in found:
        wanted = filmed[int(fragment.removeprefix("#t="))]
        assert np.abs(picture.pixels.astype(int) - wanted).mean() < 4
        assert picture.scale == 1


def test_only_key_frames_are_decoded_and_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_clip(tmp_path / "a.mp4", scenes(60), rate=2, keys=20)
    assert moments(clip) == [0, 10, 20]
    decoded = []
    real = images.video._Clip.decoded
    monkeypatch.setattr(
        images.video._Clip, "decoded", lambda clip, one: decoded.append(one) or real(clip, one)
    )
    read_all(clip)
    assert len(decoded) == 3


def test_a_moment_between_key_frames_is_the_one_before(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", scenes(60), rate=2, keys=20)
    before = read(Path(f"{clip}#t=10"))
    assert np.array_equal(read(Path(f"{clip}#t=17.3")).pixels, before.pixels)
    assert not np.array_equal(read(Path(f"{clip}#t=9.9")).pixels, before.pixels)


def test_frames_that_show_the_same_come_once(tmp_path: Path) -> None:
    still, other = sample(0), sample(1)
    rng = np.random.default_rng(0)
    noisy = [
        np.clip(still + rng.normal(0, 6, still.shape), 0, 255).astype(np.uint8) for _ in range(24)
    ]
    assert moments(write_clip(tmp_path / "a.mp4", noisy)) == [1]
    assert moments(write_clip(tmp_path / "b.mp4", noisy[:12] + [other] * 12)) == [1, 13]
    assert moments(write_clip(tmp_path / "c.mp4", noisy[:8] + [other] * 8 + noisy[:8])) == [1, 10]


def test_a_face_that_comes_into_a_still_scene_is_news(tmp_path: Path) -> None:
    empty = np.full((240, 320, 3), 120, dtype=np.uint8)
    someone = empty.copy()
    someone[100:124, 150:170] = (190, 150, 130)  # one in fourteen of its height
    assert moments(write_clip(tmp_path / "a.mp4", [empty] * 12 + [someone] * 12)) == [1, 13]


@pytest.mark.parametrize(
    ("matrix", "orientation", "red"),
    [
        ((1, 0, 0, 1), 1, 0),
        ((-1, 0, 0, 1), 2, 1),
        ((-1, 0, 0, -1), 3, 2),
        ((1, 0, 0, -1), 4, 3),
        ((0, 1, 1, 0), 5, 0),
        ((0, 1, -1, 0), 6, 1),
        ((0, -1, -1, 0), 7, 2),
        ((0, -1, 1, 0), 8, 3),
    ],
)
def test_the_display_matrix_turns_the_frames(
    tmp_path: Path, matrix: tuple[int, int, int, int], orientation: int, red: int
) -> None:
    clip = turn(write_clip(tmp_path / "a.mp4", scenes(4)), matrix)
    for _, picture in read_all(clip):
        assert picture.orientation == orientation
        size = (96, 160) if orientation >= 5 else (160, 96)
        assert (picture.width, picture.height) == size == picture.pixels.shape[1::-1]
        assert corners(picture.pixels) == [place == red for place in range(4)]


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", scenes(2), aspect=Fraction(4, 3))
    for _, picture in read_all(clip):
        assert (picture.width, picture.height) == (213, 96) == picture.pixels.shape[1::-1]


def test_frames_are_reduced_like_photos(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", scenes(2, size=(640, 360)))
    (_, picture), *_ = read_all(clip, longest=200)
    assert (picture.width, picture.height, picture.scale) == (640, 360, 3.0)
    assert picture.pixels.shape == (120, 213, 3)
    assert corners(picture.pixels) == [True, False, False, False]


@pytest.mark.usefixtures("berlin")
def test_a_frame_has_the_time_of_its_moment_by_the_clock_here(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", scenes(16))
    taken = [picture.taken_at for _, picture in read_all(clip)]
    # 1, 3, 5 ... seconds after what the container tells in UTC
    assert RECORDED.startswith("2021-07-08T09:10:11")
    assert taken[:2] == ["2021-07-08T11:10:12", "2021-07-08T11:10:14"]


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("recorded", [None, "1904-01-01T00:00:00.000000Z"])
def test_without_a_date_it_is_the_file_that_tells(tmp_path: Path, recorded: str | None) -> None:
    clip = write_clip(tmp_path / "a.mp4", scenes(2), recorded=recorded)
    os.utime(clip, (0, datetime(2019, 1, 2, 3, 4, 5).timestamp()))
    assert read_all(clip)[0][1].taken_at == "2019-01-02T03:04:05"


@pytest.mark.parametrize(
    ("told", "time"),
    [
        ({"com.apple.quicktime.creationdate": "2021-07-08T11:10:11+0900"}, "2021-07-08T11:10:11"),
        ({"creation_time": "2021-07-08 11:10:11"}, "2021-07-08T11:10:11"),
        ({"creation_time": "2021-07-08T11:10:11+02:00"}, "2021-07-08T11:10:11"),
        ({"creation_time": "2021-13-08 11:10:11"}, "1970-01-01T00:00:00"),
        ({"creation_time": "soon"}, "1970-01-01T00:00:00"),
    ],
)
def test_a_clock_of_elsewhere_is_taken_as_it_stands(
    tmp_path: Path, told: dict[str, str], time: str
) -> None:
    clip = tmp_path / "a.mp4"
    clip.touch()
    start = datetime(1970, 1, 1).timestamp()
    os.utime(clip, (start, start))
    assert images.video._begun(told, clip).isoformat() == time


def test_a_clip_that_is_cut_short_gives_what_is_left(tmp_path: Path) -> None:
    front = {"movflags": "faststart"}
    clip = write_clip(tmp_path / "a.mp4", [sample(n) for n in range(16)], options=front)
    whole = read_all(clip)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    left = read_all(clip)
    assert 1 <= len(left) < len(whole) == 8
    assert [name for name, _ in left] == [name for name, _ in whole[: len(left)]]
    for (_, one), (_, other) in zip(left, whole, strict=False):
        assert np.array_equal(one.pixels, other.pixels)


def test_damaged_frames_are_left_out(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", [sample(n) for n in range(16)])
    data = bytearray(clip.read_bytes())
    third = len(data) // 3
    data[third : third + 20_000] = bytes(20_000)
    clip.write_bytes(data)
    assert 1 <= len(read_all(clip)) < 8


@pytest.mark.parametrize("kind", ["no clip", "empty", "no index", "list", "sound"])
def test_what_shows_nothing_is_one_sentence(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.mp4"
    if kind == "sound":
        write_sound(path)
    elif kind == "list":  # that would have FFmpeg open another file, or an address
        other = write_clip(tmp_path / "b.mp4", scenes(2))
        path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{other}\n#EXT-X-ENDLIST\n")
    else:
        data = write_clip(path, scenes(8)).read_bytes()
        damaged = {"no clip": b"no clip" * 500, "empty": b"", "no index": data[: len(data) // 2]}
        path.write_bytes(damaged[kind])
    for ask in (read_all, lambda path: read(Path(f"{path}#t=1"))):
        with pytest.raises(UnreadableImage, match=r"a\.mp4.* (cannot be read|is damaged)"):
            ask(path)


def write_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_a_clip_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mp4#t=1"):
        with pytest.raises(UnreadableImage, match=r"a\.mp4(#t=1)? is not there"):
            read_all(tmp_path / name)


def test_a_picture_of_a_clip_needs_a_moment(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", scenes(2))
    with pytest.raises(UnreadableImage, match=r"name a moment of it, as in a\.mp4#t=12\.5"):
        read(clip)


def test_too_many_pixels_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_clip(tmp_path / "a.mp4", scenes(2))
    monkeypatch.setattr(images.video, "MAX_PIXELS", 160 * 96 - 1)
    with pytest.raises(UnreadableImage, match="too many pixels"):
        read_all(clip)


def test_decoders_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_clip(tmp_path / "a.mp4", scenes(2))
    monkeypatch.setattr(images.video, "_HOLD", 3 * 160 * 96)
    gc.collect()
    gc.disable()  # as when few objects are made
    try:
        most = 0
        for _ in range(12):
            read_all(clip)
            there = gc.get_objects()
            most = max(most, sum(type(one) is av.container.InputContainer for one in there))
    finally:
        gc.enable()
    assert most <= 5


def test_without_the_package_the_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_clip(tmp_path / "a.mp4", scenes(2))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UnreadableImage, match=r"pip install 'facecluster\[video\]'"):
        read_all(clip)


def test_a_large_clip_is_told_apart_by_pieces_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PIECES", 4)
    monkeypatch.setattr(reading, "_PIECE", 10)
    data = bytes(range(200))
    clip = tmp_path / "a.mp4"

    def hashed(data: bytes) -> str:
        clip.write_bytes(data)
        return content_hash(clip)

    assert hashed(data[:40]) == hashlib.sha256(data[:40]).hexdigest()
    whole = hashed(data)
    assert whole == hashed(data) != hashlib.sha256(data).hexdigest()
    for place in (0, 63, 126, 199):  # in the four pieces
        assert hashed(data[:place] + b"\xff" + data[place + 1 :]) != whole
    assert hashed(data[:120] + b"\xff" + data[121:]) == whole  # between them
    assert hashed(data + b"\xff") != whole
    photo = tmp_path / "a.jpg"
    photo.write_bytes(data)
    assert content_hash(photo) == hashlib.sha256(data).hexdigest()


def test_clips_are_found_when_they_are_asked_for_and_no_live_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.HEIC", "a.MOV", "b.mov", "c.jpg", "c.mp4", "d.mkv", "d.mp4", "e.dng", "e.mov"):
        (tmp_path / name).write_bytes(b"12345")
    (tmp_path / "c.mp4").write_bytes(b"123456")
    monkeypatch.setattr(images.finding, "_LIVE_PHOTO", 5)

    def names(*, clips: bool) -> list[str]:
        return [Path(file.path).name for file in find_images([tmp_path], clips=clips)]

    assert names(clips=False) == ["a.HEIC", "c.jpg", "e.dng"]
    wanted = ["a.HEIC", "b.mov", "c.jpg", "c.mp4", "d.mkv", "d.mp4", "e.dng", "e.mov"]
    assert names(clips=True) == wanted
