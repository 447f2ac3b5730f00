"""Poor faces: what they may do in groups, where they are listed, and that a word overrides it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facecluster.library import Library
from facecluster.people import (
    extend,
    ignore,
    name_faces,
    regroup,
    reject,
    undo,
    why,
)
from facecluster.records import Quality

from .conftest import analysis

GOOD, POOR = Quality(40.0, 99.0, 0.0), Quality(8.0, 99.0, 0.0)


def put(
    library: Library, model: int, path: str, who: int, quality: Quality = GOOD, score: float = 0.99
) -> int:
    """Add a photo of one face; its number."""
    before = {face for (face,) in library._connection.rows("select id from face")}
    whole = analysis(path, (who,))
    face = replace(whole.faces[0], quality=quality, score=score)
    library.scanned.add([replace(whole, faces=(face,))], detector="d", model=model)
    ((number,),) = library._connection.rows("select max(id) from face")
    assert number not in before
    return int(number)


def full(library: Library, model: int) -> dict[int, int | None]:
    regroup(library, model, method="agglomerative", threshold=1.0, k=None)
    return {face.face: face.group for face in library.faces()}


@pytest.mark.parametrize(
    ("quality", "score"),
    [(POOR, 0.99), (Quality(40.0, 2.0, 0.0), 0.99), (GOOD, 0.9)],
    ids=["small", "blurred", "unsure"],
)
def test_a_poor_face_joins_but_founds_no_group(
    library: Library, model: int, quality: Quality, score: float
) -> None:
    for place in range(2):
        put(library, model, f"/good{place}", 1)
    mine = put(library, model, "/mine", 1, quality, score)
    others = [put(library, model, f"/poor{place}", 2, quality, score) for place in range(3)]
    groups = full(library, model)
    assert groups[mine] == groups[1] == groups[2] == 1
    assert [groups[face] for face in others] == [None] * 3
    later = put(library, model, "/later", 1, quality, score)
    more = put(library, model, "/more", 2, quality, score)
    extend(library)
    groups = {face.face: face.group for face in library.faces()}
    assert (groups[later], groups[more]) == (1, None)
    # a word makes it as good as any
    name_faces(library, others[:1], "Bob", command="name")
    extend(library)
    groups = {face.face: face.group for face in library.faces()}
    assert groups[others[0]] == 2
    assert full(library, model) == {**groups, others[1]: 2, others[2]: 2, more: 2}


def test_poor_faces_bridge_nothing(library: Library, model: int) -> None:
    a, b = (put(library, model, f"/{who}", who) for who in (1, 2))
    for place in range(3):
        between = put(library, model, f"/between{place}", 3, POOR)
        row = np.zeros((1, 16), dtype=np.float32)
        row[0, [1, 2]] = np.sqrt(0.5)
        library.scanned.add_embeddings(model, np.array([between]), row)
    assert set(full(library, model).values()) == {None}
    assert {a, b} <= full(library, model).keys()


def test_the_shelf_is_in_no_list_until_a_word_takes_it_off(library: Library, model: int) -> None:
    good = [put(library, model, f"/{place}", 1) for place in range(2)]
    hardly = put(library, model, "/statue", 1, GOOD, score=0.7)
    assert [face.face for face in library.faces()] == good
    assert [face.face for face in library.faces(only="shelf")] == [hardly]
    assert full(library, model) == {good[0]: 1, good[1]: 1}
    assert library.overview.loose() == [] and library.overview.progress().faces == 2
    assert library.status().faces == 2
    assert why(library, hardly).rule == "shelf"
    name_faces(library, [hardly], "Ann", command="name")
    assert library.faces(only="shelf") == []
    extend(library)
    assert [face.face for face in library.faces(person="Ann")] == [*good, hardly]
    undo(library, command="undo")
    assert [face.face for face in library.faces(only="shelf")] == [hardly]
    name_faces(library, good[:1], "Ann", command="name")
    reject(library, [hardly], person="Ann", command="reject")
    assert library.faces(only="shelf") == [], "any word of the user counts"
    ignore(library, [hardly], command="ignore")
    assert len(library.faces()) == 2
    library.scanned.remove(["/statue"])
    assert why(library, hardly).rule == "ignored"


def test_with_k_alone_all_faces_count(library: Library, model: int) -> None:
    faces = [put(library, model, f"/{place}", place % 2, POOR) for place in range(4)]
    regroup(library, model, method="kmeans", threshold=None, k=2)
    groups = [face.group for face in library.faces()]
    assert len(faces) == len(groups) and groups[0] == groups[2] != groups[1] == groups[3]
