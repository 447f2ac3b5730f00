from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pillow_heif import register_heif_opener

from facecluster.errors import MissingRoot, UnreadableImage
from facecluster.images import content_hash, find_images, read, stamp_of
from facecluster.images.picture import UPRIGHT

register_heif_opener()  # so that Pillow writes HEIC; the package reads it without

DATA = Path(__file__).parents[2] / "shared" / "data"
NEEDS_DATA = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not here")


def photo(width=90, height=60):
    """Smooth, different in all four corners, so that every turn and flip can be told."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(
        np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 60)], axis=2).astype("uint8")
    )


def paths(*roots):
    return [stamp.path for stamp in find_images(roots)]


# Finding


def test_files_come_by_name_depth_first_and_hidden_ones_not_at_all(tmp_path):
    for name in ("b.JPG", "a/z.png", "a/b/c.webp", "c.txt", ".d.jpg", ".e/f.jpg", "a0.mpo"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"12")
    wanted = ["a/b/c.webp", "a/z.png", "a0.mpo", "b.JPG"]
    assert paths(tmp_path) == [str(tmp_path / name) for name in wanted]


def test_a_stamp_tells_size_and_time(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"123")
    os.utime(tmp_path / "a.jpg", ns=(5, 7))
    (stamp,) = find_images([tmp_path])
    assert (stamp.size, stamp.mtime_ns) == (3, 7)


@pytest.mark.parametrize("year", [-(10**6), 2400, 10**6])
def test_a_time_of_another_millennium_is_one_that_the_library_holds(tmp_path, monkeypatch, year):
    (tmp_path / "a.jpg").write_bytes(b"123")
    stat, times = os.stat, year * 31_556_952 * 10**9

    def told(path, **more):
        found = stat(path, **more)
        return SimpleNamespace(st_mode=found.st_mode, st_size=3, st_mtime_ns=times)

    monkeypatch.setattr(os, "stat", told)
    (stamp,) = find_images([tmp_path])
    assert abs(stamp.mtime_ns) == 2**63 - 1 and stamp.mtime_ns * times > 0
    assert stamp_of(str(tmp_path / "a.jpg")) == stamp


def test_a_root_may_be_a_file_or_hidden_and_relative(tmp_path, monkeypatch):
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "a.jpg").touch()
    (tmp_path / "scan0001").touch()
    monkeypatch.chdir(tmp_path)
    found = paths(Path("scan0001"), Path(".hidden"))
    assert found == [str(tmp_path / "scan0001"), str(tmp_path / ".hidden" / "a.jpg")]


def test_links_are_followed_loops_end_and_each_real_file_comes_once(tmp_path):
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "real" / "deep" / "a.jpg").touch()
    (tmp_path / "real" / "deep" / "up").symlink_to(tmp_path)
    (tmp_path / "real" / "again.jpg").symlink_to(tmp_path / "real" / "deep" / "a.jpg")
    (tmp_path / "real" / "broken.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "real" / "0.jpg").symlink_to("0.jpg")  # asking what it is raises
    (tmp_path / "z").symlink_to(tmp_path / "real")
    found = paths(tmp_path, tmp_path / "real", tmp_path / "real" / "deep" / "a.jpg")
    assert found == [str(tmp_path / "real" / "again.jpg")]


def test_a_folder_on_a_disk_that_is_scanned_whole_comes_once(tmp_path, monkeypatch):
    photo = tmp_path / "D" / "photos" / "a.jpg"
    photo.parent.mkdir(parents=True)
    photo.touch()
    disk = f"{tmp_path / 'D'}{os.sep}"  # as Windows writes a disk, and every system "/"
    real = os.path.realpath
    monkeypatch.setattr(os.path, "realpath", lambda path: disk if path == disk[:-1] else real(path))
    assert len(list(find_images([Path(disk), photo.parent]))) == 1


def test_a_missing_root_is_told_before_any_file(tmp_path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(MissingRoot, match="nowhere"):
        next(find_images([tmp_path, tmp_path / "nowhere"]))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_pipes_are_neither_photos_nor_roots(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    assert paths(tmp_path) == []
    with pytest.raises(MissingRoot, match="neither"):
        paths(tmp_path / "a.jpg")


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes need Linux")
def test_a_name_that_is_no_text_is_passed_over_and_logged(tmp_path, caplog):
    name = os.fsdecode(b"caf\xe9.jpg")
    (tmp_path / name).touch()
    (tmp_path / "b.jpg").touch()
    assert paths(tmp_path) == [str(tmp_path / "b.jpg")]
    assert "not text" in caplog.text
    with pytest.raises(UnreadableImage) as caught:
        read(tmp_path / name)
    str(caught.value).encode()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_locked_folder_is_passed_over_and_logged(tmp_path, caplog):
    (tmp_path / "locked").mkdir(mode=0o000)
    assert paths(tmp_path) == []
    assert "locked" in caplog.text


def test_content_hash_is_sha256_of_the_bytes(tmp_path):
    data = os.urandom(3_000_000)
    (tmp_path / "a").write_bytes(data)
    assert content_hash(tmp_path / "a") == hashlib.sha256(data).hexdigest()
    with pytest.raises(UnreadableImage, match="not there"):
        content_hash(tmp_path / "b")


# Reading


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "avif"])
@pytest.mark.parametrize("longest", [90, 20])
def test_every_orientation_comes_out_upright(tmp_path, orientation, suffix, longest):
    # What undoes each way of storing a picture: the quarter turns are each other's inverse.
    undo = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    stored = photo()
    if orientation > 1:
        stored = stored.transpose(undo.get(orientation, UPRIGHT[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if suffix in ("jpg", "webp", "avif") else {}
    stored.save(tmp_path / f"a.{suffix}", exif=exif, **options)
    picture = read(tmp_path / f"a.{suffix}", longest=longest)
    assert (picture.width, picture.height, picture.orientation) == (90, 60, orientation)
    assert picture.scale == {90: 1, 20: 4}[longest]
    wanted = np.asarray(photo().reduce(4) if longest == 20 else photo()).astype(int)
    assert picture.pixels.shape == wanted.shape
    # At a quarter the partial blocks lie at the other edge after a turn.
    assert np.abs(picture.pixels.astype(int) - wanted).mean() < 5


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("brand", [b"mif1", b"msf1"])
def test_an_avif_may_say_so_later_than_in_its_first_brand(tmp_path, brand, frames):
    photo().save(tmp_path / "a.avif", save_all=True, append_images=[photo()] * (frames - 1))
    data = (tmp_path / "a.avif").read_bytes()
    assert data[8:12] == {1: b"avif", 2: b"avis"}[frames]
    (tmp_path / "b.avif").write_bytes(data[:8] + brand + data[12:])
    assert np.array_equal(read(tmp_path / "b.avif").pixels, read(tmp_path / "a.avif").pixels)


@pytest.mark.parametrize("brands", [b"mif1\0\0\0\0mif1heicmiaf", b"heic\0\0\0\0mif1heicavif"])
def test_a_heic_is_one_by_any_of_its_brands(tmp_path, brands):
    photo().save(tmp_path / "a.heic")
    data = (tmp_path / "a.heic").read_bytes()
    (tmp_path / "b.heic").write_bytes(data[:8] + brands + data[8 + len(brands) :])
    assert np.array_equal(read(tmp_path / "b.heic").pixels, read(tmp_path / "a.heic").pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_turned_once(tmp_path, orientation):
    """Its container tells the turn, and EXIF repeats it."""
    exif = Image.Exif()
    exif[0x0112], exif[0x0132] = orientation, "2019:08:07 06:05:04"
    photo().save(tmp_path / "a.heic", exif=exif.tobytes(), quality=90)
    wanted = photo()
    if orientation > 1:
        wanted = wanted.transpose(UPRIGHT[orientation])
    picture = read(tmp_path / "a.heic")
    assert (picture.width, picture.height, picture.orientation) == (*wanted.size, 1)
    assert picture.taken_at == "2019-08-07T06:05:04"
    assert np.abs(picture.pixels.astype(int) - np.asarray(wanted).astype(int)).mean() < 5


@NEEDS_DATA
@pytest.mark.parametrize("kind", ["Landscape", "Portrait"])
def test_real_photos_in_every_orientation_look_the_same(kind):
    upright = read(DATA / "orientation" / f"{kind}_0.jpg", longest=400)
    for orientation in range(1, 9):
        picture = read(DATA / "orientation" / f"{kind}_{orientation}.jpg", longest=400)
        assert (picture.width, picture.height) == (upright.width, upright.height)
        assert picture.orientation == orientation
        assert np.abs(picture.pixels.astype(int) - upright.pixels).mean() < 4


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 64), st.booleans())
def test_reduction_is_whole_and_never_below_longest(tmp_path, width, height, longest, is_jpeg):
    path = tmp_path / ("a.jpg" if is_jpeg else "a.png")
    Image.new("RGB", (width, height), (200, 30, 90)).save(path)
    picture = read(path, longest=longest)
    shown = max(picture.pixels.shape[:2])
    assert (picture.width, picture.height) == (width, height)
    assert picture.scale == int(picture.scale) >= 1
    assert min(longest, max(width, height)) <= shown <= max(2 * longest, 1)
    rows, columns = picture.pixels.shape[:2]
    assert rows == -(-height // picture.scale) and columns == -(-width // picture.scale)
    assert np.abs(picture.pixels.astype(int) - [200, 30, 90]).max() <= 3


def test_the_date_taken_is_read_and_nonsense_is_not(tmp_path):
    for text, wanted in [
        ("2019:05:06 07:08:09", "2019-05-06T07:08:09"),
        ("0000:00:00 00:00:00", None),
        ("May 2019", None),
    ]:
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = text
        photo().save(tmp_path / "a.jpg", exif=exif)
        assert read(tmp_path / "a.jpg").taken_at == wanted


def test_an_orientation_out_of_range_counts_as_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 77
    photo().save(tmp_path / "a.jpg", exif=exif)
    picture = read(tmp_path / "a.jpg")
    assert (picture.orientation, picture.width, picture.height) == (1, 90, 60)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "YCbCr", "I", "F", "I;16"])
def test_every_kind_of_pixel_becomes_rgb(tmp_path, mode):
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None], 8, axis=0)
    image = Image.fromarray(grey)
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode in ("I", "F"):
        image = Image.fromarray(grey.astype({"I": np.int32, "F": np.float32}[mode]) * 16)
    elif mode != "1":
        image = image.convert(mode)
    else:
        image = image.convert("1", dither=Image.Dither.NONE)
    # Pillow 12, the last one for Python 3.10, does not read its own YCbCr without compression.
    image.save(tmp_path / "a.tif", compression="tiff_deflate" if mode == "YCbCr" else None)
    shown = read(tmp_path / "a.tif").pixels.astype(int)
    wanted = grey if mode != "1" else np.where(grey > 127, 255, 0)
    assert np.abs(shown - wanted[..., None]).max() <= 2


def test_transparency_is_laid_on_white(tmp_path):
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    clear.save(tmp_path / "a.png")
    palette = Image.new("P", (4, 4), 3)
    palette.putpalette([0, 0, 0] * 8)
    palette.save(tmp_path / "b.png", transparency=3)
    Image.new("RGB", (4, 4), (9, 9, 9)).save(tmp_path / "c.png", transparency=(9, 9, 9))
    for name in "abc":
        assert read(tmp_path / f"{name}.png").pixels.min() == 255


@pytest.mark.parametrize("suffix", ["gif", "webp", "tif", "mpo"])
def test_of_many_frames_the_first_is_read(tmp_path, suffix):
    first, second = Image.new("RGB", (8, 8), "white"), Image.new("RGB", (8, 8), "black")
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second])
    assert read(tmp_path / f"a.{suffix}").pixels.min() > 250


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "bmp", "gif", "heic", "avif"])
def test_a_file_cut_anywhere_is_unreadable_or_read_whole(tmp_path, suffix):
    photo().save(tmp_path / f"a.{suffix}")
    data = (tmp_path / f"a.{suffix}").read_bytes()
    cut = tmp_path / f"b.{suffix}"
    for length in range(0, len(data) - 16, max(1, len(data) // 60)):
        cut.write_bytes(data[:length])
        try:
            assert read(cut).pixels.shape == (60, 90, 3)
        except UnreadableImage as error:
            assert str(cut) in str(error) and str(error).endswith(".")
    cut.write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableImage):
        read(cut)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["jpg", "png", "gif", "bmp", "webp", "heic", "avif"]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_damaged_bytes_raise_nothing_else(tmp_path, suffix, changes):
    path = tmp_path / f"a.{suffix}"
    photo().save(path)
    data = bytearray(path.read_bytes())
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    path.write_bytes(data)
    try:
        assert read(path).pixels.ndim == 3
    except UnreadableImage as error:
        assert str(path) in str(error)


def test_what_is_no_picture_says_so(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("hello, I am no picture")
    (tmp_path / "folder.jpg").mkdir()
    for name, words in [
        ("empty.jpg", "empty"),
        ("text.jpg", "not a picture"),
        ("folder.jpg", "."),
        ("absent.jpg", "not there"),
    ]:
        with pytest.raises(UnreadableImage, match=words):
            read(tmp_path / name)


def test_a_header_that_claims_too_much_is_refused_unread(tmp_path):
    for suffix in ("jpg", "png"):
        photo().save(tmp_path / f"a.{suffix}")
    jpeg = bytearray((tmp_path / "a.jpg").read_bytes())
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "a.jpg").write_bytes(jpeg)
    png = bytearray((tmp_path / "a.png").read_bytes())
    png[16:24] = b"\x00\x00\xff\xff\x00\x00\xff\xff"
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(png)
    for suffix in ("jpg", "png"):
        with pytest.raises(UnreadableImage, match="too many pixels"):
            read(tmp_path / f"a.{suffix}")


@NEEDS_DATA
def test_odd_and_hostile_files():
    results = {}
    for path in sorted((DATA / "formats").iterdir()):
        try:
            results[path.name] = read(path).pixels.shape[:2]
        except UnreadableImage as error:
            results[path.name] = str(error)
    assert results["hopper.gif"] == results["hopper.webp"] == results["hopper.png"] == (128, 128)
    assert results["hopper_bad_exif.jpg"] == (500, 500)
    assert results["exif_typeerror.jpg"] == (531, 800)
    assert results["frozenpond.mpo"] == (480, 640)
    assert results["pil_sample_cmyk.jpg"] == (100, 100)
    assert results["RGB_8__128x128.heif"] == (128, 128)
    assert results["L_xmp.heif"] == (32, 32)
    assert "damaged or cut short" in results["corrupted.heic"]
    assert "empty" in results["empty.heic"]
    assert "cut short" in results["truncated_jpeg.jpg"]
    assert "cut short" in results["truncated_image.png"]
    assert "too many pixels" in results["decompression_bomb.gif"]


def test_warnings_stay_inside_and_the_filters_outside_as_they_were(tmp_path):
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\x00\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"
    photo().save(tmp_path / "odd.jpg", exif=exif)
    before = list(warnings.filters)
    errors = []

    def reader():
        try:
            for _ in range(20):
                read(tmp_path / "odd.jpg")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=reader) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert warnings.filters == before


def test_what_libtiff_prints_stays_off_the_screen(tmp_path, capfd):
    path = tmp_path / "zipped.tif"
    photo().save(path, compression="tiff_deflate")
    content = bytearray(path.read_bytes())
    with Image.open(path) as image:
        start = image.tag_v2[273][0]
    content[start : start + 40] = b"\xff" * 40
    path.write_bytes(content)
    with Image.open(path) as image, pytest.raises(OSError):
        image.load()
    assert "ZIPDecode" in capfd.readouterr().err  # this is what it would print
    with pytest.raises(UnreadableImage, match="damaged"):
        read(path)
    assert capfd.readouterr().err == ""
    print("still here", file=sys.stderr)
    assert "still here" in capfd.readouterr().err


def test_reading_changes_no_setting_of_pillow():
    code = (
        "from PIL import Image, ImageFile\n"
        "before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, ImageFile.MAXBLOCK)\n"
        "import facecluster.images\n"
        "after = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, ImageFile.MAXBLOCK)\n"
        "assert before == after\n"
    )
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=root)
