"""The file itself, what comes back of what was put in, and the lists made of it."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database

from facecluster.errors import LibraryError, UsageError
from facecluster.library import Library, connection
from facecluster.library.matching import SeenFace, match_faces, same_faces
from facecluster.library.schema import MIGRATIONS
from facecluster.library.vectors import pack_vectors, unpack_vectors
from facecluster.moments import file_of
from facecluster.records import Analysis, Box, FileStamp, Group, Photo

Put = Callable[..., list[int]]
Save = Callable[[dict[int, int]], None]
Steps = Callable[[Callable[[], object]], int]


def test_file_and_folder_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "library.sqlite"
    with Library.open(path) as library:
        library.scanned.finish()
        files = list(path.parent.iterdir())
        assert len(files) == 3, "with SQLite's two side files"
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_tables_are_strict_and_keys_bind(library: Library) -> None:
    with sqlite3.connect(library.path) as other:
        tables = other.execute("select sql from sqlite_master where type = 'table'").fetchall()
    other.close()
    ours = [sql for (sql,) in tables if sql and "sqlite_" not in sql]
    assert len(ours) == 19 and all("strict" in sql for sql in ours)
    assert library._connection.rows("pragma foreign_keys") == [(1,)]
    assert library._connection.rows("pragma journal_mode") == [("wal",)]
    with pytest.raises(sqlite3.IntegrityError):
        library._connection.run("insert into face (photo) values ('x')")


def test_opening_again_finds_everything(library: Library, put: Put) -> None:
    put("/a.jpg", 1, 2)
    with Library.open(library.path) as again:
        assert again.faces() == library.faces()
        assert again.status() == library.status()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda path: path.write_bytes(b"not a database, but long enough" * 99), "damaged"),
        (lambda path: path.mkdir(), "a file in a folder that may be written to"),
        (lambda path: _sql(path, "create table recipe (name text)"), "another program's"),
        (
            lambda path: (
                Library.open(path).close(),
                _sql(
                    path,
                    "insert into _sqlite_migrations (migration_set, name, applied_at)"
                    " values ('facecluster', 'of_next_year', '')",
                ),
            ),
            "newer facecluster",
        ),
    ],
    ids=["damaged", "a folder", "of another program", "newer"],
)
def test_a_file_that_is_no_library_of_ours_is_one_sentence(
    tmp_path: Path, spoil: Callable[[Path], object], sentence: str
) -> None:
    path = tmp_path / "library.sqlite"
    spoil(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(LibraryError, match=sentence) as caught:
        Library.open(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert not path.is_file() or path.read_bytes() == before


def _sql(path: Path, sql: str) -> None:
    other = sqlite3.connect(path)
    other.execute(sql)
    other.commit()
    other.close()


def test_a_library_on_a_read_only_disk_is_read_and_what_would_change_it_is_one_sentence(
    library: Library, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("/a.jpg", 1, 2)
    faces, path = library.faces(), library.path
    library.close()
    before = path.read_bytes()
    monkeypatch.setattr(connection.os, "access", lambda path, mode: mode != connection.os.W_OK)
    with Library.open(path) as again:
        assert again.faces() == faces
        with pytest.raises(LibraryError, match=r"may not be written: check the permissions"):
            again._connection.run("delete from photo")
        assert list(path.parent.glob(f"{path.name}-*")) == [], "no side files"
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("free", "sentence"), [(0, "the disk is full"), (1 << 20, "disk I/O error")]
)
def test_a_disk_without_any_room_is_not_told_as_a_broken_one(
    library: Library, monkeypatch: pytest.MonkeyPatch, free: int, sentence: str
) -> None:
    def no_room(_: object) -> None:  # as SQLite says it where it cannot make its -shm file
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(connection.Connection, "_write_ahead", no_room)
    usage = shutil.disk_usage(library.path.parent)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(LibraryError, match=sentence):
        Library.open(library.path)


def test_a_locked_file_is_one_sentence(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_BUSY_MS", 10)
    other = sqlite3.connect(library.path, isolation_level=None)
    other.execute("begin exclusive")
    with Library.open(library.path) as second, pytest.raises(LibraryError, match="in use by"):
        second.scanned.finish()
    other.close()


def test_a_damaged_page_is_one_sentence(library: Library, put: Put) -> None:
    for number in range(300):
        put(f"/{number}.jpg", 1)
    library.close()
    with open(library.path, "r+b") as file:
        for page in range(12, 60):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    with pytest.raises(LibraryError, match="damaged"), Library.open(library.path) as spoilt:
        spoilt.faces()


def test_two_programs_may_make_the_library_at_once(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite"
    failed: list[BaseException] = []

    def make() -> None:
        try:
            Library.open(path).close()
        except BaseException as error:
            failed.append(error)

    makers = [threading.Thread(target=make) for _ in range(6)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert failed == []


def test_a_transaction_is_whole_or_nothing(library: Library, model: int, put: Put) -> None:
    put("/a.jpg", 1)
    before = library.faces()
    good = Analysis(FileStamp("/b.jpg", 1, 1), None, (), None, error="No picture.")
    unknown = Analysis(FileStamp("/c.jpg", 1, 1), Photo("0" * 64, 9, 9, 1, None), (), None)
    with pytest.raises(ValueError, match="is not known"):
        library.scanned.add([good, unknown], detector="d", model=model)
    assert library.faces() == before
    assert library.status().unreadable == ()


def test_the_same_analysis_twice_changes_nothing(library: Library, put: Put) -> None:
    assert put("/a.jpg", 1, 2) == [1, 2]
    assert put("/a.jpg", 1, 2) == [1, 2]


def test_numbers_of_deleted_faces_are_not_given_again(library: Library, put: Put) -> None:
    assert put("/a.jpg", 1, 2) == [1, 2]
    library.scanned.remove(["/a.jpg"])
    assert put("/a.jpg", 1, 2) == [3, 4]


@given(st.integers(1, 40), st.integers(1, 200), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_vectors_come_back_as_unit_rows_nearly_unchanged(
    count: int, dimension: int, seed: int
) -> None:
    rows = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    back = unpack_vectors(pack_vectors(rows), dimension)
    assert back.dtype == np.float32 and back.shape == rows.shape
    assert np.allclose(np.linalg.norm(back, axis=1), 1, atol=1e-6)
    # Half a step in each dimension, of the row's own steps.
    bound = dimension * (np.abs(rows).max(axis=1) / 254) ** 2
    assert (np.sum((back - rows) ** 2, axis=1) <= bound + 1e-6).all()
    assert {len(one) for one in pack_vectors(rows)} == {dimension}


def test_a_library_with_two_bytes_a_dimension_keeps_its_vectors(
    library: Library, model: int, put: Put
) -> None:
    put("/a.jpg", 1, 2)
    faces, vectors = library.embeddings(model)
    path = library.path
    library.close()
    for face, vector in zip(faces.tolist(), vectors.astype("<f2"), strict=True):
        _sql(path, f"update embedding set vector = x'{vector.tobytes().hex()}' where face = {face}")
    _sql(path, "delete from _sqlite_migrations where name = 'bytes_for_vectors'")
    with Library.open(path) as newer:
        again, back = newer.embeddings(model)
        assert again.tolist() == faces.tolist()
        assert np.abs(back - vectors).max() < 0.005
        sizes = newer._connection.rows("select distinct length(vector) from embedding")
        assert sizes == [(vectors.shape[1],)]


def test_no_vectors_have_the_shape_of_none() -> None:
    assert unpack_vectors([], 128).shape == (0, 128)


def test_a_hundred_thousand_vectors_load_well_under_a_second(library: Library, model: int) -> None:
    count = 100_000
    connection = library._connection
    row = pack_vectors(np.ones((1, 16), dtype=np.float32) / 4)[0]
    with connection.transaction():
        connection.run(
            "insert into photo (sha256, width, height, orientation, detector)"
            " values ('x', 9, 9, 1, 'd')"
        )
        connection.run("insert into file values ('/a.jpg', 1, 1, 1, null)")
        connection.run(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < ?)"
            " insert into face (photo, x0, y0, x1, y1, landmarks, score, size, sharpness, yaw)"
            " select 1, 0, 0, 1, 1, zeroblob(40), 1, 1, 1, 1 from n",
            (count,),
        )
        connection.run("insert into embedding select ?, id, ? from face", (model, row))
    began = time.process_time()
    faces, vectors = library.embeddings(model)
    assert (len(faces), vectors.shape) == (count, (count, 16))
    assert time.process_time() - began < 1.5, "0.2 s on an idle core"


def test_vectors_of_two_models_never_meet(library: Library, model: int, put: Put) -> None:
    faces = put("/a.jpg", 1, 2)
    other = library.scanned.register_model(fingerprint="g", name="nn", dimension=4)
    assert other != model
    assert library.scanned.register_model(fingerprint="g", name="new name", dimension=4) == other
    ids, vectors = library.embeddings(other)
    assert (len(ids), vectors.shape) == (0, (0, 4))
    library.scanned.add_embeddings(other, np.array(faces), np.full((2, 4), 0.5, dtype=np.float32))
    assert library.embeddings(other)[1].shape == (2, 4)
    assert library.embeddings(model)[1].shape == (2, 16)
    with pytest.raises(UsageError, match="no model 99"):
        library.embeddings(99)


def test_lists_of_an_empty_library(library: Library) -> None:
    assert (library.faces(), library.groups(), library.people()) == ([], [], [])
    status = library.status()
    assert (status.files, status.last_scan, status.last_grouping) == (0, None, None)


def test_groups_are_listed_largest_first(library: Library, put: Put, save: Save) -> None:
    a, b, c = put("/a.jpg", 1, 2, 2)
    d, e = put("/b.jpg", 2, 3)
    save({a: 4, b: 7, c: 7, d: 7, e: -1})
    assert library.groups() == [Group(7, 3, 2, None), Group(4, 1, 1, None)]
    assert [face.face for face in library.faces(group=7)] == [b, c, d]
    assert [face.group for face in library.faces()] == [4, 7, 7, 7, None]
    status = library.status()
    assert (status.groups, status.grouped_faces, status.faces) == (2, 4, 5)
    assert status.last_grouping and status.last_grouping.method == "by hand"
    assert status.last_grouping.settings == '{"threshold": 1.1, "k": null}'
    with pytest.raises(UsageError, match="no group 5"):
        library.faces(group=5)
    with pytest.raises(UsageError, match="Nobody is named Zoe"):
        library.faces(person="Zoe")


def test_a_number_is_never_used_again(library: Library, put: Put, save: Save) -> None:
    a, b = put("/a.jpg", 1, 2)
    assert library.groupings.previous(np.array([a, b]))[1] == 1
    save({a: 1, b: 9})
    save({a: 1, b: -1})
    numbers, following = library.groupings.previous(np.array([b, a]))
    assert (numbers.tolist(), following) == ([-1, 1], 10)


def test_a_photo_with_two_files_shows_the_first(library: Library, put: Put) -> None:
    put("/b.jpg", 1, content="x")
    put("/a.jpg", 1, content="x")
    assert [face.path for face in library.faces()] == ["/a.jpg"]
    assert (library.status().files, library.status().photos) == (2, 1)


def test_roots_are_the_files_of_that_path_and_those_below_it(library: Library, put: Put) -> None:
    paths = ["/a", "/a/b.jpg", "/a/b.jpg/c", "/a/b/d", "/a b", "/a0", "/A/b.jpg", "/ä/%_.jpg"]
    for path in [*paths, "/v/c.mov#t=10", "/v/c.mov0"]:
        put(path, 1)
    asked = {
        ("/a",): ["/a", "/a/b.jpg", "/a/b.jpg/c", "/a/b/d"],
        ("/a/",): ["/a/b.jpg", "/a/b.jpg/c", "/a/b/d"],
        ("/a/b", "/a/b/", "/a/b/d"): ["/a/b/d"],
        ("/ä", "/%", "/_"): ["/ä/%_.jpg"],
        ("/v/c.mov",): ["/v/c.mov#t=10"],
        ("/v/c.mov#t=10", "/\udcff"): ["/v/c.mov#t=10"],
        (): [],
    }
    for roots, found in asked.items():
        assert [one.path for one in library.photos(roots)] == found
        assert set(library.scanned.known_files(roots)) == {file_of(path) for path in found}
    assert library.photos(["/"]) == library.photos()


def test_a_few_faces_are_found_without_a_look_at_the_others(
    library: Library, put: Put, save: Save, steps: Steps
) -> None:
    def look() -> None:
        library.photos(["/a.jpg"])
        library.photo(1)
        library.faces(photo=1)
        library.faces(group=1)

    save(dict.fromkeys(put("/a.jpg", 1, 2), 1))
    few = steps(look)
    for number in range(20):
        put(f"/b/{number}.jpg", 3, 4)
    assert steps(look) < 2 * few


boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h),
    st.integers(0, 30),
    st.integers(0, 30),
    st.integers(1, 20),
    st.integers(1, 20),
)


@given(st.lists(boxes, max_size=6), st.lists(boxes, max_size=6))
def test_matching_is_one_to_one_and_leaves_no_free_pair(old: list[Box], new: list[Box]) -> None:
    pairs = match_faces(old, new)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(old[i].iou(new[j]) >= 0.5 for i, j in pairs)
    for i, before in enumerate(old):
        for j, after in enumerate(new):
            if i not in {a for a, _ in pairs} and j not in {b for _, b in pairs}:
                assert before.iou(after) < 0.5


def test_faces_at_one_place_are_the_same_unless_a_model_says_they_are_not() -> None:
    box, here, there = Box(0, 0, 1, 1), np.array([1, 0]), np.array([0, 1])
    one = SeenFace(1, box, {5: here.astype(np.float32)})
    alike, other = SeenFace(2, box, {5: one.vectors[5]}), SeenFace(3, box, {5: there})  # type: ignore[dict-item]
    unseen = SeenFace(4, box, {6: there})  # type: ignore[dict-item]
    assert same_faces([one], [alike]) == [(1, 2)]
    assert same_faces([one], [other]) == []
    assert same_faces([one], [unseen]) == [(1, 4)]


def test_a_library_of_the_first_tables_keeps_all_that_was_said(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        database = Database(old, execute_plugins=False)
        MIGRATIONS.apply(database, stop_before="parts_of_groups")
        old.executescript(
            "insert into photo values (1, 'x', 9, 9, 1, null, 'd');"
            "insert into file values ('/a.jpg', 1, 1, 1, null);"
            "insert into face values (7, 1, 0, 0, 9, 9, zeroblob(40), 1, 1, 1, 0);"
            "insert into person values (3, 'Alice', 'alice');"
            "insert into action values (1, 'then', 'name', null), (2, 'then', 'reject', null);"
            "insert into action values (3, 'then', 'undo', 2);"
            "insert into statement values (1, 1, 7, 'is', 3, null), (5, 2, 7, 'is-not', 3, 3);"
        )
    with Library.open(path) as library:
        assert [face.person for face in library.faces()] == ["Alice"]
        assert [entry.undone for entry in library.statements.log()] == [False, True, False]
        with pytest.raises(sqlite3.IntegrityError):
            library._connection.run(
                "insert into statement (action, face, kind, part) values (1, 7, 'ignore', 0)"
            )
        library.statements.undo(3, command="undo 3")
        assert [face.person for face in library.faces()] == [None]
    with Library.open(path) as library:
        rows = library._connection.rows("select id, action, kind, revoked_by from statement")
        assert rows == [(1, 1, "is", None), (5, 2, "is-not", None)]


def test_thousands_of_files_and_folders_can_be_asked_for_at_once(
    library: Library, put: Put, tmp_path: Path
) -> None:
    put("/photos/a%_.jpg")
    here = [tmp_path / f"{number}.jpg" for number in range(40_000)]
    here[0].touch()
    roots = [str(path) for path in here]
    assert library.scanned.known_files(roots) == {}
    assert set(library.scanned.known_files([*roots, "/photos/"])) == {"/photos/a%_.jpg"}
    assert set(library.scanned.known_files(["/photos/a%_.jpg"])) == {"/photos/a%_.jpg"}
    assert library.scanned.known_files(["/photos/a", "/photo", "/photos/a%"]) == {}
