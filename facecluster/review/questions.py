"""What the page shows, as values that JSON can carry: a few questions to the library each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from facecluster.errors import UsageError
from facecluster.facenet.calibration import Calibration
from facecluster.library import Fact, Library
from facecluster.people import likeness, suggest

__all__ = ["Judge", "group", "loose", "pair", "photo", "state", "suggestions"]

Json = dict[str, object]
# Of a network, by its name: the squared distance up to which to suggest, and the calibration.
Judge = Callable[[str], tuple[float, Calibration | None]]

# Of a person beside a suggested group: more do not help to tell.
_BESIDE = 24


def state(library: Library) -> Json:
    """The progress, the names, and the groups, each as [number, faces, front, person or None]."""
    leaders = library.groupings.leaders()
    progress = library.overview.progress()
    fronts = library.overview.fronts()
    return {
        "settled": progress.settled,
        "faces": progress.faces,
        "names": library.overview.names(),
        "loose": len(library.overview.loose()),
        "groups": [
            [one.number, one.faces, one.front, leaders[one.number].name]
            if one.number in leaders
            else [one.number, one.faces, one.front, None]
            for one in fronts
        ],
    }


def group(library: Library, number: int) -> Json:
    """A group's faces, the most typical first, each as [face, what is stated of it, who]."""
    members = library.require_group(number)
    leader = library.groupings.leaders([number]).get(number)
    order = likeness(library, members, members)
    facts = library.statements.truth(members)
    return {
        "group": number,
        "person": leader.name if leader else None,
        "faces": _with_words(library, order, facts, leader.person if leader else None),
    }


def loose(library: Library) -> Json:
    """The faces in no group, as `group` gives those of one."""
    faces = library.overview.loose()
    facts = library.statements.truth(faces)
    return {"group": None, "person": None, "faces": _with_words(library, faces, facts, None)}


def pair(library: Library, number: int, person: str) -> Json:
    """A group and the faces of a person that are most like it, both the most typical first."""
    members = library.require_group(number)
    named = library.overview.named(library.statements.person(person))
    if not named:
        raise UsageError(f"No face of {person} has a file any more.")
    return {
        "group": number,
        "person": library.person_name(person),
        "faces": likeness(library, members, members),
        "named": len(named),
        "beside": likeness(library, named, members)[:_BESIDE],
    }


def suggestions(library: Library, judge: Judge) -> Json:
    """Which unnamed groups may be whom, best question first; costs as `people.suggest` does.

    By the library's network, whichever it is now; the groups may be another's.
    """
    found = []
    if models := library.models():
        threshold, calibration = judge(models[0].name)
        found = suggest(library, models[0].id, threshold=threshold, calibration=calibration)
    return {
        "suggestions": [
            {
                "group": one.group,
                "faces": one.faces,
                "person": one.person,
                "agreeing": one.agreeing,
                "squared_distance": one.squared_distance,
                "probability": one.probability,
            }
            for one in found
        ]
    }


def photo(library: Library, face: int) -> Json:
    """The photo behind a face, with the boxes of all its faces as shares of its width and height.

    UsageError when the face is unknown or has no readable file.
    """
    found = library.photo(library.overview.photo_of(face))
    width, height = found.about.width, found.about.height
    return {
        "photo": found.photo,
        "path": found.path,
        "taken_at": found.about.taken_at,
        "width": width,
        "height": height,
        "faces": [
            {
                "face": one.face,
                "group": one.group,
                "person": one.person,
                "box": [
                    one.box.x0 / width,
                    one.box.y0 / height,
                    one.box.x1 / width,
                    one.box.y1 / height,
                ],
            }
            for one in library.faces(photo=found.photo)
        ],
    }


def _with_words(
    library: Library, faces: Sequence[int], facts: Sequence[Fact], leader: int | None
) -> list[list[object]]:
    """Each face with "is" and who it is stated to be, "is-not" of the leader, or two Nones."""
    names: dict[int, str] = {}
    words: dict[int, list[object]] = {}
    for fact in facts:
        if fact.person is not None and (fact.kind == "is" or fact.person == leader):
            if fact.person not in names:
                names[fact.person] = library.statements.name_of(fact.person)
            # Facts of one face come in the order of their kinds, so `is` is met first and stays.
            words.setdefault(fact.face, [fact.kind, names[fact.person]])
    return [[face, *words.get(face, [None, None])] for face in faces]
