"""Naming, rejecting, grouping under what was said, and telling who a face may be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from facecluster.errors import LibraryError, UsageError
from facecluster.library import Library
from facecluster.people import (
    constraints,
    identify,
    ignore,
    ignore_group,
    name_faces,
    name_group,
    redo,
    regroup,
    reject,
    rename,
    state_birth,
    undo,
)
from facecluster.people.importing import name_each

from .test_suggesting import add_rows

Put = Callable[..., list[int]]
Save = Callable[[dict[int, int]], None]


@pytest.fixture
def faces(put: Put, save: Save) -> list[int]:
    """Five faces: 1 to 3 in group 1, 4 in group 2, 5 in none."""
    found = [face for photo, who in enumerate((1, 1, 1, 2, 3)) for face in put(f"/{photo}", who)]
    save(dict(zip(found, (1, 1, 1, 2, -1), strict=True)))
    return found


def shown(library: Library) -> list[str | None]:
    return [face.person for face in library.faces()]


def name(library: Library, group: int, who: str) -> int:
    return name_group(library, group, who, command=f"name {group} {who}").faces


def test_naming_a_group_names_its_faces(library: Library, faces: list[int]) -> None:
    said = name_group(library, 1, " alice", command="name 1 alice")
    assert (said.person, said.faces, said.skipped) == ("alice", 3, 0)
    assert shown(library) == ["alice"] * 3 + [None, None]
    assert library.groups()[0].person == "alice"
    (person,) = library.people()
    assert (person.name, person.faces, person.photos) == ("alice", 3, 3)
    assert [face.face for face in library.faces(person="ALICE")] == faces[:3]
    assert library.statements.log()[0].command == "name 1 alice"


def test_a_name_stays_with_the_faces_whatever_the_groups(
    library: Library, faces: list[int], save: Save
) -> None:
    name(library, 1, "Alice")
    save({face: 9 for face in faces[1:]})
    assert shown(library)[:3] == ["Alice"] * 3
    assert library.groups()[0].person == "Alice"
    save({})
    assert shown(library)[:3] == ["Alice"] * 3


def test_an_unstated_face_shows_the_person_its_group_agrees_on(
    library: Library, faces: list[int]
) -> None:
    name_faces(library, faces[:1], "Alice", command="name")
    assert shown(library) == ["Alice"] * 3 + [None, None]
    assert len(library.statements.truth()) == 1
    name_faces(library, faces[1:2], "Bob", command="name")
    assert shown(library)[:3] == ["Alice", "Bob", None]
    assert library.groups()[0].person == "Alice", "the first named of equals"


def test_renaming_a_group_leaves_what_was_said_of_single_faces(
    library: Library, faces: list[int]
) -> None:
    name(library, 1, "Alcie")
    name_faces(library, [faces[0]], "Bob", command="name")
    said = name_group(library, 1, "Alice", command="name 1 Alice")
    assert (said.faces, said.skipped) == (2, 1)
    assert shown(library)[:3] == ["Bob", "Alice", "Alice"]
    assert [person.name for person in library.people()] == ["Alice", "Bob"]


def test_what_is_refused_leaves_no_new_person(
    library: Library, faces: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    name_faces(library, faces[:1], "Alice", command="name")
    reject(library, faces[:1], person="Alice", command="reject")
    with pytest.raises(UsageError, match="any more"):
        rename(library, "Alice", "Zoe", command="rename")
    with pytest.raises(UsageError, match="at least one letter"):
        name_each(library, {faces[0]: "Zoe", faces[1]: ""}, command="import")

    def fail(*_: object, **__: object) -> int:
        raise LibraryError("full")

    monkeypatch.setattr(library.statements, "say", fail)
    with pytest.raises(LibraryError):
        name_group(library, 1, "Zoe", command="name")
    with pytest.raises(LibraryError):
        name_faces(library, faces, "Zoe", command="name")
    assert library._connection.rows("select name from person") == [("Alice",)]


def test_a_rejected_face_does_not_come_back(library: Library, faces: list[int], model: int) -> None:
    name(library, 1, "Alice")
    assert reject(library, [faces[2]], command="reject").person == "Alice"
    assert shown(library)[:3] == ["Alice", "Alice", None]
    name(library, 1, "Alice")
    assert shown(library)[2] is None, "a word about the face outranks one about its group"
    regroup(library, model, method="agglomerative", threshold=1.0, k=None)
    a, b, c = (face.group for face in library.faces()[:3])
    assert a == b != c
    name_faces(library, [faces[2]], "Alice", command="name")
    assert shown(library)[2] == "Alice"


def test_rejecting_needs_somebody(library: Library, faces: list[int]) -> None:
    with pytest.raises(UsageError, match="shows nobody"):
        reject(library, [faces[4]], command="reject")
    with pytest.raises(UsageError, match="Nobody is named Zoe"):
        reject(library, [faces[4]], person="Zoe", command="reject")
    with pytest.raises(UsageError, match="no face 99"):
        name_faces(library, [99], "Zoe", command="name")
    with pytest.raises(UsageError, match="Say which faces"):
        ignore(library, [], command="ignore")
    with pytest.raises(UsageError, match="no group 77"):
        name_group(library, 77, "Zoe", command="name")
    assert library.statements.log() == []


def test_a_group_that_is_all_somebody_else_is_not_renamed_silently(
    library: Library, faces: list[int]
) -> None:
    name(library, 1, "Alice")
    name(library, 2, "Bob")
    reject(library, [faces[3]], person="Alice", command="reject")
    with pytest.raises(
        UsageError, match="You said that group 2 is not Alice: 'facecluster undo 3'"
    ):
        name_group(library, 2, "Alice", command="name 2 Alice")
    assert shown(library)[3] == "Bob"


def test_ignored_faces_leave_lists_groups_and_grouping(
    library: Library, faces: list[int], model: int
) -> None:
    ignore(library, faces[:1], command="ignore")
    ignore(library, faces[4:], not_a_face=True, command="ignore")
    assert [face.face for face in library.faces()] == faces[1:4]
    assert [group.faces for group in library.groups()] == [2, 1]
    assert library.embeddings(model)[0].tolist() == faces[1:4]
    name_faces(library, faces[1:2], "Alice", command="name")
    assert ignore_group(library, 1, command="ignore 1").skipped == 1
    assert [face.face for face in library.faces()] == [faces[1], faces[3]]
    undo(library, command="undo")
    assert len(library.faces()) == 3
    redo(library, command="redo")
    assert len(library.faces()) == 2
    with pytest.raises(UsageError, match="stated to be somebody: ignore faces one by one"):
        ignore_group(library, 1, command="ignore 1")


def test_constraints_say_who_is_together_and_apart(
    library: Library, faces: list[int], put: Put
) -> None:
    more = put("/more", 4, 5)
    name_faces(library, [faces[0], faces[3], faces[1]], "Alice", command="name")
    name_faces(library, [more[0]], "Bob", command="name")
    reject(library, [faces[4]], person="Alice", command="reject")
    reject(library, [faces[4]], person="Bob", command="reject")
    order = np.array([*faces, *more])[::-1].copy()
    made = constraints(library, order)
    made.validate(len(order))
    person = made.people()
    row = {face: place for place, face in enumerate(order.tolist())}
    alice = {int(person[row[face]]) for face in (faces[0], faces[1], faces[3])}
    assert len(alice) == 1
    apart = {frozenset((int(person[a]), int(person[b]))) for a, b in made.apart.tolist()}
    alone = int(person[row[faces[4]]])
    bob = int(person[row[more[0]]])
    assert apart == {
        frozenset((*alice, bob)),
        frozenset((*alice, alone)),
        frozenset((bob, alone)),
    }
    photos = made.photos.tolist()
    assert photos[0] == photos[1] and len(set(photos)) == 6


def test_two_groups_of_one_name_merge_at_the_next_grouping(
    library: Library, faces: list[int], model: int
) -> None:
    name(library, 1, "Alice")
    name(library, 2, "Alice")
    done = regroup(library, model, method="agglomerative", threshold=1.0, k=None)
    assert [(group.number, group.faces) for group in library.groups()] == [(1, 4)]
    assert (done.faces, done.groups, done.ungrouped, done.named_faces) == (5, 1, 1, 4)
    assert (done.named_moved, done.names_lost) == (0, 0)


def test_two_people_stay_apart_in_one_heap_of_vectors(
    library: Library, faces: list[int], model: int
) -> None:
    name_faces(library, faces[:1], "Alice", command="name")
    name_faces(library, faces[1:2], "Bob", command="name")
    regroup(library, model, method="agglomerative", threshold=4.0, k=None)
    a, b = (face.group for face in library.faces()[:2])
    assert a != b and None not in (a, b)


def test_grouping_again_keeps_numbers_and_counts_what_is_new(
    library: Library, faces: list[int], model: int, put: Put
) -> None:
    regroup(library, model, method="agglomerative", threshold=1.0, k=None)
    before = {face.face: face.group for face in library.faces()}
    assert before[faces[0]] == 1
    put("/new1", 3)
    put("/new2", 1)
    done = regroup(library, model, method="agglomerative", threshold=1.0, k=None)
    assert done.new_faces == 3
    after = {face.face: face.group for face in library.faces()}
    assert [after[face] for face in faces[:3]] == [before[face] for face in faces[:3]]
    assert after[faces[4]] == 3, "1 and 2 were used before"


def test_an_empty_library_can_be_grouped(library: Library, model: int) -> None:
    for method, k in (("agglomerative", None), ("kmeans", 3), ("hdbscan", None)):
        done = regroup(library, model, method=method, threshold=1.0, k=k)
        assert (done.faces, done.groups) == (0, 0)


def unit(*values: float) -> NDArray[np.float32]:
    row = np.zeros(16)
    row[: len(values)] = values
    return (row / np.linalg.norm(row))[None].astype(np.float32)


def test_identify_says_who_is_near_and_nobody_beyond_the_threshold(
    library: Library, faces: list[int], model: int
) -> None:
    (nobody,) = identify(library, model, unit(0, 1), threshold=1.0)
    assert (nobody.person, nobody.squared_distance, nobody.face) == (None, None, None)
    name(library, 1, "Alice")
    name(library, 2, "Bob")
    near, far = identify(
        library, model, np.concatenate([unit(0, 0.9, 0.1), unit(1)]), threshold=1.0
    )
    assert near.person == "Alice" and near.face == faces[0]
    assert near.squared_distance == pytest.approx(2 - 2 * 0.9 / np.hypot(0.9, 0.1), abs=1e-3)
    assert far.person is None and far.squared_distance == pytest.approx(2.0, abs=1e-3)
    assert identify(library, model, np.empty((0, 16), dtype=np.float32), threshold=1.0) == []
    with pytest.raises(ValueError, match="k must be"):
        identify(library, model, unit(1), threshold=1.0, k=0)


def test_by_k_nn_one_very_near_face_outweighs_several_at_the_edge(
    library: Library, faces: list[int], model: int
) -> None:
    name(library, 1, "Alice")  # three faces
    name(library, 2, "Bob")  # one
    (who,) = identify(library, model, unit(0, 0.55, 0.84), threshold=1.0, k=5)
    assert who.person == "Bob"
    (who,) = identify(library, model, unit(0, 0.70, 0.71), threshold=1.0, k=5)
    assert who.person == "Alice", "nearly as near, and three of them"
    assert who.squared_distance == pytest.approx(2 - 2 * 0.70 / np.hypot(0.70, 0.71), abs=1e-3)
    (who,) = identify(library, model, unit(1), threshold=1.0, k=5)
    assert who.person is None and who.squared_distance == pytest.approx(2.0, abs=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_identify_finds_the_person_with_the_nearest_centroid_or_a_face_that_is_much_nearer(
    library: Library, model: int, save: Save, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    groups = np.sort(chance.integers(1, 6, size=40))
    people = chance.normal(size=(6, 16))
    ids = add_rows(library, model, people[groups] + 0.9 * chance.normal(size=(40, 16)))
    save(dict(zip(ids, groups.tolist(), strict=True)))
    for number in np.unique(groups).tolist():
        name(library, number, f"person {number}")
    _, vectors = library.embeddings(model, ids)
    asked = people[chance.integers(6, size=30)] + 0.9 * chance.normal(size=(30, 16))
    asked = (asked / np.linalg.norm(asked, axis=1, keepdims=True)).astype(np.float32)
    asked[0] = vectors[0]
    found = identify(library, model, asked, threshold=0.8)
    assert found[0].squared_distance == pytest.approx(0, abs=1e-5), "the very same picture"
    assert {one.person is None for one in found} == {True, False}
    for row, one in zip(asked.astype(np.float64), found, strict=True):
        away, faces = {}, {}
        for number in np.unique(groups).tolist():
            theirs = vectors[groups == number].astype(np.float64)
            single = ((theirs - row) ** 2).sum(axis=1)
            middle = theirs.mean(axis=0) / np.linalg.norm(theirs.mean(axis=0))
            away[number] = min(((middle - row) ** 2).sum(), 1.4 * single.min())
            faces[number] = ids[np.flatnonzero(groups == number)[single.argmin()]]
        best = min(away, key=lambda number: away[number])
        assert one.squared_distance == pytest.approx(away[best], abs=1e-5)
        assert one.person == (f"person {best}" if away[best] <= 0.8 else None)
        assert one.face == faces[best]


def test_named_faces_of_deleted_photos_still_tell_who_somebody_is(
    library: Library, faces: list[int], model: int
) -> None:
    name(library, 2, "Bob")
    library.scanned.remove(["/3"])
    assert "Bob" not in shown(library)
    assert identify(library, model, unit(0, 0, 1), threshold=1.0)[0].person == "Bob"


def test_a_person_gets_another_name_and_undo_gives_the_old_one(
    library: Library, faces: list[int]
) -> None:
    name(library, 1, "Alise")
    reject(library, [faces[3]], person="Alise", command="reject")
    before = library.statements.truth()
    said = rename(library, "alise", "Alice", command="rename Alise Alice")
    assert (said.person, said.faces, said.skipped) == ("Alice", 3, 0)
    assert [one.name for one in library.people()] == ["Alice"]
    assert shown(library) == ["Alice"] * 3 + [None, None]
    assert [(f.face, f.kind) for f in library.statements.truth() if f.kind == "is-not"] == [
        (faces[3], "is-not")  # of Alise
    ] * 2
    undo(library, command="undo")
    assert library.statements.truth() == before


def test_what_was_so_already_makes_no_action(library: Library, faces: list[int]) -> None:
    one, two = faces[:2]
    name_faces(library, [one], "Alice", command="name")
    reject(library, [two], person="Alice", command="reject")
    ignore(library, [two], command="ignore")
    state_birth(library, "Alice", "2001", command="born")
    before = library.statements.log()
    assert name_faces(library, [one], "ALICE", command="name").action == 0
    assert reject(library, [two], person="Alice", command="reject").action == 0
    assert ignore(library, [two], command="ignore").action == 0
    assert state_birth(library, "Alice", "2001", command="born") == 0
    assert library.statements.log() == before
    assert name_faces(library, [one, two], "Alice", command="name").action, "some of it is new"
    assert ignore(library, [two], not_a_face=True, command="ignore").action, "another kind"


def test_two_people_become_one_by_renaming(library: Library, faces: list[int]) -> None:
    name(library, 1, "Ann")
    name(library, 2, "Anna")
    reject(library, [faces[3]], person="Ann", command="reject")
    said = rename(library, "Ann", "anna", command="rename")
    assert (said.person, said.faces) == ("Anna", 3)
    assert shown(library) == ["Anna"] * 4 + [None]


def test_the_same_name_is_only_written_another_way(library: Library, faces: list[int]) -> None:
    name(library, 1, "ann")
    said = rename(library, "ANN", " Ann ", command="rename")
    assert (said.action, said.person) == (0, "Ann")
    assert [one.name for one in library.people()] == ["Ann"]
    assert len(library.statements.log()) == 1


def test_nobody_cannot_be_renamed(library: Library, faces: list[int]) -> None:
    with pytest.raises(UsageError, match="Nobody is named"):
        rename(library, "Bob", "Rob", command="rename")
    name(library, 1, "Bob")
    undo(library, command="undo")
    with pytest.raises(UsageError, match="No face is stated to be Bob any more"):
        rename(library, "Bob", "Rob", command="rename")


def test_who_a_face_shows_is_asked_of_its_own_photo(
    library: Library, faces: list[int], put: Put, steps: Callable[[Callable[[], object]], int]
) -> None:
    name_group(library, 1, "Ann", command="name")
    few = steps(lambda: reject(library, [1], command="reject"))
    undo(library, command="undo")
    for number in range(40):
        put(f"/more/{number}", 3)
    assert steps(lambda: reject(library, [1], command="reject")) < 2 * few
