"""What is new put into the groups there are: who moves, who stays, and what was said holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facecluster.errors import FaceclusterError, UsageError
from facecluster.grouping import Settings, result
from facecluster.library import Library
from facecluster.people import (
    HowGrouped,
    Regrouping,
    extend,
    how_grouped,
    ignore,
    may_extend,
    merge,
    name_faces,
    name_group,
    redo,
    regroup,
    regroup_steps,
    reject,
    split_group,
    undo,
)

from .conftest import analysis

Put = Callable[..., list[int]]


def grouped(library: Library) -> dict[int | None, list[int]]:
    found: dict[int | None, list[int]] = {}
    for face in library.faces():
        found.setdefault(face.group, []).append(face.face)
    return found


def full(library: Library, model: int, threshold: float = 1.0) -> Regrouping:
    return regroup(library, model, method="agglomerative", threshold=threshold, k=None)


@pytest.fixture
def six(library: Library, model: int, put: Put) -> list[int]:
    """Faces 1 to 3 are group 1, 4 to 5 group 2, 6 in none."""
    faces = [put(f"/{place}", who)[0] for place, who in enumerate((1, 1, 1, 2, 2, 3))]
    full(library, model)
    assert grouped(library) == {1: [1, 2, 3], 2: [4, 5], None: [6]}
    return faces


def test_new_faces_join_found_or_wait_and_nobody_else_moves(
    library: Library, model: int, six: list[int], put: Put
) -> None:
    put("/a", 1)
    put("/b", 3)
    put("/c", 9)
    done = extend(library)
    assert grouped(library) == {1: [1, 2, 3, 7], 2: [4, 5], 3: [6, 8], None: [9]}
    assert (done.full, done.looked_at, done.new_faces, done.new_groups) == (False, 3, 3, 1)
    assert (done.faces, done.groups, done.ungrouped, done.moved_faces) == (9, 3, 1, 0)
    assert done.since_full == pytest.approx(3 / 9)
    again = extend(library)
    assert (again.looked_at, again.new_faces, again.since_full) == (0, 0, done.since_full)
    assert full(library, model).since_full == 0.0
    assert grouped(library) == {1: [1, 2, 3, 7], 2: [4, 5], 3: [6, 8], None: [9]}


def test_a_face_that_was_looked_at_is_not_looked_at_again(
    library: Library, model: int, six: list[int], put: Put
) -> None:
    # what calls for another look: a new vector, a word, a word taken back
    looked = library.groupings.looked_at()
    assert looked.faces.tolist() == six and not looked.changed.any()

    def changed() -> list[int]:
        now = library.groupings.looked_at()
        return now.faces[now.changed].tolist()

    library.scanned.add_embeddings(model, np.array([6]), np.eye(16, dtype=np.float32)[[2]])
    assert changed() == [6]
    extend(library)
    assert changed() == [] and grouped(library) == {1: [1, 2, 3], 2: [4, 5, 6]}
    name_faces(library, [2], "Ann", command="name")
    assert changed() == [2]
    extend(library)
    undo(library, command="undo")
    assert changed() == [2]
    library.scanned.add([analysis("/0", (1,))], detector="another", model=model)
    assert changed() == [1, 2], "looked at by another detector: its old vectors were dropped"


def test_names_hold_and_count_as_nothing_new(
    library: Library, model: int, six: list[int], put: Put
) -> None:
    name_group(library, 1, "Ann", command="name")
    name_group(library, 2, "Bob", command="name")
    put("/a", 2)
    done = extend(library)
    assert grouped(library) == {1: [1, 2, 3], 2: [4, 5, 7], None: [6]}
    assert [face.person for face in library.faces()][-1] == "Bob"
    assert (done.named_faces, done.named_moved, done.names_lost) == (5, 0, 0)
    assert done.since_full == pytest.approx(1 / 7)


def test_a_rejected_face_leaves_and_comes_back_by_undo(
    library: Library, model: int, six: list[int]
) -> None:
    name_group(library, 1, "Ann", command="name")
    reject(library, [3], command="reject")
    assert extend(library).moved_faces == 1
    assert grouped(library) == {1: [1, 2], 2: [4, 5], None: [3, 6]}
    undo(library, command="undo")
    extend(library)
    assert grouped(library) == {1: [1, 2, 3], 2: [4, 5], None: [6]}


def test_one_name_for_two_groups_makes_them_one_and_undo_two(
    library: Library, model: int, six: list[int]
) -> None:
    name_group(library, 1, "Ann", command="name")
    name_group(library, 2, "Ann", command="name")
    assert extend(library).groups == 1
    assert grouped(library) == {1: [1, 2, 3, 4, 5], None: [6]}
    undo(library, command="undo")
    extend(library)
    assert grouped(library) == {1: [1, 2, 3], 3: [4, 5], None: [6]}
    redo(library, command="redo")
    extend(library)
    assert grouped(library) == {1: [1, 2, 3, 4, 5], None: [6]}


def test_two_people_named_in_one_group_divide_it(
    library: Library, model: int, six: list[int]
) -> None:
    full(library, model, threshold=4.0)
    assert list(grouped(library)) == [1]
    name_faces(library, [1], "Ann", command="name")
    name_faces(library, [4], "Bob", command="name")
    done = extend(library)
    assert done.named_moved == done.names_lost == 0
    now = grouped(library)
    assert now.keys() == {1, 3}, "a number is not given twice"
    assert {tuple(members[:2]) for members in now.values()} == {(1, 2), (4, 5)}


def test_what_was_merged_and_split_stays_so(library: Library, model: int, six: list[int]) -> None:
    merge(library, [1, 2], command="merge")
    extend(library)
    assert grouped(library) == {1: [1, 2, 3, 4, 5], None: [6]}
    undo(library, command="undo")
    extend(library)
    assert grouped(library) == {1: [1, 2, 3], 2: [4, 5], None: [6]}
    full(library, model, threshold=4.0)
    split_group(library, next(iter(grouped(library))), command="split")
    assert grouped(library) == {1: [1, 2, 3], 3: [4, 5], None: [6]}
    extend(library)
    assert grouped(library) == {1: [1, 2, 3, 6], 3: [4, 5]}, "what fitted no part is placed anew"


def test_ignored_faces_and_deleted_photos_come_back_to_their_groups(
    library: Library, model: int, six: list[int], put: Put
) -> None:
    name_group(library, 1, "Ann", command="name")
    ignore(library, [5], command="ignore")
    library.scanned.remove(["/0"])
    extend(library)
    assert grouped(library) == {1: [2, 3], 2: [4], None: [6]}
    undo(library, command="undo")
    put("/0", 1)
    extend(library)
    assert grouped(library) == {1: [1, 2, 3], 2: [4, 5], None: [6]}


def test_what_may_be_extended(library: Library, model: int, six: list[int], put: Put) -> None:
    newest = library.groupings.newest()
    assert newest is not None
    same = how_grouped(newest)

    def may(**other: Any) -> bool:
        return may_extend(library, model, HowGrouped(replace(same.settings, **other), same.rule))

    assert may()
    assert not may(threshold=0.9)
    assert not may(by_centroid=False)
    assert not may(method="hdbscan")
    assert not may_extend(library, model + 1, same)
    for place in range(6):
        put(f"/more{place}", 5)
    assert may()
    put("/one more", 5)
    assert not may(), "most faces are new"
    regroup(library, model, method="kmeans", threshold=None, k=2)
    assert not may(method="kmeans", threshold=None, k=2)


def test_a_default_threshold_stays_that_of_the_last_full_pass(
    library: Library, model: int, six: list[int]
) -> None:
    before = HowGrouped(Settings("agglomerative", 1.0), {"faces": 4096})
    today = HowGrouped(Settings("agglomerative", 0.9), {"faces": 8192})
    result(regroup_steps(library, model, before))
    newest = library.groupings.newest()
    assert newest is not None and how_grouped(newest) == before
    assert may_extend(library, model, today)
    assert not may_extend(library, model, HowGrouped(today.settings)), "the user's own threshold"


def test_settings_of_older_versions_are_understood(
    library: Library, model: int, six: list[int]
) -> None:
    def kept(settings: dict[str, object]) -> HowGrouped:
        none = np.empty(0, dtype=np.int64)
        library.groupings.save(
            model=model,
            method="agglomerative",
            settings=settings,
            faces=none,
            numbers=none,
            next_number=9,
        )
        newest = library.groupings.newest()
        assert newest is not None
        return how_grouped(newest)

    assert kept({"threshold": 0.5}) == HowGrouped(Settings("agglomerative", 0.5))
    assert kept({"threshold": 0.5, "k": None, "default_threshold": True}).rule == {}
    assert kept({"threshold": 0.5, "by_centroid": False}).settings.by_centroid is False


def test_nothing_to_extend_is_said(library: Library, model: int, put: Put) -> None:
    put("/a", 1)
    with pytest.raises(UsageError, match="facecluster group"):
        extend(library)
    assert not may_extend(library, model, HowGrouped(Settings("agglomerative", 1.0)))


def test_it_refuses_to_move_named_faces_and_changes_nothing(
    library: Library, model: int, six: list[int], put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_group(library, 1, "Ann", command="name")
    put("/a", 1)
    before, looked = grouped(library), library.groupings.looked_at().faces.tolist()

    def careless(
        rows: object, labels: NDArray[np.int64], *_: object, **__: object
    ) -> NDArray[np.int64]:
        return np.full_like(labels, -1)

    monkeypatch.setattr("facecluster.people.extending.grow", careless)
    monkeypatch.setattr("facecluster.people.extending.settle", careless)
    with pytest.raises(FaceclusterError, match="3 named faces would move and 1 name be lost"):
        extend(library)
    assert grouped(library) == before
    assert library.groupings.looked_at().faces.tolist() == looked
    assert extend(library, allow_churn=True).named_moved == 3
