"""The plain database says what the lists say, and nothing that was taken back."""

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from facecluster.errors import LibraryError
from facecluster.library import Library
from facecluster.library.publishing import publish
from facecluster.people import ignore, name_faces, name_group, regroup, undo


@pytest.fixture
def library(database: Path) -> Iterator[Library]:
    with Library.open(database) as library:
        regroup(library, 1, method="agglomerative", threshold=0.5, k=None)
        name_group(library, 1, "Ann", command="name")
        name_faces(library, [7], "Bob", command="name")
        name_faces(library, [8], "Secret", command="name")
        undo(library, command="undo")
        ignore(library, [13], command="ignore")
        yield library


def ask(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def test_the_views_say_what_the_lists_say(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "plain.db"
    assert publish(library, path) == {
        "person": 2, "photo": 13, "file": 13, "face": 12, "embedding": 0
    }  # fmt: skip
    assert ask(path, "select person, faces, photos from people") == [
        (one.name, one.faces, one.photos) for one in library.people()
    ]
    assert ask(
        path, "select face, photo, path, x0, y0, x1, y1, score, group_number, person from faces"
    ) == [
        (f.face, f.photo, f.path, *astuple(f.box), f.score, f.group, f.person)
        for f in library.faces()
    ]
    assert ask(path, "select photo, path, faces, people from photos limit 1") == [
        (1, str(tmp_path / "ann0.jpg"), 1, "Ann")
    ]
    assert ask(path, "pragma foreign_key_check") == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_was_taken_back_is_in_no_byte_of_it(library: Library, tmp_path: Path) -> None:
    publish(library, tmp_path / "plain.db")
    content = (tmp_path / "plain.db").read_bytes()
    assert b"Ann" in content
    assert b"Secret" not in content


def test_embeddings_only_when_asked_for(library: Library, tmp_path: Path) -> None:
    publish(library, tmp_path / "plain.db", embeddings=True)
    rows = ask(tmp_path / "plain.db", "select face, model, vector from embedding order by face")
    faces, vectors = library.embeddings(1)
    assert [(face, model) for face, model, _ in rows] == [(face, "nn4") for face in faces.tolist()]
    read = np.stack([np.frombuffer(row[2], dtype="<f2") for row in rows])  # type: ignore[call-overload]
    np.testing.assert_allclose(read, vectors, atol=1e-3)


def test_the_schema_explains_itself(library: Library, tmp_path: Path) -> None:
    publish(library, tmp_path / "plain.db")
    for name, sql in ask(
        tmp_path / "plain.db", "select name, sql from sqlite_master where type in ('table', 'view')"
    ):
        assert "-- " in str(sql), name


def test_nothing_is_overwritten_unasked(library: Library, tmp_path: Path) -> None:
    (tmp_path / "plain.db").write_text("precious")
    with pytest.raises(LibraryError, match="--force"):
        publish(library, tmp_path / "plain.db")
    assert (tmp_path / "plain.db").read_text() == "precious"
    for side in ("", "-wal"):
        with pytest.raises(LibraryError, match="library itself"):
            publish(library, library.path.with_name(library.path.name + side), force=True)
    publish(library, tmp_path / "plain.db", force=True)
    assert ask(tmp_path / "plain.db", "select count(*) from faces") == [(12,)]
