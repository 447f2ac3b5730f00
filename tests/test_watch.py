"""Watching a real folder: what arrives is told once it is whole, and Ctrl-C ends it cleanly."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_up_networks import FakeEmbedder, draw, fake_analyzer

from facecluster.analyzer import Analyzer
from facecluster.library import Library
from facecluster.watching import arrivals, changes

from .conftest import Run

SAMPLES = Path(__file__).parent.parent / "examples" / "photos"
PHOTOS = sorted(SAMPLES.glob("*.jpg"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def listen(folder: Path, heard: list[float]) -> None:
    """Keep the times of the changes, until a file called stop.png comes."""
    for _ in changes([folder], quiet=0.3):
        heard.append(time.monotonic())
        if (folder / "stop.png").exists():
            return


def wait_for(heard: list[float], count: int) -> None:
    deadline = time.monotonic() + 20
    while len(heard) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(heard) >= count


def test_a_file_is_told_of_once_when_it_is_whole(folder: Path) -> None:
    heard: list[float] = []
    listener = threading.Thread(target=listen, args=(folder, heard), daemon=True)
    listener.start()
    wait_for(heard, 1)
    (folder / "note.txt").write_text("no picture")
    with open(folder / "slow.jpg", "wb", buffering=0) as file:
        for _ in range(10):
            file.write(b"part")
            time.sleep(0.15)
    whole = time.monotonic()
    wait_for(heard, 2)
    assert heard[1] >= whole
    (folder / "stop.png").touch()
    listener.join(timeout=20)
    assert not listener.is_alive()
    assert len(heard) == 3


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_folder_that_goes_and_comes_back_is_still_watched(folder: Path, how: str) -> None:
    heard: list[float] = []
    (folder / "old.jpg").write_bytes(b"old")
    listener = threading.Thread(target=listen, args=(folder, heard), daemon=True)
    listener.start()
    wait_for(heard, 1)
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    folder.rename(folder.with_name("gone"))
    count = 2
    if how == "removed":
        wait_for(heard, count)
        count += 1
    (kept / "new.jpg").write_bytes(b"new")
    kept.rename(folder)
    wait_for(heard, count)  # what came with the folder
    (folder / "newest.jpg").write_bytes(b"newest")
    wait_for(heard, count + 1)
    (folder / "stop.png").touch()
    listener.join(timeout=20)
    assert not listener.is_alive()


def test_a_photo_that_still_may_not_be_read_is_told_of_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    draw(folder / "one.png", (4, 8, 1))
    with Library.open(tmp_path / "library.sqlite") as library:
        with monkeypatch.context() as patch:
            patch.setattr("facecluster.images.reading.open", refuse, raising=False)
            (told,) = arrivals(library, [folder], fake_analyzer(), list)
            assert "check its permissions" in (told.error or "")
            assert not list(arrivals(library, [folder], fake_analyzer(), list))
        (told,) = arrivals(library, [folder], fake_analyzer(), list)
        assert len(told.faces) == 1


def test_who_is_on_each_frame_of_a_clip_is_told(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("av")
    from clips import film

    clip = film(folder / "clip.mov", [(4, 8, 1)], [(4, 8, 2), (44, 8, 3)])
    with Library.open(tmp_path / "library.sqlite") as library:
        told = list(arrivals(library, [folder], fake_analyzer(), list))
        assert [one.path for one in told] == [f"{clip}#t=0", f"{clip}#t=1"]
        assert [len(one.faces) for one in told] == [1, 2]
        assert {face.path for one in told for face in one.faces} == {one.path for one in told}


def test_a_network_that_is_chosen_meanwhile_stays_the_librarys(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Path(os.environ["FACECLUSTER_DB"])
    opened: list[str | None] = []

    def open_made_up(network: str | None) -> Analyzer:
        opened.append(network)
        return fake_analyzer(embedder=FakeEmbedder(network or "first"))

    def change_thrice(_: object) -> Iterator[None]:
        yield
        draw(folder / "one.png", (4, 8, 1))
        yield
        with Library.open(database) as library:
            model = library.scanned.register_model(fingerprint="s", name="second", dimension=16)
            library.scanned.use(model)
        draw(folder / "two.png", (4, 8, 2))
        yield

    monkeypatch.setattr("facecluster.cli.watch.open_analyzer", open_made_up)
    monkeypatch.setattr("facecluster.watching.changes", change_thrice)
    done = run("watch", folder)
    assert done.exit_code == 0, done.stderr
    assert opened == [None, "second"]
    with Library.open(database) as library:
        assert library.models()[0].name == "second"


@pytest.fixture
def watcher(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    shutil.copy(PHOTOS[0], folder / "first.jpg")
    process = subprocess.Popen(
        [sys.executable, "-m", "facecluster", "watch", str(folder), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    yield process
    process.kill()
    process.communicate()


def test_a_photo_that_arrives_is_told_and_an_unplugged_folder_keeps_the_library(
    folder: Path, watcher: "subprocess.Popen[str]"
) -> None:
    assert watcher.stdout is not None
    assert watcher.stderr is not None
    assert "Watching" in watcher.stderr.readline()
    database = Path(os.environ["FACECLUSTER_DB"])
    with Library.open(database) as library:
        before = library.faces()
    assert before
    shutil.copy(PHOTOS[0], folder / "again.jpg")  # the same content: the same faces
    told = json.loads(watcher.stdout.readline())
    assert (told["message_type"], told["path"]) == ("photo", str(folder / "again.jpg"))
    assert [face["face"] for face in told["faces"]] == [face.face for face in before]
    folder.rename(folder.with_name("elsewhere"))
    assert "Still watching" in watcher.stderr.readline()
    with Library.open(database) as library:
        assert len(library.faces()) == len(before)
    watcher.send_signal(signal.SIGINT)
    _, errors = watcher.communicate(timeout=30)
    assert watcher.returncode == 130, errors
    assert "Stopped: 1 photo arrived" in errors
    assert "Traceback" not in errors
