"""Rows that a scan writes: files, photos, faces, models and embeddings."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

import numpy as np
from numpy.typing import NDArray

from facecluster.library.connection import OF_FILE, Connection, moments_of
from facecluster.library.face_rows import faces_of, put_face
from facecluster.library.following import Following, drop_orphans
from facecluster.library.forgetting import Forgetting, left_out
from facecluster.library.matching import match_faces
from facecluster.library.vectors import pack_vectors
from facecluster.moments import MARK, content_of, file_of, is_clip
from facecluster.records import Analysis, Box, Face, FileStamp, Photo

__all__ = ["KnownFile", "Scanned", "Unembedded", "below"]

# A model that has seen no face: SQLite counts rows from 1.
_NO_MODEL = 0


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What the library holds of a file, a clip being one: its stamp, and of its last readable
    content the hash and the detector that looked at it (None when it could never be read)."""

    stamp: FileStamp
    sha256: str | None
    detector: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Unembedded:
    """Faces of one photo that a model has not seen, by number, and a file to see them in."""

    file: FileStamp
    photo: Photo
    faces: dict[int, Face]


class Scanned:
    """What is known of files and what is in their photos."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._forgetting = Forgetting(connection)
        self._following = Following(connection, self._forgetting)

    def known_files(self, roots: Sequence[str]) -> dict[str, KnownFile]:
        """The files at or below the roots (absolute paths), by path."""
        where, parameters = below(roots)
        rows = self._connection.rows(
            "select path, size, mtime_ns, sha256, detector, error"
            f" from file left join photo on photo.id = file.photo where {where}",
            parameters,
        )
        found: dict[str, KnownFile] = {}
        for path, size, mtime_ns, sha256, detector, error in rows:
            file = file_of(path)
            # Of a clip's frames, which were looked at together, one that can be read is enough.
            if file not in found or found[file].error:
                content = content_of(sha256) if sha256 else None
                found[file] = KnownFile(FileStamp(file, size, mtime_ns), content, detector, error)
        return found

    def known_content(
        self, sha256: str, accepts: Callable[[str], bool]
    ) -> list[tuple[str, Photo, tuple[Face, ...]]]:
        """The photos of a file's content, with their faces: one, or of a clip one a frame.

        Each with what follows the path in its name. Only those whose faces were found by a detector
        that will do; none when the content is not known.
        """
        rows = self._connection.rows(
            "select id, detector, sha256, width, height, orientation, taken_at from photo"
            f" where sha256 = :content or {moments_of('sha256', ':content')} order by id",
            {"content": sha256},
        )
        return [
            (
                photo[0].removeprefix(sha256),
                Photo(*photo),
                tuple(faces_of(self._connection, number).values()),
            )
            for number, detector, *photo in rows
            if accepts(detector)
        ]

    def register_model(self, *, fingerprint: str, name: str, dimension: int) -> int:
        """The id of the model with these weights, new or known."""
        return int(
            self._connection.rows(
                "insert into model (fingerprint, name, dimension) values (?, ?, ?)"
                " on conflict (fingerprint) do update set name = excluded.name returning id",
                (fingerprint, name, dimension),
            )[0][0]
        )

    def add(self, analyses: Sequence[Analysis], *, detector: str, model: int) -> None:
        """Write what a scan learnt of some files, all or nothing; of a clip all of its frames.

        An analysis with a photo but no embeddings says only that the file has that known content.
        An error is kept beside the file's last readable content. Faces found again (IoU >= 0.5)
        keep their ids; faces with statements are never dropped; when a file's content changed,
        statements `follow` their faces into the new content. Faces that were forgotten are left
        out.
        """
        with self._connection.transaction():
            for analysis in analyses:
                if analysis.photo is None:
                    self._put_error(analysis.file, analysis.error)
                else:
                    self._add_readable(analysis, analysis.photo, detector, model)
            self._drop_other_frames(
                analysis.file.path for analysis in analyses if analysis.photo is not None
            )

    def add_embeddings(
        self, model: int, faces: NDArray[np.int64], vectors: NDArray[np.float32]
    ) -> None:
        """Keep row i of vectors, (N, D), for faces[i]; replaces what this model said before."""
        with self._connection.transaction():
            self._connection.run_many(
                # Another scan may have taken the face out meanwhile.
                "insert into embedding (model, face, vector) select ?, ?, ?"
                " where exists (select 1 from face where id = ?)"
                " on conflict (model, face) do update set vector = excluded.vector",
                (
                    (model, face, vector, face)
                    for face, vector in zip(faces.tolist(), pack_vectors(vectors), strict=True)
                ),
            )

    def unembedded(self, model: int, roots: Sequence[str] | None = None) -> list[Unembedded]:
        """Photos below the roots (absolute paths; None: all) with faces that this model has not
        seen, one file for each."""
        where, parameters = ("true", list[str]()) if roots is None else below(roots)
        rows = self._connection.rows(
            "select min(path), file.size, mtime_ns, photo.id, sha256, width, height, orientation,"
            " taken_at from file join photo on photo.id = file.photo"
            f" where ({where}) and error is null and exists (select 1 from face"
            " where face.photo = photo.id and not exists"
            " (select 1 from embedding where model = ? and embedding.face = face.id))"
            " group by photo.id order by 1",
            (*parameters, model),
        )
        found = []
        for path, size, mtime_ns, number, *photo in rows:
            seen = self._connection.rows(
                "select face from embedding where model = ?"
                " and face in (select id from face where photo = ?)",
                (model, number),
            )
            faces = faces_of(self._connection, number)
            for (face,) in seen:
                del faces[face]
            found.append(Unembedded(FileStamp(path, size, mtime_ns), Photo(*photo), faces))
        return found

    def located(self) -> list[Unembedded]:
        """Every photo with a file that can be read, with all of its faces."""
        return self.unembedded(_NO_MODEL)

    def remove(self, paths: Collection[str]) -> None:
        """Forget deleted files; then photos without one, unless something was said of a face."""
        with self._connection.transaction():
            self._following.gone(paths)
            self._connection.run_many(
                f"delete from file where {OF_FILE}", ({"path": path} for path in paths)
            )
            # Statements hold on to their faces, so a photo with one stays, whole: should its
            # file come back, everything is there again for one hash.
            drop_orphans(self._connection)

    def begin(self, roots: Sequence[str]) -> tuple[int, bool]:
        """Note that these folders (absolute paths) are being scanned, until `follow` ends it.

        What was the last photo before, also before scans that were stopped, and if there are such.
        """
        return self._following.begin([root for root in roots if _is_text(root)])

    def follow(self, newest: int, roots: Sequence[str]) -> None:
        """Let what was said of the old contents of changed and moved files follow (following.py).

        For the end of a scan of these roots: newest is the photo that `begin` told.
        """
        self._following.carry_out(newest, roots)

    def rewritten(self, photo: int, files: Sequence[FileStamp], sha256: str) -> bool:
        """Note that files of a photo have other bytes around the same picture, all the same ones.

        The photo keeps its number, its faces and all that was said of them. False, and nothing is
        changed, when not all of its files are among them, or the new content is a photo already:
        the next scan then sees that they have changed.
        """
        with self._connection.transaction():
            paths = self._connection.rows("select path from file where photo = ?", (photo,))
            known = self._connection.rows("select 1 from photo where sha256 = ?", (sha256,))
            if known or {path for (path,) in paths} != {file.path for file in files}:
                return False
            ((width, height, orientation, taken_at),) = self._connection.rows(
                "select width, height, orientation, taken_at from photo where id = ?", (photo,)
            )
            about = Photo(sha256, width, height, orientation, taken_at)
            self._forgetting.places(about, photo)  # what scans leave out of it, they still do
            self._connection.run("update photo set sha256 = ? where id = ?", (sha256, photo))
            for file in files:
                self._put_file(file, photo, None)
        return True

    def finish(self, model: int | None = None) -> None:
        """Note that a scan has ended now, with this model."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._connection.run("insert into scan (at, model) values (?, ?)", (now, model))

    def use(self, model: int) -> None:
        """Make this the library's network from now on, without a scan."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._connection.run(
            "insert into scan (at, model, kind) values (?, ?, 'use')", (now, model)
        )

    def _add_readable(self, analysis: Analysis, photo: Photo, detector: str, model: int) -> None:
        before = self._connection.rows(
            "select photo from file where path = ? and photo is not null", (analysis.file.path,)
        )
        known = self._connection.rows("select id from photo where sha256 = ?", (photo.sha256,))
        if analysis.embeddings is not None:
            # Content that was known has places of its own: a file renamed over another is no edit.
            edited = before[0][0] if before and not known else None
            places = self._forgetting.places(photo, edited)
            faces, vectors = _without(places, analysis.faces, analysis.embeddings)
            number = self._put_photo(photo, detector)
            self._put_faces(number, faces, vectors, model)
        elif known:
            number = known[0][0]
        else:
            raise ValueError(f"content {photo.sha256} is not known: its faces are needed")
        self._put_file(analysis.file, number, None)
        if before and before[0][0] != number:
            self._following.changed(analysis.file.path, before[0][0], number, known=bool(known))

    def _put_file(self, file: FileStamp, photo: int | None, error: str | None) -> None:
        self._connection.run(
            "insert into file (path, photo, size, mtime_ns, error) values (?, ?, ?, ?, ?)"
            " on conflict (path) do update set photo = coalesce(excluded.photo, photo),"
            " size = excluded.size, mtime_ns = excluded.mtime_ns, error = excluded.error",
            (file.path, photo, file.size, file.mtime_ns, error),
        )

    def _put_error(self, file: FileStamp, error: str | None) -> None:
        """Note why a file cannot be read: of a clip with frames, beside each of them."""
        known = self._connection.rows(f"select path from file where {OF_FILE}", {"path": file.path})
        for (path,) in known or [(file.path,)]:
            self._put_file(replace(file, path=path), None, error)

    def _drop_other_frames(self, paths: Iterable[str]) -> None:
        """Take out the frames of these frames' clips that are not among them any more."""
        clips: dict[str, list[str]] = {}
        for path in paths:
            if file_of(path) != path:
                clips.setdefault(file_of(path), []).append(path)
        gone = [
            row
            for clip, frames in clips.items()
            for row in self._connection.rows(
                f"select path from file where {OF_FILE}"
                " and path not in (select value from json_each(:frames))",
                {"path": clip, "frames": json.dumps(frames)},
            )
        ]
        self._following.gone(path for (path,) in gone)
        self._connection.run_many("delete from file where path = ?", gone)

    def _put_photo(self, photo: Photo, detector: str) -> int:
        return int(
            self._connection.rows(
                "insert into photo (sha256, width, height, orientation, taken_at, detector)"
                " values (?, ?, ?, ?, ?, ?) on conflict (sha256) do update set"
                " width = excluded.width, height = excluded.height,"
                " orientation = excluded.orientation, taken_at = excluded.taken_at,"
                " detector = excluded.detector returning id",
                (
                    photo.sha256,
                    photo.width,
                    photo.height,
                    photo.orientation,
                    photo.taken_at,
                    detector,
                ),
            )[0][0]
        )

    def _put_faces(
        self, photo: int, faces: Sequence[Face], vectors: NDArray[np.float32], model: int
    ) -> None:
        """Make these the photo's faces; those found again keep their ids."""
        old = faces_of(self._connection, photo)
        again = match_faces([face.box for face in old.values()], [face.box for face in faces])
        old_ids = list(old)
        ids = {new: old_ids[place] for place, new in again}
        kept = set(ids.values())
        for number in old_ids:
            if number in kept:
                # Vectors of other models were made from the old landmarks.
                self._connection.run("delete from embedding where face = ?", (number,))
            else:
                self._connection.run(
                    "delete from face where id = ?"
                    " and not exists (select 1 from statement where statement.face = face.id)",
                    (number,),
                )
        for row, face in enumerate(faces):
            ids[row] = put_face(self._connection, photo, face, ids.get(row))
        order = np.array([ids[row] for row in range(len(faces))], dtype=np.int64)
        self.add_embeddings(model, order, vectors)


def below(roots: Sequence[str]) -> tuple[str, list[str]]:
    """The condition on rows of `file` for those at or below the roots, however many these are."""
    # A name that is no text is not kept, nor are those below it.
    known = [root for root in roots if _is_text(root)]
    begins = [root.rstrip(os.sep) + os.sep for root in known]
    begins += [root + MARK for root in known if is_clip(root)]
    # What begins with a text is from it to the text with the next last letter: a span of the index
    # of paths. `cross join` has it looked up for each text, never all paths gone through.
    spans = [(text, text[:-1] + chr(ord(text[-1]) + 1)) for text in begins]
    return (
        "file.rowid in (select root.rowid from json_each(?) cross join file root"
        " on root.path = value union all"
        " select inside.rowid from json_each(?) span cross join file inside"
        " on inside.path >= json_extract(span.value, '$[0]')"
        " and inside.path < json_extract(span.value, '$[1]'))",
        [json.dumps(known), json.dumps(spans)],
    )


def _is_text(path: str) -> bool:
    """Whether a file name has no bytes that are not UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _without(
    places: Sequence[Box], faces: Sequence[Face], vectors: NDArray[np.float32]
) -> tuple[list[Face], NDArray[np.float32]]:
    """The faces that are at none of these places, with their vectors."""
    kept = [row for row, face in enumerate(faces) if not left_out(face.box, places)]
    return [faces[row] for row in kept], vectors[kept]
