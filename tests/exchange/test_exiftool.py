"""Names inside the photos: written by exiftool, read back, and nothing of the photo or the library
is lost."""

import errno
import json
import os
import shutil
import stat
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image

from facecluster.exchange import exiftool
from facecluster.exchange.exiftool import find_exiftool, write
from facecluster.exchange.frames import to_stored
from facecluster.exchange.packets import embedded
from facecluster.exchange.sidecar import Change
from facecluster.exchange.tree import UnusableFile
from facecluster.images import content_hash
from facecluster.library import Library
from facecluster.records import Photo

from .conftest import BOXES, HEIGHT, WIDTH, Fill, picture, stamp
from .test_xmp import FORMS, jpeg_with, mwg, packet

Run = Callable[..., Result]
NAMES = [name for name in BOXES if name]

needs_exiftool = pytest.mark.skipif(
    not shutil.which("exiftool"), reason="exiftool is not installed"
)


def shown(run: Run) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(run("faces", "--json").stdout)
    return rows


def photos(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.jpg"))}


def read_by_exiftool(folder: Path) -> dict[str, list[tuple[str, list[float]]]]:
    """By photo the names and areas (x, y, w, h) that exiftool finds in it."""
    words = ["exiftool", "-j", "-struct", "-RegionInfo", *map(str, folder.glob("*.jpg"))]
    done = subprocess.run(words, capture_output=True, check=True)
    return {
        Path(one["SourceFile"]).name: [
            (region["Name"], [float(region["Area"][key]) for key in "XYWH"])
            for region in one["RegionInfo"]["RegionList"]
        ]
        for one in json.loads(done.stdout)
    }


@needs_exiftool
def test_names_inside_photos_survive_a_new_library_in_every_orientation(
    run: Run, fill: Fill, album: Path
) -> None:
    database = fill(named=True)
    before, bytes_before = shown(run), photos(album)
    with Library.open(database) as library:
        old = {photo.path: photo.about.sha256 for photo in library.photos()}
    done = run("export", "xmp", "--embed")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.startswith("8 photos written.\nNext: ")
    assert shown(run) == before, "the same faces, by number, with their names"
    with Library.open(database) as library:
        known = library.scanned.known_files([str(album)])
        for path in album.glob("*.jpg"):
            assert known[str(path)].stamp == stamp(path), "a scan has nothing to look at"
            assert known[str(path)].sha256 == content_hash(path) != old[str(path)]
    for path, regions in read_by_exiftool(album).items():
        about = Photo("", WIDTH, HEIGHT, int(path[0]), None)
        shares = [to_stored(box, about) for name, box in BOXES.items() if name]
        middles = [((s.x0 + s.x1) / 2, (s.y0 + s.y1) / 2, s.width, s.height) for s in shares]
        assert [name for name, _ in regions] == NAMES
        assert [area for _, area in regions] == [pytest.approx(m, abs=1e-4) for m in middles]
    kept = {path.name.removesuffix("_original"): path for path in album.glob("*_original")}
    assert {name: path.read_bytes() for name, path in kept.items()} == bytes_before
    assert sorted(album.iterdir()) == sorted([*album.glob("*.jpg"), *kept.values()])

    fill(named=False)
    result = run("import", "xmp")
    assert result.stdout.startswith("16 faces named, 0 had that name already"), result.stderr
    assert [(one["box"], one["person"]) for one in shown(run)] == [
        (one["box"], one["person"]) for one in before
    ]


@needs_exiftool
def test_a_second_time_nothing_is_written_and_a_new_name_keeps_the_first_original(
    run: Run, fill: Fill, album: Path
) -> None:
    fill(named=True)
    first = (album / "6.jpg").read_bytes()
    run("export", "xmp", "--embed", album / "6.jpg")
    again = run("export", "xmp", "--embed", album / "6.jpg")
    assert again.stderr == "0 photos written: nothing new to say.\n"
    (face, *_) = (one["face"] for one in shown(run) if str(one["path"]).endswith("6.jpg"))
    run("name", "--face", face, "Annabel")
    dry = run("export", "xmp", "--embed", "--dry-run", album / "6.jpg")
    assert "Annabel" in dry.stdout
    assert b"Annabel" not in (album / "6.jpg").read_bytes()
    assert run("export", "xmp", "--embed", album / "6.jpg").exit_code == 0
    assert b"Annabel" in (embedded(album / "6.jpg") or b"")
    assert (album / "6.jpg_original").read_bytes() == first


@needs_exiftool
def test_what_stands_behind_fill_bytes_is_kept(run: Run, fill: Fill, album: Path) -> None:
    path = album / "2.jpg"
    with Image.open(path) as image:
        title = packet("<dc:title xmlns:dc='d'>kept</dc:title>")
        image.save(path, xmp=title, exif=image.getexif())
    whole = path.read_bytes()
    start = whole.index(b"http://ns.adobe.com/xap/1.0/\0") - 4
    path.write_bytes(whole[:start] + b"\xff\xff" + whole[start:])
    fill(named=True)
    assert run("export", "xmp", "--embed", path).exit_code == 0
    assert b"kept" in (embedded(path) or b"")
    assert b"Ann" in (embedded(path) or b"")


@needs_exiftool
def test_what_a_killed_run_left_is_cleared_a_day_later(run: Run, fill: Fill, album: Path) -> None:
    fill(named=True)
    rests = [album / f".facecluster-abcdefg{number}" for number in range(3)]
    for rest in rests:
        rest.mkdir()
        (rest / "new.jpg").write_bytes(b"half")
    (rests[1] / "mine.txt").touch()
    for old in rests[:2]:
        os.utime(old, (1, 1))
    assert run("export", "xmp", "--embed", album / "2.jpg").exit_code == 0
    assert [rest.exists() for rest in rests] == [False, True, True]


@needs_exiftool
def test_on_a_disk_without_hard_links_the_original_is_a_copy(
    run: Run, fill: Fill, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links")

    fill(named=True)
    before = (album / "2.jpg").read_bytes()
    monkeypatch.setattr(os, "link", refuse)
    assert run("export", "xmp", "--embed", album / "2.jpg").exit_code == 0
    assert (album / "2.jpg_original").read_bytes() == before
    assert not list(album.glob(".*"))


@needs_exiftool
@pytest.mark.parametrize("kind", ["png", "tif", "heic"])
def test_other_kinds_of_photos_take_names_too(tmp_path: Path, kind: str) -> None:
    from pillow_heif import register_heif_opener

    register_heif_opener()
    folder = tmp_path / "100%f %d 'x' [1]"  # letters that mean something to exiftool
    folder.mkdir()
    path = folder / f"a.{kind}"
    Image.new("RGB", (128, 96), "teal").save(path)
    path.chmod(0o640)
    assert embedded(path) is None
    write(Change(path, None, packet("<dc:title xmlns:dc='d'>x</dc:title>")), find_exiftool())
    assert b"<dc:title" in (embedded(path) or b"")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@needs_exiftool
def test_a_copy_elsewhere_is_left_to_the_next_scan(run: Run, fill: Fill, album: Path) -> None:
    database = fill(named=True)
    shutil.copy(album / "1.jpg", album / "1 copy.jpg")
    with Library.open(database) as library:
        one = next(photo for photo in library.photos() if photo.path.endswith("1.jpg"))
        library.scanned._put_file(stamp(album / "1 copy.jpg"), one.photo, None)
    done = run("export", "xmp", "--embed", album / "1.jpg")
    assert done.exit_code == 0
    assert "Next: 'facecluster scan PATH': 1 photo has copies" in done.stderr
    with Library.open(database) as library:
        known = library.scanned.known_files([str(album)])
        assert known[str(album / "1.jpg")].stamp != stamp(album / "1.jpg"), "a scan will see it"
        assert [person.name for person in library.people()] == sorted(NAMES)


def test_without_exiftool_it_is_one_sentence(
    run: Run, fill: Fill, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(named=True)
    monkeypatch.setenv("PATH", str(album))
    result = run("export", "xmp", "--embed")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert "needs exiftool, which is not installed" in result.stderr


@pytest.mark.parametrize("mode", [0o644, 0o444])
def test_what_is_flushed_may_be_written_as_windows_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def make(_tool: str, _photo: Path, fresh: Path) -> None:
        jpeg_with(fresh, change.after)

    def flush(handle: int) -> None:
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    photo = picture(tmp_path, 1)
    photo.chmod(mode)
    change = Change(photo, None, mwg(FORMS["elements"]))
    monkeypatch.setattr(exiftool, "_run", make)
    monkeypatch.setattr(os, "fsync", flush)
    write(change, "exiftool")
    assert embedded(photo) == change.after
    assert stat.S_IMODE(photo.stat().st_mode) == mode


# $5 is the new file, $7 the photo: as `exiftool -config "" -q -o NEW -xmp<=PACKET PHOTO`.
BAD_TOOLS = {
    "fails": "echo 'Error: no good - here' >&2; exit 1",
    "makes nothing": "exit 0",
    "leaves the packet out": 'cp "$7" "$5"',
    "spoils the picture": "printf '\\377\\330' > \"$5\"",
}


@pytest.mark.parametrize("what", BAD_TOOLS)
def test_when_the_tool_does_not_do_what_it_should_the_photo_stays(
    run: Run, fill: Fill, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    database = fill(named=True)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "exiftool").write_text(f"#!/bin/sh\n{BAD_TOOLS[what]}\n")
    (tools / "exiftool").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    before, names = photos(album), shown(run)
    result = run("export", "xmp", "--embed")
    assert result.exit_code == 3
    assert result.stderr.startswith("0 photos written, 8 could not be.\n")
    assert photos(album) == before
    assert sorted(path.name for path in album.iterdir()) == sorted(before)
    assert shown(run) == names
    with Library.open(database) as library:
        for path, known in library.scanned.known_files([str(album)]).items():
            assert known.sha256 == content_hash(Path(path))


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_of_two_packets_none_is_lost(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    Image.new("RGB", (WIDTH, HEIGHT)).save(path)
    for title in ("one", "two"):
        data = packet(f"<dc:title xmlns:dc='d'>{title}</dc:title>")
        whole = path.read_bytes()
        if kind == "jpg":
            text = b"http://ns.adobe.com/xap/1.0/\0" + data
            place, piece = 2, b"\xff\xe1" + struct.pack(">H", len(text) + 2) + text
        else:
            text = b"iTXtXML:com.adobe.xmp\0\0\0\0\0" + data
            piece = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
            place = whole.index(b"IDAT") - 4
        path.write_bytes(whole[:place] + piece + whole[place:])
        photo = Photo(content_hash(path), WIDTH, HEIGHT, 1, None)
        if title == "one":
            assert exiftool.change_for(photo, path, (), ()) is None
    with pytest.raises(UnusableFile, match="has metadata in two pieces"):
        exiftool.change_for(photo, path, (), ())


def test_what_changed_since_or_is_in_two_pieces_is_left_alone(
    run: Run, fill: Fill, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_two = packet("<xmpNote:HasExtendedXMP xmlns:xmpNote='n'>1</xmpNote:HasExtendedXMP>")
    with Image.open(album / "2.jpg") as image:
        image.save(album / "2.jpg", xmp=in_two, exif=image.getexif())
    fill(named=True)
    (album / "1.jpg").write_bytes((album / "3.jpg").read_bytes())
    (album / "4.jpg").unlink()
    (tmp_path / "exiftool").write_text("#!/bin/sh\n")
    (tmp_path / "exiftool").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("export", "xmp", "--embed", "--dry-run", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["unusable"] == [
        f"{album}/1.jpg has changed since it was scanned: 'facecluster scan' it first.",
        f"{album}/2.jpg has metadata in two pieces: names can go into its sidecar only.",
        f"{album}/4.jpg is gone or may not be read.",
    ]
    with pytest.raises(UnusableFile, match="changed by another program meanwhile"):
        write(Change(album / "5.jpg", b"<other/>", b""), "exiftool")
