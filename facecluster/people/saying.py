"""Who a face or a group is, and who it is not: what the user says, and takes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facecluster.errors import UsageError
from facecluster.library import Action, Fact, Kind, Library
from facecluster.library.names import clean_name

__all__ = [
    "Said",
    "deny_group",
    "ignore",
    "ignore_group",
    "name_faces",
    "name_group",
    "nobody_left",
    "redo",
    "reject",
    "rename",
    "undo",
]


@dataclass(frozen=True, slots=True)
class Said:
    """What one action stated: the person (as first written) or None, and of how many faces.

    skipped faces of a group were left alone, because something else was stated of them. action is
    0, and the log has no new line, where all of it was so already.
    """

    action: int
    person: str | None
    faces: int
    skipped: int


def name_group(library: Library, number: int, name: str, *, command: str) -> Said:
    """State that the faces of a group are this person, new or known.

    Faces that carried the group's name so far take the new one. Left alone: faces stated to be
    somebody else, or not to be this person. UsageError when there is no such group, or when
    nothing would be stated.
    """
    members = library.require_group(number)
    leader = library.groupings.leaders([number]).get(number)
    taken, denied = set(), set()
    with library.transaction():  # what is refused leaves no new person
        person = library.statements.person(name, create=True)
        for fact in library.statements.truth(members):
            if fact.kind == "is" and not (leader and fact.person == leader.person):
                taken.add(fact.face)
            if fact.kind == "is-not" and fact.person == person:
                denied.add(fact.face)
        faces = [face for face in members if face not in taken | denied]
        if not faces:
            raise UsageError(nobody_left(library, number, person))
        said = _say(library, faces, "is", person, command)
    return Said(said, library.statements.name_of(person), len(faces), len(members) - len(faces))


def nobody_left(library: Library, number: int, person: int) -> str:
    """Why none of a group can be said to be this person: of each face something else is said."""
    name = library.statements.name_of(person)
    for fact in library.statements.truth(library.groupings.members(number)):
        if fact.kind == "is-not" and fact.person == person:
            said = library.statements.words(fact.face)
            no = next(word.action for word in said if (word.kind, word.person) == ("is-not", name))
            return (
                f"You said that group {number} is not {name}: 'facecluster undo {no}' takes that "
                "back."
            )
    return f"Each face of group {number} is stated to be somebody else: name faces one by one."


def name_faces(
    library: Library, faces: Sequence[int], name: str, *, command: str, again: bool = False
) -> Said:
    """State that each of these faces is this person, new or known, whatever was said before.

    again: also where that holds already, for an action that does more.
    """
    faces = _distinct(library, faces)
    with library.transaction():
        person = library.statements.person(name, create=True)
        said = _say(library, faces, "is", person, command, again=again)
    return Said(said, library.statements.name_of(person), len(faces), 0)


def rename(library: Library, old: str, new: str, *, command: str) -> Said:
    """State of all that was said of one person that it is of another name, new or known.

    Faces that are the one are the other, faces that are not the one are not the other, unless they
    are stated to be; a date of birth goes with the name. Where both names mean the same, as "ann"
    and "Ann" do, only the way of writing changes, which is no statement: action 0. UsageError when
    nobody has the old name.
    """
    person = library.statements.person(old)
    with library.transaction():
        other = library.statements.person(new, create=True)
        if other == person:
            library.statements.respell(person, new)
            return Said(0, clean_name(new), 0, 0)
        truth = library.statements.truth()
        taken = {fact.face for fact in truth if fact.kind == "is" and fact.person == other}
        facts = [
            Fact(fact.face, fact.kind, other)
            for fact in truth
            if fact.person == person and not (fact.kind == "is-not" and fact.face in taken)
        ]
        named = sum(fact.kind == "is" for fact in facts)
        if not named:
            raise UsageError(
                f"No face is stated to be {library.statements.name_of(person)} any more."
            )
        births = library.statements.births()
        # the date that somebody had who was renamed away is older than the one that comes now
        known = taken and other in births
        new_births = {other: births[person]} if person in births and not known else {}
        said = library.statements.say(facts, births=new_births, command=command)
    return Said(said, library.statements.name_of(other), named, 0)


def reject(
    library: Library,
    faces: Sequence[int],
    *,
    person: str | None = None,
    command: str,
    again: bool = False,
) -> Said:
    """State that each of these faces is not the person, by default the one it shows now.

    The next grouping keeps it apart from that person. again: see `name_faces`. UsageError for an
    unknown person, or a face that shows nobody.
    """
    faces = _distinct(library, faces)
    if person is not None:
        known = library.statements.person(person)
        said = _say(library, faces, "is-not", known, command, again=again)
        return Said(said, library.statements.name_of(known), len(faces), 0)
    photos = {library.overview.photo_of(face) for face in faces}
    shown = {one.face: one.person for photo in photos for one in library.faces(photo=photo)}
    facts = []
    for face in faces:
        name = shown.get(face)
        if name is None:
            raise UsageError(f"Face {face} shows nobody now: say with --person who it is not.")
        facts.append(Fact(face, "is-not", library.statements.person(name)))
    names = {shown[face] for face in faces}
    only = names.pop() if len(names) == 1 else None
    return Said(library.statements.say(facts, command=command), only, len(faces), 0)


def deny_group(library: Library, number: int, name: str, *, command: str) -> Said:
    """State that the faces of a group are not this person, but for those stated to be.

    UsageError when there is no such group or person, or when the group is theirs by your word.
    """
    members = library.require_group(number)
    person = library.statements.person(name)
    name = library.statements.name_of(person)
    taken = {
        fact.face
        for fact in library.statements.truth(members)
        if fact.kind == "is" and fact.person == person
    }
    faces = [face for face in members if face not in taken]
    if not faces:
        raise UsageError(f"Group {number} is stated to be {name}: reject its faces one by one.")
    said = _say(library, faces, "is-not", person, command)
    return Said(said, name, len(faces), len(taken))


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
        raise UsageError(
            f"Each face of group {number} is stated to be somebody: ignore faces one by one."
        )
    said = _say(library, faces, "ignore", None, command)
    return Said(said, None, len(faces), len(named))


def undo(library: Library, action: int | None = None, *, command: str) -> Action:
    """Take back an action by its number in the log, by default the newest in force.

    To undo an undo does its action again. Returns the action taken back.
    """
    return library.statements.undo(action, command=command)


def redo(library: Library, *, command: str) -> Action:
    """Do again what the last undo took back, if nothing was said since; the action done."""
    return library.statements.redo(command=command)


def _say(
    library: Library,
    faces: Sequence[int],
    kind: Kind,
    person: int | None,
    command: str,
    *,
    again: bool = False,
) -> int:
    """The action that states this of the faces; 0, and there is none, where it holds already."""
    facts = [Fact(face, kind, person) for face in faces]
    if not again and set(facts).issubset(library.statements.truth(faces)):
        return 0
    return library.statements.say(facts, command=command)


def _distinct(library: Library, faces: Sequence[int]) -> list[int]:
    if not faces:
        raise UsageError("Say which faces: 'facecluster faces' lists their numbers.")
    library.statements.require_faces(faces)
    return list(dict.fromkeys(faces))
