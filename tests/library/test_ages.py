"""Dates of birth: stated, undone, and what they keep apart; against the dates of the photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facecluster.errors import UsageError
from facecluster.library import Library
from facecluster.people import (
    constraints,
    extend,
    identify,
    name_faces,
    place_loose,
    regroup,
    rename,
    state_birth,
    suggest,
    unborn,
    undo,
)
from facecluster.records import Analysis, Box, Face, FileStamp, Photo, Quality

POINTS = ((3.0, 3.0), (7.0, 3.0), (5.0, 5.0), (3.0, 7.0), (7.0, 7.0))
FACE = Face(Box(0, 0, 10, 12), POINTS, 0.9, Quality(99.0, 999.0, 0.0))
VECTOR = np.eye(16, dtype=np.float32)[:1]
OLD, YOUNG = "2013-06-01T12:00:00", "2019-06-01T12:00:00"


def add(library: Library, model: int, *times: str | None) -> list[int]:
    """A photo for each time, with a face of one and the same vector; the numbers of the faces."""
    known = {face.face for face in library.faces()}
    for time in times:
        number = len(library.faces())
        photo = Photo(f"{number:064}", 640, 480, 1, time)
        done = Analysis(FileStamp(f"/{number:03}", 1, 1), photo, (FACE,), VECTOR)
        library.scanned.add([done], detector="d", model=model)
    return [face.face for face in library.faces() if face.face not in known]


def born(library: Library, date: str) -> int:
    return state_birth(library, "Mia", date, command="people set Mia")


@pytest.mark.parametrize(
    ("taken", "date", "expected"),
    [
        ("2014-12-31T23:59:59", "2015", True),
        ("2015-01-01T00:00:00", "2015", False),
        ("2015-02-28T12:00:00", "2015-03", True),
        ("2015-03-01T00:00:00", "2015-03", False),
        ("2015-03-20T23:00:00", "2015-03-21", True),
        ("2015-03-21T01:00:00", "2015-03-21", False),
        (None, "2015", False),
    ],
)
def test_somebody_is_on_no_photo_from_before_the_first_possible_day(
    library: Library, model: int, taken: str | None, date: str, expected: bool
) -> None:
    face, other = add(library, model, YOUNG, YOUNG)
    name_faces(library, [face], "Mia", command="name")
    name_faces(library, [other], "Tom", command="name")
    born(library, date)
    people = [library.statements.person(name) for name in ("Tom", "Mia")]
    assert unborn(library, [taken], np.array(people)).tolist() == [[False, expected]]


@pytest.mark.parametrize("date", ["", "15", "2015-13", "2015-02-30", "2015/03", "9999", "٢٠١٥"])
def test_what_is_no_date_of_birth_is_refused(library: Library, model: int, date: str) -> None:
    name_faces(library, add(library, model, YOUNG), "Mia", command="name")
    with pytest.raises(UsageError, match="no date of birth"):
        born(library, date)
    with pytest.raises(UsageError, match="Nobody is named Zoe"):
        state_birth(library, "Zoe", "2015", command="people set Zoe")
    assert library.statements.births() == {}


def test_the_newest_word_counts_and_can_be_undone(library: Library, model: int) -> None:
    name_faces(library, add(library, model, YOUNG), "Mia", command="name")
    mia = library.statements.person("Mia")
    born(library, "2015")
    second = born(library, "2016-03")
    assert library.statements.births() == {mia: "2016-03"}
    assert [entry.faces for entry in library.statements.log()] == [0, 0, 1]
    undo(library, second, command="undo")
    assert library.statements.births() == {mia: "2015"}
    undo(library, command="undo")
    assert library.statements.births() == {}
    assert [fact.kind for fact in library.statements.truth()] == ["is"]
    library.statements.redo(command="redo")
    assert library.statements.births() == {mia: "2015"}


def test_it_goes_with_a_new_name_but_replaces_no_other_date(library: Library, model: int) -> None:
    faces = add(library, model, YOUNG, YOUNG)
    name_faces(library, faces[:1], "Mia", command="name")
    born(library, "2015")
    rename(library, "Mia", "Mia Berg", command="rename")
    new = library.statements.person("Mia Berg")
    assert library.statements.births()[new] == "2015"
    undo(library, command="undo")
    assert new not in library.statements.births()
    name_faces(library, faces[1:], "Ann", command="name")
    state_birth(library, "Ann", "1980", command="people set Ann")
    rename(library, "Mia", "Ann", command="rename")
    assert library.statements.births()[library.statements.person("Ann")] == "1980"


def test_a_date_corrected_under_another_name_goes_back_with_the_first(
    library: Library, model: int
) -> None:
    name_faces(library, add(library, model, YOUNG), "Mia", command="name")
    born(library, "2015")
    rename(library, "Mia", "Maya", command="rename")
    state_birth(library, "Maya", "2016", command="born")
    rename(library, "Maya", "Mia", command="rename")
    mia = library.statements.person("Mia")
    assert library.statements.births()[mia] == "2016"
    undo(library, command="undo")
    assert library.statements.births()[mia] == "2015"


def test_who_was_renamed_away_gets_no_date(library: Library, model: int) -> None:
    name_faces(library, add(library, model, YOUNG), "Mia", command="name")
    rename(library, "Mia", "Maya", command="rename")
    with pytest.raises(UsageError, match="No face is stated to be Mia any more"):
        state_birth(library, "mia", "2015", command="born")


def test_groups_keep_older_photos_apart_but_what_was_named(library: Library, model: int) -> None:
    faces = add(library, model, YOUNG, OLD, OLD, YOUNG)
    name_faces(library, [faces[0], *faces[2:]], "Mia", command="name")
    bound = constraints(library, np.array(faces))
    assert len(bound.apart) == 0
    born(library, "2015-03")
    assert constraints(library, np.array(faces)).apart.tolist() == [[1, 0]]
    regroup(library, model, method="agglomerative", threshold=1.0, k=None)
    number = [face.group for face in library.faces()]
    assert number[0] == number[2] == number[3] != number[1]
    undo(library, command="undo")
    extend(library)
    number = [face.group for face in library.faces()]
    assert len(set(number)) == 1, "what is taken back calls for another look"
    library.statements.redo(command="redo")
    extend(library)
    number = [face.group for face in library.faces()]
    assert number[0] == number[2] == number[3] != number[1]


def test_a_group_of_older_photos_is_not_suggested(library: Library, model: int) -> None:
    faces = add(library, model, YOUNG, *[OLD] * 3, *[YOUNG] * 18)
    library.groupings.save(
        model=model,
        method="by hand",
        settings={"threshold": 1.0, "k": None},
        faces=np.array(faces),
        numbers=np.array([1, *[2] * 3, *[3] * 18]),
        next_number=4,
    )
    name_faces(library, faces[:1], "Mia", command="name")

    def asked() -> list[int]:
        return [one.group for one in suggest(library, model, threshold=1.0)]

    assert asked() == [3, 2]
    said = born(library, "2015")
    assert asked() == [3]
    # One wrong clock in nineteen is a wrong clock.
    library.groupings.move(said, {faces[1]: 3})
    assert asked() == [3]
    library.groupings.move(said, {faces[2]: 3})
    assert asked() == [3]
    library.groupings.move(said, {faces[3]: 3})
    assert asked() == []


def test_loose_and_new_faces_of_older_photos_are_somebody_else(
    library: Library, model: int
) -> None:
    faces = add(library, model, YOUNG, OLD)
    name_faces(library, faces[:1], "Mia", command="name")
    regroup(library, model, method="agglomerative", threshold=0.0, k=None)
    library.groupings.move(born(library, "2000"), {faces[1]: None})
    assert [one.person for one in place_loose(library, model, threshold=1.0)] == ["Mia"]
    for taken, expected in ((OLD, None), (YOUNG, "Mia"), (None, "Mia")):
        born(library, "2015")
        (answer,) = identify(library, model, VECTOR, threshold=1.0, taken=taken)
        assert answer.person == expected
    assert place_loose(library, model, threshold=1.0) == []


def test_libraries_of_before_get_the_table(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "old.sqlite"
    Library.open(path).close()
    database = sqlite3.connect(path)
    for name in ("trigger birth_stated", "trigger birth_taken_back", "table birth"):
        database.execute(f"drop {name}")
    database.execute("delete from _sqlite_migrations where name = 'calibration_births'")
    database.commit()
    database.close()
    with Library.open(path) as library:
        assert library.statements.births() == {}
