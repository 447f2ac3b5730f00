"""Why a face is where it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facecluster.facenet.calibration import Calibration
from facecluster.grouping import directions, item_sums
from facecluster.library import Library, Word
from facecluster.people.nearness import distances_to_people, years
from facecluster.people.odds import probabilities

__all__ = ["Neighbour", "Reason", "Rule", "why"]

Rule = Literal[
    "ignored", "named", "part", "grouped", "alone", "unseen", "ungrouped", "shelf", "gone"
]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A face that somebody has named, and how far from the one asked about it is.

    probability that the one asked about is this person, by all faces of those who are named and the
    network's calibration; None when it has none.
    """

    face: int
    person: str
    squared_distance: float
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Where a face is and what put it there.

    rule: "named" and "part" are the user's words about the face, the first outranking the second;
    "grouped" is the method's work; "alone" is in no group; "unseen" by the grouping's network;
    "ungrouped": nothing was grouped yet; "ignored", on the "shelf" of what is hardly a face, or
    "gone" with its file: in no list. words hold of the face now, oldest first. squared_distance is
    that to the centroid of the others of its group, or, of a face alone, of the nearest group,
    near_group; method and threshold are those of the newest grouping. None where there is nothing
    to say.
    """

    face: int
    path: str | None
    group: int | None
    person: str | None
    rule: Rule
    words: tuple[Word, ...]
    method: str | None
    threshold: float | None
    squared_distance: float | None
    near_group: int | None
    nearest: tuple[Neighbour, ...]


def why(
    library: Library, face: int, *, count: int = 5, calibration: Calibration | None = None
) -> Reason:
    """Why the face is in its group, or in none, and the `count` nearest named faces.

    calibration is that of the newest grouping's network. UsageError when there is no such face.
    Costs one look at all vectors.
    """
    photo = library.overview.photo_of(face)
    listed = next((one for one in library.faces(photo=photo) if one.face == face), None)
    words = tuple(library.statements.words(face))
    grouping = library.groupings.newest()
    model = grouping.model if grouping else next((one.id for one in library.models()), None)
    faces, vectors = (
        (np.empty(0, dtype=np.int64), np.empty((0, 1), dtype=np.float32))
        if model is None
        else library.embeddings(model)
    )
    place = np.flatnonzero(faces == face)
    distance = near = None
    nearest: tuple[Neighbour, ...] = ()
    if len(place) and model is not None:
        vector = vectors[place[0]]
        nearest = _nearest_named(library, model, face, vector, count, calibration)
        distance, near = _to_groups(library, faces, vectors, int(place[0]))
    group = listed.group if listed else None
    return Reason(
        face=face,
        path=listed.path if listed else None,
        group=group,
        person=listed.person if listed else None,
        rule=_rule(library, face, words, group, listed=listed is not None, seen=len(place) > 0),
        words=words,
        method=grouping.method if grouping else None,
        threshold=json.loads(grouping.settings).get("threshold") if grouping else None,
        squared_distance=distance,
        near_group=None if near == group else near,
        nearest=nearest,
    )


def _rule(
    library: Library,
    face: int,
    words: tuple[Word, ...],
    group: int | None,
    *,
    listed: bool,
    seen: bool,
) -> Rule:
    kinds = {word.kind for word in words}
    if kinds & {"ignore", "not-a-face"}:
        return "ignored"
    if not listed:
        return "shelf" if face in library.overview.on_shelf() else "gone"
    if "is" in kinds:
        return "named"
    if library.groupings.newest() is None:
        return "ungrouped"
    if group is None:
        return "alone" if seen else "unseen"
    return "part" if _of_its_part(library, face, group) else "grouped"


def _of_its_part(library: Library, face: int, group: int) -> bool:
    """Whether the newest split or merge of the face put others of the group with it."""
    spoken = [one.parts for one in library.statements.partings() if face in one.parts]
    part = spoken[-1][face] if spoken else None
    others = set(library.groupings.members(group)) - {face}
    return part is not None and any(spoken[-1].get(other) == part for other in others)


def _nearest_named(
    library: Library,
    model: int,
    face: int,
    vector: NDArray[np.float32],
    count: int,
    calibration: Calibration | None,
) -> tuple[Neighbour, ...]:
    faces, people, vectors = library.named_embeddings(model)
    others = faces != face
    faces, people, vectors = faces[others], people[others], vectors[others]
    when, dates = years(library.taken(np.array([face]))), years(library.taken(faces))
    known, away = distances_to_people(vector[None], when, people, vectors, dates)
    chance = None if calibration is None else probabilities(away, calibration)[0]
    distances = np.maximum(0.0, 2.0 - 2.0 * (vectors @ vector).astype(np.float64))
    return tuple(
        Neighbour(
            int(faces[place]),
            library.statements.name_of(int(people[place])),
            float(distances[place]),
            None if chance is None else float(chance[np.searchsorted(known, people[place])]),
        )
        for place in np.argsort(distances, kind="stable")[:count].tolist()
    )


def _to_groups(
    library: Library, faces: NDArray[np.int64], vectors: NDArray[np.float32], place: int
) -> tuple[float | None, int | None]:
    """The squared distance to the centroid of the face's group without it, or to the nearest."""
    number, _ = library.groupings.previous(faces)
    here = int(number[place])
    number[place] = -1
    groups, group = np.unique(number, return_inverse=True)
    distance = 2.0 - 2.0 * directions(item_sums(vectors, group)) @ vectors[place]
    wanted = groups == here if here >= 0 else groups >= 0
    if not wanted.any():
        return None, None
    best = int(np.where(wanted, distance, np.inf).argmin())
    return max(0.0, float(distance[best])), int(groups[best])
