"""Photos as the user asks for them: by who is on them, how many are, and when they were taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facecluster.library.connection import Connection, Value
from facecluster.library.scanned import below
from facecluster.records import Photo

__all__ = ["ListedPhoto", "Wanted", "chosen", "copies_elsewhere", "list_photos"]


@dataclass(frozen=True, slots=True)
class ListedPhoto:
    """A photo with its number here and the files that have this content, by path; at least one."""

    photo: int
    about: Photo
    paths: tuple[str, ...]

    @property
    def path(self) -> str:
        """The first of the photo's files, as `faces` lists it."""
        return self.paths[0]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What photos are looked for; what is left out does not matter.

    people are all on it, none of without; alone: and nobody else, or, without people, one face.
    first and last are YYYY, YYYY-MM or YYYY-MM-DD, both included. Faces that are ignored do not
    count.
    """

    people: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    first: str | None = None
    last: str | None = None
    min_faces: int = 0
    alone: bool = False


def list_photos(
    connection: Connection, roots: Sequence[str] | None, number: int | None = None
) -> list[ListedPhoto]:
    """The photos with a readable file at or below the roots (absolute paths), by first path.

    None is everywhere; number is that of the only photo asked for. All of the files below the roots
    are in `paths`.
    """
    conditions, parameters = ["error is null"], list[Value]()
    if roots is not None:
        where, asked = below(roots)
        conditions.append(where)
        parameters += asked
    if number is not None:
        conditions.append("photo.id = ?")
        parameters.append(number)
    found: dict[int, ListedPhoto] = {}
    for path, photo, *about in connection.rows(
        "select path, photo.id, sha256, width, height, orientation, taken_at"
        " from file join photo on photo.id = file.photo"
        f" where {' and '.join(conditions)} order by path",
        parameters,
    ):
        before = found[photo].paths if photo in found else ()
        found[photo] = ListedPhoto(photo, Photo(*about), (*before, path))
    return list(found.values())


def copies_elsewhere(connection: Connection, roots: Sequence[str]) -> list[tuple[str, str]]:
    """The paths of readable files outside the roots, each with one below them of the same photo."""
    where, parameters = below(roots)
    return connection.rows(
        f"with here as (select path, photo from file where error is null and {where})"
        " select file.path, here.path from file join here on here.photo = file.photo"
        f" where error is null and not {where}",
        [*parameters, *parameters],
    )


def chosen(
    photos: Sequence[ListedPhoto],
    faces: Mapping[int, Sequence[str | None]],
    wanted: Wanted,
) -> list[ListedPhoto]:
    """Those of the photos that are wanted; faces says by photo who each of its faces is."""
    return [
        photo
        for photo in photos
        if _in_time(photo.about.taken_at, wanted) and _shows(faces.get(photo.photo, ()), wanted)
    ]


def _in_time(taken_at: str | None, wanted: Wanted) -> bool:
    """Whether it was taken from first to last; a photo without a date is in no span of time."""
    if wanted.first is None and wanted.last is None:
        return True
    if taken_at is None:
        return False
    # ISO dates compare as text, and a shorter one means all days that begin with it.
    after = wanted.first is None or taken_at[: len(wanted.first)] >= wanted.first
    return after and (wanted.last is None or taken_at[: len(wanted.last)] <= wanted.last)


def _shows(faces: Sequence[str | None], wanted: Wanted) -> bool:
    there = set(faces)
    if not there.issuperset(wanted.people) or not there.isdisjoint(wanted.without):
        return False
    if wanted.alone and wanted.people:
        return there == set(wanted.people) and len(faces) >= wanted.min_faces
    return len(faces) >= wanted.min_faces and (not wanted.alone or len(faces) == 1)
