"""A person is erased: nothing of them is left in the file, nothing of the others is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from facecluster.errors import LibraryError, UsageError
from facecluster.library import Fact, Library
from facecluster.library.connection import Connection, Value
from facecluster.library.vectors import pack_vectors
from facecluster.people import (
    forget,
    ignore,
    name_faces,
    name_group,
    redo,
    reject,
    rename,
    state_birth,
    undo,
)
from facecluster.people.forgetting import faces_of
from facecluster.records import Analysis, Box, Face, FileStamp, Photo, Quality

Put = Callable[..., list[int]]
Save = Callable[[dict[int, int]], None]
NAME = "Xanthippe Quill"


def everything_in(library: Library) -> bytes:
    """The bytes of the file and of all files beside it."""
    return b"".join(file.read_bytes() for file in library.path.parent.glob(f"{library.path.name}*"))


def rows(library: Library, table: str) -> int:
    with sqlite3.connect(library.path) as plain:
        ((count,),) = plain.execute(f"select count(*) from {table}")
    plain.close()
    return int(count)


def look(path: str, content: str, *faces: Box, size: tuple[int, int] = (640, 480)) -> Analysis:
    """A photo with faces at these boxes, each with a vector of its own."""
    points = ((3.0, 3.0), (7.0, 3.0), (5.0, 5.0), (3.0, 7.0), (7.0, 7.0))
    found = tuple(Face(box, points, 0.99, Quality(40.0, 99.0, 0.1)) for box in faces)
    vectors = np.eye(16, dtype=np.float32)[: len(faces)]
    return Analysis(FileStamp(path, 1, 1), Photo(f"{content:>064}", *size, 1, None), found, vectors)


def test_a_name_that_was_typed_wrong_at_first_goes_too(library: Library, put: Put) -> None:
    """Also where a face that stays was given it; not one that others had more often."""
    *her, other = put("/a.jpg", 1, 2, 3, 4)
    carol = put("/b.jpg", 5, 6)
    name_faces(library, [*her, other], "Xanthipe", command="name 1 Xanthipe")
    name_faces(library, [other], "Bob", command="name --face=4 Bob")
    name_faces(library, [*carol, her[0]], "Karol", command="name 2 Karol")
    rename(library, "Karol", "Carol", command="rename Karol Carol")
    name_faces(library, her, NAME, command=f"name 1 '{NAME}'")
    assert forget(library, NAME).names == ("Xanthipe", NAME)
    assert b"Xanthipe" not in everything_in(library)
    undo(library, 4, command="undo 4")
    assert {library.statements.name_of(f.person or 0) for f in library.statements.truth()} == {
        "Bob",
        "Karol",
    }


def test_nothing_of_the_person_is_left_in_the_file(library: Library, model: int) -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(3, 16)).astype(np.float32)
    packed = pack_vectors(vectors)
    for number in range(3):
        box = Box(100.0, 50.0, 200.0, 170.0)
        one = look(f"/{number}.jpg", f"c{number}", box)
        one = Analysis(one.file, one.photo, one.faces, vectors[number : number + 1])
        library.scanned.add([one], detector="d", model=model)
    her, her_too, other = (face.face for face in library.faces())
    name_faces(library, [her], "xanthi", command="name --face=1 xanthi")
    rename(library, "xanthi", NAME, command=f"rename xanthi '{NAME}'")
    name_faces(library, [her_too], NAME, command=f"name --face=2 '{NAME}'")
    name_faces(library, [other], "Bob", command="name --face=3 Bob")
    reject(library, [other], person=NAME, command=f"reject 3 --person '{NAME.lower()}'")
    library.statements.person("Nobody Yet", create=True)
    before = everything_in(library)
    landmarks = np.asarray(one.faces[0].landmarks, dtype="<f4").tobytes()
    assert all(text in before for text in (NAME.encode(), *packed)) and landmarks in before

    erased = forget(library, NAME.upper())

    after = everything_in(library)
    for trace in (NAME.encode(), NAME.lower().encode(), b"xanthi", packed[0], packed[1]):
        assert trace not in after
    assert packed[2] in after and b"Bob" in after
    assert after.count(landmarks) == 1, "those of the face that stays"
    assert (erased.faces, erased.photos, erased.vectors, erased.places) == (2, 2, 2, 2)
    assert set(erased.names) == {NAME, "xanthi"} and erased.lines == 4
    assert library.statements.truth() == [Fact(other, "is", library.statements.person("Bob"))]
    said = [line.command for line in library.statements.log()]
    assert said[0] == "forget" and said[1] == "reject 3 --person forgotten"
    assert said[2] == "name --face=3 Bob" and "name --face=2 forgotten" in said
    with pytest.raises(UsageError, match="Nobody is named"):
        forget(library, NAME)


def test_an_older_name_goes_with_all_that_was_said_of_it_on_faces_that_stay(
    library: Library, put: Put
) -> None:
    (her,), (other,), (third,) = put("/a", 1), put("/b", 2), put("/c", 3)
    name_faces(library, [her, third], "Xanthi", command="name --face=1 --face=3 Xanthi")
    reject(library, [other], person="Xanthi", command="reject 2 --person Xanthi")
    for face, name in ((other, "Bob"), (third, "Carol")):
        name_faces(library, [face], name, command=f"name --face={face} {name}")
    rename(library, "Xanthi", "Xa", command="rename Xanthi Xa")
    rename(library, "Xa", NAME, command=f"rename Xa '{NAME}'")
    undo(library, name_faces(library, [third], "Xanthi", command="name").action, command="undo")
    rename(library, "Carol", "Carola", command="rename it's Carola")
    forget(library, NAME)
    assert b"Xanthi" not in everything_in(library)
    bob, carol = library.statements.person("Bob"), library.statements.person("Carola")
    assert library.statements.truth() == [Fact(other, "is", bob), Fact(third, "is", carol)]


def test_an_older_name_that_is_somebodys_again_or_always_was_stays(
    library: Library, put: Put
) -> None:
    (her,), (other,), (third,) = put("/a", 1), put("/b", 2), put("/c", 3)
    name_faces(library, [her], "Mama", command="name --face=1 Mama")
    rename(library, "Mama", NAME, command=f"rename Mama '{NAME}'")
    name_faces(library, [other], "Mama", command="name --face=2 Mama")
    bob = name_faces(library, [third], "Bob", command="name --face=3 Bob").action
    undo(library, rename(library, "Bob", NAME, command=f"rename Bob '{NAME}'").action, command="-")
    undo(library, bob, command="undo")
    forget(library, NAME)
    undo(library, library.statements.log()[1].id, command="undo")  # Bob is stated again
    assert [person.name for person in library.people()] == ["Bob", "Mama"]


def test_a_date_of_birth_is_forgotten_with_its_line(library: Library, put: Put) -> None:
    (her,) = put("/a", 1)
    (other,) = put("/b", 2)
    name_faces(library, [her], NAME, command="name")
    name_faces(library, [other], "Bob", command="name")
    for who in (NAME, "Bob"):
        state_birth(library, who, "1987-06-05", command=f"people set '{who}' --born 1987-06-05")
    forget(library, NAME)
    assert list(library.statements.births().values()) == ["1987-06-05"]
    said = [entry.command for entry in library.statements.log()]
    assert "people set forgotten" in said and "people set 'Bob' --born 1987-06-05" in said


@pytest.mark.parametrize("spelt", ["a\u200cb", "ab"])
def test_a_name_with_joiners_is_forgotten_however_it_is_spelt(
    library: Library, put: Put, spelt: str
) -> None:
    (face,) = put("/a.jpg", 1)
    name_faces(library, [face], "a\u200cb", command=f"name --face=1 {spelt}")
    name_faces(library, [face], spelt, command=f"name from it's/{spelt}.jpg", again=True)
    forget(library, spelt)
    said = [entry.command for entry in library.statements.log()]
    assert said[1:] == ["name from it's/forgotten.jpg", "name --face=1 forgotten"]


def test_what_was_overwritten_long_before_is_gone_too(library: Library, put: Put) -> None:
    (face,) = put("/a.jpg", 1)
    name_faces(library, [face], NAME, command=f"name --face=1 '{NAME}'")
    library.statements.respell(library.statements.person(NAME), NAME.upper())
    with sqlite3.connect(library.path) as plain:  # free pages with the name, as time brings them
        plain.execute("create table draft (text text)")
        plain.executemany("insert into draft values (?)", [(NAME * 20,)] * 500)
        plain.commit()
        plain.execute("drop table draft")
    plain.close()
    assert NAME.encode() in everything_in(library)
    forget(library, NAME)
    assert NAME.encode() not in everything_in(library)


def test_faces_of_the_group_go_too_and_others_words_stay(
    library: Library, put: Put, save: Save
) -> None:
    a, b, c = put("/a.jpg", 1)[0], put("/b.jpg", 1)[0], put("/c.jpg", 2)[0]
    save({a: 5, b: 5, c: 6})
    name_faces(library, [a], "Ann", command="name")
    name_group(library, 6, "Bob", command="name")
    assert faces_of(library, "ann") == ([a], [b]), "b is shown as hers, though nobody said so"
    forget(library, "Ann")
    assert [face.face for face in library.faces()] == [c]
    assert [(one.name, one.faces) for one in library.people()] == [("Bob", 1)]
    assert [group.number for group in library.groups()] == [6]


def test_ignored_and_deleted_faces_go_too_and_what_is_somebody_elses_stays(
    library: Library, put: Put
) -> None:
    ignored, deleted, hers, no_more = (put(f"/{n}.jpg", 1)[0] for n in range(4))
    name_faces(library, [ignored, deleted, hers, no_more], "Ann", command="name")
    ignore(library, [ignored], command="ignore")
    name_faces(library, [no_more], "Bob", command="name")
    library.scanned.remove(["/1.jpg"])
    assert faces_of(library, "Ann") == ([ignored, deleted, hers], [])
    assert forget(library, "Ann").faces == 3
    assert rows(library, "face") == 1
    assert rows(library, "photo") == 3, "the deleted photo was kept for her face only"


def test_a_replaced_word_does_not_come_back(library: Library, put: Put) -> None:
    (face,) = put("/a.jpg", 1)
    name_faces(library, [face], "Bob", command="name")
    name_faces(library, [face], "Ann", command="name")
    reject(library, [face], person="Ann", command="reject")
    reject(library, [face], person="Bob", command="reject")
    undo(library, command="undo")
    assert faces_of(library, "Ann") == ([], [])
    bob = library.statements.person("Bob")
    forget(library, "Ann")
    assert Fact(face, "is", bob) not in library.statements.truth()


def test_it_cannot_be_undone_and_undo_takes_back_nothing_else_instead(
    library: Library, put: Put
) -> None:
    ann, bob = put("/a.jpg", 1, 2)
    name_faces(library, [bob], "Bob", command="name Bob")
    name_faces(library, [ann], "Ann", command="name Ann")
    name_faces(library, [bob], "Cid", command="name Cid")
    undo(library, command="undo")
    forget(library, "Ann")
    truth = library.statements.truth()
    with pytest.raises(UsageError, match="'facecluster undo 1' takes back"):
        undo(library, command="undo")
    forgetting = library.statements.log(1)[0]
    assert (forgetting.command, forgetting.faces) == ("forget", 1)
    for action in (2, forgetting.id):
        with pytest.raises(UsageError, match=f"Action {action} cannot be undone"):
            undo(library, action, command="undo")
    with pytest.raises(UsageError, match="nothing to redo"):
        redo(library, command="redo")
    assert library.statements.truth() == truth
    name_faces(library, [bob], "Dan", command="name Dan")
    assert undo(library, command="undo").command == "name Dan"
    assert undo(library, 1, command="undo 1").command == "name Bob"
    assert library.statements.truth() == []


def test_a_scan_leaves_the_places_out_whatever_finds_them(library: Library, model: int) -> None:
    hers, his = Box(100, 50, 200, 170), Box(400, 50, 500, 170)
    first = look("/a.jpg", "a", hers, his)
    library.scanned.add([first], detector="d", model=model)
    name_faces(library, [library.faces()[0].face], "Ann", command="name")
    forget(library, "Ann")

    shifted = look("/a.jpg", "a", Box(105, 55, 205, 175), Box(405, 50, 505, 170))
    library.scanned.add([shifted], detector="another", model=model)
    (left,) = library.faces()
    assert left.box == Box(405, 50, 505, 170)
    vector = library.embeddings(model)[1]
    assert vector.tolist() == [np.eye(16)[1].tolist()], "each face keeps its own vector"

    library.scanned.remove(["/a.jpg"])
    library.scanned.follow(library.scanned.begin([])[0], [])
    assert rows(library, "photo") == 0, "no name, no vector and no photo is kept"
    library.scanned.add([look("/moved.jpg", "a", hers, his)], detector="d", model=model)
    assert [face.box for face in library.faces()] == [his]


def test_an_edited_photo_does_not_bring_the_face_back(library: Library, model: int) -> None:
    hers = Box(100, 50, 200, 170)
    library.scanned.add([look("/a.jpg", "a", hers)], detector="d", model=model)
    name_faces(library, [library.faces()[0].face], "Ann", command="name")
    forget(library, "Ann")
    half = Box(50, 25, 100, 85)
    library.scanned.add([look("/a.jpg", "half", half, size=(320, 240))], detector="d", model=model)
    assert library.faces() == []
    other_shape = look("/a.jpg", "turned", Box(50, 100, 170, 200), size=(240, 320))
    library.scanned.add([other_shape], detector="d", model=model)
    assert len(library.faces()) == 1, "places of another shape say nothing"


def test_a_photo_whose_metadata_changed_does_not_bring_the_face_back(
    library: Library, model: int
) -> None:
    hers, his = Box(100, 50, 200, 170), Box(400, 50, 500, 170)
    library.scanned.add([look("/a.jpg", "a", hers, his)], detector="d", model=model)
    name_faces(library, [library.faces()[0].face], "Ann", command="name")
    forget(library, "Ann")
    (photo,) = library.photos()
    file = FileStamp("/a.jpg", 2, 2)
    assert library.scanned.rewritten(photo.photo, [file], f"{'b':>064}")
    assert library.scanned.known_files(["/a.jpg"])["/a.jpg"].stamp == file
    library.scanned.add([look("/a.jpg", "b", hers, his)], detector="another", model=model)
    assert [face.box for face in library.faces()] == [his]


def test_when_the_file_cannot_be_written_anew_it_is_told_what_to_do(
    library: Library, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    (face,) = put("/a.jpg", 1)
    name_faces(library, [face], NAME, command="name")
    run = Connection.run

    def full(self: Connection, sql: str, *more: Sequence[Value]) -> int:
        if sql == "vacuum":
            raise LibraryError("The disk is full.")
        return run(self, sql, *more)

    monkeypatch.setattr(Connection, "run", full)
    with pytest.raises(LibraryError, match=r"is full\. Free space, then: sqlite3"):
        forget(library, NAME)
    assert library.people() == []
    assert NAME.encode() not in everything_in(library), "what is deleted is overwritten at once"


def test_while_another_program_has_the_file_open_nothing_is_forgotten(
    library: Library, put: Put
) -> None:
    (face,) = put("/a.jpg", 1)
    name_faces(library, [face], "Ann", command="name")
    with Library.open(library.path) as other:
        assert other.people()
        with pytest.raises(LibraryError, match="in use by another program"):
            forget(library, "Ann")
        assert [one.name for one in other.people()] == ["Ann"]
    assert forget(library, "Ann").faces == 1
    with Library.open(library.path) as other:
        assert other.people() == [], "others may open it again"
