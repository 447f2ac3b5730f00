"""Downloads go on where they stopped, are checked, and appear whole or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from facecluster import download as d
from facecluster.errors import ModelError
from facecluster.facenet.foreign import FOREIGN, MOBILEFACENET

CONTENT = os.urandom(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT; the class's settings say how badly."""

    break_after: ClassVar[int | None] = None
    ranges: ClassVar[bool] = True
    status: ClassVar[int] = 200
    content: ClassVar[bytes] = CONTENT
    asked: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        cls = type(self)
        cls.asked.append(self.headers.get("Range"))
        if cls.status != 200:
            self.send_error(cls.status)
            return
        start = 0
        if cls.ranges and (wish := self.headers.get("Range")):
            start = int(wish.removeprefix("bytes=").removesuffix("-"))
            end = len(cls.content)
            if start >= end:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{end}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        else:
            self.send_response(200)
        body = cls.content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if cls.break_after is None else body[: cls.break_after])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    Server.break_after, Server.ranges, Server.status = None, True, 200
    Server.content, Server.asked = CONTENT, []
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/weights.pt"
        server.shutdown()
        thread.join()


def published(address: str, sha256: str | None = SHA256) -> d.Published:
    return d.Published(address, (len(CONTENT), len(CONTENT)), sha256)


def test_a_file_arrives_whole_with_its_progress(address: str, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "cache"
    progress = list(d.fetch(published(address), folder))
    assert progress[0] == (0, len(CONTENT)) and progress[-1] == (len(CONTENT), len(CONTENT))
    assert [there for there, _ in progress] == sorted({there for there, _ in progress})
    assert [path.name for path in folder.iterdir()] == ["weights.pt"]
    assert (folder / "weights.pt").read_bytes() == CONTENT


def test_an_interrupted_download_goes_on(address: str, tmp_path: Path) -> None:
    Server.break_after = 1_200_000
    with pytest.raises(ModelError, match="broke after 1200000 of 3000000 bytes"):
        list(d.fetch(published(address), tmp_path))
    assert not (tmp_path / "weights.pt").exists()
    Server.break_after = None
    progress = list(d.fetch(published(address), tmp_path))
    assert progress[0] == (1_200_000, len(CONTENT))
    assert Server.asked == [None, "bytes=1200000-"]
    assert (tmp_path / "weights.pt").read_bytes() == CONTENT


def test_stopping_in_between_keeps_what_is_there(address: str, tmp_path: Path) -> None:
    steps = d.fetch(published(address), tmp_path)
    next(steps)
    there, _ = next(steps)
    steps.close()  # what Ctrl-C does
    assert (tmp_path / "weights.pt.part").stat().st_size == there > 0
    list(d.fetch(published(address), tmp_path))
    assert Server.asked[1] == f"bytes={there}-"
    assert (tmp_path / "weights.pt").read_bytes() == CONTENT


def test_a_server_without_ranges_starts_again(address: str, tmp_path: Path) -> None:
    (tmp_path / "weights.pt.part").write_bytes(b"old" * 1000)
    Server.ranges = False
    assert next(iter(progress := list(d.fetch(published(address), tmp_path)))) == (0, len(CONTENT))
    assert progress[-1][0] == len(CONTENT)
    assert (tmp_path / "weights.pt").read_bytes() == CONTENT


def test_a_whole_part_is_only_checked(address: str, tmp_path: Path) -> None:
    (tmp_path / "weights.pt.part").write_bytes(CONTENT)
    list(d.fetch(published(address), tmp_path))
    assert Server.asked == [] and (tmp_path / "weights.pt").read_bytes() == CONTENT


def test_a_part_that_is_too_long_is_thrown_away(address: str, tmp_path: Path) -> None:
    (tmp_path / "weights.pt.part").write_bytes(CONTENT + b"x")
    list(d.fetch(published(address), tmp_path))
    assert Server.asked == [None] and (tmp_path / "weights.pt").read_bytes() == CONTENT


def test_a_wrong_checksum_is_deleted(address: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not the published file"):
        list(d.fetch(published(address, "0" * 64), tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_another_file_is_noticed_and_the_next_try_is_clean(
    address: str, tmp_path: Path
) -> None:
    (tmp_path / "weights.pt.part").write_bytes(bytes(1000))
    with pytest.raises(ModelError, match="not the published file"):
        list(d.fetch(published(address), tmp_path))
    list(d.fetch(published(address), tmp_path))
    assert (tmp_path / "weights.pt").read_bytes() == CONTENT


def test_without_a_checksum_the_size_decides(address: str, tmp_path: Path) -> None:
    Server.content = CONTENT[:-5]
    with pytest.raises(ModelError, match="not the published file"):
        list(d.fetch(published(address, None), tmp_path))
    Server.content = CONTENT + b"more"
    with pytest.raises(ModelError, match="it is another file"):
        list(d.fetch(published(address, None), tmp_path))
    Server.content = CONTENT
    list(d.fetch(published(address, None), tmp_path))
    assert (tmp_path / "weights.pt").exists()


@pytest.mark.parametrize("missing", [0, 5, 60_000])
def test_what_broke_off_just_before_an_end_known_only_nearly_goes_on(
    address: str, tmp_path: Path, missing: int
) -> None:
    whole = len(CONTENT)
    (tmp_path / "weights.pt.part").write_bytes(CONTENT[: whole - missing])
    entry = d.Published(address, (whole - 65_536, whole + 65_536), None)
    assert list(d.fetch(entry, tmp_path))[-1] == (whole, whole)
    assert Server.asked == [f"bytes={whole - missing}-"]
    assert (tmp_path / "weights.pt").read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_fetched_anew(address: str, tmp_path: Path) -> None:
    whole = len(CONTENT)
    (tmp_path / "weights.pt.part").write_bytes(bytes(whole + 5))
    list(d.fetch(d.Published(address, (whole - 65_536, whole + 65_536), None), tmp_path))
    assert Server.asked == [f"bytes={whole + 5}-", None]
    assert (tmp_path / "weights.pt").read_bytes() == CONTENT


@pytest.mark.parametrize("status", [403, 404, 416, 500])
def test_a_refusal_is_one_clear_sentence(address: str, status: int, tmp_path: Path) -> None:
    Server.status = status
    with pytest.raises(ModelError, match=f"answers {status}"):
        list(d.fetch(published(address), tmp_path))


def test_nobody_there_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="check the connection"):
        list(d.fetch(published("http://127.0.0.1:9/weights.pt"), tmp_path))


def test_too_little_room_is_seen_before_anything_is_fetched(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(ModelError, match=r"disk is full: weights\.pt needs 3 MB"):
        list(d.fetch(published(address), tmp_path))
    assert Server.asked == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_disk_that_fills_up_is_one_clear_sentence(address: str, tmp_path: Path) -> None:
    (tmp_path / "weights.pt.part").symlink_to("/dev/full")
    with pytest.raises(ModelError, match="disk is full"):
        list(d.fetch(published(address), tmp_path))


def test_a_folder_that_cannot_be_made_is_named(address: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="file"):
        list(d.fetch(published(address), tmp_path / "file" / "cache"))


def test_what_is_cached_is_not_fetched_and_other_names_are_unknown(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(d, "cache_folder", lambda: tmp_path)
    monkeypatch.setitem(d.PUBLISHED, "mine", published(address))
    assert d.cached("mine") is None
    list(d.download("mine"))
    assert d.cached("mine") == tmp_path / "weights.pt"
    assert list(d.download("mine")) == [] and len(Server.asked) == 1
    assert d.cached("yours") is None
    with pytest.raises(ModelError, match="there are dlib, mobilefacenet, vggface2"):
        list(d.download("yours"))


def test_the_published_files_are_pinned() -> None:
    for entry in d.PUBLISHED.values():
        assert entry.url.startswith("https://") and entry.kept.endswith((".pt", ".dat", ".tflite"))
        assert 0 < entry.sizes[0] <= entry.sizes[1]
    assert d.PUBLISHED["vggface2"].sha256 is not None and d.PUBLISHED["dlib"].sha256 is not None
    for foreign in FOREIGN.values():
        assert d.PUBLISHED[foreign.name].kept == foreign.file
    assert d.PUBLISHED["mobilefacenet"].sha256 == MOBILEFACENET.sha256


def test_of_an_archive_one_file_is_kept(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in (("package/other.dat", b"other"), ("package/mine.dat", b"mine")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    Server.content = packed.getvalue()
    size = len(Server.content)
    checksum = hashlib.sha256(Server.content).hexdigest()
    entry = d.Published(address, (size, size), checksum, "package/mine.dat")
    monkeypatch.setattr(d, "cache_folder", lambda: tmp_path)
    monkeypatch.setitem(d.PUBLISHED, "mine", entry)
    list(d.download("mine"))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.dat"]
    assert d.cached("mine") == tmp_path / "mine.dat"
    assert (tmp_path / "mine.dat").read_bytes() == b"mine"
