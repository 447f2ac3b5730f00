"""Who faces in no group may be, against plain loops, and what bars somebody."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from facecluster.library import Library
from facecluster.people import ignore, name_faces, place_loose, reject, undo

from .test_suggesting import add_rows

Put = Callable[..., list[int]]
Save = Callable[[dict[int, int]], None]


@pytest.mark.parametrize("seed", range(3))
def test_placements_are_those_of_plain_loops(
    library: Library, model: int, save: Save, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    centres = chance.normal(size=(3, 16))
    rows = centres[chance.integers(3, size=40)] + 0.8 * chance.normal(size=(40, 16))
    faces = add_rows(library, model, rows)
    save({face: (place % 4 if place < 20 else -1) for place, face in enumerate(faces)})
    people = {name: faces[place:20:4] for place, name in enumerate(("Ann", "Bob", "Cid"))}
    for name, mine in people.items():
        name_faces(library, mine, name, command="name")
    ids, vectors = library.embeddings(model)
    vector = dict(zip(ids.tolist(), vectors.astype(np.float64), strict=True))
    middle = {
        name: np.mean([vector[face] for face in mine], axis=0) for name, mine in people.items()
    }
    expected = {}
    for face in library.overview.loose():
        away = {
            name: float(((vector[face] - mean / np.linalg.norm(mean)) ** 2).sum())
            for name, mean in middle.items()
        }
        name = min(away, key=away.__getitem__)
        if away[name] <= 1.2:
            expected[face] = (name, away[name])
    found = place_loose(library, model, threshold=1.2)
    assert {one.face: one.person for one in found} == {f: who for f, (who, _) in expected.items()}
    for one in found:
        assert one.squared_distance == pytest.approx(expected[one.face][1], abs=1e-5)
    counts = [sum(o.person == one.person for o in found) for one in found]
    assert counts == sorted(counts, reverse=True)
    assert place_loose(library, model, threshold=0) == []


def test_what_was_said_and_who_is_beside_bar_somebody(
    library: Library, model: int, put: Put, save: Save
) -> None:
    one, beside = put("/a.jpg", 1, 1)
    (other,) = put("/b.jpg", 1)
    (third,) = put("/c.jpg", 1)
    save({one: 1, beside: -1, other: -1, third: -1})
    name_faces(library, [one], "Ann", command="name")
    found = place_loose(library, model, threshold=0.5)
    assert [(p.face, p.person, p.path) for p in found] == [
        (other, "Ann", "/b.jpg"),
        (third, "Ann", "/c.jpg"),
    ]
    reject(library, [other], person="Ann", command="reject")
    ignore(library, [third], command="ignore")
    assert place_loose(library, model, threshold=0.5) == []
    undo(library, command="undo")
    assert [p.face for p in place_loose(library, model, threshold=0.5)] == [third]
    name_faces(library, [third], "Bob", command="name")
    assert {(p.face, p.person) for p in place_loose(library, model, threshold=0.5)} == {
        (beside, "Bob"),  # Ann is on its photo
        (other, "Bob"),  # not Ann, as was said
    }


def test_before_anybody_is_named_nobody_is_placed(
    library: Library, model: int, put: Put, save: Save
) -> None:
    save({put("/a.jpg", 1)[0]: -1})
    assert place_loose(library, model, threshold=4) == []
