"""What the user said: appended, never deleted; undoing is one more thing said.

Only forgetting a person, which the user asks for, deletes statements (forgetting.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import chain
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import UsageError
from facecluster.library.connection import Connection
from facecluster.library.groupings import follow_undo
from facecluster.library.names import clean_name, name_key, new_name

__all__ = [
    "Action",
    "Fact",
    "Kind",
    "Parting",
    "Statements",
    "Word",
]

Kind = Literal["is", "is-not", "ignore", "not-a-face"]

# The actions of which something is kept: those of which all was forgotten say nothing any more.
_SAYING = "select action from statement union select action from birth"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is held true of a face; person is None for `ignore` and `not-a-face`."""

    face: int
    kind: Kind
    person: int | None


@dataclass(frozen=True, slots=True)
class Parting:
    """One action that said which faces are one person, whoever it is, by face.

    Faces of one part are one person, those of different parts different people; a face with None
    was set free: older partings do not tell any more with whom it is.
    """

    action: int
    parts: Mapping[int, int | None]


@dataclass(frozen=True, slots=True)
class Word:
    """One thing that holds of a face, with the action that said it and its command.

    kind is that of a Fact, or "part"; person is a name.
    """

    kind: str
    person: str | None
    action: int
    command: str


@dataclass(frozen=True, slots=True)
class Action:
    """One line of the log: a command of the user's, and of how many faces it said something.

    at is ISO 8601 in UTC; undone says that an undo in force has taken it back, undoes which action
    it takes back itself.
    """

    id: int
    at: str
    command: str
    faces: int
    undone: bool
    undoes: int | None = None


_STILL_THERE = "exists (select 1 from face where id = ?)"


class Statements:
    """The user's words about faces, and what follows from them now."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def say(
        self, facts: Sequence[Fact], *, births: Mapping[int, str] | None = None, command: str
    ) -> int:
        """Append one action that states these facts, all or nothing; the action's number.

        Of faces that another program has taken out meanwhile nothing is stated.
        births are when people were born, each a date in ISO 8601, a month or a year.
        """
        if not facts and not births:
            raise ValueError("an action must state something")
        with self._connection.transaction():
            action = self._append(command, None)
            self._connection.run_many(
                "insert into statement (action, face, kind, person) select ?, ?, ?, ?"
                f" where {_STILL_THERE}",
                ((action, face := int(fact.face), fact.kind, fact.person, face) for fact in facts),
            )
            self._connection.run_many(
                "insert into birth (action, person, born) values (?, ?, ?)",
                ((action, person, born) for person, born in (births or {}).items()),
            )
        return action

    def births(self) -> dict[int, str]:
        """When people were born, as far as was said: of several words the newest counts."""
        return dict(
            self._connection.rows(
                "select person, born from birth where revoked_by is null order by id"
            )
        )

    def part(
        self, parts: Sequence[Sequence[int]], loose: Sequence[int] = (), *, command: str
    ) -> int:
        """Append one action that states these parts (see Parting); the action's number."""
        places = ((int(face), place) for place, part in enumerate(parts) for face in part)
        free = ((int(face), None) for face in loose)
        with self._connection.transaction():
            action = self._append(command, None)
            self._connection.run_many(
                "insert into statement (action, face, kind, part) select ?, ?, 'part', ?"
                f" where {_STILL_THERE}",
                ((action, face, part, face) for face, part in chain(places, free)),
            )
        return action

    def partings(self) -> list[Parting]:
        """The partings that nobody has undone, oldest first."""
        found: dict[int, dict[int, int | None]] = {}
        for action, face, part in self._connection.rows(
            "select action, face, part from statement"
            " where kind = 'part' and revoked_by is null order by action, face"
        ):
            found.setdefault(action, {})[face] = part
        return [Parting(action, parts) for action, parts in found.items()]

    def words(self, face: int) -> list[Word]:
        """What holds of a face now, oldest first, and what said it.

        Of partings the newest counts, and none when it set the face free.
        """
        rows = self._connection.rows(
            "select kind, name, action, command from ("
            " select kind, person, action from truth where face = ?"
            " union all select kind, person, action from ("
            # the part is that of the row with the greatest action
            "select kind, person, max(action) as action, part from statement where face = ?"
            " and kind = 'part' and revoked_by is null group by kind) where part is not null)"
            " join action on action.id = action left join person on person.id = person"
            " order by action",
            (face, face),
        )
        return [Word(*row) for row in rows]

    def newest(self) -> int:
        """The number of the newest action, 0 before the first."""
        return int(self._connection.rows("select coalesce(max(id), 0) from action")[0][0])

    def spoken_of_since(self, action: int) -> NDArray[np.int64]:
        """The faces of which something was said, or taken back, after this action."""
        rows = self._connection.rows(
            "select distinct face from statement where action > ? or revoked_by > ?",
            (action, action),
        )
        return np.array([face for (face,) in rows], dtype=np.int64)

    def taken_back(self, faces: Iterable[int]) -> set[int]:
        """Those of the faces of which a word that said whose they are was taken back."""
        rows = self._connection.rows(
            "select distinct face from statement where kind in ('is', 'part')"
            " and revoked_by is not null and face in (select value from json_each(?))",
            (json.dumps([int(face) for face in faces]),),
        )
        return {face for (face,) in rows}

    def truth(self, faces: Iterable[int] | None = None) -> list[Fact]:
        """What holds now, by face: at most one of `is`, `ignore`, `not-a-face`, and any `is-not`.

        The newest word about a face counts. With faces given, only of these.
        """
        where, parameters = "true", tuple[str, ...]()
        if faces is not None:
            where = "face in (select value from json_each(?))"
            parameters = (json.dumps([int(face) for face in faces]),)
        rows = self._connection.rows(
            f"select face, kind, person from truth where {where} order by face, kind, person",
            parameters,
        )
        return [Fact(*row) for row in rows]

    def person(self, name: str, *, create: bool = False) -> int:
        """The id of the person of this name; UsageError when there is none and create is not set,
        or none can be.

        Names are compared without regard to case, outer blanks, joiners, the way accents are
        encoded and the kind of apostrophe or hyphen.
        """
        name = clean_name(name)
        # to an older version another apostrophe made another person, who keeps that name
        rows = self._connection.rows(
            "select id from person where alike(key) = ? order by name <> ?, id",
            (name_key(name), name),
        )
        if rows:
            return int(rows[0][0])
        if not create:
            raise UsageError(f"Nobody is named {name}: 'facecluster people' lists the names.")
        return self._connection.run(
            "insert into person (name, key) values (?, ?)", (new_name(name), name_key(name))
        )

    def name_of(self, person: int) -> str:
        """The name as it was first written."""
        return str(self._connection.rows("select name from person where id = ?", (person,))[0][0])

    def respell(self, person: int, name: str) -> None:
        """Write the person's name another way; it must mean the same."""
        self._connection.run("update person set name = ? where id = ?", (clean_name(name), person))

    def require_faces(self, faces: Iterable[int]) -> None:
        """UsageError unless each of these faces exists."""
        for face in faces:
            if not self._connection.rows("select 1 from face where id = ?", (int(face),)):
                raise UsageError(f"There is no face {face}: 'facecluster faces' lists them.")

    def undo(self, action: int | None = None, *, command: str) -> Action:
        """Take back an action, by default the newest in force that is not itself an undo.

        Taking back an undo does its action again. Returns what was said in the first place, and
        whether that is undone now. Undoing the newest action gives exactly the truth before it.
        UsageError when there is none, when the
        one named is unknown or already undone, and when somebody was forgotten by it or since.
        """
        with self._connection.transaction():
            undone = self._undone()
            if action is None:
                action = self._newest(undone)
            elif action in undone:
                by = undone[action]
                raise UsageError(
                    f"Action {action} was undone already, by action {by}: "
                    f"'facecluster undo {by}' states it again."
                )
            return self._take_back(action, command)

    def redo(self, *, command: str) -> Action:
        """Do again what the last undo took back, if nothing was said since; the action done."""
        with self._connection.transaction():
            undone = self._undone()
            rows = self._connection.rows(
                "select undo.id from action undo"
                " join action target on target.id = undo.undoes and target.undoes is null"
                " where undo.id > coalesce("
                "(select max(id) from action where undoes is null), 0) order by undo.id desc"
            )
            undos = [number for (number,) in rows if number not in undone]
            if not undos:
                raise UsageError("There is nothing to redo: only what was just undone can be.")
            return self._take_back(undos[0], command)

    def log(self, limit: int | None = None) -> list[Action]:
        """The newest actions first; all of them without a limit."""
        return self._listed("true order by id desc limit ?", -1 if limit is None else limit)

    def _listed(self, which: str, parameter: int) -> list[Action]:
        """The lines of the log that a condition in SQL chooses."""
        undone = self._undone()
        rows = self._connection.rows(
            # An undo is of as many faces as the action at the end of its chain of undos.
            "select id, at, command, undoes, coalesce(forgotten, (select count(distinct face)"
            " from statement where statement.action = (with recursive chain(id, undoes) as ("
            " select action.id, action.undoes union all select earlier.id, earlier.undoes"
            " from action earlier join chain on earlier.id = chain.undoes)"
            " select id from chain where undoes is null)))"
            f" from action where {which}",
            (parameter,),
        )
        return [
            Action(number, at, said, faces, undone=number in undone, undoes=undoes)
            for number, at, said, undoes, faces in rows
        ]

    def _append(self, command: str, undoes: int | None) -> int:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return self._connection.run(
            "insert into action (at, command, undoes) values (?, ?, ?)", (now, command, undoes)
        )

    def _undone(self) -> dict[int, int]:
        """Each action that is taken back now, with the undo that did it."""
        undone: dict[int, int] = {}
        # An undo takes back an older action, so from the newest down each one's own state is known.
        for undo, target in self._connection.rows(
            "select id, undoes from action where undoes is not null order by id desc"
        ):
            if undo not in undone:
                undone[target] = undo
        return undone

    def _newest(self, undone: Mapping[int, int]) -> int:
        """The newest action that can be taken back, but never one behind a forgetting's back."""
        in_force = [
            (number, forgotten)
            for number, forgotten in self._connection.rows(
                "select id, forgotten from action where undoes is null and (forgotten is not null"
                f" or id in ({_SAYING})) order by id desc"
            )
            if number not in undone
        ]
        if not in_force:
            raise UsageError("There is nothing to undo.")
        newest, forgotten = in_force[0]
        if forgotten is not None:
            before = next((number for number, count in in_force if count is None), None)
            more = f" 'facecluster undo {before}' takes back what you said before it."
            raise UsageError(f"Who was forgotten cannot be brought back.{more if before else ''}")
        return int(newest)

    def _take_back(self, action: int, command: str) -> Action:
        """Take back an action; what was said in the first place, and whether it is undone now."""
        if not self._connection.rows("select 1 from action where id = ?", (action,)):
            raise UsageError(f"There is no action {action}: 'facecluster log' lists them.")
        said = action
        while target := self._undoes(said):
            said = target
        if not self._connection.rows(f"select 1 where ? in ({_SAYING})", (said,)):
            raise UsageError(f"Action {action} cannot be undone: it was about somebody forgotten.")
        self._append(command, action)
        undone = self._undone()
        for table in ("statement", "birth"):
            self._connection.run(
                f"update {table} set revoked_by = ? where action = ?", (undone.get(said), said)
            )
        follow_undo(self._connection, said, undone=said in undone)
        return self._listed("id = ?", said)[0]

    def _undoes(self, action: int) -> int | None:
        rows = self._connection.rows("select undoes from action where id = ?", (action,))
        return None if rows[0][0] is None else int(rows[0][0])
