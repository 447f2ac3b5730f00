"""Which unnamed groups may be whom: questions for the user, best first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.facenet.calibration import Calibration
from facecluster.grouping import item_sums
from facecluster.library import Library
from facecluster.people.ages import unborn
from facecluster.people.bonds import constraints
from facecluster.people.nearness import distances_to_people, years
from facecluster.people.odds import probabilities

__all__ = ["Suggestion", "suggest"]

# Distances held at a time: 16 MB.
_BLOCK = 4_000_000
# A person who is on the same photos as the group is somebody else; one photo in ten may be a
# mirror, a collage or a wrong face. Not measured. The same for photos that are older than
# somebody: a camera's clock may be wrong.
_SHARED = 0.1


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A group without a name and who it may be.

    agreeing of its faces have this person's as the nearest named face, within the threshold.
    squared_distance is the average of its faces to the person's centroid, nearest the smallest
    between two faces.
    probability is by the network's calibration, None when it has none.
    """

    group: int
    faces: int
    person: str
    agreeing: int
    squared_distance: float
    nearest: float
    probability: float | None = None


def suggest(
    library: Library,
    model: int,
    *,
    threshold: float,
    calibration: Calibration | None = None,
    only: int | None = None,
) -> list[Suggestion]:
    """For each unnamed group, or that of the number in only, the person it may be: of those with a
    face within the threshold of one of its own, the one whose centroid is nearest on average.

    Those first where an answer settles most faces: their number times the probability, or, without
    a calibration, how many agree. Left out is who was said to be somebody else, is beside the faces
    on more than a tenth of the photos, or was born after as many were taken. O(faces x named x D).
    """
    faces, people, vectors = library.named_embeddings(model)
    known = _Known(faces, people, vectors)
    asked = _Asked(library, model, only)
    if len(faces) == 0 or len(asked.vectors) == 0:
        return []
    barred = asked.barred(known.people)
    agreeing, nearest = _nearest(known, asked, barred, threshold)
    dates = years(library.taken(faces))
    away = distances_to_people(asked.means(), asked.when(), people, vectors, dates)[1]
    chance = None if calibration is None else _chance(known, asked, calibration, barred)
    found = []
    for row in np.flatnonzero((nearest <= threshold).any(axis=1)).tolist():
        person = int(np.where(nearest[row] <= threshold, away[row], np.inf).argmin())
        found.append(
            Suggestion(
                group=int(asked.groups[row]),
                faces=int(asked.sizes[row]),
                person=library.statements.name_of(int(known.people[person])),
                agreeing=int(agreeing[row, person]),
                squared_distance=float(away[row, person]),
                nearest=float(nearest[row, person]),
                probability=None if chance is None else float(chance[row, person]),
            )
        )
    return sorted(found, key=_best_first)


def _chance(
    known: _Known, asked: _Asked, calibration: Calibration, barred: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """How probably each group is each person, by the average over all pairs of their faces.

    Groups that nothing has placed are farther from everybody than faces at large, which this makes
    up for: told 0.5 to 0.7, 67 in 100 are right; by the centroid 39 (measure_suggest.py).
    """
    average = np.maximum(0.0, 2.0 - 2.0 * asked.means() @ known.means().T)
    return probabilities(average, calibration, barred)


def _nearest(
    known: _Known, asked: _Asked, barred: NDArray[np.bool_], threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each group and person the faces that agree, and the least distance."""
    agreeing = np.zeros(barred.shape, dtype=np.int64)
    nearest = np.full(barred.shape, np.inf, dtype=np.float32)
    step = max(1, _BLOCK // len(known.faces))
    for start in range(0, len(asked.vectors), step):
        group = asked.group[start : start + step]
        distances = known.distances(asked.vectors[start : start + step])
        distances[barred[group]] = np.inf
        np.minimum.at(nearest, group, distances)
        best = distances.argmin(axis=1)
        near = distances[np.arange(len(best)), best] <= threshold
        np.add.at(agreeing, (group[near], best[near]), 1)
    return agreeing, nearest


def _best_first(one: Suggestion) -> tuple[float, float, int]:
    settled = one.agreeing if one.probability is None else one.faces * one.probability
    return -settled, one.squared_distance, one.group


class _Known:
    """The named faces, those of one person beside each other."""

    def __init__(
        self, faces: NDArray[np.int64], people: NDArray[np.int64], vectors: NDArray[np.float32]
    ) -> None:
        order = np.argsort(people, kind="stable")
        self.faces, self._vectors = faces[order], vectors[order]
        self.people, self._first = np.unique(people[order], return_index=True)

    def distances(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """From each row to the nearest face of each person: (rows, people), squared."""
        largest = np.maximum.reduceat(vectors @ self._vectors.T, self._first, axis=1)
        return np.asarray(np.maximum(np.float32(2) - np.float32(2) * largest, np.float32(0)))

    def means(self) -> NDArray[np.float64]:
        """The mean vector of each person."""
        sums = np.add.reduceat(self._vectors.astype(np.float64), self._first, axis=0)
        sizes = np.diff(np.append(self._first, len(self.faces)))
        return np.asarray(sums / sizes[:, None])


class _Asked:
    """The faces in groups without a name: which group (a place in groups), and the vectors."""

    def __init__(self, library: Library, model: int, only: int | None) -> None:
        self._faces, self._all = library.embeddings(model)
        number, _ = library.groupings.previous(self._faces)
        number[np.isin(number, list(library.groupings.leaders()))] = -1
        if only is not None:
            number[number != only] = -1
        self._rows = np.flatnonzero(number >= 0)
        self.vectors = self._all[self._rows]
        self.groups, self.group, self.sizes = np.unique(
            number[self._rows], return_inverse=True, return_counts=True
        )
        self._taken = library.taken(self._faces[self._rows])
        self._library = library

    def means(self) -> NDArray[np.float64]:
        """The mean vector of each group: its distance is the average one of the faces."""
        return np.asarray(item_sums(self.vectors, self.group) / self.sizes[:, None])

    def when(self) -> NDArray[np.float64]:
        """The mean year of the dated photos of each group, NaN where none is."""
        year = years(self._taken)
        dated = ~np.isnan(year)
        counts = np.bincount(self.group[dated], minlength=len(self.groups))
        sums = np.bincount(self.group[dated], year[dated], minlength=len(self.groups))
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)

    def barred(self, people: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whom each group cannot be: (groups, people)."""
        bound = constraints(self._library, self._faces, births_hold=False)
        place = {person: index for index, person in enumerate(people.tolist())}
        stated = {f.face: f.person for f in self._library.statements.truth() if f.kind == "is"}
        root = bound.people()
        person: NDArray[np.int64] = np.full(len(root), -1)
        for row, face in enumerate(self._faces.tolist()):
            if face in stated:
                person[root[row]] = place[stated[face] or 0]
        person = person[root]
        pairs = bound.barred(self._all)
        pairs = np.stack([pairs, pairs[:, ::-1]])
        one, other = pairs[:, : len(bound.apart)].reshape(-1, 2).T
        barred = self._said(root, one, person[other], len(people))
        one, other = pairs[:, len(bound.apart) :].reshape(-1, 2).T
        barred |= self._on_one_photo(one, person[other], len(people))
        return barred | self._before_birth(people)

    def _said(
        self,
        root: NDArray[np.int64],
        rows: NDArray[np.int64],
        person: NDArray[np.int64],
        people: int,
    ) -> NDArray[np.bool_]:
        """Rows that stand for all of their company are kept apart from these people."""
        barred = np.zeros((len(self.groups), people), dtype=np.bool_)
        groups_of: dict[int, set[int]] = {}
        for company, group in zip(root[self._rows].tolist(), self.group.tolist(), strict=True):
            groups_of.setdefault(company, set()).add(group)
        for row, who in zip(rows.tolist(), person.tolist(), strict=True):
            for group in groups_of.get(int(root[row]), ()):
                if who >= 0:
                    barred[group, who] = True
        return barred

    def _before_birth(self, people: NDArray[np.int64]) -> NDArray[np.bool_]:
        """The photos of the group were taken before this person was born."""
        before = np.zeros((len(self.groups), len(people)), dtype=np.int64)
        np.add.at(before, self.group, unborn(self._library, self._taken, people))
        return np.asarray(before > _SHARED * self.sizes[:, None])

    def _on_one_photo(
        self, rows: NDArray[np.int64], person: NDArray[np.int64], people: int
    ) -> NDArray[np.bool_]:
        """Each of these rows is on a photo that shows this person elsewhere."""
        group = np.full(len(self._all), -1)
        group[self._rows] = self.group
        seen = np.stack([rows, person], axis=1)[(group[rows] >= 0) & (person >= 0)]
        seen = np.unique(seen, axis=0)
        beside = np.zeros((len(self.groups), people), dtype=np.int64)
        np.add.at(beside, (group[seen[:, 0]], seen[:, 1]), 1)
        return np.asarray(beside > _SHARED * self.sizes[:, None])
