"""What is said, and what goes, while a grouping is being made: nothing of it is lost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from facecluster.grouping import Settings
from facecluster.library import Fact, Library
from facecluster.people import (
    HowGrouped,
    extend,
    extending,
    merge,
    name_faces,
    place_loose,
    regroup,
    regroup_steps,
    take_out,
    undo,
)

from .test_extending import Put, full, grouped

HOW = HowGrouped(Settings("agglomerative", 1.0, None))


def regroup_with(library: Library, model: int, meanwhile: Callable[[], object]) -> None:
    """A full pass, and `meanwhile` after it has read what was said."""
    steps = regroup_steps(library, model, HOW)
    next(steps)
    meanwhile()
    for _ in steps:
        pass


def extend_with(
    library: Library, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]
) -> None:
    """What is new is placed, and `meanwhile` after it has read what was said."""
    real = extending.settle

    def settle(*words: object, **more: object) -> object:
        meanwhile()
        return real(*words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(extending, "settle", settle)
    extend(library)
    monkeypatch.undo()


@pytest.fixture
def two_groups(library: Library, model: int, put: Put) -> None:
    for place, who in enumerate((1, 1, 1, 1, 2, 2)):
        put(f"/{place}", who)
    full(library, model)
    assert grouped(library) == {1: [1, 2, 3, 4], 2: [5, 6]}


def test_an_undo_during_a_full_pass_holds_then_and_later(
    library: Library, model: int, two_groups: None
) -> None:
    merge(library, [1, 2], command="merge")
    regroup_with(library, model, lambda: undo(library, command="undo"))
    assert grouped(library) == {1: [1, 2, 3, 4], 2: [5, 6]}
    extend(library)
    assert grouped(library) == {1: [1, 2, 3, 4], 2: [5, 6]}


def test_faces_taken_out_during_a_grouping_stay_out_and_no_number_is_given_twice(
    library: Library,
    model: int,
    two_groups: None,
    put: Put,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put("/a", 3)
    put("/b", 3)
    extend_with(library, monkeypatch, lambda: take_out(library, [1, 2], 1, command="x"))
    after = {3: [1, 2], 1: [3, 4], 2: [5, 6], 4: [7, 8]}
    assert grouped(library) == after
    extend(library)
    assert grouped(library) == after
    put("/c", 4)
    put("/d", 4)
    regroup_with(library, model, lambda: take_out(library, [5], 2, command="x"))
    assert grouped(library) == {**after, 2: [6], None: [5], 5: [9, 10]}


def test_new_faces_join_the_groups_that_a_full_pass_has_made_meanwhile(
    library: Library,
    model: int,
    two_groups: None,
    put: Put,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full(library, model, threshold=2.0)
    assert grouped(library) == {1: [1, 2, 3, 4, 5, 6]}
    put("/a", 3)
    put("/b", 2)
    done: list[object] = []

    def regroup_once() -> None:
        if not done:
            done.append(full(library, model, threshold=1.0))

    extend_with(library, monkeypatch, regroup_once)
    assert sorted(grouped(library).values()) == [[1, 2, 3, 4], [5, 6, 8], [7]]


def test_a_name_given_during_a_full_pass_binds_the_next_grouping(
    library: Library, model: int, two_groups: None
) -> None:
    regroup_with(library, model, lambda: name_faces(library, [5, 1], "Ann", command="name"))
    assert library.groupings.looked_at().changed.tolist() == [True, *[False] * 3, True, False]
    extend(library)
    assert {face.person for face in library.faces() if face.face in (1, 5)} == {"Ann"}


@pytest.mark.parametrize("whole", [True, False])
def test_a_photo_that_goes_meanwhile_is_left_out(
    library: Library,
    model: int,
    two_groups: None,
    put: Put,
    monkeypatch: pytest.MonkeyPatch,
    whole: bool,
) -> None:
    put("/a", 3)

    def remove() -> None:
        library.scanned.remove(["/0", "/a"])

    if whole:
        regroup_with(library, model, remove)
    else:
        extend_with(library, monkeypatch, remove)
    assert grouped(library) == {1: [2, 3, 4], 2: [5, 6]}
    assert regroup(library, model, method="agglomerative", threshold=1.0, k=None).faces == 5


@pytest.mark.parametrize("whole", [True, False])
def test_a_photo_that_goes_once_its_vectors_are_read_is_left_out(
    library: Library,
    model: int,
    two_groups: None,
    put: Put,
    monkeypatch: pytest.MonkeyPatch,
    whole: bool,
) -> None:
    put("/a", 3)
    read = library.embeddings

    def read_and_remove(*words: int) -> object:
        found = read(*words)
        library.scanned.remove(["/0", "/a"])
        return found

    monkeypatch.setattr(library, "embeddings", read_and_remove)
    if whole:
        regroup(library, model, method="agglomerative", threshold=1.0, k=None)
    else:
        extend(library)
    assert grouped(library) == {1: [2, 3, 4], 2: [5, 6]}


def test_a_name_taken_back_once_it_was_read_is_still_one_answer(
    library: Library, model: int, two_groups: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_faces(library, [1, 5], "Ann", command="name")
    rows = library._connection.rows

    def read_and_undo(sql: str, *more: object) -> object:
        found = rows(sql, *more)  # type: ignore[arg-type]
        if "vector" in sql or "kind" in sql:
            monkeypatch.undo()
            undo(library, command="undo")
        return found

    monkeypatch.setattr(library._connection, "rows", read_and_undo)
    faces, people, vectors = library.named_embeddings(model)
    assert (faces.tolist(), len(set(people.tolist())), vectors.shape) == ([1, 5], 1, (2, 16))


def test_who_a_face_that_went_meanwhile_may_be_is_not_asked(
    library: Library, model: int, two_groups: None, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_faces(library, [1], "Ann", command="name")
    (there, gone) = (*put("/a", 1), *put("/b", 1))
    shown = library.faces

    def remove_and_list() -> object:
        library.scanned.remove(["/b"])
        return shown()

    monkeypatch.setattr(library, "faces", remove_and_list)
    assert gone > there
    assert [one.face for one in place_loose(library, model, threshold=1.0)] == [there]


def test_what_is_said_of_a_face_that_went_meanwhile_holds_of_the_others(
    library: Library, model: int, two_groups: None
) -> None:
    ann = library.statements.person("Ann", create=True)
    gone = 99
    said = [Fact(face, "is", ann) for face in (gone, 5)]
    library.statements.say(said, command="name")
    library.statements.part([[gone, 1], [2, 3]], command="split")
    assert [fact.face for fact in library.statements.truth()] == [5]
    vectors = np.eye(16, dtype=np.float32)[[3, 3]]
    library.scanned.add_embeddings(model, np.array([gone, 6]), vectors)
    faces, found = library.embeddings(model)
    assert gone not in faces
    assert np.array_equal(found[faces == 6], vectors[:1])
