"""The newest grouping: which face is in which numbered group."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np
from numpy.typing import NDArray

from facecluster.library.connection import Connection
from facecluster.records import Group

__all__ = ["Grouping", "Groupings", "Leader", "LookedAt", "follow_undo"]


@dataclass(frozen=True, slots=True)
class Grouping:
    """How and when the faces were last grouped; settings is a JSON object."""

    id: int
    model: int
    method: str
    settings: str
    created_at: str


@dataclass(frozen=True, slots=True)
class Leader:
    """The person that most of a group's stated faces are; agreed: all of them."""

    person: int
    name: str
    agreed: bool


@dataclass(frozen=True, slots=True)
class LookedAt:
    """Faces (N,), rising, that a grouping has looked at, in a group or not.

    later (N,): not in its full pass, but since; changed (N,): since then the face got another
    vector, or something was said of it or taken back.
    """

    faces: NDArray[np.int64]
    later: NDArray[np.bool_]
    changed: NDArray[np.bool_]


class Groupings:
    """Groups of faces by number; a face in no group has no row."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def newest(self) -> Grouping | None:
        """The last grouping made, with any model."""
        rows = self._connection.rows(
            "select id, model, method, settings, created_at from grouping order by id desc limit 1"
        )
        return Grouping(*rows[0]) if rows else None

    def previous(self, faces: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
        """The group number each face has now, -1 for none, and the next number never used."""
        number = dict(self._connection.rows("select face, number from member"))
        rows = self._connection.rows("select coalesce(max(next_number), 1) from grouping")
        now = np.array([number.get(face, -1) for face in faces.tolist()], dtype=np.int64)
        return now, int(rows[0][0])

    def save(
        self,
        *,
        model: int,
        method: str,
        settings: Mapping[str, object],
        faces: NDArray[np.int64],
        numbers: NDArray[np.int64],
        next_number: int,
    ) -> None:
        """Make this the grouping: numbers (N,) of faces (N,), -1 for none; all or nothing.

        Earlier groupings are kept as one line of history each, without their members.
        """
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        with self._connection.transaction():
            grouping = self._connection.run(
                "insert into grouping (model, method, settings, created_at, next_number)"
                " values (?, ?, ?, ?, ?)",
                (model, method, json.dumps(dict(settings)), now, int(next_number)),
            )
            self._connection.run("delete from member")
            self._connection.run("delete from looked_at")
            self._put(grouping, faces, numbers, later=False)

    def extend(
        self, faces: NDArray[np.int64], numbers: NDArray[np.int64], next_number: int
    ) -> None:
        """Put these faces (N,) in the groups of these numbers (N,), -1 for none; others stay."""
        with self._connection.transaction():
            ((grouping,),) = self._connection.rows("select max(id) from grouping")
            self._connection.run_many(
                "delete from member where face = ?", ((face,) for face in faces.tolist())
            )
            self._put(grouping, faces, numbers, later=True)
            self._connection.run(
                "update grouping set next_number = ? where id = ?", (int(next_number), grouping)
            )

    def _put(
        self, grouping: int, faces: NDArray[np.int64], numbers: NDArray[np.int64], *, later: bool
    ) -> None:
        self._connection.run_many(
            # A face may be gone since it was grouped.
            "insert into member (face, grouping, number) select ?, ?, ?"
            " where exists (select 1 from face where id = ?)",
            (
                (face, grouping, number, face)
                for face, number in zip(faces.tolist(), numbers.tolist(), strict=True)
                if number >= 0
            ),
        )
        self._connection.run_many(
            "insert into looked_at (face, later) select ?, ?"
            " where exists (select 1 from face where id = ?)"
            " on conflict (face) do update set changed = 0",
            ((face, later, face) for face in faces.tolist()),
        )

    def look_again(self, faces: NDArray[np.int64]) -> None:
        """Let the next grouping look at these faces as at new ones."""
        self._connection.run_many(
            "update looked_at set changed = 1 where face = ?", ((face,) for face in faces.tolist())
        )

    def looked_at(self) -> LookedAt:
        """What the newest grouping has looked at."""
        rows = self._connection.rows("select face, later, changed from looked_at order by face")
        found = np.array(rows, dtype=np.int64).reshape(len(rows), 3)
        return LookedAt(found[:, 0], found[:, 1] > 0, found[:, 2] > 0)

    def at_home(self) -> tuple[set[int], set[int]]:
        """The stated faces that are in a group their own person leads, and who leads a group."""
        leaders = {number: leader.person for number, leader in self.leaders().items()}
        rows = self._connection.rows(
            "select member.face, number, person from member"
            " join truth on truth.face = member.face and kind = 'is'"
            " where member.face not in (select face from hidden)"
        )
        home = {face for face, number, person in rows if leaders.get(number) == person}
        return home, set(leaders.values())

    def mixed_by(self, action: int) -> bool:
        """Whether a group has faces of two people, by your word, since this action was said, or
        taken back."""
        return bool(
            self._connection.rows(
                "select 1 from member join truth on truth.face = member.face and kind = 'is'"
                " where number in (select number from statement join member using (face)"
                " where action = ?) group by number having count(distinct person) > 1 limit 1",
                (action,),
            )
        )

    def move(self, action: int, numbers: Mapping[int, int | None]) -> None:
        """Put each face in the group of this number, or in none, as the action says.

        Undoing the action puts back those that are still there, doing it again moves them again.
        """
        with self._connection.transaction():
            now = self.numbers(numbers)
            self._connection.run_many(
                "insert into moved (action, face, number_before, number_after) values (?, ?, ?, ?)",
                (
                    (action, face, now.get(face), number)
                    for face, number in numbers.items()
                    if now.get(face) != number
                ),
            )
            follow_undo(self._connection, action, undone=False)

    def fresh(self, count: int) -> list[int]:
        """So many numbers that no group has had, taken for good; needs a grouping."""
        with self._connection.transaction():
            ((first,),) = self._connection.rows("select max(next_number) from grouping")
            self._connection.run(
                "update grouping set next_number = ? where id = (select max(id) from grouping)",
                (first + count,),
            )
        return list(range(first, first + count))

    def numbers(self, faces: Iterable[int]) -> dict[int, int]:
        """The group of each of these faces that is in one."""
        return dict(
            self._connection.rows(
                "select face, number from member where face in (select value from json_each(?))",
                (json.dumps([int(face) for face in faces]),),
            )
        )

    def members(self, number: int) -> list[int]:
        """The faces in the group, rising; those ignored or deleted are left out."""
        rows = self._connection.rows(
            # Each face is looked up by itself: the list of all hidden ones takes far longer.
            "select face from member where number = ?"
            " and not exists (select 1 from hidden where hidden.face = member.face) order by face",
            (number,),
        )
        return [face for (face,) in rows]

    def list(self) -> list[Group]:
        """The groups, those with most faces first, then by number."""
        leaders = self.leaders()
        rows = self._connection.rows(
            "select number, count(*), count(distinct photo) from member"
            " join face on face.id = member.face"
            " where face.id not in (select face from hidden)"
            " group by number order by count(*) desc, number"
        )
        return [
            Group(number, faces, photos, leaders[number].name if number in leaders else None)
            for number, faces, photos in rows
        ]

    def leaders(self, only: Iterable[int] | None = None) -> dict[int, Leader]:
        """By group number, who most of its stated faces are; the one named first wins a tie.

        Of all groups, or of those in `only`.
        """
        where, parameters = "true", tuple[str, ...]()
        if only is not None:
            where = "number in (select value from json_each(?))"
            parameters = (json.dumps(sorted(only)),)
        votes: dict[int, Counter[tuple[int, str]]] = {}
        for number, person, name, faces in self._connection.rows(
            "select number, person.id, name, count(*) from member"
            " join truth on truth.face = member.face and kind = 'is'"
            " join person on person.id = truth.person"
            " where not exists (select 1 from hidden where hidden.face = member.face)"
            f" and {where} group by number, person.id order by person.id",
            parameters,
        ):
            votes.setdefault(number, Counter())[person, name] = faces
        leaders = {}
        for number, count in votes.items():
            (person, name), _ = count.most_common(1)[0]
            leaders[number] = Leader(person, name, agreed=len(count) == 1)
        return leaders


def follow_undo(connection: Connection, action: int, *, undone: bool) -> None:
    """Put the faces an action moved back, or again to where it moved them.

    A face that a later grouping or action has moved on stays where it is.
    """
    there, here = ("number_after", "number_before") if undone else ("number_before", "number_after")
    rows = connection.rows(
        f"select moved.face, {here} from moved left join member on member.face = moved.face"
        f" where action = ? and member.number is {there}",
        (action,),
    )
    connection.run_many("delete from member where face = ?", ((face,) for face, _ in rows))
    connection.run_many(
        "insert into member (face, grouping, number) values (?, (select max(id) from grouping), ?)",
        ((face, number) for face, number in rows if number is not None),
    )
