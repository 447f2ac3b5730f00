"""What was said stays with its content when files are edited, renamed, swapped, or all of it."""

from __future__ import annotations

import ntpath
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_up_networks import FakeDetector, draw, fake_analyzer

from facecluster.library import Fact, Library
from facecluster.people import extend, forget, how_grouped, may_extend, regroup
from facecluster.scan import _renamed, scan


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "db" / "library.sqlite") as opened:
        yield opened


@pytest.fixture
def folder(library: Library, tmp_path: Path) -> Path:
    """a.png and b.png, two near pictures of two people; of a's it was said who they are."""
    folder = tmp_path / "photos"
    draw(folder / "a.png", (4, 8, 1), (50, 30, 2))
    draw(folder / "b.png", (5, 8, 1), (51, 30, 2), note=1)
    look(library, folder)
    alice = library.statements.person("Alice", create=True)
    library.statements.say([Fact(1, "is", alice)], command="name")
    library.statements.say([Fact(2, "ignore", None)], command="ignore")
    assert shown(library) == {"a.png": ["Alice"], "b.png": [None, None]}
    return folder


def look(library: Library, folder: Path) -> None:
    for _ in scan(library, [folder], fake_analyzer()):
        pass


def shown(library: Library) -> dict[str, list[str | None]]:
    """Who is on each photo, from left to right; ignored faces are left out."""
    found: dict[str, list[str | None]] = {}
    for face in sorted(library.faces(), key=lambda face: face.box.x0):
        found.setdefault(Path(face.path).name, []).append(face.person)
    return found


def test_two_names_swapped_take_their_words_along(library: Library, folder: Path) -> None:
    (folder / "a.png").rename(folder / "t")
    (folder / "b.png").rename(folder / "a.png")
    (folder / "t").rename(folder / "b.png")
    look(library, folder)
    assert shown(library) == {"b.png": ["Alice"], "a.png": [None, None]}


def test_names_that_move_up_give_their_words_to_nobody(library: Library, folder: Path) -> None:
    draw(folder / "c.png", (6, 8, 1), (52, 30, 2), note=2)
    look(library, folder)
    (folder / "b.png").rename(folder / "a.png")  # what was a.png is deleted
    (folder / "c.png").rename(folder / "b.png")
    look(library, folder)
    assert shown(library) == {"a.png": [None, None], "b.png": [None, None]}
    draw(folder / "again.png", (4, 8, 1), (50, 30, 2))
    look(library, folder)
    assert shown(library)["again.png"] == ["Alice"]


@pytest.mark.parametrize("kept_as", ["0.png", "z.png"])
def test_an_edit_that_keeps_the_original_beside_it_has_the_words_twice(
    library: Library, folder: Path, kept_as: str
) -> None:
    shutil.move(folder / "a.png", folder / kept_as)
    draw(folder / "a.png", (4, 8, 1), (50, 30, 2), note=3)
    look(library, folder)
    assert shown(library) == {kept_as: ["Alice"], "a.png": ["Alice"], "b.png": [None, None]}


def test_a_crop_in_place_keeps_the_words(library: Library, folder: Path) -> None:
    draw(folder / "a.png", (40, 8, 2), (2, 20, 1), note=4, size=(80, 60))
    look(library, folder)
    assert shown(library)["a.png"] == ["Alice"]


def test_an_edit_leaves_the_faces_in_their_group(library: Library, folder: Path) -> None:
    model = library.models()[0].id
    regroup(library, model, method="agglomerative", threshold=1.0, k=None)
    before = {face.group for face in library.faces()}
    draw(folder / "a.png", (4, 8, 1), (50, 30, 2), note=6)
    draw(folder / "b.png", (5, 8, 1), (51, 30, 2), note=7)
    look(library, folder)
    assert {face.group for face in library.faces()} == before != {None}
    assert len(library.photos()) == 2
    assert library.status().new_faces == 0
    newest = library.groupings.newest()
    assert newest and may_extend(library, model, how_grouped(newest)), "no face is new"
    assert extend(library).since_full == 0


def test_a_photo_that_was_moved_and_given_other_bytes_keeps_the_words(
    library: Library, folder: Path
) -> None:
    (folder / "a.png").unlink()
    draw(folder / "deep" / "new.png", (4, 8, 1), (50, 30, 2), note=5)
    look(library, folder)
    assert shown(library) == {"new.png": ["Alice"], "b.png": [None, None]}


def test_a_photo_edited_in_a_folder_that_was_renamed_keeps_the_words(
    library: Library, folder: Path
) -> None:
    draw(folder / "deep" / "c.png", (6, 8, 3), note=2)
    look(library, folder)
    folder = folder.rename(folder.with_name("renamed"))
    draw(folder / "a.png", (4, 8, 1), (50, 30, 2), note=5)
    look(library, folder)  # by its new name only
    assert shown(library) == {"a.png": ["Alice"], "b.png": [None, None], "c.png": [None]}
    assert {Path(photo.path).is_file() for photo in library.photos()} == {True}


def test_a_photo_of_others_at_the_same_places_is_no_moved_one(
    library: Library, folder: Path
) -> None:
    (folder / "a.png").unlink()
    draw(folder / "new.png", (4, 8, 1), (50, 30, 3), note=5)
    look(library, folder)
    assert shown(library) == {"new.png": [None, None], "b.png": [None, None]}


def test_a_deleted_photo_leaves_its_words_to_no_older_twin(library: Library, folder: Path) -> None:
    draw(folder / "twin.png", (4, 8, 1), (50, 30, 2), note=8)
    look(library, folder)
    original = (folder / "a.png").read_bytes()
    (folder / "a.png").unlink()
    look(library, folder)
    assert shown(library)["twin.png"] == [None, None]
    (folder / "a.png").write_bytes(original)
    look(library, folder)
    assert shown(library)["a.png"] == ["Alice"]


def test_a_copy_over_the_original_keeps_the_words(library: Library, folder: Path) -> None:
    shutil.copy(folder / "b.png", folder / "a.png")
    look(library, folder)
    assert shown(library) == {"a.png": ["Alice"]}, "one content in two files is one photo"


def stop_after(library: Library, folder: Path, name: str) -> None:
    """A scan that is broken off when this file was looked at."""
    analyses = iter(scan(library, [folder], fake_analyzer()))
    for analysis in analyses:
        if analysis.file.path.endswith(name):
            break
    analyses.close()  # type: ignore[attr-defined]


def test_what_a_stopped_scan_noted_is_carried_out_by_the_next(
    library: Library, folder: Path
) -> None:
    draw(folder / "a.png", (4, 8, 1), (50, 30, 2), note=6)
    stop_after(library, folder, "a.png")
    assert shown(library)["a.png"] == [None, None]
    look(library, folder)
    assert shown(library)["a.png"] == ["Alice"]


def test_a_moved_and_edited_photo_that_a_stopped_scan_saw_first_keeps_the_words(
    library: Library, folder: Path, tmp_path: Path
) -> None:
    (folder / "a.png").unlink()
    draw(folder / "deep" / "new.png", (4, 8, 1), (50, 30, 2), note=5)
    stop_after(library, folder, "new.png")
    draw(tmp_path / "elsewhere" / "other.png", (30, 8, 4))
    look(library, tmp_path / "elsewhere")  # what was new there is not what was new here
    look(library, folder)
    assert shown(library)["new.png"] == ["Alice"]
    assert not library.scanned.begin([])[1], "no scan is stopped any more"


@pytest.mark.parametrize(
    ("old", "new", "folders"),
    [
        ("/p/one/x/a.jpg", "/p/two/x/a.jpg", ("/p/one", "/p/two")),
        ("/x/a.jpg", "/y/x/a.jpg", ("/", "/y")),
        (r"C:\p\a.jpg", r"D:\p\a.jpg", ("C:\\", "D:\\")),
    ],
)
def test_a_folder_that_was_renamed_is_told_by_the_paths_of_a_file(
    old: str, new: str, folders: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "\\" in old:
        monkeypatch.setattr("facecluster.scan.os.path", ntpath)
    assert _renamed(old, new) == folders


def test_a_scan_of_a_renamed_folder_that_was_stopped_leaves_no_old_paths(
    library: Library, folder: Path
) -> None:
    new = folder.rename(folder.with_name("pictures"))
    draw(new / "z.png", (30, 8, 4))
    stop_after(library, new, "b.png")
    look(library, new)
    assert [photo.paths for photo in library.photos()] == [
        (str(new / name),) for name in ("a.png", "b.png", "z.png")
    ]


def test_who_was_forgotten_stays_away_from_a_moved_and_edited_photo_and_costs_no_other_name(
    library: Library, folder: Path
) -> None:
    draw(folder / "c.png", (6, 8, 3), (50, 8, 4), (20, 44, 5))
    look(library, folder)
    *_, ann, bob, _ = (face.face for face in library.faces())
    for face, name in ((ann, "Ann"), (bob, "Bob")):
        person = library.statements.person(name, create=True)
        library.statements.say([Fact(face, "is", person)], command="name")
    forget(library, "Ann")
    (folder / "c.png").unlink()
    draw(folder / "moved.png", (6, 8, 3), (50, 8, 4), (20, 44, 5), note=9)
    look(library, folder)
    assert shown(library)["moved.png"] == [None, "Bob"]
    look(library, folder)
    draw(folder / "moved.png", (6, 8, 3), (50, 8, 4), (20, 44, 5), note=10)
    look(library, folder)
    assert shown(library)["moved.png"] == [None, "Bob"]


@pytest.mark.parametrize("copy", ["0.png", "z.png"])
def test_an_edit_in_two_files_has_the_words_though_the_original_is_kept(
    library: Library, folder: Path, copy: str
) -> None:
    shutil.move(folder / "a.png", folder / "kept.png")
    draw(folder / "a.png", (4, 8, 1), (50, 30, 2), note=3)
    shutil.copy(folder / "a.png", folder / copy)
    look(library, folder)
    edited = min(copy, "a.png")  # one photo, listed by its first file
    assert shown(library) == {edited: ["Alice"], "kept.png": ["Alice"], "b.png": [None, None]}


@pytest.mark.parametrize("copy", ["0.png", "z.png"])
def test_an_edit_copied_over_another_photo_keeps_the_words(
    library: Library, folder: Path, copy: str
) -> None:
    draw(folder / copy, (30, 8, 4))
    look(library, folder)
    draw(folder / "a.png", (4, 8, 1), (50, 30, 2), note=3)
    shutil.copy(folder / "a.png", folder / copy)
    look(library, folder)
    assert shown(library) == {min(copy, "a.png"): ["Alice"], "b.png": [None, None]}


@pytest.mark.parametrize("moved_to", [".", "deep"])
def test_two_copies_edited_apart_both_keep_the_words(
    library: Library, folder: Path, moved_to: str
) -> None:
    shutil.copy(folder / "a.png", folder / "copy.png")
    look(library, folder)
    for note, name in ((3, "a.png"), (4, "copy.png")):
        (folder / name).unlink()
        draw(folder / moved_to / name, (4, 8, 1), (50, 30, 2), note=note)
    look(library, folder)
    assert shown(library) == {"a.png": ["Alice"], "copy.png": ["Alice"], "b.png": [None, None]}
    library.statements.undo(command="undo")
    library.statements.undo(command="undo")
    assert shown(library)["a.png"] == shown(library)["copy.png"] == [None, None]


def test_an_edit_that_a_stopped_scan_saw_and_that_then_moved_keeps_the_words(
    library: Library, folder: Path
) -> None:
    draw(folder / "a.png", (4, 8, 1), (50, 30, 2), note=6)
    stop_after(library, folder, "a.png")
    (folder / "a.png").unlink()
    draw(folder / "deep" / "new.png", (4, 8, 1), (50, 30, 2), note=7)
    look(library, folder)
    assert shown(library) == {"new.png": ["Alice"], "b.png": [None, None]}


def test_what_is_new_to_a_stopped_scan_is_told_though_a_photo_went_meanwhile(
    library: Library, folder: Path, tmp_path: Path
) -> None:
    draw(tmp_path / "elsewhere" / "one.png", (30, 8, 4))
    last = draw(tmp_path / "elsewhere" / "two.png", (30, 8, 5))
    look(library, last.parent)
    shutil.copy(folder / "a.png", folder / "copy.png")
    stop_after(library, folder, "copy.png")
    last.unlink()
    look(library, last.parent)
    (folder / "a.png").unlink()
    (folder / "copy.png").unlink()
    draw(folder / "deep" / "new.png", (4, 8, 1), (50, 30, 2), note=5)
    look(library, folder)
    assert shown(library)["new.png"] == ["Alice"]


def test_who_was_forgotten_stays_away_from_a_moved_and_edited_photo_of_nobody_else_known(
    library: Library, folder: Path
) -> None:
    ann = next(face.face for face in library.faces() if face.path.endswith("b.png"))
    person = library.statements.person("Ann", create=True)
    library.statements.say([Fact(ann, "is", person)], command="name")
    forget(library, "Ann")
    (folder / "b.png").unlink()
    draw(folder / "moved.png", (5, 8, 1), (51, 30, 2), note=9)
    look(library, folder)
    assert shown(library) == {"a.png": ["Alice"], "moved.png": [None]}
    assert len(library.photos()) == 2


def test_a_known_photo_renamed_over_one_with_a_forgotten_face_keeps_its_own(
    library: Library, folder: Path
) -> None:
    draw(folder / "c.png", (4, 8, 3), note=9)  # where Alice is on a.png
    look(library, folder)
    forget(library, "Alice")
    (folder / "c.png").rename(folder / "a.png")
    for _ in scan(library, [folder], fake_analyzer(FakeDetector("another"))):
        pass
    assert len(shown(library)["a.png"]) == 1


def test_photos_that_are_all_given_other_bytes_and_each_others_names_keep_the_words(
    library: Library, folder: Path
) -> None:
    draw(folder / "c.png", (30, 40, 4))
    look(library, folder)
    cid = next(face.face for face in library.faces() if face.path.endswith("c.png"))
    person = library.statements.person("Cid", create=True)
    library.statements.say([Fact(cid, "is", person)], command="name")
    draw(folder / "b.png", (4, 8, 1), (50, 30, 2), note=3)
    draw(folder / "a.png", (30, 40, 4), note=4)
    draw(folder / "c.png", (5, 8, 1), (51, 30, 2), note=5)
    look(library, folder)
    assert shown(library) == {"b.png": ["Alice"], "c.png": [None, None], "a.png": ["Cid"]}
    assert len(library.photos()) == 3


def test_who_was_forgotten_stays_away_though_another_picture_takes_the_name_of_the_photo(
    library: Library, folder: Path
) -> None:
    draw(folder / "c.png", (30, 40, 4))
    look(library, folder)
    forget(library, "Alice")
    draw(folder / "c.png", (4, 8, 1), (50, 30, 2), note=3)
    draw(folder / "a.png", (30, 40, 4), note=4)
    look(library, folder)
    assert shown(library) == {"a.png": [None], "b.png": [None, None]}, "c.png: one is ignored"
