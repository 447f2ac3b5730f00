"""Distances to people through the years: against plain loops, and without dates."""

from __future__ import annotations

import numpy as np
import pytest

from facecluster.library import Library
from facecluster.people import identify, name_faces
from facecluster.people.nearness import HALF, UNDATED, centroids, distances_to_people, years
from facecluster.records import Analysis, Box, Face, FileStamp, Photo, Quality


def test_years_of_dates() -> None:
    found = years(["2019-01-31T10:00:00", "2019-12-01", None])
    assert found[:2] == pytest.approx([2019 + 0.5 / 12, 2020 - 0.5 / 12])
    assert np.isnan(found[2])
    assert years([]).shape == (0,)


@pytest.mark.parametrize("seed", range(5))
def test_distances_are_those_of_plain_loops(seed: int) -> None:
    chance = np.random.default_rng(seed)
    people = chance.integers(5, size=30) * 7
    vectors = chance.normal(size=(30, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = chance.normal(size=(12, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    taken = np.where(chance.random(30) < 0.2, np.nan, 2000 + 20 * chance.random(30))
    when = np.where(chance.random(12) < 0.3, np.nan, 2000 + 20 * chance.random(12))
    known, found = distances_to_people(rows, when, people, vectors, taken)
    assert known.tolist() == sorted(set(people.tolist()))
    for row, year, line in zip(rows, when, found, strict=True):
        for person, distance in zip(known, line, strict=True):
            middle = np.zeros(8)
            for vector, date in zip(
                vectors[people == person], taken[people == person], strict=True
            ):
                weight = 1.0
                if not np.isnan(year):
                    gap = abs(date - (np.floor(year) + 0.5))
                    weight = UNDATED if np.isnan(date) else 0.5 ** (gap / HALF)
                middle += weight * vector
            middle /= np.linalg.norm(middle)
            assert distance == pytest.approx(((row - middle) ** 2).sum(), abs=1e-6)


def test_without_dates_all_faces_weigh_the_same() -> None:
    rows = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]
    people, nothing = np.array([1, 1, 1, 2]), np.full(4, np.nan)
    known, middles = centroids(people, rows)
    for when in (np.nan, 2011.0):
        same, found = distances_to_people(rows[:1], np.array([when]), people, rows, nothing)
        assert same.tolist() == known.tolist() == [1, 2]
        assert found[0] == pytest.approx(2 - 2 * middles[:, 0])
    assert centroids(people[:0], rows[:0])[1].shape == (0, 4)
    assert distances_to_people(rows, nothing, people[:0], rows[:0], nothing[:0])[1].shape == (4, 0)


def test_a_child_is_known_by_the_faces_of_the_time(library: Library, model: int) -> None:
    turn = np.radians([0, 100, 10, 52])
    rows = np.zeros((4, 16))
    rows[:, 0], rows[:, 1] = np.cos(turn), np.sin(turn)
    points = ((3.0, 3.0), (7.0, 3.0), (5.0, 5.0), (3.0, 7.0), (7.0, 7.0))
    face = Face(Box(0, 0, 10, 12), points, 0.99, Quality(40.0, 99.0, 0.0))
    for number, taken in enumerate(("2004-05-01", "2020-05-01", "2020-05-01", None)):
        unit = rows[number][None].astype(np.float32)
        photo = Photo(f"{number:064}", 9, 9, 1, taken)
        done = Analysis(FileStamp(f"/{number}", 1, 1), photo, (face,), unit)
        library.scanned.add([done], detector="d", model=model)
    faces = [one.face for one in library.faces()]
    name_faces(library, faces[:2], "Mia", command="name")
    name_faces(library, faces[3:], "Ann", command="name")
    asked = np.array([[np.cos(np.radians(76)), np.sin(np.radians(76))] + [0] * 14])

    def who(taken: str | None) -> str | None:
        found = identify(library, model, asked.astype(np.float32), threshold=1, taken=taken)
        return found[0].person

    assert [who(taken) for taken in (None, "2004-06-01", "2020-06-01")] == ["Ann", "Ann", "Mia"]
