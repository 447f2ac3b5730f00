"""Who an unnamed group may be, against plain loops; what bars somebody; the order of questions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from facecluster.errors import UsageError
from facecluster.facenet.calibration import Calibration, FalseAccepts
from facecluster.library import Library
from facecluster.people import (
    deny_group,
    ignore,
    name_faces,
    name_group,
    regroup,
    reject,
    split_group,
    suggest,
    undo,
)
from facecluster.people.odds import probabilities
from facecluster.people.suggesting import Suggestion
from facecluster.records import Analysis, Box, Face, FileStamp, Photo, Quality

Put = Callable[..., list[int]]
Save = Callable[[dict[int, int]], None]
LINE = Calibration(
    "drawn",
    500,
    5000,
    6.0,
    -5.0,
    (FalseAccepts(0.1, 1.5, False), FalseAccepts(0.01, 1.2, False)),
)


def add_rows(library: Library, model: int, rows: np.ndarray) -> list[int]:
    """Each row is the vector of the one face of a photo; their numbers."""
    points = ((3.0, 3.0), (7.0, 3.0), (5.0, 5.0), (3.0, 7.0), (7.0, 7.0))
    face = Face(Box(0, 0, 10, 12), points, 0.99, Quality(40.0, 99.0, 0.0))
    for number, row in enumerate(rows):
        unit = (row / np.linalg.norm(row))[None].astype(np.float32)
        done = Analysis(
            FileStamp(f"/r{number:03}", 1, 1), Photo(f"{number:064}", 9, 9, 1, None), (face,), unit
        )
        library.scanned.add([done], detector="d", model=model)
    return [face.face for face in library.faces()]


def centroid(vectors: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    middle = np.mean(vectors, axis=0)
    return np.asarray(middle / np.linalg.norm(middle))


@pytest.mark.parametrize("seed", range(3))
def test_suggestions_are_those_of_plain_loops(
    library: Library, model: int, save: Save, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facecluster.people.suggesting._BLOCK", 70)
    chance = np.random.default_rng(seed)
    centres = chance.normal(size=(5, 16))
    faces = add_rows(
        library, model, centres[chance.integers(5, size=60)] + 0.5 * chance.normal(size=(60, 16))
    )
    save(dict(zip(faces, chance.integers(1, 11, size=60).tolist(), strict=True)))
    for group, who in ((1, "Ann"), (2, "Bob"), (3, "Ann"), (4, "Cid")):
        name_group(library, group, who, command="name")
    reject(library, faces[-1:], person="Ann", command="reject")
    home = {face.face: face.group for face in library.faces()}
    ids, vectors = library.embeddings(model)
    vector = dict(zip(ids.tolist(), vectors.astype(np.float64), strict=True))
    people = {name: [f.face for f in library.faces(person=name)] for name in ("Ann", "Bob", "Cid")}
    expected = []
    for group in range(5, 11):
        members = [face for face in faces if home[face] == group]
        allowed = [who for who in people if not (who == "Ann" and home[faces[-1]] == group)]
        votes = dict.fromkeys(allowed, 0)
        gap = {
            (face, who): min(float(np.sum((vector[face] - vector[f]) ** 2)) for f in people[who])
            for face in members
            for who in allowed
        }
        for face in members:
            best = min(allowed, key=lambda who: gap[face, who])
            votes[best] += gap[face, best] <= 0.6
        middle = {who: centroid([vector[face] for face in people[who]]) for who in allowed}
        pairs = {
            who: float(np.mean([np.sum((vector[face] - middle[who]) ** 2) for face in members]))
            for who in allowed
        }
        nearest = {who: min(gap[face, who] for face in members) for who in allowed}
        possible = [who for who in allowed if nearest[who] <= 0.6]
        if not possible:
            continue
        who = min(possible, key=lambda one: pairs[one])
        average = {
            who: float(
                np.mean(
                    [np.sum((vector[a] - vector[b]) ** 2) for a in members for b in people[who]]
                )
            )
            for who in allowed
        }
        # Bayes: one half for somebody else, the other half shared by those who are not barred.
        odds = {one: math.exp(6 - 5 * average[one]) / len(allowed) for one in allowed}
        chance = odds[who] / (1 + sum(odds.values()))
        figures = (pairs[who], nearest[who], chance)
        expected.append((group, len(members), who, votes[who], figures))
    for calibration, merit in ((None, lambda one: one[3]), (LINE, lambda one: one[1] * one[4][2])):
        expected.sort(key=lambda one: (-merit(one), one[4][0], one[0]))
        found = suggest(library, model, threshold=0.6, calibration=calibration)
        assert len(found) == len(expected) > 0
        for one, (*about, figures) in zip(found, expected, strict=True):
            assert [one.group, one.faces, one.person, one.agreeing] == about
            assert (one.probability is None) == (calibration is None)
            shown = (one.squared_distance, one.nearest, one.probability or figures[2])
            assert shown == pytest.approx(figures, abs=1e-5)
            (alone,) = suggest(library, model, threshold=0.6, only=one.group)
            assert (alone.group, alone.person) == (one.group, one.person)


def test_probabilities_of_people_who_are_barred_or_very_near_or_far() -> None:
    distances = np.array([[0.0, 4.0], [4.0, 4.0], [0.0, 0.0], [1.2, 1.2]])
    barred = np.array([[True, False], [False, False], [True, True], [False, True]])
    steep = dataclasses.replace(LINE, intercept=1200.0, slope=-1000.0)
    found = probabilities(distances, steep, barred)
    assert np.array_equal(found, [[0, 0], [0, 0], [0, 0], [0.5, 0]])
    assert np.allclose(probabilities(distances, steep)[:3], [[1, 0], [0, 0], [0.5, 0.5]])


def only(library: Library, model: int) -> list[tuple[int, str]]:
    return [(one.group, one.person) for one in suggest(library, model, threshold=1.0)]


@pytest.fixture
def named(library: Library, put: Put, save: Save) -> list[int]:
    """Alice is group 1; groups 2 and 3, of three faces and one, look like her; 4 like nobody."""
    photos = ((1, 1), (2, 1), (3, 2), (4, 2), (5, 2), (6, 3), (7, 4))
    faces = [put(f"/{photo}", 9 if group == 4 else 1)[0] for photo, group in photos]
    save(dict(zip(faces, (group for _, group in photos), strict=True)))
    name_group(library, 1, "Alice", command="name")
    return faces


def test_large_groups_come_first_and_strangers_not_at_all(
    library: Library, model: int, named: list[int]
) -> None:
    first, second = suggest(library, model, threshold=1.0)
    assert first == Suggestion(2, 3, "Alice", 3, pytest.approx(0, abs=1e-6), pytest.approx(0))
    assert (second.group, second.agreeing) == (3, 1)
    ignore(library, named[2:5], command="ignore")
    assert only(library, model) == [(3, "Alice")]


def test_nothing_is_suggested_when_there_is_nobody_or_nothing(
    library: Library, model: int, put: Put, save: Save
) -> None:
    assert suggest(library, model, threshold=1.0) == []
    (face,) = put("/a", 1)
    save({face: 1})
    assert suggest(library, model, threshold=1.0) == []
    name_group(library, 1, "Alice", command="name")
    assert suggest(library, model, threshold=1.0) == []


def test_a_denied_person_is_not_suggested_again(
    library: Library, model: int, named: list[int]
) -> None:
    with pytest.raises(UsageError, match="Group 1 is stated to be Alice"):
        deny_group(library, 1, "Alice", command="suggest --no 1 Alice")
    with pytest.raises(UsageError, match="Nobody is named Zoe"):
        deny_group(library, 2, "Zoe", command="suggest --no 2 Zoe")
    said = deny_group(library, 2, "alice", command="suggest --no 2 Alice")
    assert (said.person, said.faces, said.skipped) == ("Alice", 3, 0)
    assert only(library, model) == [(3, "Alice")]
    regroup(library, model, method="agglomerative", threshold=4.0, k=None)
    home = [face.group for face in library.faces()]
    assert home[0] != home[2] == home[3] == home[4], "grouping obeys the answer"


def test_a_split_is_an_answer_too(library: Library, model: int, put: Put, save: Save) -> None:
    faces = [put(f"/{number}", who)[0] for number, who in enumerate((1, 1, 2, 2))]
    save(dict.fromkeys(faces, 1))
    split_group(library, 1, command="split 1")
    name_faces(library, faces[:1], "Alice", command="name")
    assert [one.group for one in suggest(library, model, threshold=3.0)] == []
    undo(library, 1, command="undo")
    save(dict(zip(faces, (1, 1, 2, 2), strict=True)))
    assert [one.group for one in suggest(library, model, threshold=3.0)] == [2]


def test_who_is_beside_them_on_the_photo_is_somebody_else(
    library: Library, model: int, put: Put, save: Save
) -> None:
    pairs = [put(f"/{number}", 1, 2) for number in range(3)]
    alone = [put(f"/alone{number}", 2)[0] for number in range(40)]
    save({**{a: 1 for a, _ in pairs}, **{b: 2 for _, b in pairs}})
    name_group(library, 1, "Alice", command="name")
    assert suggest(library, model, threshold=3.0) == []
    save({**{a: 1 for a, _ in pairs}, **{b: 2 for _, b in pairs}, **dict.fromkeys(alone, 2)})
    (one,) = suggest(library, model, threshold=3.0)
    assert (one.group, one.faces) == (2, 43), "on three photos of forty-three"
