"""Erase what is kept of a person, so that neither the file nor a later scan brings it back.

This is the one place where statements are deleted: the user asked for it, by name. What stays is a
list of places that scans leave out: a keyed hash of each photo's content, and a box. It has no
name, no vector, and does not tell which places belong to one person.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import secrets
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from facecluster.errors import LibraryError, UsageError
from facecluster.library.connection import Connection
from facecluster.library.face_rows import faces_of
from facecluster.library.matching import SAME_FACE_IOU
from facecluster.library.names import name_key, spellings
from facecluster.records import Box, Photo

__all__ = ["Erased", "Forgetting", "left_out"]

_FORGOTTEN = "forgotten"  # stands in the log where the name was
# Those of these people who no face was ever said to be, of those that stay.
_NOBODY = (
    "id in (select value from json_each(?)) and id not in"
    " (select person from statement where kind = 'is')"
)
# An edit that keeps the shape keeps the places too; a crop or a turn does not.
_SAME_SHAPE = 0.02

# A word of the log replaces older ones about the same face. When "is this person" is deleted from a
# face that stays (it is somebody else by a newer word), what it had replaced would hold again; so
# what was replaced when it was said (by v) is deleted with it.
_REPLACED = """
delete from statement where id in (
    select t.id from statement t
    join statement v on v.face = t.face and v.id > t.id and v.revoked_by is null
        and v.kind <> 'part'
        and (v.person = t.person or (v.kind <> 'is-not' and t.kind <> 'is-not'))
    join statement s on s.face = t.face and s.id >= v.id and s.revoked_by is null
        and s.kind = 'is' and s.person = ?
    where t.kind <> 'part'
)
"""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, in figures; lines are those of the log that said the name.

    photos are those the faces were on; places is how many are kept, as hashes, for scans to leave
    out.
    """

    faces: int
    photos: int
    vectors: int
    statements: int
    names: tuple[str, ...]
    lines: int
    places: int


class Forgetting:
    """The places that scans leave out, and how they come about."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def faces_of(self, person: int) -> list[int]:
        """The faces said to be this person and nobody else since, also those ignored or deleted."""
        rows = self._connection.rows(
            "select distinct face from statement s where kind = 'is' and person = ?"
            " and revoked_by is null and not exists (select 1 from statement t"
            " where t.face = s.face and t.id > s.id and t.revoked_by is null"
            " and (t.kind = 'is' or (t.kind = 'is-not' and t.person = s.person)))"
            " order by face",
            (person,),
        )
        return [face for (face,) in rows]

    def erase(self, person: int, faces: Iterable[int]) -> Erased:
        """Erase the person and these faces for good, and write the file anew without them.

        LibraryError, and nothing is changed, when another program has the library open. Takes about
        as long as copying the file, and needs as much free space for that time.
        """
        with self._connection.alone():
            with self._connection.transaction():
                erased = self._erase(person, json.dumps(sorted(set(faces))))
            try:
                self._connection.run("vacuum")
            except LibraryError as error:
                raise LibraryError(
                    "What was to be forgotten is erased, but older traces of it may be left: the "
                    f"file could not be written anew. {error} Free space, then: sqlite3 "
                    f"{shlex.quote(str(self._connection.path))} vacuum"
                ) from error
        return erased

    def places(self, photo: Photo, before: int | None) -> list[Box]:
        """Where scans leave faces out of the photo; boxes in pixels.

        before is the photo that was in the same file until now: places of one that was edited are
        kept for what it has become.
        """
        if not self._connection.rows("select 1 from forgotten limit 1"):
            return []
        if before is not None:
            self._carry_over(before, photo)
        return [
            Box(x0 * photo.width, y0 * photo.height, x1 * photo.width, y1 * photo.height)
            for x0, y0, x1, y1 in self._shares(photo.sha256)
        ]

    def shares(self, photo: int) -> list[Box]:
        """Where scans leave faces out of the photo of this number, in shares of its sides."""
        if not self._connection.rows("select 1 from forgotten limit 1"):
            return []
        ((sha256,),) = self._connection.rows("select sha256 from photo where id = ?", (photo,))
        return [Box(*edges) for edges in self._shares(sha256)]

    def move(self, old: int, new: int) -> None:
        """Leave out of the new photo what is left out of the old one, which is the same picture:
        its faces at these places go."""
        if not self.shares(old):
            return
        ((*about,),) = self._connection.rows(
            "select sha256, width, height, orientation, taken_at from photo where id = ?", (new,)
        )
        places = self.places(Photo(*about), old)
        for number, face in faces_of(self._connection, new).items():
            if left_out(face.box, places):
                self._connection.run("delete from face where id = ?", (number,))

    def _shares(self, sha256: str) -> list[tuple[float, float, float, float]]:
        return self._connection.rows(
            "select x0, y0, x1, y1 from forgotten where photo = ?", (self._key(sha256),)
        )

    def _carry_over(self, before: int, photo: Photo) -> None:
        ((sha256, width, height),) = self._connection.rows(
            "select sha256, width, height from photo where id = ?", (before,)
        )
        if abs(math.log(width / height * photo.height / photo.width)) <= _SAME_SHAPE:
            self._connection.run(
                "insert or ignore into forgotten (photo, x0, y0, x1, y1)"
                " select ?, x0, y0, x1, y1 from forgotten where photo = ?",
                (self._key(photo.sha256), self._key(sha256)),
            )

    def _erase(self, person: int, faces: str) -> Erased:
        """In this order, as each step needs what the next one takes away."""
        listed = "in (select value from json_each(?))"
        connection = self._connection
        photos = connection.rows(
            f"select count(distinct photo) from face where id {listed}", (faces,)
        )
        renamed = self._older_names(person, faces)
        # the person under all names: an older one, or a misspelt one, may be in old words only
        called = connection.rows(
            f"select person from statement where face {listed} and person is not null union"
            " select value from json_each(?)",
            (faces, json.dumps([person, *renamed])),
        )
        places = self._leave_out(faces)
        connection.run("delete from merges")  # distances from the faces that are to be forgotten
        vectors = connection.count(f"delete from embedding where face {listed}", (faces,))
        statements = connection.count(f"delete from statement where face {listed}", (faces,))
        for one in (person, *renamed):
            statements += connection.count(_REPLACED, (one,))
            statements += connection.count("delete from statement where person = ?", (one,))
        count = connection.count(f"delete from face where id {listed}", (faces,))
        people = json.dumps([number for (number,) in called])
        statements += connection.count(  # such as: this face is not them
            f"delete from statement where person in (select id from person where {_NOBODY})",
            (people,),
        )
        self._scrub_births(people)
        gone = connection.rows(f"delete from person where {_NOBODY} returning name", (people,))
        names = [name for (name,) in gone]
        lines = self._scrub_log(names)
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        connection.run(
            "insert into action (at, command, forgotten) values (?, 'forget', ?)", (now, count)
        )
        return Erased(count, photos[0][0], vectors, statements, tuple(names), lines, places)

    def _older_names(self, person: int, faces: str) -> list[int]:
        """Who was renamed to this person, by the log, or was most often said of these faces, as a
        name that was typed wrong at first, and whom no face is said to be any more."""
        names = "select name from person where id = ?"
        keys = {name_key(name) for (name,) in self._connection.rows(names, (person,))}
        for (command,) in self._connection.rows(
            "select command from action where command like 'rename %' and id in"
            " (select action from statement where revoked_by is null) order by id desc"
        ):
            try:
                _, old, new = shlex.split(command)
            except ValueError:  # another program's text
                continue
            if _key_of(new) in keys and (key := _key_of(old)):
                keys.add(key)
        rows = self._connection.rows(
            "select id from person where (alike(key) in (select value from json_each(?)) or id in"
            " (select person from statement where kind = 'is' group by person having"
            " 2 * sum(face in (select value from json_each(?))) > count(*)))"
            " and id <> ? and id not in (select person from truth where kind = 'is')",
            (json.dumps(sorted(keys)), faces, person),
        )
        return [number for (number,) in rows]

    def _leave_out(self, faces: str) -> int:
        """Keep where these faces are, in shares of the photo's sides, for scans to leave out."""
        rows = self._connection.rows(
            "select sha256, x0 / width, y0 / height, x1 / width, y1 / height from face"
            " join photo on photo.id = face.photo"
            " where face.id in (select value from json_each(?))",
            (faces,),
        )
        self._connection.run_many(
            "insert or ignore into forgotten (photo, x0, y0, x1, y1) values (?, ?, ?, ?, ?)",
            # by hash: the order does not tell what was forgotten together
            sorted((self._key(sha256), *box) for sha256, *box in rows),
        )
        return len(rows)

    def _scrub_births(self, people: str) -> None:
        """Take the dates of birth of those who go out of the commands; the rows go with them."""
        self._connection.run(
            "update action set command = ? where command like 'people set %' and id in"
            f" (select action from birth where person in (select id from person where {_NOBODY}))",
            (f"people set {_FORGOTTEN}", people),
        )

    def _scrub_log(self, names: Sequence[str]) -> int:
        """Take the names out of the commands that the log lists; how many had one."""
        keys = {name_key(name) for name in names}
        changed = [
            (said, number)
            for number, command in self._connection.rows("select id, command from action")
            if (said := _without(command, keys)) != command
        ]
        self._connection.run_many("update action set command = ? where id = ?", changed)
        return len(changed)

    def _key(self, sha256: str) -> bytes:
        """The photo's content as it is kept: it cannot be looked up elsewhere, nor turned back."""
        rows = self._connection.rows("select key from forgetting")
        if not rows:
            rows = [(secrets.token_bytes(32),)]
            self._connection.run("insert into forgetting (id, key) values (1, ?)", rows[0])
        return hashlib.blake2b(sha256.encode(), key=rows[0][0], digest_size=32).digest()


def left_out(box: Box, places: Iterable[Box]) -> bool:
    """Whether this is a face at one of the places."""
    return any(box.iou(place) >= SAME_FACE_IOU for place in places)


def _without(command: str, keys: set[str]) -> str:
    """The command line with the names taken out, in whatever way they are written in it."""
    try:
        words = shlex.split(command)
    except ValueError:  # quotes that do not close: a file's name, or another program's text
        for key in keys:
            command = re.sub(rf"(?<!\w){spellings(key)}(?!\w)", _FORGOTTEN, command, flags=re.I)
        return command
    if any(_key_of(word) in keys for word in words):
        return shlex.join(_FORGOTTEN if _key_of(word) in keys else word for word in words)
    return command


def _key_of(word: str) -> str | None:
    try:
        return name_key(word)
    except UsageError:
        return None
