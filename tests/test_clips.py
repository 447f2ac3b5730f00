"""Clips in a scan with made-up networks, and what every other command makes of their frames."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from clips import film
from made_up_networks import (
    FakeDetector,
    FakeEmbedder,
    deadly_analyzer,
    draw,
    fake_analyzer,
    open_made_up,
)

from facecluster import images
from facecluster.analyzer import Analyzer
from facecluster.cli import scan as scan_command
from facecluster.cli import search
from facecluster.engines import dask, processes
from facecluster.library import Fact, Library
from facecluster.moments import file_of
from facecluster.pipeline import BATCH, Elsewhere, Look, _batches
from facecluster.portraits import portraits
from facecluster.records import FileStamp
from facecluster.reembedding import embed_unseen
from facecluster.scan import Scan, scan

Run = Callable[..., Result]
ONE, TWO, BOTH = ((4, 8, 1),), ((50, 30, 2),), ((4, 8, 1), (50, 30, 2))


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "library.sqlite") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    draw(folder / "one.png", (10, 20, 3))
    film(folder / "clip.mov", ONE, TWO, BOTH)
    return folder


def bring_up_to_date(library: Library, folder: Path, analyzer: Analyzer | None = None) -> Scan:
    done = scan(library, [folder], analyzer or fake_analyzer())
    list(done)
    assert done.summary.done == done.total and done.work_done == done.total_work
    return done


def who(library: Library) -> dict[str, list[int]]:
    """Whose faces are on each picture, by the end of its path."""
    faces, vectors = library.embeddings(library.models()[0].id)
    people = dict(zip(faces.tolist(), vectors.argmax(axis=1).tolist(), strict=True))
    found: dict[str, list[int]] = {}
    for face in library.faces():
        found.setdefault(os.path.basename(face.path), []).append(people[face.face])
    return found


def name(library: Library, path_end: str, person: str) -> int:
    (face, *_) = (one.face for one in library.faces() if one.path.endswith(path_end))
    number = library.statements.person(person, create=True)
    library.statements.say([Fact(face, "is", number)], command=f"name {person}")
    return face


def people(library: Library) -> dict[int, str | None]:
    return {face.face: face.person for face in library.faces()}


def test_each_frame_is_a_photo_with_its_moment(library: Library, folder: Path) -> None:
    done = bring_up_to_date(library, folder).summary
    assert (done.found, done.clips, done.analysed, done.faces) == (2, 1, 2, 5)
    assert who(library) == {
        "one.png": [3],
        "clip.mov#t=0": [1],
        "clip.mov#t=1": [2],
        "clip.mov#t=2": [1, 2],
    }
    photos = library.photos([str(folder / "clip.mov")])
    content = images.content_hash(folder / "clip.mov")
    assert [one.about.sha256 for one in photos] == [f"{content}#t={n}" for n in range(3)]
    assert all(one.about.taken_at for one in photos)
    assert (library.status().files, library.status().photos) == (2, 4)


def test_a_clip_without_faces_is_known_too(library: Library, tmp_path: Path) -> None:
    film(tmp_path / "photos" / "clip.mov", (), ONE)
    bring_up_to_date(library, tmp_path / "photos")
    assert who(library) == {"clip.mov#t=1": [1]} and library.status().photos == 2


def test_a_clip_that_has_not_changed_is_not_opened(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_up_to_date(library, folder)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(images, "content_hash", refuse)
    monkeypatch.setattr(images, "read_all", refuse)
    done = bring_up_to_date(library, folder).summary
    assert (done.unchanged, done.done) == (2, 0)
    (folder / "one.png").unlink()
    assert bring_up_to_date(library, folder).summary.removed == 1
    assert len(library.faces()) == 4


def test_a_moved_clip_costs_a_hash_and_a_copy_is_another_file(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_up_to_date(library, folder)
    face = name(library, "clip.mov#t=1", "Alice")
    before = people(library)
    (folder / "trip").mkdir()
    shutil.move(folder / "clip.mov", folder / "trip" / "b.mov")
    monkeypatch.setattr(images, "read_all", None)  # it is not read
    done = bring_up_to_date(library, folder).summary
    assert (done.linked, done.removed, done.analysed) == (1, 1, 0)
    assert people(library) == before and before[face] == "Alice"
    assert set(who(library)) == {"one.png", "b.mov#t=0", "b.mov#t=1", "b.mov#t=2"}
    shutil.copy(folder / "trip" / "b.mov", folder / "a.mov")
    assert bring_up_to_date(library, folder).summary.linked == 1
    assert people(library) == before and library.status().files == 3
    assert [len(one.paths) for one in library.photos([str(folder / "a.mov")])] == [1, 1, 1]


def test_two_copies_in_one_scan_are_looked_at_once(library: Library, folder: Path) -> None:
    shutil.copy(folder / "clip.mov", folder / "copy.mov")
    detector = FakeDetector()
    done = bring_up_to_date(library, folder, fake_analyzer(detector)).summary
    assert (done.analysed, done.linked, detector.seen) == (2, 1, 4)
    assert library.status().files == 3 and len(library.faces()) == 5


def test_a_deleted_clip_leaves_and_comes_back_whole(library: Library, folder: Path) -> None:
    bring_up_to_date(library, folder)
    before = who(library)
    face = name(library, "clip.mov#t=1", "Alice")
    aside = folder.parent / "clip.mov"
    shutil.move(folder / "clip.mov", aside)
    assert bring_up_to_date(library, folder).summary.removed == 1
    assert who(library) == {"one.png": [3]} and library.status().files == 1
    # Of a clip with a named face nothing is dropped: a part of it would be taken for all.
    shutil.move(aside, folder / "clip.mov")
    assert bring_up_to_date(library, folder).summary.linked == 1
    assert who(library) == before and people(library)[face] == "Alice"


def test_without_a_word_said_of_it_nothing_is_left(library: Library, folder: Path) -> None:
    bring_up_to_date(library, folder)
    (folder / "clip.mov").unlink()
    bring_up_to_date(library, folder)
    assert len(library.faces()) == 1
    assert not library.scanned.known_content("", lambda _: True)
    film(folder / "clip.mov", ONE, TWO, BOTH)
    assert bring_up_to_date(library, folder).summary.analysed == 1


def test_names_follow_into_a_changed_clip(library: Library, folder: Path) -> None:
    bring_up_to_date(library, folder)
    face = name(library, "clip.mov#t=1", "Alice")
    film(folder / "clip.mov", ONE, TWO, note=1)  # other bytes, and a scene less
    assert bring_up_to_date(library, folder).summary.analysed == 1
    assert set(who(library)) == {"one.png", "clip.mov#t=0", "clip.mov#t=1"}
    assert [one.path[-12:] for one in library.faces(person="Alice")] == ["clip.mov#t=1"]
    assert face not in people(library), "the face is a new one, the word followed it"
    assert library.status().photos == 3


def test_a_clip_that_cannot_be_read_is_one_file_in_the_list(library: Library, folder: Path) -> None:
    bring_up_to_date(library, folder)
    whole = (folder / "clip.mov").read_bytes()
    (folder / "clip.mov").write_bytes(whole[:300])
    (folder / "other.mp4").write_bytes(b"no clip")
    done = bring_up_to_date(library, folder).summary
    assert (done.unreadable, done.unchanged) == (2, 1)
    status = library.status()
    assert [one.path for one in status.unreadable] == [
        str(folder / "clip.mov"),
        str(folder / "other.mp4"),
    ]
    assert status.files == 3 and len(library.faces()) == 5, "what was known of it stays"
    done = bring_up_to_date(library, folder).summary
    assert (done.unchanged, done.still_unreadable) == (1, 2), "and they are not tried again"
    (folder / "clip.mov").write_bytes(whole)
    film(folder / "other.mp4", TWO)
    os.utime(folder / "clip.mov", ns=(1, 1))
    done = bring_up_to_date(library, folder).summary
    assert (done.linked, done.analysed) == (1, 1)
    assert library.status().unreadable == () and library.status().files == 3
    assert who(library)["other.mp4#t=0"] == [2]


def test_another_detector_looks_again_at_the_same_moments(library: Library, folder: Path) -> None:
    bring_up_to_date(library, folder)
    face = name(library, "clip.mov#t=1", "Alice")
    other = fake_analyzer(FakeDetector("another", shift=1))
    assert bring_up_to_date(library, folder, other).summary.analysed == 2
    assert people(library)[face] == "Alice" and len(library.faces()) == 5


def test_another_network_reads_the_frames_again(library: Library, folder: Path) -> None:
    bring_up_to_date(library, folder)
    other = fake_analyzer(embedder=FakeEmbedder("other", sign=-1))
    done = bring_up_to_date(library, folder, other)
    assert (done.summary.embedded_again, done.summary.analysed, done.total) == (4, 0, 4)
    assert done.summary.unchanged == 0
    _, vectors = library.embeddings(library.models()[0].id)
    assert vectors.argmin(axis=1).tolist() == [1, 2, 1, 2, 3]


def test_reembedding_reads_frames_of_unchanged_clips_only(library: Library, folder: Path) -> None:
    bring_up_to_date(library, folder)
    done = embed_unseen(library, fake_analyzer(embedder=FakeEmbedder("other")))
    assert (done.faces, done.left) == (5, 0)
    os.utime(folder / "clip.mov", ns=(1, 1))
    done = embed_unseen(library, fake_analyzer(embedder=FakeEmbedder("third")))
    assert (done.faces, done.left) == (1, 4)


def test_a_frame_that_cannot_be_embedded_again_is_told_once(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_up_to_date(library, folder)
    found = images.find_images

    def as_before(roots: Iterator[Path], **more: Any) -> Iterator[FileStamp]:
        stamps = list(found(roots, **more))
        (folder / "clip.mov").write_bytes(b"gone bad")  # after its stamp was taken
        return iter(stamps)

    monkeypatch.setattr(images, "find_images", as_before)
    done = bring_up_to_date(library, folder, fake_analyzer(embedder=FakeEmbedder("other"))).summary
    assert (done.embedded_again, done.unreadable) == (1, 3)
    assert [one.path for one in library.status().unreadable] == [str(folder / "clip.mov")]
    assert len(library.faces()) == 5


def test_a_forgotten_person_stays_so_in_a_clip(library: Library, folder: Path) -> None:
    bring_up_to_date(library, folder)
    face = name(library, "clip.mov#t=1", "Alice")
    person = library.statements.person("Alice")
    library.forgetting.erase(person, [face])
    shutil.move(folder / "clip.mov", folder / "b.mov")
    other = fake_analyzer(FakeDetector("another"))
    assert bring_up_to_date(library, folder, other).summary.analysed == 2
    assert who(library) == {"one.png": [3], "b.mov#t=0": [1], "b.mov#t=2": [1, 2]}


def test_a_clip_is_a_batch_of_its_own() -> None:
    def look(path: str) -> Look:
        return Look(FileStamp(path, 1, 1), sha256="a")

    paths = ["a.jpg", "b.jpg", "c.mp4", "d.mp4", "e.jpg"]
    batches = [[one.file.path for one in batch] for batch in _batches(map(look, paths), most=BATCH)]
    assert batches == [["a.jpg", "b.jpg", "c.mp4"], ["d.mp4"], ["e.jpg"]]


@pytest.mark.parametrize("where", ["processes", "dask"])
def test_clips_are_looked_at_elsewhere(
    library: Library, folder: Path, where: str, request: pytest.FixtureRequest
) -> None:
    film(folder / "deadly.mov", ONE, ((4, 8, 15),))
    film(folder / "zeta.mov", TWO)
    engine = processes(1) if where == "processes" else dask(request.getfixturevalue("cluster"))
    run = scan(
        library,
        [folder],
        deadly_analyzer(),
        analyse=Elsewhere(engine, deadly_analyzer, deadly_analyzer()),
    )
    list(run)
    assert (run.summary.analysed, run.summary.unreadable) == (3, 1)
    assert [Path(one.path).name for one in library.status().unreadable] == ["deadly.mov"]
    assert set(who(library)) == {
        *("one.png", "clip.mov#t=0", "clip.mov#t=1", "clip.mov#t=2", "zeta.mov#t=0")
    }


def test_portraits_are_cut_from_frames(library: Library, folder: Path) -> None:
    bring_up_to_date(library, folder)
    faces = {face.face: (face.path, face.box) for face in library.faces()}
    cut = dict(portraits(faces, 28))
    assert all(cut.values()) and len(cut) == 5
    middle = {face: cut[face].getpixel((14, 14)) for face in cut if "#t=1" in faces[face][0]}
    assert list(middle.values()) == [(32, 32, 32)]


@pytest.fixture
def commands(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, scanned and grouped by the command line, and person 2 of the clip named."""
    monkeypatch.setattr(scan_command, "open_analyzer", open_made_up)
    monkeypatch.setattr(search, "open_analyzer", open_made_up)
    result = run("scan", folder)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "1 photo and 1 clip: 2 looked at; 5 faces found.\n"
    assert " files/s" in result.stderr
    faces = json.loads(run("faces", "--json").stdout)
    for face in faces:
        if face["path"].endswith("clip.mov#t=1"):
            assert run("name", "--face", face["face"], "Bob").exit_code == 0
    return folder


def test_find_prints_the_file_of_the_clip_once(run: Run, commands: Path) -> None:
    clip = str(commands / "clip.mov")
    assert run("find", "--min-faces", 1).stdout.splitlines() == [clip, str(commands / "one.png")]
    assert run("find", "Bob", "-0").stdout == f"{clip}\0"
    found = json.loads(run("find", "Bob", "--json").stdout)
    assert [(one["path"], one["moment"]) for one in found] == [(clip, 1.0)]
    found = json.loads(run("find", "--not", "Bob", "--json").stdout)
    assert [one["moment"] for one in found] == [0.0, 2.0, None]


def test_moments_come_in_their_order(run: Run, commands: Path) -> None:
    film(commands / "long.mov", *(((4, 8, 1 + number),) for number in range(12)))
    assert run("scan", commands / "long.mov").exit_code == 0
    found = json.loads(run("find", "--alone", "--json").stdout)
    moments = [one["moment"] for one in found if one["path"].endswith("long.mov")]
    assert moments == sorted(moments) and moments[-1] > 9 and len(moments) == BATCH


def test_lists_and_pages_name_the_moment(run: Run, commands: Path, tmp_path: Path) -> None:
    assert "clip.mov#t=1" in run("faces", "--person", "Bob").stdout
    assert "clip.mov#t=1" in run("show", "Bob").stdout
    page = tmp_path / "sheet.html"
    assert run("find", "Bob", "--sheet", page).exit_code == 0
    text = page.read_text()
    assert (
        "clip.mov#t=1" in text
        and "data:image/jpeg" in text
        and "gone" not in text.split("<body")[1]
    )
    assert json.loads(run("status", "--json").stdout)["files"] == 2


def test_identify_takes_a_clip_or_a_moment_of_it(run: Run, commands: Path) -> None:
    def told(photo: str) -> list[tuple[float | None, str | None]]:
        result = run("identify", commands / photo, "--threshold", 0.5, "--json")
        assert result.exit_code == 0, result.stderr
        return [(one["moment"], one["person"]) for one in json.loads(result.stdout)]

    assert told("clip.mov") == [(0.0, None), (1.0, "Bob"), (2.0, None), (2.0, "Bob")]
    assert told("clip.mov#t=2") == [(2.0, None), (2.0, "Bob")]
    assert told("one.png") == [(None, None)]
    table = run("identify", commands / "clip.mov", "--threshold", 0.5).stdout.splitlines()
    assert table[0].split()[:3] == ["moment", "box", "person"] and len(table) == 5
    photo = run("identify", commands / "one.png", "--threshold", 0.5).stdout.splitlines()
    assert photo[0].split()[:2] == ["box", "person"] and len(photo) == 2


def test_exports(run: Run, commands: Path, tmp_path: Path) -> None:
    result = run("export", "xmp")
    assert result.exit_code == 0 and not list(commands.glob("*.xmp"))
    assert "1 frame of clips is left out: face regions are for photos." in result.stderr
    assert "0 sidecars written: nothing new to say." in result.stderr
    assert run("import", "xmp").exit_code == 0
    assert run("import", "picasa").exit_code == 0
    assert "clip.mov#t=1" in run("export", "csv", commands / "clip.mov").stdout
    assert run("export", "folders", tmp_path / "people").exit_code == 0
    assert [one.name for one in (tmp_path / "people").rglob("*.*")] == ["clip.mov"]
    names = tmp_path / "names.json"
    names.write_text(run("export", "json").stdout)
    assert run("undo").exit_code == 0
    assert "1 face named" in run("import", "json", names).stdout
    assert run("export", "db", tmp_path / "plain.db").exit_code == 0


def test_without_the_package_clips_are_left_out_and_counted_once(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_command, "open_analyzer", open_made_up)
    film(folder / "known.mov", TWO)
    shutil.move(folder / "clip.mov", folder.parent / "clip.mov")
    assert run("scan", folder).exit_code == 0
    shutil.move(folder.parent / "clip.mov", folder / "clip.mov")
    (folder / "other.mp4").write_bytes(b"no matter what")
    monkeypatch.setattr(images, "can_read_clips", lambda: False)
    result = run("scan", folder)
    assert result.exit_code == 0
    assert result.stdout == (
        "1 photo and 3 clips: 0 looked at, 2 unchanged, 2 skipped; 0 faces found.\n"
    )
    assert result.stderr.count("facecluster[video]") == 1
    assert "The 2 skipped are video clips: pip install 'facecluster[video]'" in result.stderr
    (summary,) = (json.loads(line) for line in run("scan", folder, "--json").stdout.splitlines())
    assert (summary["clips"], summary["skipped"], summary["skipped_clips"]) == (3, 2, 2)
    assert summary["unchanged"] == 2


def test_frames_known_before_stay_when_the_package_goes(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_up_to_date(library, folder)
    monkeypatch.setattr(images, "can_read_clips", lambda: False)
    other = fake_analyzer(embedder=FakeEmbedder("other"))
    done = bring_up_to_date(library, folder, other).summary
    assert (done.embedded_again, done.skipped, done.skipped_clips) == (1, 1, 1)
    assert len(library.faces()) == 5


def test_a_library_of_photos_alone_is_as_it_was(library: Library, tmp_path: Path) -> None:
    """A photo whose name looks nearly like a moment is a photo."""
    odd = draw(tmp_path / "photos" / "clip.mov#t=1.png", (10, 20, 3))
    film(tmp_path / "photos" / "clip.mov", ONE)
    bring_up_to_date(library, tmp_path / "photos")
    assert file_of(odd) == str(odd) and library.status().files == 2
    film(tmp_path / "photos" / "clip.mov", TWO, note=1)
    bring_up_to_date(library, tmp_path / "photos")
    assert who(library) == {"clip.mov#t=1.png": [3], "clip.mov#t=0": [2]}
    (tmp_path / "photos" / "clip.mov").unlink()
    assert bring_up_to_date(library, tmp_path / "photos").summary.removed == 1
    assert who(library) == {"clip.mov#t=1.png": [3]}
