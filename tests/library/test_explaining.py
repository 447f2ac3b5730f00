"""Why a face is where it is: each rule, the distances, and the words that hold of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from facecluster.errors import UsageError
from facecluster.library import Library
from facecluster.people import (
    ignore,
    merge,
    name_faces,
    regroup,
    reject,
    split_group,
    undo,
    why,
)

Put = Callable[..., list[int]]
Save = Callable[[dict[int, int]], None]


@pytest.fixture
def faces(put: Put, save: Save) -> list[int]:
    """Two of one person in group 1, two of another in group 2, a third person in none."""
    found = [put(f"/{photo}", who)[0] for photo, who in enumerate((1, 1, 2, 2, 3))]
    save(dict(zip(found, (1, 1, 2, 2, -1), strict=True)))
    return found


def test_the_rule_is_the_strongest_word_or_the_method(
    library: Library, model: int, faces: list[int]
) -> None:
    grouped = why(library, faces[0])
    assert (grouped.rule, grouped.group, grouped.person, grouped.words) == ("grouped", 1, None, ())
    assert (grouped.method, grouped.threshold) == ("by hand", 1.1)
    assert grouped.squared_distance == pytest.approx(0, abs=1e-6)
    assert grouped.near_group is None
    alone = why(library, faces[4])
    assert (alone.rule, alone.group, alone.near_group) == ("alone", None, 1)
    assert alone.squared_distance == pytest.approx(2, abs=1e-6)
    merge(library, [1, 2], command="merge 1 2")
    joined = why(library, faces[3])
    assert (joined.rule, joined.group) == ("part", 1)
    assert [(word.kind, word.command) for word in joined.words] == [("part", "merge 1 2")]
    assert joined.squared_distance == pytest.approx(2 - 2 / 5**0.5, abs=1e-6)
    name_faces(library, faces[:1], "Alice", command="name it")
    named = why(library, faces[0])
    assert (named.rule, named.person) == ("named", "Alice")
    assert [(word.kind, word.person) for word in named.words] == [("part", None), ("is", "Alice")]
    assert why(library, faces[3]).person == "Alice", "as its whole group"
    reject(library, faces[3:4], command="reject")
    last = why(library, faces[3])
    assert (last.person, last.words[-1].kind, last.words[-1].person) == (None, "is-not", "Alice")
    ignore(library, faces[3:4], command="ignore")
    hidden = why(library, faces[3])
    assert (hidden.rule, hidden.path, hidden.group, hidden.nearest) == ("ignored", None, None, ())


def test_the_nearest_named_faces_come_in_order(
    library: Library, model: int, faces: list[int]
) -> None:
    assert why(library, faces[0]).nearest == ()
    name_faces(library, faces[:1], "Alice", command="name")
    name_faces(library, faces[2:3], "Bob", command="name")
    found = why(library, faces[1]).nearest
    assert [(one.face, one.person) for one in found] == [(faces[0], "Alice"), (faces[2], "Bob")]
    assert [one.squared_distance for one in found] == [
        pytest.approx(0, abs=1e-6),
        pytest.approx(2, abs=1e-6),
    ]
    assert [one.face for one in why(library, faces[0]).nearest] == [faces[2]], "not itself"
    assert len(why(library, faces[1], count=1).nearest) == 1


def test_a_face_set_free_has_no_part(library: Library, model: int, faces: list[int]) -> None:
    regroup(library, model, method="agglomerative", threshold=4.0, k=None)
    done = split_group(library, 1, command="split 1")
    assert done.loose == (faces[4],) or not done.loose
    for face in done.loose:
        assert why(library, face).words == ()
        assert why(library, face).rule == "alone"
    assert why(library, faces[0]).rule == "part"
    undo(library, command="undo")
    assert (why(library, faces[0]).rule, why(library, faces[0]).words) == ("grouped", ())


def test_what_was_never_grouped_or_seen_or_is_gone(
    library: Library, model: int, put: Put, save: Save
) -> None:
    (face,) = put("/a", 1)
    assert why(library, face).rule == "ungrouped"
    assert why(library, face).method is None
    save({})
    assert (why(library, face).rule, why(library, face).near_group) == ("alone", None)
    library._connection.run("delete from embedding")
    assert why(library, face).rule == "unseen"
    name_faces(library, [face], "Alice", command="name")
    library.scanned.remove(["/a"])
    assert (why(library, face).rule, why(library, face).path) == ("gone", None)
    with pytest.raises(UsageError, match="no face 99"):
        why(library, 99)
