"""Dividing and joining groups: what moves at once, what stays so, and what undoing it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from facecluster.errors import UsageError
from facecluster.library import Library
from facecluster.people import (
    ignore,
    merge,
    name_faces,
    name_group,
    redo,
    regroup,
    reject,
    split_group,
    split_person,
    undo,
)
from facecluster.records import Analysis, Face, FileStamp, Photo, Quality
from facecluster.records import Box as Rectangle

At = Callable[..., list[int]]


@pytest.fixture
def at(library: Library, model: int) -> At:
    """Add photos of one face each, at these angles of a circle (radians); their numbers."""

    def add(*angles: float) -> list[int]:
        known = len(library.faces())
        points = ((3.0, 3.0), (7.0, 3.0), (5.0, 5.0), (3.0, 7.0), (7.0, 7.0))
        face = Face(Rectangle(0, 0, 10, 12), points, 0.99, Quality(40.0, 99.0, 0.0))
        for number, angle in enumerate(angles, start=known):
            row = np.zeros((1, 16), dtype=np.float32)
            row[0, :2] = np.cos(angle), np.sin(angle)
            photo = Photo(f"{number:064}", 9, 9, 1, None)
            stamp = FileStamp(f"/{number:03}", 1, 1)
            done = Analysis(stamp, photo, (face,), row)
            library.scanned.add([done], detector="d", model=model)
        return [face.face for face in library.faces()][known:]

    return add


def group(library: Library, model: int, threshold: float = 4.0) -> None:
    regroup(library, model, method="agglomerative", threshold=threshold, k=None)


def groups(library: Library) -> dict[int | None, list[int]]:
    found: dict[int | None, list[int]] = {}
    for face in library.faces():
        found.setdefault(face.group, []).append(face.face)
    return found


# Two clear people, 0.1 apart within and 1 between, and one face beside each other's circle.
MIXED = (0.0, 0.1, 0.2, 1.2, 1.3, 3.0)


@pytest.fixture
def mixed(library: Library, model: int, at: At) -> list[int]:
    """One group of three faces, two, and a stray one."""
    faces = at(*MIXED)
    group(library, model)
    assert groups(library) == {1: faces}
    return faces


def test_a_split_divides_where_the_parts_are_farthest_apart(
    library: Library, mixed: list[int]
) -> None:
    done = split_group(library, 1, command="split 1")
    a, b, stray = mixed[:3], mixed[3:5], mixed[5:]
    assert [(part.number, part.person, list(part.faces)) for part in done.parts] == [
        (1, None, a),
        (2, None, b),
    ]
    assert list(done.loose) == stray
    # 0.2 apart within the first part, 1.3 at most between the two
    assert 2 - 2 * np.cos(0.2) < done.threshold < 2 - 2 * np.cos(1.3)
    assert groups(library) == {1: a, 2: b, None: stray}
    assert library.statements.truth() == [], "nobody was named"


def test_a_split_is_kept_by_every_grouping_and_the_loose_face_is_free(
    library: Library, mixed: list[int], model: int, at: At
) -> None:
    split_group(library, 1, command="split 1")
    for method, k in (("agglomerative", None), ("kmeans", 1)):
        threshold = None if k else 4.0
        regroup(library, model, method=method, threshold=threshold, k=k)
        found = groups(library)
        home = {face: number for number, faces in found.items() for face in faces}
        assert [home[face] for face in mixed[:5]] == [1, 1, 1, 2, 2]
        assert home[mixed[5]] in (1, 2, None)
    group(library, model, threshold=4.0)
    assert None not in groups(library), "the loose face has a place again"
    (new,) = at(0.7)
    group(library, model, threshold=4.0)
    assert len(groups(library)) == 2, f"face {new} may not bring them together"


def test_undoing_a_split_puts_every_face_back_and_redoing_it_divides_again(
    library: Library, mixed: list[int], model: int
) -> None:
    split_group(library, 1, command="split 1")
    apart = groups(library)
    assert undo(library, command="undo").command == "split 1"
    assert groups(library) == {1: mixed}
    redo(library, command="redo")
    assert groups(library) == apart
    group(library, model, threshold=1e-9)
    assert groups(library) == apart, "a part is together, though its faces are not as near"
    undo(library, command="undo")
    assert groups(library) == {1: mixed}
    group(library, model, threshold=4.0)
    assert groups(library) == {1: mixed}


def test_a_split_at_a_threshold_gives_the_parts_that_linkage_gives(
    library: Library, mixed: list[int]
) -> None:
    with pytest.raises(UsageError, match=r"stays whole .* 4\.00: it comes apart at 0\.\d\d"):
        split_group(library, 1, threshold=4.0, command="split")
    assert library.statements.log() == [] and groups(library) == {1: mixed}
    done = split_group(library, 1, threshold=0.015, command="split")
    assert done.threshold == 0.015
    assert [len(part.faces) for part in done.parts] == [2, 2]
    assert len(done.loose) == 2


def test_a_part_can_be_split_again_and_stays_apart_from_the_others(
    library: Library, mixed: list[int], model: int
) -> None:
    split_group(library, 1, command="split 1")
    done = split_group(library, 1, command="split 1")
    assert [len(part.faces) for part in done.parts] == [2, 1]
    assert [part.number for part in done.parts] == [1, None], "a face alone is no group"
    (single,) = done.parts[1].faces
    group(library, model, threshold=4.0)
    found = groups(library)
    home = {face: number for number, faces in found.items() for face in faces}
    assert home[mixed[3]] == home[mixed[4]] == 2
    assert home[mixed[1]] == 1
    assert home[single] != 2, "the first split still holds"
    assert home[single] != 1, "and so does the second"


def test_two_faces_can_be_split_and_one_cannot(library: Library, model: int, at: At) -> None:
    a, b = at(0.0, 0.5)
    group(library, model)
    done = split_group(library, 1, command="split 1")
    assert {part.faces for part in done.parts} == {(a,), (b,)}
    assert groups(library) == {None: [a, b]}
    group(library, model)
    assert groups(library) == {None: [a, b]}
    undo(library, command="undo")
    group(library, model)
    (number,) = groups(library)
    name_faces(library, [a], "Alice", command="name")
    ignore(library, [b], command="ignore")
    with pytest.raises(UsageError, match="stated to be Alice"):
        split_group(library, number or 0, command="split")


def test_what_was_named_stays_together_and_keeps_the_number(
    library: Library, mixed: list[int], model: int
) -> None:
    name_faces(library, mixed[3:4], "Bob", command="name")
    done = split_group(library, 1, command="split 1")
    assert [(part.number, part.person) for part in done.parts] == [(1, "Bob"), (2, None)]
    assert [face.person for face in library.faces()][:5] == [None, None, None, "Bob", "Bob"]
    group(library, model)
    home = {face.face: face.person for face in library.faces()}
    assert [home[face] for face in mixed[:5]] == [None, None, None, "Bob", "Bob"]


def test_a_person_s_other_faces_can_be_split_off(
    library: Library, mixed: list[int], model: int
) -> None:
    name_faces(library, [mixed[0], mixed[2]], "Alice", command="name")
    with pytest.raises(UsageError, match="Nobody is named Bob"):
        split_person(library, "Bob", command="split Bob")
    done = split_person(library, " alice", command="split alice")
    assert (done.number, done.parts[0].person) == (1, "Alice")
    assert list(done.parts[0].faces) == mixed[:3]
    assert [face.person for face in library.faces()] == ["Alice"] * 3 + [None] * 3
    name_faces(library, [mixed[1]], "Alice", command="name")
    with pytest.raises(UsageError, match="'facecluster undo 1' takes back 'name'"):
        split_person(library, "Alice", command="split Alice")
    for face in mixed:
        ignore(library, [face], command="ignore")
    with pytest.raises(UsageError, match="No group is Alice's"):
        split_person(library, "Alice", command="split Alice")


def test_identical_faces_cannot_be_told_apart(library: Library, model: int, at: At) -> None:
    at(1.0, 1.0, 1.0)
    group(library, model)
    with pytest.raises(UsageError, match="cannot be told apart"):
        split_group(library, 1, command="split 1")
    with pytest.raises(UsageError, match="no group 5"):
        split_group(library, 5, command="split 5")
    assert library.statements.log() == []


def people_of(library: Library, faces: Sequence[int]) -> list[int | None]:
    home = {face.face: face.group for face in library.faces()}
    return [home[face] for face in faces]


@pytest.fixture
def three(library: Library, model: int, at: At) -> list[int]:
    """Groups 1, 2 and 3 of three faces, two and two, all far apart."""
    faces = at(0.0, 0.01, 0.02, 1.5, 1.51, 3.0, 3.01)
    group(library, model, threshold=0.1)
    assert people_of(library, faces) == [1, 1, 1, 2, 2, 3, 3]
    return faces


def test_merged_groups_are_one_at_once_and_ever_after(
    library: Library, three: list[int], model: int
) -> None:
    done = merge(library, [3, 2, 3], command="merge 3 2")
    assert (done.number, done.person, done.faces, done.skipped) == (2, None, 4, 0)
    assert people_of(library, three) == [1, 1, 1, 2, 2, 2, 2]
    for method in ("agglomerative", "kmeans"):
        regroup(library, model, method=method, threshold=0.1, k=None)
        assert people_of(library, three) == [1, 1, 1, 2, 2, 2, 2]
    assert name_group(library, 2, "Bob", command="name").faces == 4
    undo(library, command="undo")
    undo(library, command="undo")
    assert people_of(library, three) == [1, 1, 1, 2, 2, 3, 3], "with its own number again"
    group(library, model, threshold=0.1)
    assert people_of(library, three) == [1, 1, 1, 2, 2, 3, 3]


def test_merging_with_a_named_group_names_all(library: Library, three: list[int]) -> None:
    name_group(library, 2, "Bob", command="name 2 Bob")
    reject(library, three[6:], person="Bob", command="reject")
    done = merge(library, [1, 2, 3], command="merge 1 2 3")
    assert (done.number, done.person, done.faces, done.skipped) == (2, "Bob", 6, 1)
    assert [face.person for face in library.faces()] == ["Bob"] * 6 + [None]
    assert people_of(library, three) == [2] * 6 + [3]


def test_groups_of_two_people_are_not_merged(library: Library, three: list[int]) -> None:
    name_group(library, 1, "Alice", command="name")
    name_group(library, 2, "Bob", command="name")
    with pytest.raises(UsageError, match="different people, Alice and Bob"):
        merge(library, [1, 2], command="merge 1 2")
    with pytest.raises(UsageError, match="Say which groups"):
        merge(library, [1, 1], command="merge 1 1")
    with pytest.raises(UsageError, match="no group 9"):
        merge(library, [1, 9], command="merge 1 9")
    assert people_of(library, three) == [1, 1, 1, 2, 2, 3, 3]
    assert len(library.statements.log()) == 2


def test_merging_takes_a_split_back_and_splitting_a_merge(
    library: Library, mixed: list[int], model: int
) -> None:
    split_group(library, 1, command="split 1")
    merge(library, [1, 2], command="merge 1 2")
    assert people_of(library, mixed[:5]) == [1] * 5
    group(library, model, threshold=0.001)
    assert people_of(library, mixed[:5]) == [1] * 5
    done = split_group(library, 1, command="split 1")
    assert [len(part.faces) for part in done.parts] == [3, 2]
    group(library, model, threshold=4.0)
    assert len(set(people_of(library, mixed[:5]))) == 2


def test_photos_that_show_both_are_counted(library: Library, model: int, put: At) -> None:
    for path in ("/a", "/b"):
        put(path, 1, 2)
    group(library, model, threshold=0.1)
    assert merge(library, [1, 2], command="merge").shared_photos == 2


def test_faces_moved_since_stay_where_they_are_when_a_split_is_undone(
    library: Library, mixed: list[int], model: int
) -> None:
    split_group(library, 1, command="split 1")
    merge(library, [1, 2], command="merge 1 2")
    undo(library, 1, command="undo 1")
    assert people_of(library, mixed) == [1] * 6
    group(library, model, threshold=0.001)
    assert people_of(library, mixed) == [1] * 5 + [None], "the merge stands by itself"
