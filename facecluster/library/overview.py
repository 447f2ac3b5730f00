"""What a page that a person works on asks all the time: answered without listing every face."""

from __future__ import annotations

from dataclasses import dataclass

from facecluster.errors import UsageError
from facecluster.library.connection import Connection

__all__ = ["Front", "Overview", "Progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the naming is: of all faces that have a file, those that are settled.

    Settled is a face that was stated to be somebody, to be of no interest or to be no face.
    """

    settled: int
    faces: int


@dataclass(frozen=True, slots=True)
class Front:
    """A group by its number: how many faces it has, and one of them to show for it."""

    number: int
    faces: int
    front: int


class Overview:
    """Counts and numbers of faces; each answer of 50,000 faces takes a tenth of a second or two."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def progress(self) -> Progress:
        """How many faces are settled, of how many."""
        rows = self._connection.rows(
            "select (select count(distinct face) from truth where kind <> 'is-not'"
            " and (select photo from face where id = face) in (select photo from file)),"
            " (select count(*) from face where photo in (select photo from file)"
            " and id not in (select face from shelf))"
        )
        return Progress(*rows[0])

    def faces(self) -> int:
        """How many faces can be grouped; those ignored or without a file are left out."""
        rows = self._connection.rows(
            "select count(*) from face where id not in (select face from hidden)"
        )
        return int(rows[0][0])

    def fronts(self) -> list[Front]:
        """The groups, those with most faces first, then by number; as `Library.groups`."""
        rows = self._connection.rows(
            "select number, count(*), min(face) from member"
            " where face not in (select face from hidden)"
            " group by number order by count(*) desc, number"
        )
        return [Front(*row) for row in rows]

    def names(self) -> list[str]:
        """The names of everybody that some face is stated to be, as `Library.people` lists them."""
        rows = self._connection.rows(
            "select name from person where id in (select person from truth where kind = 'is')"
            " order by key"
        )
        return [name for (name,) in rows]

    def named(self, person: int) -> list[int]:
        """The faces stated to be this person, rising; those without a file are left out."""
        rows = self._connection.rows(
            "select face from truth where kind = 'is' and person = ?"
            " and face not in (select face from hidden) order by face",
            (person,),
        )
        return [face for (face,) in rows]

    def photo_of(self, face: int) -> int:
        """The photo that shows this face; UsageError when there is no such face."""
        rows = self._connection.rows("select photo from face where id = ?", (face,))
        if not rows:
            raise UsageError(f"There is no face {face}: 'facecluster faces' lists them.")
        return int(rows[0][0])

    def loose(self) -> list[int]:
        """The faces in no group, rising; those ignored or without a file are left out."""
        rows = self._connection.rows(
            "select id from face where id not in (select face from member)"
            " and id not in (select face from hidden) order by id"
        )
        return [face for (face,) in rows]

    def on_shelf(self) -> list[int]:
        """The faces on the shelf, rising; those without a file are left out."""
        rows = self._connection.rows(
            "select face.id from shelf join face on face.id = shelf.face"
            " where photo in (select photo from file) order by face.id"
        )
        return [face for (face,) in rows]
