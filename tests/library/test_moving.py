"""Single faces put right: where they are at once, after the next grouping, and after undo."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from facecluster.errors import UsageError
from facecluster.library import Library
from facecluster.people import (
    Move,
    ignore,
    move_to_group,
    move_to_person,
    name_group,
    redo,
    regroup,
    take_out,
    undo,
)

Put = Callable[..., list[int]]
Save = Callable[[dict[int, int]], None]
Steps = Callable[[Callable[[], object]], int]


@pytest.fixture
def six(put: Put, save: Save) -> list[int]:
    """Faces 1 to 6, on photos of their own: the first three are group 1, the others group 2."""
    faces = [put(f"/{number}", number // 3)[0] for number in range(6)]
    save({face: 1 + place // 3 for place, face in enumerate(faces)})
    return faces


def groups(library: Library) -> dict[int | None, list[int]]:
    found: dict[int | None, list[int]] = {}
    for face in library.faces():
        found.setdefault(face.group, []).append(face.face)
    return found


def regrouped(library: Library, model: int) -> dict[int | None, list[int]]:
    regroup(library, model, method="agglomerative", threshold=0.5, k=None)
    return groups(library)


def test_a_face_moves_to_its_persons_largest_group_and_back(
    library: Library, model: int, six: list[int]
) -> None:
    name_group(library, 2, "Bob", command="x")
    assert move_to_person(library, [1], "bob", command="x") == Move(2, 2, "Bob", 1)
    assert groups(library) == {1: [2, 3], 2: [1, 4, 5, 6]}
    assert library.faces()[0].person == "Bob"
    undo(library, command="undo")
    assert groups(library) == {1: [1, 2, 3], 2: [4, 5, 6]}
    redo(library, command="redo")
    assert regrouped(library, model) == {1: [2, 3], 2: [1, 4, 5, 6]}


def test_moving_a_face_looks_at_no_other(
    library: Library, put: Put, save: Save, steps: Steps
) -> None:
    cost = []
    faces: list[int] = []
    for size in (10, 50):
        faces += put(f"/{size}", *[1] * size)
        save(dict.fromkeys(faces, 1))
        action = library.statements.part([[faces[0]]], command="x")
        cost.append(steps(partial(library.groupings.move, action, {faces[0]: 2})))
    assert cost[0] == cost[1] > 0


def test_a_new_person_gets_a_group(library: Library, model: int, six: list[int]) -> None:
    moved = move_to_person(library, [1, 4], "Cid", command="x")
    assert moved == Move(1, 3, "Cid", 2)
    assert groups(library) == {1: [2, 3], 2: [5, 6], 3: [1, 4]}
    assert regrouped(library, model) == {1: [2, 3], 2: [5, 6], 3: [1, 4]}


def test_faces_move_to_a_group_without_a_name_and_stay(
    library: Library, model: int, six: list[int]
) -> None:
    assert move_to_group(library, [1, 4], 2, command="x") == Move(1, 2, None, 1)
    assert groups(library) == {1: [2, 3], 2: [1, 4, 5, 6]}
    assert regrouped(library, model) == {1: [2, 3], 2: [1, 4, 5, 6]}
    undo(library, command="undo")
    assert regrouped(library, model) == {1: [1, 2, 3], 2: [4, 5, 6]}


def test_moving_to_a_named_group_names(library: Library, six: list[int]) -> None:
    name_group(library, 2, "Bob", command="x")
    assert move_to_group(library, [1], 2, command="x") == Move(2, 2, "Bob", 1)
    assert library.faces()[0].person == "Bob"


def test_a_face_taken_out_of_a_named_group_is_not_that_person(
    library: Library, model: int, six: list[int]
) -> None:
    name_group(library, 1, "Ann", command="x")
    assert take_out(library, [2], 1, command="x") == Move(2, None, "Ann", 1)
    assert groups(library) == {1: [1, 3], None: [2], 2: [4, 5, 6]}
    assert regrouped(library, model)[1] == [1, 3]
    undo(library, command="undo")
    assert regrouped(library, model)[1] == [1, 2, 3]


def test_faces_taken_out_of_an_unnamed_group_are_one_other_person(
    library: Library, model: int, six: list[int]
) -> None:
    assert take_out(library, [1, 2], 1, command="x") == Move(1, 3, None, 2)
    assert groups(library) == {1: [3], 2: [4, 5, 6], 3: [1, 2]}
    assert regrouped(library, model)[3] == [1, 2]
    assert take_out(library, [4], 2, command="x") == Move(2, None, None, 1)
    assert regrouped(library, model)[2] == [5, 6]


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda one: take_out(one, [], 1, command="x"), "which faces of group 1"),
        (lambda one: take_out(one, [4], 1, command="x"), "which faces of group 1"),
        (lambda one: take_out(one, [1, 2, 3], 1, command="x"), "leave one"),
        (lambda one: take_out(one, [1], 9, command="x"), "no group 9"),
        (lambda one: move_to_group(one, [1], 1, command="x"), "in group 1 already"),
        (lambda one: move_to_group(one, [4], 1, command="x"), "stated to be Bob"),
        (lambda one: move_to_group(one, [1], 9, command="x"), "no group 9"),
        (lambda one: move_to_group(one, [99], 1, command="x"), "no face 99"),
        (lambda one: move_to_person(one, [99], "Cid", command="x"), "no face 99"),
        (lambda one: move_to_person(one, [1], " ", command="x"), "at least one letter"),
    ],
)
def test_what_makes_no_sense_is_said_and_changes_nothing(
    library: Library, six: list[int], act: Callable[[Library], Move], sentence: str
) -> None:
    name_group(library, 2, "Bob", command="x")
    before = groups(library)
    with pytest.raises(UsageError, match=sentence):
        act(library)
    assert groups(library) == before
    assert len(library.statements.log()) == 1


def test_nothing_moves_before_the_first_grouping(library: Library, put: Put) -> None:
    put("/a", 1)
    with pytest.raises(UsageError, match="facecluster group"):
        move_to_person(library, [1], "Ann", command="x")


def test_the_overview_agrees_with_the_lists(library: Library, put: Put, six: list[int]) -> None:
    (loose,) = put("/loose", 5)
    name_group(library, 2, "Bob", command="x")
    ignore(library, [1], command="x")
    library.scanned.remove(["/5"])  # the photo of face 6, which is Bob's
    overview, listed = library.overview, library.faces()
    fronts = [(one.number, one.faces) for one in overview.fronts()]
    assert fronts == [(one.number, one.faces) for one in library.groups()] == [(1, 2), (2, 2)]
    assert [one.front for one in overview.fronts()] == [2, 4]
    assert overview.faces() == library.status().faces == len(listed)
    assert overview.names() == [one.name for one in library.people()] == ["Bob"]
    assert overview.loose() == [one.face for one in listed if one.group is None] == [loose]
    person = library.statements.person("Bob")
    assert overview.named(person) == [one.face for one in listed if one.person == "Bob"] == [4, 5]
    # of seven faces six have a file; Bob's two and the ignored one are settled
    assert (overview.progress().settled, overview.progress().faces) == (3, 6)


def test_faces_of_a_photo_and_vectors_of_some_are_those_of_the_whole(
    library: Library, model: int, six: list[int]
) -> None:
    name_group(library, 2, "Bob", command="x")
    for face in library.faces():
        assert library.faces(photo=face.photo) == [face]
        assert library.photo(face.photo).path == face.path
        assert library.groupings.numbers([face.face, 99]) == {face.face: face.group}
    with pytest.raises(UsageError, match="no photo 99"):
        library.photo(99)
    every, rows = library.embeddings(model)
    some, few = library.embeddings(model, [6, 2, 99])
    assert some.tolist() == [2, 6]
    assert (few == rows[[every.tolist().index(face) for face in (2, 6)]]).all()
