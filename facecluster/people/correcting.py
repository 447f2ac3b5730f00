"""What is wrong with the groups, as the user sees it: one holds two people, or two are one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import UsageError
from facecluster.grouping import Dendrogram, cut, linkage
from facecluster.library import Fact, Library
from facecluster.people.bonds import constraints
from facecluster.people.saying import nobody_left

__all__ = ["Merge", "Part", "Split", "merge", "split_group", "split_person"]

# No two unit vectors are farther apart: with it, linkage tells every merge.
_ALL = 4.0


@dataclass(frozen=True, slots=True)
class Part:
    """Faces of a split group that stay together, rising; number is None for a face left alone."""

    number: int | None
    person: str | None
    faces: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """A group divided at a squared distance; parts by falling size, the one that kept its number
    first.

    The faces of a part are now stated to be one person, those of different parts different people;
    nothing is stated of the loose faces, which are in no group until the next grouping.
    """

    action: int
    number: int
    threshold: float
    parts: tuple[Part, ...]
    loose: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Merge:
    """Groups that are one person: the number they have now, its person if named, all its faces.

    skipped faces stay where they were, because something else was stated of them; shared_photos
    show two or more of the faces, which is either a mirror or a mistake.
    """

    action: int
    number: int
    person: str | None
    faces: int
    skipped: int
    shared_photos: int


def split_group(
    library: Library, number: int, *, threshold: float | None = None, command: str
) -> Split:
    """Divide a group by average linkage at a squared distance, and state the parts.

    Faces named as one person stay together. Without a threshold it is divided where its parts of
    two or more faces are farthest apart. The part with the named faces, else the largest, keeps the
    number, the others get new ones; undoing it puts all faces back. UsageError when there is no
    such group or when nothing comes apart.
    """
    return _split(library, library.require_group(number), number, threshold, command)


def split_person(
    library: Library, name: str, *, threshold: float | None = None, command: str
) -> Split:
    """Divide the groups of a person as `split_group` does: the faces stated to be them stay, the
    others come away where they are farther than the threshold."""
    person = library.statements.person(name)
    led = [number for number, who in library.groupings.leaders().items() if who.person == person]
    if not led:
        raise UsageError(f"No group is {library.statements.name_of(person)}'s: group first.")
    members = {number: library.groupings.members(number) for number in sorted(led)}
    keep = max(members, key=lambda number: len(members[number]))
    everybody = sorted(face for faces in members.values() for face in faces)
    return _split(library, everybody, keep, threshold, command)


def merge(library: Library, numbers: Sequence[int], *, command: str) -> Merge:
    """State that these groups are one person, and put them together at once.

    When one of them has a name it is stated of the others, but for faces stated to be somebody
    else. The named group, else the largest, gives the number. UsageError for fewer than two
    groups, unknown ones, groups of different people, and where all of one was said otherwise.
    """
    members = {number: library.require_group(number) for number in dict.fromkeys(numbers)}
    if len(members) < 2:
        raise UsageError("Say which groups are one person: 'facecluster merge 3 8'.")
    leaders = library.groupings.leaders(members)
    led = [leaders[number] for number in members if number in leaders]
    people = {leader.person: leader.name for leader in led}
    if len(people) > 1:
        names = " and ".join(sorted(people.values()))
        raise UsageError(
            f"These groups are of different people, {names}: to make them one person, give them "
            "the same name with 'facecluster name'."
        )
    person = next(iter(people), None)
    everybody = sorted(face for faces in members.values() for face in faces)
    number = max(members, key=lambda one: (one in leaders, len(members[one]), -one))
    other = _stated_otherwise(library, members, person)
    faces = [face for face in everybody if face not in other]
    with library.transaction():
        if person is None:
            action = library.statements.part([faces], command=command)
        else:
            facts = [Fact(face, "is", person) for face in faces]
            action = library.statements.say(facts, command=command)
        library.groupings.move(action, dict.fromkeys(faces, number))
    photos = Counter(library.photos_of(np.array(faces, dtype=np.int64)).tolist())
    return Merge(
        action=action,
        number=number,
        person=None if person is None else people[person],
        faces=len(faces),
        skipped=len(other),
        shared_photos=sum(count > 1 for count in photos.values()),
    )


def _stated_otherwise(
    library: Library, members: Mapping[int, Sequence[int]], person: int | None
) -> set[int]:
    """Those of the groups' faces that are stated to be somebody else, or not to be this person.

    UsageError when that is all of a group.
    """
    other = {
        fact.face
        for fact in library.statements.truth(face for faces in members.values() for face in faces)
        if (fact.kind == "is") == (fact.person != person)
    }
    if person is not None and (left := [one for one in members if other.issuperset(members[one])]):
        raise UsageError(nobody_left(library, left[0], person))
    return other


def _split(
    library: Library, members: Sequence[int], number: int, threshold: float | None, command: str
) -> Split:
    grouping = library.groupings.newest()
    faces, vectors = library.embeddings(grouping.model if grouping else 0, members)
    bound = constraints(library, faces, parts_hold=False)
    named = np.isin(np.arange(len(faces)), bound.together)
    tree = linkage(vectors, threshold=_ALL, constraints=bound)
    divides = _where_it_divides(tree, named)
    if divides is None:
        raise UsageError(_indivisible(library, number, members))
    at = divides if threshold is None else threshold
    parts, loose = _parts(cut(tree, at), faces, named)
    if len(parts) < 2:
        raise UsageError(
            f"Group {number} stays whole at a squared distance of {at:.2f}: "
            f"it comes apart at {divides:.2f}."
        )
    with library.transaction():
        action = library.statements.part(parts, loose, command=command)
        found = _homes(library, parts, number)
        homes = {face: part.number for part in found for face in part.faces}
        library.groupings.move(action, {**homes, **dict.fromkeys(loose)})
    return Split(action, number, at, tuple(found), tuple(loose))


def _where_it_divides(tree: Dendrogram, named: NDArray[np.bool_]) -> float | None:
    """The highest distance at which there are two parts of two or more, or named, faces.

    Where there is none, the highest at which there are two parts at all, or None.
    """
    parent = np.arange(tree.n)
    # Of each root, whether its part counts: a single face is more often an odd picture than a
    # person of its own.
    counts = named.copy()
    levels = np.unique(np.append(0.0, np.maximum(tree.heights, 0.0)))
    best = rest = None
    for level, above in zip(levels, np.append(levels[1:], _ALL), strict=True):
        for place in np.flatnonzero(np.maximum(tree.heights, 0.0) == level).tolist():
            one, other = (_root(parent, row) for row in tree.rows[place].tolist())
            parent[other] = one
            counts[one], counts[other] = True, False
        between = float((level + above) / 2)
        at = between if between < above else float(level)
        if np.count_nonzero(counts) >= 2:
            best = at
        elif np.count_nonzero(parent == np.arange(tree.n)) >= 2:
            rest = at
    return rest if best is None else best


def _root(parent: NDArray[np.int64], row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = int(parent[row])
    return row


def _parts(
    labels: NDArray[np.int64], faces: NDArray[np.int64], named: NDArray[np.bool_]
) -> tuple[list[list[int]], list[int]]:
    """The parts of two or more, or named, faces, and the faces left over.

    Single faces are parts too where else there would be only one: then it is them it comes apart
    from.
    """
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    large = [rows for rows in groups if len(rows) > 1 or named[rows[0]]]
    if len(large) < 2:
        return [faces[rows].tolist() for rows in groups], []
    left = np.setdiff1d(np.arange(len(faces)), np.concatenate(large))
    return [faces[rows].tolist() for rows in large], faces[left].tolist()


def _homes(library: Library, parts: list[list[int]], number: int) -> list[Part]:
    """The parts with the group each becomes: the leader's, or the largest, keeps the number."""
    leader = library.groupings.leaders([number]).get(number)
    facts = library.statements.truth(face for part in parts for face in part)
    people = {fact.face: fact.person for fact in facts if fact.kind == "is" and fact.person}
    # Statements keep two people apart, so a part has one at most.
    ranked = [(next((people[f] for f in part if f in people), None), part) for part in parts]
    ranked.sort(
        key=lambda one: (leader is None or one[0] != leader.person, -len(one[1]), one[1][0])
    )
    found: list[Part] = []
    for person, part in ranked:
        home = None
        # As in any grouping, a face alone is a group only when it is known whose it is.
        if person is not None or len(part) > 1:
            kept = any(before.number == number for before in found)
            home = library.groupings.fresh(1)[0] if kept else number
        name = None if person is None else library.statements.name_of(person)
        found.append(Part(home, name, tuple(part)))
    return found


def _indivisible(library: Library, number: int, members: Sequence[int]) -> str:
    facts = [fact for fact in library.statements.truth(members) if fact.kind == "is"]
    if len(facts) < len(members):
        return f"The faces of group {number} cannot be told apart: name or reject single ones."
    words = library.statements.words(members[0])
    said = next(word for word in words if word.kind == "is")
    return (
        f"Each face of group {number} is stated to be {said.person}: 'facecluster undo "
        f"{said.action}' takes back '{said.command}', 'facecluster reject FACE' a single face."
    )
