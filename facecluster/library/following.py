"""What was said of a photo follows it when its file is edited, moved, or both.

A scan only notes which file has another content now, or none. What follows from it is done at its
end, when all contents are where they are: until then a file that was renamed looks like one that
was edited, and its photo like one that is gone. The notes of a scan that was stopped wait for the
next one, which also has to know what was new to the stopped one.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facecluster.library.connection import OF_FILE, Connection, moments_of
from facecluster.library.face_rows import faces_of
from facecluster.library.forgetting import Forgetting, left_out
from facecluster.library.matching import SeenFace, same_faces, same_picture
from facecluster.library.vectors import unpack_vectors
from facecluster.records import Box

__all__ = ["Following", "drop_orphans"]


# Photos whose file went; those in whose file another picture may be, with what is still theirs.
_GONE = "changed_file.new is null"
_REPLACED = (
    "changed_file.new is not null and (exists (select 1 from forgotten) or exists (select 1"
    " from face join statement on statement.face = face.id where face.photo = changed_file.old))"
)


class _Note(NamedTuple):
    """That one photo follows another, in the order in which it was noted; known: it was there
    before the scan, lived: in a file. moved: not in the same file."""

    id: int
    old: int
    new: int
    known: bool = False
    lived: bool = False
    moved: bool = False


class Following:
    """The notes, and what follows from them."""

    def __init__(self, connection: Connection, forgetting: Forgetting) -> None:
        self._connection, self._forgetting = connection, forgetting

    def begin(self, paths: Sequence[str]) -> tuple[int, bool]:
        """Note that these folders are being scanned, and tell what was the last photo before.

        That is, before the earliest scan that was stopped, if any was (True); 0 for none.
        """
        with self._connection.transaction():
            stopped = bool(self._connection.rows("select 1 from unfinished_scan limit 1"))
            ((last,),) = self._connection.rows("select coalesce(max(id), 0) from photo")
            self._connection.run_many(
                "insert or ignore into unfinished_scan (path, newest) values (?, ?)",
                ((path, last) for path in paths),
            )
            ((newest,),) = self._connection.rows(
                "select coalesce(min(newest), ?) from unfinished_scan", (last,)
            )
        return newest, stopped

    def changed(self, path: str, old: int, new: int, *, known: bool) -> None:
        """Note that a file's content is another photo now; known: that one was there before."""
        lived = known and self._connection.rows(
            "select 1 from file where photo = ? and path <> ?"
            " union all select 1 from changed_file where old = ?",
            (new, path, new),
        )
        self._connection.run(
            "insert into changed_file (path, old, new, known, lived) values (?, ?, ?, ?, ?)",
            (path, old, new, int(known), int(bool(lived))),
        )

    def gone(self, paths: Iterable[str]) -> None:
        """Note which files go, or moments of clips, of those of whose photos something was said,
        or will be by an earlier note, or on which somebody was forgotten."""
        for file in paths:
            for path, photo, said in self._connection.rows(
                "select path, photo, exists (select 1 from changed_file where new = file.photo)"
                " or exists (select 1 from face join statement"
                " on statement.face = face.id where face.photo = file.photo)"
                f" from file where {OF_FILE} and photo is not null",
                {"path": file},
            ):
                if said or self._forgetting.shares(photo):
                    self._connection.run(
                        "insert into changed_file (path, old) values (?, ?)", (path, photo)
                    )

    def carry_out(self, newest: int, roots: Sequence[str]) -> None:
        """Let what was said follow, all or nothing, at the end of a scan of these folders; newest
        was the last photo before it."""
        with self._connection.transaction():
            self._follow_all([*self._changed(newest), *self._moved(newest, _GONE)])
            self._follow_all(self._moved(newest, _REPLACED))
            self._connection.run("delete from changed_file")
            self._connection.run_many(
                "delete from unfinished_scan where path = ?", self._ended(roots)
            )
            drop_orphans(self._connection)

    def _follow_all(self, notes: Iterable[_Note]) -> None:
        notes = sorted(notes)
        # Two copies may each have become something else: what was said is for both.
        waiting = Counter(note.old for note in notes)
        for note in notes:
            waiting[note.old] -= 1
            if note.moved:
                self._forgetting.move(note.old, note.new)
            elif note.lived and self._came_from_elsewhere(note.new):
                continue
            self._follow(note, stays=waiting[note.old] > 0)

    def _ended(self, roots: Sequence[str]) -> list[tuple[str]]:
        """The unfinished scans that were of these folders, or of some inside them."""
        within = tuple(root.rstrip(os.sep) + os.sep for root in roots)
        return [
            (path,)
            for (path,) in self._connection.rows("select path from unfinished_scan")
            if path in roots or path.startswith(within)
        ]

    def _came_from_elsewhere(self, photo: int) -> bool:
        """Whether the photo has no file but such as had another content: it was renamed."""
        return not self._connection.rows(
            "select 1 from file where photo = ? and path not in (select path from changed_file)",
            (photo,),
        )

    def _changed(self, newest: int) -> list[_Note]:
        """Files that have another content; what is new since this photo was not there before."""
        return [
            _Note(number, old, new, known=bool(known), lived=bool(lived))
            for number, old, new, known, lived in self._connection.rows(
                "select id, old, new, known and new <= ?, lived and new <= ? from changed_file"
                " where new is not null",
                (newest, newest),
            )
        ]

    def _moved(self, newest: int, which: str) -> list[_Note]:
        """Photos of these notes that have no file any more, and new ones: the same pictures.

        Their faces are at the very same places, and nothing was said of any of them. All at once:
        SQLite then sorts the places of all faces once.
        """
        rows = self._connection.rows(
            "select max(changed_file.id), mine.photo, other.photo from changed_file"
            " join face mine on mine.photo = changed_file.old join face other"
            " on (other.x0, other.y0, other.x1, other.y1) = (mine.x0, mine.y0, mine.x1, mine.y1)"
            f" where {which} and other.photo > ?"
            " and not exists (select 1 from file where file.photo = mine.photo)"
            " and exists (select 1 from file where file.photo = other.photo)"
            " and not exists (select 1 from face join statement on statement.face = face.id"
            " where face.photo = other.photo)"
            " group by 2, 3",
            (newest,),
        )
        return [
            _Note(number, old, new, moved=True)
            for number, old, new in rows
            if self._same_picture(old, new)
        ]

    def _same_picture(self, old: int, new: int) -> bool:
        """Whether both have the same faces, but for those that were forgotten on the old one."""
        places = self._forgetting.shares(old)
        faces = [face for face in self._seen_faces(new) if not left_out(face.box, places)]
        return same_picture(self._seen_faces(old), faces)

    def _follow(self, note: _Note, *, stays: bool) -> None:
        """Let the statements about a file's old content follow its faces into the new content.

        They move; or, when another file still has the old content, or they stay for a content that
        another file of it has now, are said of the new one too.
        Content that was known before has a history of its own, which nothing is added to but
        what would otherwise be left without a file.
        """
        left = self._connection.rows("select 1 from file where photo = ?", (note.old,))
        if left and note.known:
            return
        old, new = (self._seen_faces(photo) for photo in (note.old, note.new))
        for one, other in same_faces(old, new):
            if self._connection.rows("select 1 from statement where face = ?", (other,)):
                continue
            if left or stays:
                self._connection.run(
                    "insert into statement (action, face, kind, person, part, revoked_by)"
                    " select action, ?, kind, person, part, revoked_by from statement"
                    " where face = ? order by id",
                    (other, one),
                )
                continue
            self._connection.run("update statement set face = ? where face = ?", (other, one))
            # changed: the new picture of a face in no group may tell whose it is
            for table, also in (("member", ""), ("moved", ""), ("looked_at", ", changed = 1")):
                self._connection.run(
                    f"update or ignore {table} set face = ?{also} where face = ?", (other, one)
                )

    def _seen_faces(self, photo: int) -> list[SeenFace]:
        width, height = self._connection.rows(
            "select width, height from photo where id = ?", (photo,)
        )[0]
        vectors: dict[int, dict[int, NDArray[np.float32]]] = {}
        for face, model, vector, dimension in self._connection.rows(
            "select face, model, vector, dimension from face"
            " join embedding on embedding.face = face.id join model on model.id = model"
            " where photo = ?",
            (photo,),
        ):
            vectors.setdefault(face, {})[model] = unpack_vectors([vector], dimension)[0]
        return [
            SeenFace(number, _share(face.box, width, height), vectors.get(number, {}))
            for number, face in faces_of(self._connection, photo).items()
        ]


def drop_orphans(connection: Connection) -> None:
    """Delete photos that no file has, unless the user said something of one of their faces.

    A clip's frames stay together: what is known of its content must be all of it. What a file was
    before its change, or, if it has faces, before it went, stays while that is only noted.
    """
    content = "substr(photo.sha256, 1, 64)"
    connection.run(
        "delete from photo"
        " where id not in (select old from changed_file where new is not null"
        " or exists (select 1 from face where face.photo = old))"
        " and not exists (select 1 from file where file.photo = photo.id)"
        " and not exists (select 1 from photo same join face on face.photo = same.id"
        f" join statement on statement.face = face.id where same.sha256 = {content}"
        f" or {moments_of('same.sha256', content)})"
    )
    # SQLite gives the numbers of the last photos again: they are new to a scan that was stopped.
    connection.run(
        "update unfinished_scan set newest = min(newest, (select coalesce(max(id), 0) from photo))"
    )


def _share(box: Box, width: int, height: int) -> Box:
    return Box(box.x0 / width, box.y0 / height, box.x1 / width, box.y1 / height)
