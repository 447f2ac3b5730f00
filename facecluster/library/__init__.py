"""The library: everything found, derived and stated, in one SQLite file; all SQL is in here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import UsageError
from facecluster.library.connection import Connection, Value
from facecluster.library.forgetting import Erased, Forgetting
from facecluster.library.groupings import Grouping, Groupings, Leader
from facecluster.library.merges import KeptMerges, Merges
from facecluster.library.overview import Front, Overview, Progress
from facecluster.library.photos import ListedPhoto, Wanted, chosen, copies_elsewhere, list_photos
from facecluster.library.scanned import KnownFile, Scanned, Unembedded
from facecluster.library.statements import Action, Fact, Kind, Parting, Statements, Word
from facecluster.library.vectors import unpack_vectors
from facecluster.moments import file_of, moment_of
from facecluster.records import Box, Group, Person

__all__ = [
    "Action",
    "Erased",
    "Fact",
    "Front",
    "Grouping",
    "KeptMerges",
    "Kind",
    "KnownFile",
    "Leader",
    "Library",
    "Listed",
    "ListedFace",
    "ListedPhoto",
    "Model",
    "Parting",
    "Progress",
    "Status",
    "Unembedded",
    "Unreadable",
    "Wanted",
    "Word",
]


Listed = Literal["shown", "shelf", "ignored"]
_LISTED: dict[Listed, str] = {
    "shown": "face.id not in (select face from hidden)",
    "shelf": "face.id in (select face from shelf) and face.photo in (select photo from file)",
    "ignored": "face.id in (select face from truth where kind in ('ignore', 'not-a-face'))"
    " and face.photo in (select photo from file)",
}
# Looks up each face by itself: at once for a few, slower than the list of all hidden ones for all.
_FEW_SHOWN = "not exists (select 1 from hidden where hidden.face = face.id)"


@dataclass(frozen=True, slots=True)
class Model:
    """A network that has embedded faces here; faces counts them."""

    id: int
    name: str
    fingerprint: str
    dimension: int
    faces: int


@dataclass(frozen=True, slots=True)
class ListedFace:
    """A face with where it is, its group and who it is, as far as is known.

    person is what was stated of the face; else, when all stated faces of its group agree, that
    person, unless the face was stated to be not them. path is the first of the photo's files.
    """

    face: int
    photo: int
    path: str
    box: Box
    score: float
    group: int | None
    person: str | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that could not be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Status:
    """The library in figures; times are ISO 8601 in UTC.

    photos counts different contents of files, faces those shown by `faces`; new_faces are those
    of them that the newest grouping could not know, ignored_faces those left out by your word, and
    named_faces those somebody is said to be in. network is the one in use, unseen_faces those that
    it has not seen.
    """

    database: str
    files: int
    photos: int
    faces: int
    new_faces: int
    ignored_faces: int
    groups: int
    grouped_faces: int
    people: int
    named_faces: int
    unreadable: tuple[Unreadable, ...]
    network: str | None
    unseen_faces: int
    models: tuple[Model, ...]
    last_scan: str | None
    last_grouping: Grouping | None


class Library:
    """One database file and the questions it answers; a context manager.

    scanned takes what a scan finds, groupings the groups, merges how they came about, statements
    what the user says, forgetting takes people out of all of them; overview has the quick answers
    that a page needs.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.path = connection.path
        self.scanned = Scanned(connection)
        self.groupings = Groupings(connection)
        self.merges = Merges(connection)
        self.statements = Statements(connection)
        self.forgetting = Forgetting(connection)
        self.overview = Overview(connection)

    @classmethod
    def open(cls, path: Path) -> Library:
        """The library in this file, made (for its owner only) when there is none.

        LibraryError when the file is damaged, locked, another program's or a newer facecluster's.
        """
        return cls(Connection(path))

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    def __enter__(self) -> Library:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def transaction(self) -> AbstractContextManager[None]:
        """What runs inside is written whole or, when it raises, not at all."""
        return self._connection.transaction()

    def models(self) -> list[Model]:
        """The models that faces were embedded with; first the one of the last complete scan, or
        chosen since."""
        rows = self._connection.rows(
            "select id, name, fingerprint, dimension,"
            " (select count(*) from embedding where model = model.id)"
            " from model order by"
            " (select max(scan.id) from scan where model = model.id) desc nulls last, id desc"
        )
        return [Model(*row) for row in rows]

    def model_name(self, model: int) -> str:
        """What the model of this number is called."""
        return next(one.name for one in self.models() if one.id == model)

    def embeddings(
        self, model: int, only: Iterable[int] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Faces (N,), rising, and their unit rows (N, D) in this model's space.

        Of all faces, or of those in `only`. Left out: faces that the user ignores and those whose
        photo has no file any more. 100,000 of 128 dimensions take about 0.2 s.
        """
        return self._vectors(model, "face not in (select face from hidden)", only)

    def named_embeddings(
        self, model: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Faces (N,) stated to be somebody, the person (N,) of each, unit rows (N, D).

        Faces of deleted photos are among them: what the user said of them is still true.
        """
        person = {
            fact.face: fact.person or 0 for fact in self.statements.truth() if fact.kind == "is"
        }
        faces, vectors = self._vectors(model, "true", person)
        people = np.array([person[face] for face in faces.tolist()], dtype=np.int64)
        return faces, people, vectors

    def attach_only(self, faces: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these faces, (N,), are too poor to found a group; see tiers.py."""
        rows = self._connection.rows("select face from attach_only")
        return np.isin(faces, np.array([face for (face,) in rows], dtype=np.int64))

    def photos_of(self, faces: NDArray[np.int64]) -> NDArray[np.int64]:
        """The photo of each face, (N,); -1 for a face that has gone meanwhile."""
        photo = dict(self._connection.rows("select id, photo from face"))
        return np.array([photo.get(face, -1) for face in faces.tolist()], dtype=np.int64)

    def taken(self, faces: NDArray[np.int64]) -> list[str | None]:
        """When the photo of each face was taken, ISO 8601 by the camera's clock, where known.

        Of a face that has gone meanwhile nothing is.
        """
        taken = dict(
            self._connection.rows(
                "select face.id, taken_at from face join photo on photo.id = face.photo"
            )
        )
        return [taken.get(face) for face in faces.tolist()]

    def faces(
        self,
        *,
        group: int | None = None,
        person: str | None = None,
        photo: int | None = None,
        only: Listed = "shown",
    ) -> list[ListedFace]:
        """The faces by number, of one group, person or photo if asked: those that lists show, or
        those on the shelf, or those ignored. UsageError when there is no such group or person."""
        if group is not None:
            self.require_group(group)
        name = None if person is None else self.person_name(person)
        names = dict(self._connection.rows("select id, name from person"))
        asked = {"number": group, "face.photo": photo}
        wanted = {column: value for column, value in asked.items() if value is not None}
        which = _FEW_SHOWN if wanted and only == "shown" else _LISTED[only]
        rows = self._connection.rows(
            "select face.id, face.photo, (select min(path) from file where photo = face.photo),"
            " x0, y0, x1, y1, score, number from face left join member on member.face = face.id"
            f" where {' and '.join([which, *(f'{column} = ?' for column in wanted)])}"
            " order by face.id",
            list(wanted.values()),
        )
        leaders = self.groupings.leaders({row[-1] for row in rows if row[-1]} if wanted else None)
        facts = self.statements.truth([row[0] for row in rows] if wanted else None)
        stated = {fact.face: fact.person for fact in facts if fact.kind == "is"}
        denied = {(fact.face, fact.person) for fact in facts if fact.kind == "is-not"}
        faces = []
        for face, photo, path, x0, y0, x1, y1, score, number in rows:
            who = stated.get(face)
            leader = leaders.get(number)
            if who is None and leader and leader.agreed and (face, leader.person) not in denied:
                who = leader.person
            box = Box(x0, y0, x1, y1)
            faces.append(ListedFace(face, photo, path, box, score, number, names.get(who)))
        return [face for face in faces if name is None or face.person == name]

    def photos(self, roots: Sequence[str] | None = None) -> list[ListedPhoto]:
        """The photos with a readable file below the roots (absolute paths; None: all), by path."""
        return list_photos(self._connection, roots)

    def copies_elsewhere(self, roots: Sequence[str]) -> list[tuple[str, str]]:
        """The paths of readable files outside the roots, each with one below of the same photo."""
        return copies_elsewhere(self._connection, roots)

    def photo(self, number: int) -> ListedPhoto:
        """The photo of this number; UsageError when there is none with a readable file."""
        found = list_photos(self._connection, None, number)
        if not found:
            raise UsageError(f"There is no photo {number}: 'facecluster scan PATH' looks for it.")
        return found[0]

    def find(self, wanted: Wanted) -> list[ListedPhoto]:
        """The photos that are wanted, by path and moment; who is on them is as `faces` shows it.

        UsageError when a name is nobody's.
        """
        people, without = (
            tuple(self.person_name(name) for name in names)
            for names in (wanted.people, wanted.without)
        )
        faces: dict[int, list[str | None]] = {}
        for face in self.faces():
            faces.setdefault(face.photo, []).append(face.person)
        found = chosen(self.photos(), faces, replace(wanted, people=people, without=without))
        return sorted(found, key=lambda one: (file_of(one.path), moment_of(one.path) or 0.0))

    def groups(self) -> list[Group]:
        """The groups of the newest grouping, those with most faces first."""
        return self.groupings.list()

    def people(self) -> list[Person]:
        """Everybody that some face is stated to be, by name; counts are of what `faces` shows."""
        shown: dict[str, list[int]] = {}
        for face in self.faces():
            if face.person is not None:
                shown.setdefault(face.person, []).append(face.photo)
        rows = self._connection.rows(
            "select id, name from person"
            " where id in (select person from truth where kind = 'is') order by key"
        )
        return [
            Person(number, name, len(shown.get(name, ())), len(set(shown.get(name, ()))))
            for number, name in rows
        ]

    def status(self) -> Status:
        """Counts, unreadable files with their reasons, the models and when things were done."""
        models = tuple(self.models())
        count = self._connection.rows(
            "select (select count(distinct file_of(path)) from file),"
            " (select count(distinct photo) from file),"
            " (select count(*) from face where id not in (select face from hidden)),"
            " (select count(*) from truth where kind = 'is'"
            " and face not in (select face from hidden)),"
            " (select max(at) from scan where kind = 'scan'),"
            " (select count(*) from embedding"
            " where model = (select model from grouping order by id desc limit 1)"
            " and face not in (select face from looked_at union all select face from hidden)),"
            " (select count(*) from truth join face on face.id = face"
            " where kind in ('ignore', 'not-a-face') and photo in (select photo from file)),"
            " (select count(*) from face where id not in (select face from hidden) and id not in"
            " (select face from embedding where model = ?))",
            (models[0].id if models else None,),
        )[0]
        groups = self.groups()
        return Status(
            database=str(self.path),
            files=count[0],
            photos=count[1],
            faces=count[2],
            new_faces=count[5],
            ignored_faces=count[6],
            groups=len(groups),
            grouped_faces=sum(group.faces for group in groups),
            people=len(self.overview.names()),
            named_faces=count[3],
            unreadable=self.unreadable(),
            network=models[0].name if models else None,
            unseen_faces=count[7] if models else 0,
            models=models,
            last_scan=count[4],
            last_grouping=self.groupings.newest(),
        )

    def unreadable(self) -> tuple[Unreadable, ...]:
        """The files that could not be read, by path."""
        rows = self._connection.rows(
            "select file_of(path), error from file where error is not null group by 1 order by 1"
        )
        return tuple(Unreadable(*row) for row in rows)

    def person_name(self, name: str) -> str:
        """The name as it was first written; UsageError when nobody is called that."""
        return self.statements.name_of(self.statements.person(name))

    def require_group(self, number: int) -> list[int]:
        """The faces of the group, rising; UsageError when there is no such group."""
        members = self.groupings.members(number)
        if not members:
            raise UsageError(f"There is no group {number}: 'facecluster groups' lists them.")
        return members

    def _vectors(
        self, model: int, where: str, only: Iterable[int] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        dimension = self._connection.rows("select dimension from model where id = ?", (model,))
        if not dimension:
            raise UsageError(f"There is no model {model} here: 'facecluster status' lists them.")
        parameters: list[Value] = [model]
        if only is not None:
            where += " and face in (select value from json_each(?))"
            parameters.append(json.dumps([int(face) for face in only]))
        rows = self._connection.rows(
            f"select face, vector from embedding where model = ? and {where} order by face",
            parameters,
        )
        faces = np.array([face for face, _ in rows], dtype=np.int64)
        return faces, unpack_vectors([vector for _, vector in rows], dimension[0][0])
