"""A scan with made-up networks: what is looked at, what is kept, and what survives interruptions.

Run as a program, it scans the folder argv[2] into the library argv[1], for the test that stops it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_networks import (
    SIDE,
    Detection,
    FakeDetector,
    FakeEmbedder,
    deadly_analyzer,
    draw,
    fake_analyzer,
    other_analyzer,
    slow_analyzer,
)

from facecluster import images
from facecluster.analyzer import Analyzer
from facecluster.engines import dask, processes, serial
from facecluster.errors import FaceclusterError, MissingRoot
from facecluster.images import Picture
from facecluster.library import Fact, Library
from facecluster.pipeline import Elsewhere, Look
from facecluster.records import Box
from facecluster.scan import Scan, scan


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "db" / "library.sqlite") as opened:
        yield opened


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    draw(folder / "one.png", (4, 8, 1), (50, 30, 2))
    draw(folder / "trip" / "two.png", (10, 20, 1))
    draw(folder / "trip" / "none.png")
    return folder


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names of the files that are hashed and read."""
    calls: dict[str, list[str]] = {"content_hash": [], "read_all": []}
    lock = threading.Lock()
    for name, list_ in calls.items():
        real = getattr(images, name)

        def spy(
            path: Path, *, real: object = real, list_: list[str] = list_, **more: int
        ) -> object:
            with lock:
                list_.append(path.name)
            return real(path, **more)  # type: ignore[operator]

        monkeypatch.setattr(images, name, spy)
    return calls


def run(library: Library, *roots: Path, analyzer: Analyzer | None = None) -> Scan:
    done = scan(library, roots, analyzer or fake_analyzer())
    analyses = list(done)
    assert len(analyses) == done.total
    return done


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that scans write, without ids."""
    with sqlite3.connect(path) as connection:
        found = {
            "file": "select path, size, mtime_ns, error, sha256 from file"
            " left join photo on photo.id = file.photo",
            "photo": "select sha256, width, height, orientation, taken_at, detector from photo",
            "face": "select sha256, x0, y0, x1, y1, landmarks, score, size, sharpness, yaw"
            " from face join photo on photo.id = face.photo",
            "embedding": "select fingerprint, sha256, x0, y0, vector from embedding"
            " join face on face.id = embedding.face join photo on photo.id = face.photo"
            " join model on model.id = embedding.model",
        }
        answer = {
            name: sorted(connection.execute(sql).fetchall(), key=repr)
            for name, sql in found.items()
        }
    connection.close()
    return answer


def state(library: Library, face: int, name: str) -> None:
    person = library.statements.person(name, create=True)
    library.statements.say([Fact(face, "is", person)], command=f"name {name}")


def named(library: Library) -> dict[str, list[tuple[str, str | None]]]:
    """For each photo, the left edges and names of its faces."""
    found: dict[str, list[tuple[str, str | None]]] = {}
    for face in library.faces():
        found.setdefault(Path(face.path).name, []).append((f"{face.box.x0:.0f}", face.person))
    return found


def test_finds_all_faces_with_their_vectors(library: Library, photos: Path) -> None:
    done = run(library, photos)
    assert (done.summary.found, done.summary.analysed, done.summary.faces) == (3, 3, 3)
    assert named(library) == {"one.png": [("4", None), ("50", None)], "two.png": [("10", None)]}
    _, vectors = library.embeddings(library.models()[0].id)
    assert vectors.argmax(axis=1).tolist() == [1, 2, 1]
    assert vectors.shape == (3, 16) and vectors.dtype == np.float32
    status = library.status()
    assert (status.files, status.photos, status.faces) == (3, 3, 3)
    assert status.last_scan is not None


def test_a_face_whose_landmarks_are_one_point_is_left_out(library: Library, photos: Path) -> None:
    class Broken(FakeDetector):
        def _face(self, x: int, y: int, who: int) -> Detection:
            face = super()._face(x, y, who)
            return face._replace(landmarks=((16.0, 16.0),) * 5) if who == 2 else face

    run(library, photos, analyzer=fake_analyzer(Broken()))
    assert named(library) == {"one.png": [("4", None)], "two.png": [("10", None)]}


def test_an_analysis_is_yielded_with_what_was_found(library: Library, photos: Path) -> None:
    analyses = {Path(a.file.path).name: a for a in scan(library, [photos], fake_analyzer())}
    one = analyses["one.png"]
    assert one.photo is not None and (one.photo.width, one.photo.height) == (96, 80)
    assert one.photo.sha256 == hashlib.sha256((photos / "one.png").read_bytes()).hexdigest()
    assert one.embeddings is not None and one.embeddings.shape == (2, 16)
    assert analyses["none.png"].faces == ()


def test_second_scan_opens_nothing_and_changes_nothing(
    library: Library, photos: Path, opened: dict[str, list[str]]
) -> None:
    (photos / "broken.jpg").write_bytes(b"no picture")
    run(library, photos)
    before = rows(library.path)
    for calls in opened.values():
        assert len(calls) == 4
        calls.clear()
    done = run(library, photos)
    assert opened == {"content_hash": [], "read_all": []}
    told = done.summary
    assert (done.total, told.unchanged, told.still_unreadable) == (0, 3, 1)
    assert rows(library.path) == before


def test_moved_and_copied_photos_cost_one_hash(
    library: Library, photos: Path, opened: dict[str, list[str]]
) -> None:
    run(library, photos)
    state(library, 1, "Alice")
    before = rows(library.path)
    (photos / "trip").rename(photos / "travel")
    shutil.copy(photos / "one.png", photos / "copy.png")
    opened["content_hash"].clear()
    opened["read_all"].clear()
    done = run(library, photos)
    assert sorted(opened["content_hash"]) == ["copy.png", "none.png", "two.png"]
    assert opened["read_all"] == []
    assert (done.summary.linked, done.summary.analysed, done.summary.removed) == (3, 0, 2)
    after = rows(library.path)
    assert [after[name] == before[name] for name in ("photo", "face", "embedding")] == [True] * 3
    assert len(after["file"]) == 4
    assert named(library)["copy.png"][0] == ("4", "Alice")


def test_a_renamed_only_folder_is_no_unplugged_disk(library: Library, tmp_path: Path) -> None:
    draw(tmp_path / "photos" / "2024" / "one.png", (4, 8, 1))
    run(library, tmp_path / "photos")
    (tmp_path / "photos" / "2024").rename(tmp_path / "photos" / "2024 Rome")
    done = run(library, tmp_path / "photos")
    assert (done.summary.linked, done.summary.removed) == (1, 1)


def test_a_folder_scanned_by_its_new_name_alone_has_no_dead_paths(
    library: Library, photos: Path
) -> None:
    run(library, photos)
    shutil.copytree(photos, photos.parent / "backup")
    run(library, photos.parent / "backup")
    photos.rename(photos.parent / "renamed")
    done = run(library, photos.parent / "renamed")
    assert (done.summary.linked, done.summary.removed) == (3, 3)
    paths = {path for one in library.photos() for path in one.paths}
    assert len(paths) == 6 and all(Path(path).exists() for path in paths)


def test_two_new_copies_are_analysed_once(library: Library, photos: Path) -> None:
    shutil.copy(photos / "one.png", photos / "same.png")
    detector = FakeDetector()
    done = run(library, photos, analyzer=fake_analyzer(detector))
    assert detector.seen == 3
    assert (done.summary.analysed, done.summary.linked) == (3, 1)
    assert len(rows(library.path)["photo"]) == 3


def test_deleted_files_leave_and_named_faces_stay_for_their_return(
    library: Library, photos: Path, tmp_path: Path, opened: dict[str, list[str]]
) -> None:
    run(library, photos)
    state(library, 1, "Alice")
    for name in ("one.png", "trip/two.png"):
        (photos / name).rename(tmp_path / Path(name).name)
    run(library, photos)
    assert library.faces() == [] and library.status().faces == 0
    assert len(rows(library.path)["photo"]) == 2, "the one with Alice and the one still there"
    assert [person.name for person in library.people()] == ["Alice"]
    opened["read_all"].clear()
    (tmp_path / "one.png").rename(photos / "again.png")
    run(library, photos)
    assert named(library) == {"again.png": [("4", "Alice"), ("50", None)]}
    assert opened["read_all"] == []


def test_an_unplugged_disk_stops_the_scan_and_empties_nothing(
    library: Library, photos: Path
) -> None:
    run(library, photos)
    before = rows(library.path)
    shutil.rmtree(photos)
    with pytest.raises(MissingRoot):
        scan(library, [photos], fake_analyzer())
    photos.mkdir()
    with pytest.raises(MissingRoot, match="None of the 3 photos known below"):
        scan(library, [photos], fake_analyzer())
    draw(photos / "other.png", (9, 9, 3))
    with pytest.raises(MissingRoot):
        scan(library, [photos], fake_analyzer())
    assert rows(library.path) == before
    list(scan(library, [photos], fake_analyzer(), allow_empty=True))
    assert named(library) == {"other.png": [("9", None)]}


def test_scanning_one_root_leaves_another_alone(library: Library, tmp_path: Path) -> None:
    for root in ("a", "a0", "a b"):
        draw(tmp_path / root / f"{root}.png", (4, 8, 1), note=len(root))
    run(library, tmp_path / "a", tmp_path / "a0", tmp_path / "a b")
    shutil.rmtree(tmp_path / "a0")
    run(library, tmp_path / "a")
    run(library, tmp_path / "a" / "a.png")
    assert {Path(row[0]).name for row in rows(library.path)["file"]} == {  # type: ignore[arg-type]
        "a.png",
        "a0.png",
        "a b.png",
    }


def test_a_folder_that_cannot_be_listed_keeps_its_photos(
    library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(library, photos)
    before = rows(library.path)
    real = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("trip"):
            raise PermissionError(13, "no")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    done = run(library, photos)
    assert done.summary.removed == 0
    assert rows(library.path) == before


def test_unreadable_photos_are_data_and_tried_again_only_when_they_change(
    library: Library, photos: Path, opened: dict[str, list[str]]
) -> None:
    bad = photos / "bad.png"
    bad.write_bytes(b"no picture")
    shutil.copy(bad, photos / "worse.png")
    done = run(library, photos)
    assert done.summary.unreadable == 2
    reasons = {Path(one.path).name: one.reason for one in library.status().unreadable}
    assert reasons.keys() == {"bad.png", "worse.png"}
    assert all(name in reason for name, reason in reasons.items()), "each names its own file"
    opened["read_all"].clear()
    assert run(library, photos).summary.unreadable == 0
    draw(bad, (4, 8, 5))
    done = run(library, photos)
    assert opened["read_all"] == ["bad.png"]
    assert named(library)["bad.png"] == [("4", None)]
    assert len(library.status().unreadable) == 1


@pytest.mark.parametrize(
    "why", [PermissionError(), FileNotFoundError(), OSError(errno.EIO, "no luck"), MemoryError()]
)
def test_a_photo_that_could_not_be_read_for_now_is_tried_again_by_each_scan(
    library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch, why: Exception
) -> None:
    def refuse(path: Path, mode: str, buffering: int = -1) -> object:
        if path.name == "one.png" and buffering:  # not when it is hashed
            raise why
        return open(path, mode, buffering)

    with monkeypatch.context() as patch:
        patch.setattr("facecluster.images.reading.open", refuse, raising=False)
        for _ in range(2):
            assert run(library, photos).summary.unreadable == 1
    assert "one.png" not in named(library)
    assert run(library, photos).summary.analysed == 1
    assert "one.png" in named(library)
    assert library.status().unreadable == ()
    assert run(library, photos).total == 0


def test_a_damaged_edit_keeps_what_was_known_until_it_is_repaired(
    library: Library, photos: Path
) -> None:
    run(library, photos)
    state(library, 1, "Alice")
    good = (photos / "one.png").read_bytes()
    (photos / "one.png").write_bytes(good[:100])
    run(library, photos)
    assert named(library)["one.png"][0] == ("4", "Alice")
    (photos / "one.png").write_bytes(good)
    os.utime(photos / "one.png", ns=(1, 1))
    run(library, photos)
    assert named(library)["one.png"][0] == ("4", "Alice")
    assert library.status().unreadable == ()


def test_names_follow_into_edited_content(library: Library, photos: Path) -> None:
    run(library, photos)
    state(library, 1, "Alice")
    draw(photos / "one.png", (6, 9, 1), (50, 30, 2), note=1)
    run(library, photos)
    assert named(library)["one.png"] == [("6", "Alice"), ("50", None)]
    assert len(rows(library.path)["photo"]) == 3, "the old content is gone"


def test_names_follow_into_a_resized_picture(library: Library, tmp_path: Path) -> None:
    path = draw(tmp_path / "p" / "one.png", (10, 20, 1), size=(96, 80))
    run(library, path)
    state(library, 1, "Alice")
    draw(path, (30, 65, 1), size=(288, 240))
    # The detector's faces are all of one size, so the fake draws this one three times as large.
    done = scan(library, [path], fake_analyzer(_Large()))
    list(done)
    assert named(library)["one.png"] == [("30", "Alice")]


class _Large(FakeDetector):
    def _face(self, x: int, y: int, who: int) -> Detection:
        small = super()._face(x, y, who)
        box = Box(x, y, x + 3 * SIDE, y + 3 * SIDE)
        return Detection(box, small.landmarks, small.score)


def test_a_name_does_not_pass_to_a_stranger_at_the_same_place(
    library: Library, photos: Path
) -> None:
    run(library, photos)
    state(library, 1, "Alice")
    draw(photos / "one.png", (4, 8, 7), note=1)
    run(library, photos)
    assert named(library)["one.png"] == [("4", None)]
    assert len(library.statements.truth()) == 1, "what was said of the old content is kept"
    draw(photos / "one.png", (4, 8, 1), (50, 30, 2))
    run(library, photos)
    assert named(library)["one.png"] == [("4", "Alice"), ("50", None)]


def test_editing_one_of_two_copies_leaves_the_name_with_both(
    library: Library, photos: Path
) -> None:
    shutil.copy(photos / "one.png", photos / "copy.png")
    run(library, photos)
    state(library, 1, "Alice")
    draw(photos / "one.png", (5, 9, 1), note=1)
    run(library, photos)
    assert named(library)["one.png"] == [("5", "Alice")]
    assert named(library)["copy.png"] == [("4", "Alice"), ("50", None)]
    library.statements.undo(command="undo")
    assert {name for faces in named(library).values() for _, name in faces} == {None}


def test_an_edit_taken_back_brings_the_name_back(library: Library, photos: Path) -> None:
    original = (photos / "one.png").read_bytes()
    run(library, photos)
    state(library, 1, "Alice")
    state(library, 2, "Bob")
    draw(photos / "one.png", (5, 9, 1), note=1)
    run(library, photos)
    assert named(library)["one.png"] == [("5", "Alice")]
    (photos / "one.png").write_bytes(original)
    run(library, photos)
    assert named(library)["one.png"] == [("4", "Alice"), ("50", "Bob")]


def test_another_detector_looks_again_and_faces_keep_their_numbers(
    library: Library, photos: Path
) -> None:
    run(library, photos)
    state(library, 1, "Alice")
    before = {face.face: face.box.x0 for face in library.faces()}
    done = run(library, photos, analyzer=fake_analyzer(FakeDetector("better", shift=3)))
    assert (done.summary.analysed, done.summary.linked) == (3, 0)
    after = {face.face: face.box.x0 for face in library.faces()}
    assert after == {face: x + 3 for face, x in before.items()}
    assert named(library)["one.png"][0] == ("7", "Alice")


def test_a_named_face_that_is_not_found_again_is_kept(library: Library, photos: Path) -> None:
    run(library, photos)
    state(library, 1, "Alice")
    far = fake_analyzer(FakeDetector("blind", shift=25))
    run(library, photos, analyzer=far)
    assert named(library)["one.png"] == [("4", "Alice"), ("29", None), ("75", None)]
    assert run(library, photos, analyzer=far).total == 0


def test_another_model_embeds_again_and_keeps_the_faces(
    library: Library, photos: Path, opened: dict[str, list[str]]
) -> None:
    run(library, photos)
    before = library.faces()
    opened["content_hash"].clear()
    detector, other = FakeDetector(), FakeEmbedder("other", sign=-1)
    done = run(library, photos, analyzer=fake_analyzer(detector, other))
    assert (done.summary.embedded_again, done.summary.analysed, done.total) == (2, 0, 2)
    assert detector.seen == 0 and opened["content_hash"] == []
    assert library.faces() == before
    newest, oldest = library.models()
    assert (newest.name, newest.faces, oldest.faces) == ("other", 3, 3)
    for model, sign in ((newest, -1), (oldest, 1)):
        _, vectors = library.embeddings(model.id)
        assert (sign * vectors).argmax(axis=1).tolist() == [1, 2, 1]
    assert run(library, photos, analyzer=fake_analyzer(detector, other)).total == 0


def test_a_photo_that_cannot_be_embedded_again_is_listed_and_not_retried(
    library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(library, photos)
    found = images.find_images

    def as_before(roots: Iterator[Path], **more: Any) -> Iterator[object]:
        stamps = list(found(roots, **more))
        (photos / "one.png").write_bytes(b"gone bad")  # after its stamp was taken
        return iter(stamps)

    monkeypatch.setattr(images, "find_images", as_before)
    other = fake_analyzer(embedder=FakeEmbedder("other"))
    done = scan(library, [photos], other)
    list(done)
    assert (done.summary.embedded_again, done.summary.unreadable) == (1, 1)
    assert len(library.faces()) == 3, "the faces known before stay"


def test_breaking_off_keeps_what_was_committed(library: Library, tmp_path: Path) -> None:
    for number in range(30):
        draw(tmp_path / "p" / f"{number:02}.png", (4, 8, 1), note=number)
    running = iter(scan(library, [tmp_path / "p"], fake_analyzer()))
    yielded = [next(running) for _ in range(3)]
    running.close()  # type: ignore[attr-defined]
    assert {a.file.path for a in yielded} <= {str(row[0]) for row in rows(library.path)["file"]}
    done = run(library, tmp_path / "p")
    assert done.summary.unchanged > 0
    assert done.summary.unchanged + done.summary.analysed == 30
    assert library.status().faces == 30


def test_an_unexpected_error_flies_and_leaves_the_earlier_batches(
    library: Library, tmp_path: Path
) -> None:
    for number in range(30):
        draw(tmp_path / "p" / f"{number:02}.png", (4, 8, 1), note=number)

    class Failing(FakeDetector):
        def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
            if self.seen > 10:
                raise RuntimeError("the network broke")
            return super().detect(pictures)

    before = set(threading.enumerate())
    with pytest.raises(RuntimeError, match="the network broke"):
        run(library, tmp_path / "p", analyzer=fake_analyzer(Failing()))
    assert 10 < library.status().faces < 30
    assert set(threading.enumerate()) <= before


def test_no_engine_changes_the_result(tmp_path: Path, photos: Path, cluster: str) -> None:
    (photos / "bad.png").write_bytes(b"no picture")
    for name in ("worse.png", "one.png"):
        shutil.copy(photos / ("bad.png" if name == "worse.png" else name), photos / f"copy {name}")
    engines: dict[str, dict[str, object]] = {
        "serial": {"engine": serial},
        "threads": {},
        "processes": {"analyse": Elsewhere(processes(2), fake_analyzer, fake_analyzer())},
        "dask": {
            "engine": dask(cluster),
            "analyse": Elsewhere(dask(cluster), fake_analyzer, fake_analyzer()),
        },
    }
    found = []
    for name, settings in engines.items():
        with Library.open(tmp_path / f"{name}.sqlite") as library:
            done = scan(library, [photos], fake_analyzer(), **settings)  # type: ignore[arg-type]
            assert len(list(done)) == done.total == 6
            assert (done.summary.linked, done.summary.unreadable) == (1, 2)
            found.append(rows(library.path))
    assert found[1:] == found[:-1]


@pytest.mark.parametrize("where", ["processes", "dask"])
def test_a_worker_killed_in_mid_scan_costs_no_photo(
    tmp_path: Path, where: str, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "photos"
    for number in range(80):
        draw(folder / f"{number:02}.png", (number % 40, 8, 1 + number % 15), note=number)
    with Library.open(tmp_path / "undisturbed.sqlite") as library:
        run(library, folder)
    engine = dask(request.getfixturevalue("cluster")) if where == "dask" else processes(2)
    with Library.open(tmp_path / "killed.sqlite") as library:
        analyse = Elsewhere(engine, slow_analyzer, slow_analyzer())
        done = scan(library, [folder], slow_analyzer(), analyse=analyse)
        for number, _ in enumerate(done):
            if number == 20:
                os.kill(a_worker(request, where), signal.SIGKILL)
        assert (done.summary.analysed, done.summary.unreadable) == (80, 0)
    assert rows(tmp_path / "killed.sqlite") == rows(tmp_path / "undisturbed.sqlite")


def a_worker(request: pytest.FixtureRequest, where: str) -> int:
    """The process id of one."""
    if where == "processes":
        return multiprocessing.active_children()[0].pid or 0
    from distributed import Client

    with Client(request.getfixturevalue("cluster"), set_as_default=False) as client:
        return int(next(iter(client.run(os.getpid).values())))


def test_a_photo_that_kills_its_worker_twice_is_unreadable_and_its_company_is_not(
    library: Library, tmp_path: Path
) -> None:
    for number in range(12):
        draw(tmp_path / "p" / f"{number:02}.png", (4, 8, 15 if number == 5 else 1), note=number)
    shutil.copy(tmp_path / "p" / "05.png", tmp_path / "p" / "twin.png")
    analyse = Elsewhere(processes(2), deadly_analyzer, deadly_analyzer())
    done = scan(library, [tmp_path / "p"], deadly_analyzer(), analyse=analyse)
    assert len(list(done)) == done.total == 13
    assert (done.summary.analysed, done.summary.unreadable) == (11, 2)
    reasons = {Path(one.path).name: one.reason for one in library.status().unreadable}
    assert reasons.keys() == {"05.png", "twin.png"}
    assert "died, twice" in reasons["05.png"]
    assert run(library, tmp_path / "p").total == 0


def test_a_worker_computes_on_one_core_from_its_first_photo_on(
    library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr("facecluster.pipeline._use_one_core", lambda: done.append("one core"))
    detect = FakeDetector.detect

    def spy(self: FakeDetector, pictures: Sequence[Picture]) -> list[list[Detection]]:
        done.append("detect")
        return detect(self, pictures)

    monkeypatch.setattr(FakeDetector, "detect", spy)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    analyse = Elsewhere(serial, fake_analyzer, fake_analyzer())
    list(scan(library, [photos], fake_analyzer(), analyse=analyse))
    assert done == ["one core", "detect"]
    shutil.copy(photos / "one.png", photos / "copy.png")
    list(scan(library, [photos], fake_analyzer(), analyse=analyse))
    assert done == ["one core", "detect"]  # what is known already does not wait for torch


def test_workers_of_another_version_are_refused(library: Library, photos: Path) -> None:
    analyse = Elsewhere(processes(1), other_analyzer, fake_analyzer())
    with pytest.raises(FaceclusterError, match="another version"):
        list(scan(library, [photos], fake_analyzer(), analyse=analyse))
    assert library.status().files == 0


def test_photos_that_workers_do_not_see_are_not_called_unreadable(
    library: Library, photos: Path
) -> None:
    def blind(function: object, items: Iterable[list[Look]], **_: object) -> Iterator[list[Look]]:
        for looks in items:
            yield [replace(look, error="It is not there.", absent=True) for look in looks]

    analyse = Elsewhere(blind, fake_analyzer, fake_analyzer())  # type: ignore[arg-type]
    with pytest.raises(FaceclusterError, match="on a file system that all workers have"):
        list(scan(library, [photos], fake_analyzer(), analyse=analyse))
    assert library.status().files == 0


def test_names_that_are_not_text_do_not_stop_a_scan(library: Library, photos: Path) -> None:
    try:
        draw(Path(os.fsdecode(os.fsencode(photos) + b"/bad\xff.png")), (4, 8, 1))
    except (OSError, UnicodeError):
        pytest.skip("this file system refuses names that are not text")
    done = run(library, photos)
    assert (done.summary.found, done.summary.passed_over) == (3, 1)
    ((path, why),) = done.passed_over
    assert path.endswith("/bad\ufffd.png") and why.startswith("has a name that is not text")
    odd = Path(os.fsdecode(os.fsencode(photos) + b"\xff"))
    odd.mkdir()
    assert run(library, odd).summary.found == 0


def test_stopped_at_random_moments_the_rows_are_those_of_an_undisturbed_scan(
    tmp_path: Path,
) -> None:
    dice = random.Random(7)
    folder = tmp_path / "photos"
    for number in range(250):
        faces = [(dice.randrange(40), dice.randrange(1, 50), dice.randrange(1, 16))]
        draw(folder / f"{number:03}.png", *faces, note=number)
    (folder / "broken.png").write_bytes(b"no picture")
    shutil.copy(folder / "007.png", folder / "twin.png")
    with Library.open(tmp_path / "undisturbed.sqlite") as library:
        run(library, folder)
    database = tmp_path / "stopped.sqlite"
    kept = 0
    for number in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL, signal.SIGINT):
        told = stopped_scan(database, folder, number, after=dice.randrange(2, 6))
        with Library.open(database) as library:
            before, kept = kept, library.status().files
        assert before < kept < 252
        if number == signal.SIGINT:
            assert (told["message_type"], told["interrupted"]) == ("summary", True)
            assert told["found"] == 252 and told["unchanged"] == before
            done = told["analysed"] + told["linked"] + told["unreadable"]  # type: ignore[operator]
            assert 0 < done <= kept - before
    with Library.open(database) as library:
        assert run(library, folder).summary.unchanged >= kept - 1  # the broken one is no photo
        assert run(library, folder).total == 0
    assert rows(database) == rows(tmp_path / "undisturbed.sqlite")


def stopped_scan(
    database: Path, folder: Path, number: signal.Signals, *, after: int
) -> dict[str, object]:
    """Send the signal to a scan once it has printed so many lines; the last line it printed."""
    with subprocess.Popen(
        [sys.executable, __file__, str(database), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        for _ in range(after):
            line = process.stdout.readline()
        process.send_signal(number)
        rest, errors = process.communicate(timeout=30)
    if number == signal.SIGINT:
        assert process.returncode == 130, errors
        assert errors.endswith("photos done, run again to go on.\n") and errors.count("\n") == 1
    return json.loads((line + rest).splitlines()[-1])  # type: ignore[no-any-return]


def test_real_photos_through_the_real_networks(library: Library) -> None:
    shared = Path(__file__).parent.parent.parent / "shared" / "data" / "library" / "photos"
    if not shared.is_dir():
        pytest.skip("../shared/data is not here: no real photos")
    from facecluster.detect import Detector
    from facecluster.embed import BUNDLED, open_model

    some = sorted(shared.rglob("*.jpg"))[:4]
    analyzer = Analyzer(Detector(), open_model(BUNDLED))
    done = run(library, *some, analyzer=analyzer)
    assert done.summary.analysed == len(some) and done.summary.faces >= len(some)
    _, vectors = library.embeddings(library.models()[0].id)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for face in library.faces():
        assert face.box.width > 0 and face.score > 0.7
    assert run(library, *some, analyzer=analyzer).total == 0


if __name__ == "__main__":
    from facecluster.cli import main, scan_progress
    from facecluster.cli import scan as command

    scan_progress._PAUSE = 0.0  # a line for each commit
    command.open_analyzer = lambda *_: fake_analyzer()  # type: ignore[assignment]
    main(["scan", sys.argv[2], "--json", "--db", sys.argv[1]])
