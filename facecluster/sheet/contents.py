"""What is on a contact sheet: people and groups with their most typical and most doubtful faces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from facecluster.library import Library, ListedFace, ListedPhoto
from facecluster.people import likeness
from facecluster.records import Box

__all__ = ["Contents", "Part", "Tile", "contents", "found_photos"]


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of the sheet: a face in its box, or, without a box, the whole photo."""

    number: int
    path: str
    taken_at: str | None
    box: Box | None


@dataclass(frozen=True, slots=True)
class Part:
    """A person (group None), or a group without a name (person None).

    typical are the faces most like the others, doubtful those least, the worst first; crowded are
    photos with two of its faces.
    """

    group: int | None
    person: str | None
    faces: int
    photos: int
    typical: tuple[Tile, ...]
    doubtful: tuple[Tile, ...]
    crowded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """A whole sheet; photos are given alone, without people and groups.

    left_out counts the groups that were too many, faces and loose all faces and those in no group.
    """

    people: tuple[Part, ...] = ()
    groups: tuple[Part, ...] = ()
    photos: tuple[Tile, ...] = ()
    left_out: int = 0
    faces: int = 0
    loose: int = 0


def contents(library: Library, *, groups: int, faces: int) -> Contents:
    """The people by name and the largest groups without a name, so many faces of each.

    A third of the faces, if there are more, are the doubtful ones. Costs a look at all vectors.
    """
    taken = {photo.photo: photo.about.taken_at for photo in library.photos()}
    people: dict[str, list[ListedFace]] = {}
    unnamed: dict[int, list[ListedFace]] = {}
    everybody = library.faces()
    for face in everybody:
        if face.person is not None:
            people.setdefault(face.person, []).append(face)
        elif face.group is not None:
            unnamed.setdefault(face.group, []).append(face)
    order = sorted(unnamed, key=lambda number: (-len(unnamed[number]), number))
    return Contents(
        people=tuple(
            _part(library, None, name, people[name], taken, faces)
            for name in sorted(people, key=str.casefold)
        ),
        groups=tuple(
            _part(library, number, None, unnamed[number], taken, faces) for number in order[:groups]
        ),
        left_out=max(0, len(order) - groups),
        faces=len(everybody),
        loose=sum(face.group is None and face.person is None for face in everybody),
    )


def _part(
    library: Library,
    group: int | None,
    person: str | None,
    members: Sequence[ListedFace],
    taken: dict[int, str | None],
    most: int,
) -> Part:
    by_number = {face.face: face for face in members}
    numbers = list(by_number)
    order = likeness(library, numbers, numbers)
    doubtful = min(max(0, len(order) - most), most // 3)
    shown = order[: most - doubtful], order[::-1][:doubtful]
    typical, last = (
        tuple(
            Tile(face.face, face.path, taken[face.photo], face.box)
            for face in map(by_number.__getitem__, chosen)
        )
        for chosen in shown
    )
    count = Counter(face.path for face in members)
    crowded = tuple(sorted(path for path, times in count.items() if times > 1))
    return Part(group, person, len(members), len(count), typical, last, crowded)


def found_photos(photos: Sequence[ListedPhoto]) -> Contents:
    """A sheet of these photos, in the order given."""
    return Contents(
        photos=tuple(Tile(one.photo, one.path, one.about.taken_at, None) for one in photos)
    )
