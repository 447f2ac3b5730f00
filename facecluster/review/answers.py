"""What a person says on the page: each answer is one action of the log, made by `people`."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from facecluster import people
from facecluster.counted import counted
from facecluster.errors import UsageError
from facecluster.library import Library

__all__ = ["Answer", "Changed", "say"]

Body = Mapping[str, object]

# What SQLite can hold; a larger number is no number of anything.
_LARGEST = 2**63 - 1


class Changed(UsageError):
    """The group is not any more what the page showed when its user spoke of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was stated, as a sentence; the group that an action has put faces into, if one.

    action is its number in the log, with which this and nothing else can be undone; None where
    all of it was so already.
    """

    said: str
    group: int | None = None
    action: int | None = None


def say(library: Library, body: Body) -> Answer:
    """Do what the page asks for: body["do"] is a key of _DOINGS, the rest its arguments.

    body["shown"] is what the page showed of body["group"], its "faces" and "person": Changed when
    that is not so any more. UsageError, in words for the page, when it cannot be done; then nothing
    is changed.
    """
    doing = _DOINGS.get(str(body.get("do")))
    if doing is None:
        raise UsageError("This page asked for something unknown: load it again.")
    with library.transaction():  # nobody changes the group between the look and the words
        _require_as_shown(library, body)
        return doing(library, body)


def _require_as_shown(library: Library, body: Body) -> None:
    if body.get("shown") is None:
        return
    number = _number(body, "group")
    leader = library.groupings.leaders([number]).get(number)
    faces = len(library.groupings.members(number))
    if body["shown"] != {"faces": faces, "person": leader.name if leader else None}:
        raise Changed(f"Group {number} has changed since: look again.")


def _name(library: Library, body: Body) -> Answer:
    number, name = _number(body, "group"), _text(body, "name")
    known = library.overview.names()
    said = people.name_group(library, number, name, command=_words("name", number, name))
    kept = f"; {said.skipped} stated otherwise before stay as they were" if said.skipped else ""
    near = difflib.get_close_matches(said.person or "", known, n=1)
    new = f" A new person: undo it if you meant {near[0]}." if near else ""
    words = f"{_are(said.faces)} {said.person}{kept}.{'' if said.person in known else new}"
    return Answer(words, number, said.action or None)


def _deny(library: Library, body: Body) -> Answer:
    number, name = _number(body, "group"), _text(body, "name")
    said = people.deny_group(library, number, name, command=_words("deny", number, name))
    return Answer(f"{_are(said.faces)} not {said.person}.", number, said.action or None)


def _move(library: Library, body: Body) -> Answer:
    faces = _faces(body)
    if body.get("group") is not None:
        number = _number(body, "group")
        words = _words("move", *faces, "to", number)
        move = people.move_to_group(library, faces, number, command=words)
    else:
        name = _text(body, "name")
        words = _words("move", *faces, "to", name)
        move = people.move_to_person(library, faces, name, command=words)
    where = move.person or f"in group {move.number}"
    return Answer(f"{_are(move.faces)} {where} now.", move.number, move.action)


def _take_out(library: Library, body: Body) -> Answer:
    faces, number = _faces(body), _number(body, "group")
    words = _words("take-out", number, *faces)
    move = people.take_out(library, faces, number, command=words)
    if move.person:
        return Answer(f"{_are(move.faces)} not {move.person}.", None, move.action)
    where = f" and group {move.number}" if move.number else ""
    return Answer(f"{_are(move.faces)} somebody else{where} now.", move.number, move.action)


def _ignore(library: Library, body: Body) -> Answer:
    if body.get("faces") is None:
        number = _number(body, "group")
        said = people.ignore_group(library, number, command=_words("ignore", number))
    else:
        faces, no_face = _faces(body), body.get("not_a_face") is True
        words = _words("not-a-face" if no_face else "ignore", *faces)
        said = people.ignore(library, faces, not_a_face=no_face, command=words)
    return Answer(f"{_are(said.faces)} left out from now on.", action=said.action or None)


def _split(library: Library, body: Body) -> Answer:
    number = _number(body, "group")
    done = people.split_group(library, number, command=_words("split", number))
    sizes = " and ".join(str(len(part.faces)) for part in done.parts)
    left = f", {len(done.loose)} in no group" if done.loose else ""
    return Answer(f"Group {number} is divided: {sizes} faces{left}.", number, done.action)


def _merge(library: Library, body: Body) -> Answer:
    numbers = _number(body, "group"), _number(body, "with")
    done = people.merge(library, numbers, command=_words("merge", *numbers))
    show = counted(done.shared_photos, "photo shows", "photos show")
    twice = f" {show} them more than once." if done.shared_photos else ""
    words = f"{_are(done.faces)} one person: group {done.number}.{twice}"
    return Answer(words, done.number, done.action)


def _undo(library: Library, body: Body) -> Answer:
    """Of the action that is named or, where none is, of the newest of whoever made it."""
    action = None if body.get("action") is None else _number(body, "action")
    words = "undo" if action is None else f"undo {action}"
    undone = people.undo(library, action, command=words)
    return Answer(f"Taken back: {undone.command} ({counted(undone.faces, 'face')}).")


def _redo(library: Library, _: Body) -> Answer:
    done = people.redo(library, command="redo")
    return Answer("Stated again.", action=done.id)


_DOINGS: dict[str, Callable[[Library, Body], Answer]] = {
    "name": _name,
    "deny": _deny,
    "move": _move,
    "take out": _take_out,
    "ignore": _ignore,
    "split": _split,
    "merge": _merge,
    "undo": _undo,
    "redo": _redo,
}


def _number(body: Body, key: str) -> int:
    value = body.get(key)
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise UsageError(f"This page sent no number as '{key}': load it again.")
    return value


def _faces(body: Body) -> list[int]:
    faces = body.get("faces")
    if not isinstance(faces, list) or not faces:
        raise UsageError("Choose faces first.")
    return [_number({"faces": face}, "faces") for face in faces]


def _text(body: Body, key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value.strip():
        raise UsageError("Type a name first.")
    return value.strip()


def _words(*words: object) -> str:
    """The action as the log lists it; long lists of faces are cut."""
    shown = [str(word) for word in words]
    if len(shown) > 12:
        shown = [*shown[:9], f"({len(shown) - 11} more)", *shown[-2:]]
    return shlex.join(["review", *shown])


def _are(faces: int) -> str:
    return counted(faces, "face is", "faces are")
