"""Faces that a file names beside the faces that were found: which is which, and what is new."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from facecluster.errors import UsageError
from facecluster.library import Library, ListedFace, ListedPhoto
from facecluster.library.matching import SAME_FACE_IOU, match_faces
from facecluster.library.names import name_key, new_name
from facecluster.records import Box

__all__ = [
    "SAME_PLACE_IOU",
    "Conflict",
    "Import",
    "Named",
    "Rejected",
    "collect",
    "said_of_faces",
    "same_name",
]

# Tools draw faces larger or smaller than this detector does: whole heads, squares. Two faces of
# one photo overlap far less than a fifth. An export needs the same limit: else it does not find
# the box that an import took a name from.
SAME_PLACE_IOU = 0.3


@dataclass(frozen=True, slots=True)
class Named:
    """A face that a file gives a name: its box in pixels of the upright photo, and the file."""

    name: str
    box: Box
    source: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A box of which the user has said that it is not this person."""

    name: str
    box: Box


@dataclass(frozen=True, slots=True)
class Conflict:
    """A face of which a file says another thing than the user, whose word stays.

    stated is who it is by the user (or by a file that was read before), None when the user said
    that it is not `name`, or to leave it out.
    """

    path: str
    face: int
    name: str
    stated: str | None
    source: str


@dataclass(slots=True)
class Import:
    """What files say: names new for the library, by face; and what was not taken, and why.

    known counts names that were stated before, files those that say something; not_found are
    (photo, name) of boxes where no face was found; unusable are sentences.
    """

    names: dict[int, str] = field(default_factory=dict)
    known: int = 0
    files: set[str] = field(default_factory=set)
    conflicts: list[Conflict] = field(default_factory=list)
    not_found: list[tuple[str, str]] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)


def collect(
    library: Library,
    roots: Sequence[str] | None,
    read: Callable[[ListedPhoto, str, list[str]], list[Named]],
) -> Import:
    """What the files beside the photos below the roots say that the library does not know yet.

    read(photo, path, unusable) gives the named faces for one of a photo's files, the most trusted
    file first, and notes what it cannot use. States nothing.
    """
    result = Import()
    # A name that another tool gave takes a face from the shelf.
    faces = _by_photo((*library.faces(), *library.faces(only="shelf")))
    ignored = _by_photo(library.faces(only="ignored"))
    stated, denied = _stated(library)
    for photo in library.photos(roots):
        for path in photo.paths:
            found = _one_each(read(photo, path, result.unusable), result)
            result.files.update(one.source for one in found)
            there = faces.get(photo.photo, [])
            edges = Box(0.0, 0.0, photo.about.width, photo.about.height)
            pairs = match_faces(
                [one.box for one in found],
                [_inside(face.box, edges) for face in there],
                least=SAME_PLACE_IOU,
            )
            for place, other in sorted(pairs):
                _judge(found[place], there[other], stated, denied, result)
            left = sorted(set(range(len(found))) - {place for place, _ in pairs})
            _leave(path, [found[place] for place in left], ignored.get(photo.photo, []), result)
    return result


def said_of_faces(library: Library) -> tuple[dict[int, list[Named]], dict[int, list[Rejected]]]:
    """By photo: the faces stated to be somebody, and those stated not to be somebody.

    What was only concluded, because the rest of a group is somebody, is not among them.
    """
    stated, denied = _stated(library)
    named: dict[int, list[Named]] = {}
    rejected: dict[int, list[Rejected]] = {}
    for face in library.faces():
        if face.face in stated:
            one = Named(stated[face.face], face.box, "")
            named.setdefault(face.photo, []).append(one)
        for name in denied.get(face.face, ()):
            rejected.setdefault(face.photo, []).append(Rejected(name, face.box))
    return named, rejected


def same_name(one: str, other: str) -> bool:
    """Whether two names mean one person; a name that could not be kept is nobody's."""
    try:
        return name_key(one) == name_key(other)
    except UsageError:
        return False


def _by_photo(faces: Iterable[ListedFace]) -> dict[int, list[ListedFace]]:
    found: dict[int, list[ListedFace]] = {}
    for face in faces:
        found.setdefault(face.photo, []).append(face)
    return found


def _stated(library: Library) -> tuple[dict[int, str], dict[int, list[str]]]:
    """Who each face is said to be, and who it is said not to be."""
    stated: dict[int, str] = {}
    denied: dict[int, list[str]] = {}
    names: dict[int, str] = {}
    for fact in library.statements.truth():
        if fact.person is None:
            continue
        if fact.person not in names:
            names[fact.person] = library.statements.name_of(fact.person)
        if fact.kind == "is":
            stated[fact.face] = names[fact.person]
        elif fact.kind == "is-not":
            denied.setdefault(fact.face, []).append(names[fact.person])
    return stated, denied


def _one_each(named: Sequence[Named], result: Import) -> list[Named]:
    """Each face once: the first that names a place wins, names that cannot be kept are noted."""
    kept: list[Named] = []
    for one in named:
        try:
            one = Named(new_name(one.name), one.box, one.source)
        except UsageError as error:
            result.unusable.append(f"{one.source}: {one.name[:50]!r}: {error}")
            continue
        before = next((old for old in kept if old.box.iou(one.box) >= SAME_FACE_IOU), None)
        if before is None:
            kept.append(one)
        elif not same_name(before.name, one.name):
            result.unusable.append(
                f"{one.source}: says {one.name} where {os.path.basename(before.source)} says "
                f"{before.name}."
            )
    return kept


def _judge(
    said: Named,
    face: ListedFace,
    stated: dict[int, str],
    denied: dict[int, list[str]],
    result: Import,
) -> None:
    # A name from another copy of this photo counts as if it were stated.
    who = stated.get(face.face) or result.names.get(face.face)
    if who is None and not any(same_name(said.name, name) for name in denied.get(face.face, ())):
        result.names[face.face] = said.name
    elif who is not None and same_name(who, said.name):
        result.known += face.face in stated
    else:
        result.conflicts.append(Conflict(face.path, face.face, said.name, who, said.source))


def _leave(
    path: str, named: Sequence[Named], ignored: Sequence[ListedFace], result: Import
) -> None:
    """Note names for which there is no face, or one that the user said to leave out."""
    for one in named:
        out = next((f for f in ignored if f.box.iou(one.box) >= SAME_PLACE_IOU), None)
        if out is None:
            result.not_found.append((path, one.name))
        else:
            result.conflicts.append(Conflict(path, out.face, one.name, None, one.source))


def _inside(box: Box, edges: Box) -> Box:
    return Box(
        min(max(box.x0, 0.0), edges.x1),
        min(max(box.y0, 0.0), edges.y1),
        min(max(box.x1, 0.0), edges.x1),
        min(max(box.y1, 0.0), edges.y1),
    )
