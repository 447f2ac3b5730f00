"""What the user says about people, what follows for the groups, and who a new face may be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import UsageError
from facecluster.grouping import Constraints, group, renumber
from facecluster.library import Action, Fact, Kind, Library

__all__ = [
    "Identity",
    "Regrouping",
    "Said",
    "constraints",
    "identify",
    "ignore",
    "ignore_group",
    "name_faces",
    "name_group",
    "redo",
    "regroup",
    "reject",
    "undo",
]


@dataclass(frozen=True, slots=True)
class Said:
    """What one action stated: the person (as first written) or None, and of how many faces.

    skipped faces of a group were left alone, because something else was stated of them.
    """

    action: int
    person: str | None
    faces: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Regrouping:
    """What a new grouping changed.

    named_faces are those stated to be somebody; named_moved of them have left the groups of their
    person, names_lost people have no group any more, new_faces were in no group and now are.
    """

    faces: int
    groups: int
    ungrouped: int
    named_faces: int
    named_moved: int
    names_lost: int
    new_faces: int


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a face may be: None when no named face is within the threshold.

    face is the named face that decided, at squared_distance; beyond the threshold the nearest
    one; both are None when nobody is named yet.
    """

    person: str | None
    squared_distance: float | None
    face: int | None


def name_group(library: Library, number: int, name: str, *, command: str) -> Said:
    """State that the faces of a group are this person, new or known.

    Faces that carried the group's name so far take the new one. Left alone: faces stated to be
    somebody else, or not to be this person. UsageError when there is no such group, or when
    nothing would be stated.
    """
    members = library.require_group(number)
    person = library.statements.person(name, create=True)
    leader = library.groupings.leaders().get(number)
    taken, denied = set(), set()
    for fact in library.statements.truth(members):
        if fact.kind == "is" and not (leader and fact.person == leader.person):
            taken.add(fact.face)
        if fact.kind == "is-not" and fact.person == person:
            denied.add(fact.face)
    faces = [face for face in members if face not in taken | denied]
    if not faces:
        raise UsageError(
            f"Each face of group {number} is stated to be somebody else: name faces one by one."
        )
    said = _say(library, faces, "is", person, command)
    return Said(said, library.statements.name_of(person), len(faces), len(members) - len(faces))


def name_faces(library: Library, faces: Sequence[int], name: str, *, command: str) -> Said:
    """State that each of these faces is this person, new or known, whatever was said before."""
    faces = _distinct(library, faces)
    person = library.statements.person(name, create=True)
    said = _say(library, faces, "is", person, command)
    return Said(said, library.statements.name_of(person), len(faces), 0)


def reject(
    library: Library, faces: Sequence[int], *, person: str | None = None, command: str
) -> Said:
    """State that each of these faces is not the person, by default the one it shows now.

    The next grouping keeps it apart from that person. UsageError for an unknown person, or a
    face that shows nobody.
    """
    faces = _distinct(library, faces)
    if person is not None:
        known = library.statements.person(person)
        said = _say(library, faces, "is-not", known, command)
        return Said(said, library.statements.name_of(known), len(faces), 0)
    shown = {face.face: face.person for face in library.faces()}
    facts = []
    for face in faces:
        name = shown.get(face)
        if name is None:
            raise UsageError(f"Face {face} shows nobody now: say with --person who it is not.")
        facts.append(Fact(face, "is-not", library.statements.person(name)))
    names = {shown[face] for face in faces}
    only = names.pop() if len(names) == 1 else None
    return Said(library.statements.say(facts, command=command), only, len(faces), 0)


def ignore(
    library: Library, faces: Sequence[int], *, command: str, not_a_face: bool = False
) -> Said:
    """State that these faces are of no interest, or no faces: lists and groups leave them out."""
    faces = _distinct(library, faces)
    said = _say(library, faces, "not-a-face" if not_a_face else "ignore", None, command)
    return Said(said, None, len(faces), 0)


def ignore_group(library: Library, number: int, *, command: str) -> Said:
    """State that the faces of a group are of no interest, but for those stated to be somebody."""
    members = library.require_group(number)
    named = {fact.face for fact in library.statements.truth(members) if fact.kind == "is"}
    faces = [face for face in members if face not in named]
    if not faces:
        raise UsageError(f"Each face of group {number} is stated to be somebody.")
    said = _say(library, faces, "ignore", None, command)
    return Said(said, None, len(faces), len(named))


def undo(library: Library, action: int | None = None, *, command: str) -> Action:
    """Take back an action by its number in the log, by default the newest in force.

    To undo an undo does its action again. Returns the action taken back.
    """
    return library.statements.undo(action, command=command)


def redo(library: Library, *, command: str) -> Action:
    """Do again what the last undo took back, if nothing was said since."""
    return library.statements.redo(command=command)


def regroup(
    library: Library,
    model: int,
    *,
    method: str,
    threshold: float | None,
    k: int | None,
    seed: int = 0,
) -> Regrouping:
    """Group all faces anew with this model's vectors, bound by what was stated, and keep it.

    Groups keep their numbers as long as they keep most of their faces.
    """
    faces, vectors = library.embeddings(model)
    bound = constraints(library, faces)
    labels = group(vectors, method=method, threshold=threshold, k=k, constraints=bound, seed=seed)
    previous, next_number = library.groupings.previous(faces)
    numbers, next_number = renumber(labels, previous, next_number)
    home_before, led_before = _at_home(library)
    library.groupings.save(
        model=model,
        method=method,
        settings={"threshold": threshold, "k": k, "seed": seed},
        faces=faces,
        numbers=numbers,
        next_number=next_number,
    )
    home, led = _at_home(library)
    facts = library.statements.truth(faces.tolist())
    return Regrouping(
        faces=len(faces),
        groups=len(np.unique(numbers[numbers >= 0])),
        ungrouped=int(np.sum(numbers < 0)),
        named_faces=sum(fact.kind == "is" for fact in facts),
        named_moved=len(home_before - home),
        names_lost=len(led_before - led),
        new_faces=int(np.sum((previous < 0) & (numbers >= 0))),
    )


def constraints(library: Library, faces: NDArray[np.int64]) -> Constraints:
    """What the user stated about these faces, as rows 0..N-1 for `group`.

    Faces of one person are chained together; one face of each person stands for all of them when
    two people, or a face and a person it is not, are kept apart: P people make P (P - 1) / 2 pairs.
    """
    row = {face: place for place, face in enumerate(faces.tolist())}
    together, apart, chief, last = [], [], dict[int, int](), dict[int, int]()
    facts = [fact for fact in library.statements.truth() if fact.face in row]
    for fact in facts:
        if fact.kind != "is" or fact.person is None:
            continue
        here = row[fact.face]
        # The first is together with itself, which tells `group` that it is somebody's.
        together.append((last.get(fact.person, here), here))
        chief.setdefault(fact.person, here)
        last[fact.person] = here
    for fact in facts:
        if fact.kind == "is-not" and fact.person in chief:
            apart.append((row[fact.face], chief[fact.person]))
    apart += combinations(chief.values(), 2)
    return Constraints(
        together=_pairs(together), apart=_pairs(apart), photos=library.photos_of(faces)
    )


def identify(
    library: Library,
    model: int,
    embeddings: NDArray[np.float32],
    *,
    threshold: float,
    k: int = 5,
) -> list[Identity]:
    """Who each unit row of embeddings (M, D) is, by the k nearest faces that the user has named.

    Those within the threshold vote, each with (threshold - squared distance), so that one very
    near face outweighs several at the edge. The person with most votes is it, at the distance of
    their nearest face.
    """
    if k < 1:
        raise ValueError(f"k must be >= 1, got {k}")
    faces, people, vectors = library.named_embeddings(model)
    if len(faces) == 0:
        return [Identity(None, None, None) for _ in embeddings]
    found = []
    for row in embeddings:
        distances = np.maximum(0.0, 2.0 - 2.0 * (vectors @ row).astype(np.float64))
        nearest = np.argsort(distances, kind="stable")[:k]
        votes: dict[int, float] = {}
        for place in nearest[distances[nearest] <= threshold].tolist():
            vote = threshold - float(distances[place])
            votes[int(people[place])] = votes.get(int(people[place]), 0.0) + vote
        best = int(nearest[0])
        name = None
        if votes:
            # The first of equals is the one with the nearest face.
            winner = max(votes, key=lambda person: votes[person])
            best = next(place for place in nearest.tolist() if people[place] == winner)
            name = library.statements.name_of(winner)
        found.append(Identity(name, float(distances[best]), int(faces[best])))
    return found


def _say(
    library: Library, faces: Iterable[int], kind: Kind, person: int | None, command: str
) -> int:
    return library.statements.say([Fact(f, kind, person) for f in faces], command=command)


def _distinct(library: Library, faces: Sequence[int]) -> list[int]:
    if not faces:
        raise UsageError("Say which faces: 'facecluster faces' lists their numbers.")
    library.statements.require_faces(faces)
    return list(dict.fromkeys(faces))


def _at_home(library: Library) -> tuple[set[int], set[int]]:
    """The stated faces that are in a group of their own person, and the people who lead a group."""
    leaders = library.groupings.leaders()
    home: set[int] = set()
    stated = {fact.face: fact.person for fact in library.statements.truth() if fact.kind == "is"}
    for number, leader in leaders.items():
        home.update(
            face for face in library.groupings.members(number) if stated.get(face) == leader.person
        )
    return home, {leader.person for leader in leaders.values()}


def _pairs(pairs: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    return np.array(pairs, dtype=np.int64).reshape(len(pairs), 2)
