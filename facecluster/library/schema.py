"""The tables: what was found, what was derived from it, and what the user stated.

Found and derived rows can be made again. Stated ones (person, action, statement) cannot: no row
that one of them points to can be deleted, which SQLite's foreign keys enforce.
"""

from __future__ import annotations

import numpy as np
from sqlite_utils import Database, Migrations

from facecluster.library.tiers import TIERS
from facecluster.library.vectors import pack_vectors

__all__ = ["MIGRATIONS"]

MIGRATIONS = Migrations("facecluster")

# photo: the last content of the file that could be read; error: why the present one cannot.
_FOUND = """
create table file (
    path text primary key,
    photo integer references photo,
    size integer not null,
    mtime_ns integer not null,
    error text,
    check (photo is not null or error is not null)
) strict;
create index file_photo on file (photo);
"""

# A face's number is never given to another face (autoincrement): the user may have written it down.
# landmarks: ten little-endian float32; vector: as vectors.py makes it.
_DERIVED = """
create table photo (
    id integer primary key,
    sha256 text not null unique,
    width integer not null,
    height integer not null,
    orientation integer not null,
    taken_at text,
    detector text not null
) strict;
create table face (
    id integer primary key autoincrement,
    photo integer not null references photo on delete cascade,
    x0 real not null, y0 real not null, x1 real not null, y1 real not null,
    landmarks blob not null check (length(landmarks) = 40),
    score real not null,
    size real not null,
    sharpness real not null,
    yaw real not null
) strict;
create index face_photo on face (photo);
create table model (
    id integer primary key,
    fingerprint text not null unique,
    name text not null,
    dimension integer not null
) strict;
create table embedding (
    model integer not null references model,
    face integer not null references face on delete cascade,
    vector blob not null,
    primary key (model, face)
) strict, without rowid;
create index embedding_face on embedding (face);
create table scan (
    id integer primary key,
    at text not null,
    model integer references model
) strict;
create table grouping (
    id integer primary key,
    model integer not null references model,
    method text not null,
    settings text not null,
    created_at text not null,
    next_number integer not null
) strict;
create table member (
    face integer primary key references face on delete cascade,
    grouping integer not null references grouping,
    number integer not null
) strict;
create index member_number on member (number);
"""

_STATED = """
create table person (
    id integer primary key,
    name text not null,
    key text not null unique
) strict;
create table action (
    id integer primary key autoincrement,
    at text not null,
    command text not null,
    undoes integer references action
) strict;
create table statement (
    id integer primary key autoincrement,
    action integer not null references action,
    face integer not null references face,
    kind text not null check (kind in ('is', 'is-not', 'ignore', 'not-a-face')),
    person integer references person,
    revoked_by integer references action,
    check ((person is not null) = (kind in ('is', 'is-not')))
) strict;
create index statement_face on statement (face);
create index statement_action on statement (action);
"""

# About one face the newest word counts: `is`, `ignore` and `not-a-face` replace one another,
# `is-not` somebody takes back an older `is` of the same person, and the other way round.
_TRUTH = """
create view truth as
    select s.face, s.kind, s.person from statement s
    where s.revoked_by is null and not exists (
        select 1 from statement t
        where t.face = s.face and t.id > s.id and t.revoked_by is null
        and (t.person = s.person or (s.kind <> 'is-not' and t.kind <> 'is-not'))
    );
create view hidden as
    select face from truth where kind in ('ignore', 'not-a-face')
    union all
    select face.id from photo join face on face.photo = photo.id
    where not exists (select 1 from file where file.photo = photo.id);
"""


@MIGRATIONS()
def first_tables(database: Database) -> None:
    """Everything of version 0.1."""
    _execute(database, _FOUND, _DERIVED, _STATED, _TRUTH)


# A statement of kind `part` says with whom a face is, not who it is: faces of one part of an action
# are one person, faces of different parts of it are different people; part is null for a face that
# the action set free. moved is what an action did at once to the groups, so that undoing it can put
# every face back.
_PARTS = """
drop view hidden;
drop view truth;
create table new_statement (
    id integer primary key autoincrement,
    action integer not null references action,
    face integer not null references face,
    kind text not null check (kind in ('is', 'is-not', 'ignore', 'not-a-face', 'part')),
    person integer references person,
    part integer,
    revoked_by integer references action,
    check ((person is not null) = (kind in ('is', 'is-not'))),
    check (part is null or kind = 'part')
) strict;
insert into new_statement (id, action, face, kind, person, revoked_by)
    select id, action, face, kind, person, revoked_by from statement order by id;
drop table statement;
alter table new_statement rename to statement;
create index statement_face on statement (face);
create index statement_action on statement (action);
create table moved (
    action integer not null references action,
    face integer not null references face on delete cascade,
    number_before integer,
    number_after integer,
    primary key (action, face)
) strict, without rowid;
create index moved_face on moved (face);
"""

_TRUTH_BESIDE_PARTS = """
create view truth as
    select s.face, s.kind, s.person, s.action from statement s
    where s.kind <> 'part' and s.revoked_by is null and not exists (
        select 1 from statement t
        where t.face = s.face and t.id > s.id and t.kind <> 'part' and t.revoked_by is null
        and (t.person = s.person or (s.kind <> 'is-not' and t.kind <> 'is-not'))
    );
create view hidden as
    select face from truth where kind in ('ignore', 'not-a-face')
    union all
    select face.id from photo join face on face.photo = photo.id
    where not exists (select 1 from file where file.photo = photo.id);
"""


@MIGRATIONS()
def parts_of_groups(database: Database) -> None:
    """Statements of kind `part`: which faces are one person though nobody has named them."""
    _execute(database, _PARTS, _TRUTH_BESIDE_PARTS)


@MIGRATIONS()
def bytes_for_vectors(database: Database) -> None:
    """Vectors of two bytes a dimension, as they were kept first, take one."""
    wide = database.execute(
        "select embedding.model, face, vector from embedding"
        " join model on model.id = embedding.model where length(vector) = 2 * dimension"
    ).fetchall()
    if wide:
        rows = [np.frombuffer(vector, dtype="<f2").astype(np.float32) for *_, vector in wide]
        packed = [pack_vectors(row[None])[0] for row in rows]
        database.conn.executemany(
            "update embedding set vector = ? where model = ? and face = ?",
            [(new, model, face) for new, (model, face, _) in zip(packed, wide, strict=True)],
        )


# The faces that the newest grouping has looked at, in a group or not. later: not in the last full
# pass, but since. changed: a new vector, or a word said or taken back, calls for another look; as
# triggers tell it, no command has to think of it.
_LOOKED_AT = """
create table looked_at (
    face integer primary key references face on delete cascade,
    later integer not null,
    changed integer not null default 0
) strict;
insert into looked_at (face, later) select face, 0 from member;
create trigger vector_changed after update of vector on embedding
    begin update looked_at set changed = 1 where face = new.face; end;
create trigger vector_gone after delete on embedding
    begin update looked_at set changed = 1 where face = old.face; end;
create trigger stated after insert on statement
    begin update looked_at set changed = 1 where face = new.face; end;
create trigger taken_back after update of face, revoked_by on statement
    begin update looked_at set changed = 1 where face in (old.face, new.face); end;
"""


@MIGRATIONS()
def faces_looked_at(database: Database) -> None:
    """Which faces a grouping has looked at, so that the next one looks at the others only."""
    _execute(database, _LOOKED_AT)


# kind 'use': no photo was looked at, the user chose the network.
_CHOSEN = """
alter table scan add column kind text not null default 'scan' check (kind in ('scan', 'use'));
"""


@MIGRATIONS()
def facenet_chosen_networks(database: Database) -> None:
    """A network can be chosen for a library without a scan."""
    _execute(database, _CHOSEN)


# photo is a keyed hash of the photo's content, the box in shares of its sides. A place is of no
# face and no person: nothing tells which places were forgotten together. forgotten of an action:
# how many faces it erased; such an action cannot be undone.
_FORGETTING = """
create table forgotten (
    photo blob not null,
    x0 real not null, y0 real not null, x1 real not null, y1 real not null,
    primary key (photo, x0, y0, x1, y1)
) strict, without rowid;
create table forgetting (
    id integer primary key check (id = 1),
    key blob not null
) strict;
alter table action add column forgotten integer;
"""


@MIGRATIONS()
def exchange_places_forgotten(database: Database) -> None:
    """Where on which photos scans leave faces out, because somebody was forgotten."""
    _execute(database, _FORGETTING)


# The newest word about a person that nobody has undone counts. Faces on older photos have to be
# looked at again, whether the word is said or taken back.
_BIRTHS = """
create table birth (
    id integer primary key autoincrement,
    action integer not null references action on delete cascade,
    person integer not null references person on delete cascade,
    born text not null,
    revoked_by integer references action on delete cascade
) strict;
create index birth_person on birth (person);
create index birth_action on birth (action);
create trigger birth_stated after insert on birth
    begin update looked_at set changed = 1 where face in (
        select face.id from face join photo on photo.id = face.photo where taken_at < new.born
    ); end;
create trigger birth_taken_back after update of revoked_by on birth
    begin update looked_at set changed = 1 where face in (
        select face.id from face join photo on photo.id = face.photo where taken_at < new.born
    ); end;
"""


@MIGRATIONS()
def calibration_births(database: Database) -> None:
    """When people were born, as the user says it: nobody is on an older photo."""
    _execute(database, _BIRTHS)


@MIGRATIONS()
def tiers_of_faces(database: Database) -> None:
    """Which faces are poor, by their quality, and which so poor that they are hidden."""
    _execute(database, TIERS)


# Of one full pass by average linkage, at most. made_of is a digest of the vectors and statements
# that they depend on: other ones, and the merges are of no use. They are made of people's vectors,
# so forgetting somebody deletes them.
_MERGES = """
create table merges (
    made_of blob not null,
    pairs blob not null,
    heights blob not null,
    threshold real not null
) strict;
"""


@MIGRATIONS()
def merges_kept(database: Database) -> None:
    """The merges of the last full pass, for groups at another threshold."""
    _execute(database, _MERGES)


# Found by a scan, which has not ended yet (see following.py). new is null for a file that is gone;
# known: the new content was there before; lived: in a file.
_FOLLOWING = """
create table changed_file (
    id integer primary key,
    path text not null,
    old integer not null references photo on delete cascade,
    new integer references photo on delete cascade,
    known integer not null default 0,
    lived integer not null default 0
) strict;
"""


@MIGRATIONS()
def words_follow_at_the_end(database: Database) -> None:
    """Which files have another content now, until what was said of the old one has followed."""
    _execute(database, _FOLLOWING)


# Scans that have begun and not ended, by root; newest: the last photo before, 0 for none. What was
# seen first by a scan that was stopped is new to the next one, too.
_UNFINISHED = """
create table unfinished_scan (
    path text primary key,
    newest integer not null
) strict;
"""


@MIGRATIONS()
def words_follow_after_a_stop(database: Database) -> None:
    """Which folders' scans were stopped, and what was new to them."""
    _execute(database, _UNFINISHED)


# A face of a large group that is corrected face by face has a `part` for each of the corrections,
# which `truth` would go through to find what else was said of it.
_WORDS = """
create index statement_word on statement (face) where kind <> 'part';
"""


@MIGRATIONS()
def words_beside_parts_found(database: Database) -> None:
    """What was said of a face is found without its partings."""
    _execute(database, _WORDS)


# For each photo that goes, the notes of a scan that point to it are looked for.
_NOTES = """
create index changed_file_old on changed_file (old);
create index changed_file_new on changed_file (new);
"""


@MIGRATIONS()
def notes_found_by_photo(database: Database) -> None:
    """Thousands of photos that go cost no look at all notes each."""
    _execute(database, _NOTES)


def _execute(database: Database, *scripts: str) -> None:
    for script in scripts:
        for statement in script.split(";\n"):
            if statement.strip():
                database.execute(statement)
