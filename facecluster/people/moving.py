"""Single faces that are in the wrong group: stated, and moved at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facecluster.errors import UsageError
from facecluster.library import Library
from facecluster.people.saying import name_faces, reject

__all__ = ["Move", "move_to_group", "move_to_person", "take_out"]


@dataclass(frozen=True, slots=True)
class Move:
    """Faces that one action moved: the group they are in now, None for none, and whose it is."""

    action: int
    number: int | None
    person: str | None
    faces: int


def move_to_person(library: Library, faces: Sequence[int], name: str, *, command: str) -> Move:
    """State that each of these faces is this person, new or known, and move it to their group.

    That is the largest of the groups they lead, or a new one. UsageError for a name that cannot be
    one, unknown faces, and a library without groups.
    """
    _require_groups(library)
    with library.transaction():
        said = name_faces(library, faces, name, command=command, again=True)
        person = library.statements.person(name)
        home = _largest_group(library, person, set(faces))
        number = library.groupings.fresh(1)[0] if home is None else home
        library.groupings.move(said.action, dict.fromkeys(faces, number))
    return Move(said.action, number, said.person, said.faces)


def move_to_group(library: Library, faces: Sequence[int], number: int, *, command: str) -> Move:
    """State that each of these faces is the person of this group, named or not, and move it there.

    UsageError when there is no such group, when all of the faces are in it, and when it has no
    name but one of the faces does.
    """
    members = library.require_group(number)
    library.statements.require_faces(faces)
    new = [face for face in dict.fromkeys(faces) if face not in set(members)]
    if not new:
        raise UsageError(f"These faces are in group {number} already.")
    leader = library.groupings.leaders([number]).get(number)
    with library.transaction():
        if leader:
            action = name_faces(library, new, leader.name, command=command, again=True).action
        else:
            _require_unnamed(library, new, f"name group {number} first")
            action = library.statements.part([sorted([*members, *new])], command=command)
        library.groupings.move(action, dict.fromkeys(new, number))
    return Move(action, number, leader.name if leader else None, len(new))


def take_out(library: Library, faces: Sequence[int], number: int, *, command: str) -> Move:
    """State that these faces are not the person of this group, and take them out of it.

    Of a named group: each is not that person, and in no group until the next grouping. Of one
    without a name: they are another person, all the same one, and a group of their own, or in none
    when it is a single face. UsageError when there is no such group, when a face is not in it, and
    when none would be left in a group without a name.
    """
    members = library.require_group(number)
    chosen = set(faces)
    if not chosen or not chosen.issubset(members):
        raise UsageError(f"Say which faces of group {number} are not of this person.")
    leader = library.groupings.leaders([number]).get(number)
    with library.transaction():
        if leader:
            out, name = sorted(chosen), leader.name
            said = reject(library, out, person=name, command=command, again=True)
            library.groupings.move(said.action, dict.fromkeys(chosen))
            return Move(said.action, None, leader.name, len(chosen))
        rest = [face for face in members if face not in chosen]
        if not rest:
            raise UsageError(f"Those are all the faces of group {number}: leave one in it.")
        action = library.statements.part([rest, sorted(chosen)], command=command)
        home = library.groupings.fresh(1)[0] if len(chosen) > 1 else None
        library.groupings.move(action, dict.fromkeys(chosen, home))
    return Move(action, home, None, len(chosen))


def _largest_group(library: Library, person: int, without: set[int]) -> int | None:
    """The group with most faces beside these among the groups that the person leads."""
    others = [face for face in library.overview.named(person) if face not in without]
    numbers = library.groupings.numbers(others)
    led = library.groupings.leaders(set(numbers.values()))
    sizes = {n: len(library.groupings.members(n)) for n, who in led.items() if who.person == person}
    return max(sizes, key=lambda number: (sizes[number], -number), default=None)


def _require_groups(library: Library) -> None:
    if library.groupings.newest() is None:
        raise UsageError("Nothing is grouped yet: run 'facecluster group' first.")


def _require_unnamed(library: Library, faces: Sequence[int], remedy: str) -> None:
    """A named face belongs to its person, which no unnamed group can change."""
    for fact in library.statements.truth(faces):
        if fact.kind == "is" and fact.person is not None:
            name = library.statements.name_of(fact.person)
            raise UsageError(f"Face {fact.face} is stated to be {name}: {remedy}.")
