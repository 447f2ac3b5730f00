"""The library as a plain database for other programs: what is listed, and nothing else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import astuple
from pathlib import Path

from facecluster.library import Library
from facecluster.library.copying import new_file, spare_library

__all__ = ["SCHEMA", "publish"]

# SQLite keeps these comments with each table and view: `.schema` and Datasette show them.
SCHEMA = """
create table person (
    -- somebody who was named
    id integer primary key,
    name text not null unique
);
create table photo (
    -- one picture by its content; width and height in pixels of the upright photo
    id integer primary key,
    sha256 text not null unique,
    width integer not null,
    height integer not null,
    taken_at text -- ISO 8601, by the camera's clock
);
create table file (
    -- a photo may have several files
    path text primary key,
    photo integer not null references photo
);
create table face (
    -- box (x0, y0, x1, y1) in pixels of the upright full-size photo; score in 0 to 1
    id integer primary key,
    photo integer not null references photo,
    x0 real not null, y0 real not null, x1 real not null, y1 real not null,
    score real not null,
    group_number integer, -- as 'facecluster groups' lists it; null: in no group
    person integer references person -- by your word, or by that of its whole group
);
create table embedding (
    -- the face as numbers, only if asked for: unit vectors, little-endian float16;
    -- anybody who has them can recognise the person
    face integer not null references face,
    model text not null,
    vector blob not null,
    primary key (face, model)
);
create index file_photo on file (photo);
create index face_photo on face (photo);
create index face_person on face (person);
create view people as
    -- one row for each person: on how many faces and photos
    select person.name as person, count(face.id) as faces, count(distinct photo) as photos
    from person left join face on face.person = person.id group by person.id order by person.name;
create view faces as
    -- one row for each face: where it is and who
    select face.id as face, face.photo, (select min(path) from file where photo = face.photo)
        as path, x0, y0, x1, y1, score, group_number, name as person, taken_at
    from face join photo on photo.id = face.photo left join person on person.id = face.person;
create view photos as
    -- one row for each photo: how many faces, and the names of who is known on it
    select photo.id as photo, (select min(path) from file where photo = photo.id) as path,
        taken_at, width, height, (select count(*) from face where photo = photo.id) as faces,
        (select group_concat(name, ', ') from (select distinct name from face
            join person on person.id = face.person where face.photo = photo.id order by name))
        as people
    from photo;
"""


def publish(
    library: Library, target: Path, *, embeddings: bool = False, force: bool = False
) -> dict[str, int]:
    """Write people, photos and faces, as the lists show them now, to a new database; rows by table.

    Ignored faces, deleted photos, the log, and whatever was taken back or forgotten are not in it.
    Only its owner may read it. LibraryError when the file exists, unless force.
    """
    spare_library(target, library.path)
    with library.transaction():  # one moment of it
        tables = _rows(library, embeddings=embeddings)
    with (
        new_file(target, force=force) as fresh,
        closing(sqlite3.connect(fresh, isolation_level=None)) as plain,
    ):
        plain.executescript(f"begin;\n{SCHEMA}")
        for table, rows in tables.items():
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                plain.executemany(f"insert into {table} values ({marks})", rows)
        plain.execute("commit")
    return {table: len(rows) for table, rows in tables.items()}


def _rows(library: Library, *, embeddings: bool) -> dict[str, list[tuple[object, ...]]]:
    photos = library.photos()
    listed = {photo.photo for photo in photos}
    people = {person.name: person.id for person in library.people()}
    faces = [face for face in library.faces() if face.photo in listed]
    shown = {face.face for face in faces}
    return {
        "person": [(number, name) for name, number in people.items()],
        "photo": [
            (p.photo, p.about.sha256, p.about.width, p.about.height, p.about.taken_at)
            for p in photos
        ],
        "file": [(path, photo.photo) for photo in photos for path in photo.paths],
        "face": [
            (f.face, f.photo, *astuple(f.box), f.score, f.group, people.get(f.person or ""))
            for f in faces
        ],
        "embedding": [
            (int(face), model.name, row.astype("<f2").tobytes())
            for model in (library.models() if embeddings else ())
            for face, row in zip(*library.embeddings(model.id), strict=True)
            if int(face) in shown
        ],
    }
