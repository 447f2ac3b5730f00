"""Backups: consistent while others write, checked, private, and put back without loss."""

import os
import shutil
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from facecluster.errors import LibraryError
from facecluster.library import Library
from facecluster.library.copying import back_up, restore
from facecluster.people import name_faces


def everything(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_a_backup_has_every_row_in_one_private_file(database: Path, tmp_path: Path) -> None:
    with Library.open(database) as library:  # its last words are still in the write-ahead log
        name_faces(library, [1, 2], "Ann", command="name")
        done = back_up(database, tmp_path / "copy")
        assert (done.faces, done.people, done.actions) == (13, 1, 1)
    assert everything(tmp_path / "copy") == everything(database)
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "library.sqlite"]
    assert done.bytes == (tmp_path / "copy").stat().st_size


def test_a_backup_is_of_one_moment_while_another_writes(database: Path, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        with Library.open(database) as mine:
            while not stop.is_set():
                name_faces(mine, list(range(1, 14)), "Ann", command="name")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            back_up(database, tmp_path / f"{number}")
    finally:
        stop.set()
        writer.join()
    for number in range(5):
        with closing(sqlite3.connect(tmp_path / f"{number}")) as copy:
            (halves,) = copy.execute(
                "select count(*) from action where"
                " (select count(*) from statement where action = action.id) <> 13"
            ).fetchone()
        assert halves == 0


def test_nothing_is_overwritten_unasked_and_never_the_library(
    database: Path, tmp_path: Path
) -> None:
    target = tmp_path / "mine.txt"
    target.write_text("precious")
    with pytest.raises(LibraryError, match="--force"):
        back_up(database, target)
    assert target.read_text() == "precious"
    back_up(database, target, force=True)
    assert everything(target) == everything(database)
    for side in ("", "-wal", "-shm", "-journal"):
        with pytest.raises(LibraryError, match="library itself"):
            back_up(database, database.with_name(database.name + side), force=True)
    for nowhere in (tmp_path / "no" / "file", tmp_path):
        with pytest.raises(LibraryError):
            back_up(database, nowhere)


def damage(path: Path, page: int) -> None:
    content = bytearray(path.read_bytes())
    content[4096 * page : 4096 * (page + 1)] = b"\xff" * 4096
    path.write_bytes(content)


def page_of(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        root: tuple[int] = connection.execute(
            "select rootpage from sqlite_master where name = ?", (table,)
        ).fetchone()
    return root[0] - 1


@pytest.mark.parametrize("table", ["photo", "face", "embedding"])
def test_a_damaged_library_gives_no_backup(database: Path, tmp_path: Path, table: str) -> None:
    damage(database, page_of(database, table))
    with pytest.raises(LibraryError) as told:
        back_up(database, tmp_path / "copy")
    assert str(told.value) == f"{database} is damaged: restore an earlier backup of it."
    assert not [path for path in tmp_path.iterdir() if "copy" in path.name]


def test_a_full_disk_is_called_that(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    usage = shutil.disk_usage

    def filled(path: Path) -> object:
        found = usage(path)
        return found._replace(free=0) if Path(path) == full else found

    monkeypatch.setattr(shutil, "disk_usage", filled)
    monkeypatch.setattr(sqlite3, "connect", _without_room)
    with pytest.raises(LibraryError, match=f"cannot be copied: the disk of {full} is full"):
        back_up(database, full / "copy")
    assert not list(full.iterdir())
    monkeypatch.setattr(sqlite3, "connect", _in_use)  # which has nothing to do with the disk
    with pytest.raises(LibraryError, match="cannot be copied: database is locked"):
        back_up(database, full / "copy")


def _in_use(*_: object, **__: object) -> sqlite3.Connection:
    raise sqlite3.OperationalError("database is locked")


def _without_room(*_: object, **__: object) -> sqlite3.Connection:
    raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize("table", ["photo", "face", "embedding"])
def test_a_damaged_backup_is_named_and_not_restored(
    database: Path, tmp_path: Path, table: str
) -> None:
    before = everything(database)
    back_up(database, tmp_path / "copy")
    damage(tmp_path / "copy", page_of(database, table))
    with pytest.raises(LibraryError) as told:
        restore(tmp_path / "copy", database)
    assert str(told.value) == f"{tmp_path / 'copy'} is damaged: restore another."
    assert everything(database) == before


def test_what_is_no_library_gives_no_backup(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other")) as other:
        other.execute("create table t (x)")
    with pytest.raises(
        LibraryError, match=r"/other is damaged or no library \(no such table: .*\)"
    ):
        back_up(tmp_path / "other", tmp_path / "copy")


def test_restoring_keeps_the_present_library_aside(database: Path, tmp_path: Path) -> None:
    back_up(database, tmp_path / "copy")
    with Library.open(database) as library:
        name_faces(library, [1], "Ann", command="name")
    newer = everything(database)
    done, aside = restore(tmp_path / "copy", database)
    assert aside is not None
    assert (done.faces, done.people) == (13, 0)
    assert everything(aside) == newer
    with Library.open(database) as library:
        assert library.people() == []
    restore(aside, database)  # and back again
    assert everything(database) == newer


def test_restoring_waits_for_nobody_who_has_the_library_open(
    database: Path, tmp_path: Path
) -> None:
    back_up(database, tmp_path / "copy")
    with Library.open(database) as library:
        with pytest.raises(LibraryError, match="in use"):
            restore(tmp_path / "copy", database)
        assert name_faces(library, [1], "Ann", command="name").faces == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "library.sqlite"]


def test_what_is_no_backup_changes_nothing(database: Path, tmp_path: Path) -> None:
    before = everything(database)
    (tmp_path / "text").write_text("no database at all, just words" * 100)
    with closing(sqlite3.connect(tmp_path / "other")) as other:
        other.execute("create table face (id)")
    for name in ("text", "other", "absent", "library.sqlite"):
        with pytest.raises(LibraryError):
            restore(tmp_path / name, database)
    assert everything(database) == before
    assert len(list(tmp_path.iterdir())) == 3


def test_an_empty_file_is_no_backup(database: Path, tmp_path: Path) -> None:
    before = everything(database)
    (tmp_path / "copy").touch()
    with pytest.raises(LibraryError, match="empty"):
        restore(tmp_path / "copy", database)
    assert everything(database) == before


def test_what_is_no_backup_is_named_and_no_temporary_file(database: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("create table t (x)")
    with pytest.raises(LibraryError, match=r"other\.db is no backup of a library: restore a file"):
        restore(tmp_path / "other.db", database)
    back_up(database, tmp_path / "newer.db")
    with closing(sqlite3.connect(tmp_path / "newer.db")) as newer, newer:
        newer.execute("update _sqlite_migrations set name = 'of tomorrow' where rowid = 1")
    with pytest.raises(LibraryError, match=r"/newer\.db was made by a newer facecluster"):
        restore(tmp_path / "newer.db", database)


def test_a_library_where_nothing_may_be_written_is_copied(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses: list[str] = []
    connect = sqlite3.connect

    def spy(path: object, **more: object) -> sqlite3.Connection:
        addresses.append(str(path))
        return connect(path, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(sqlite3, "connect", spy)
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != database.parent)
    (tmp_path / "elsewhere").mkdir()
    back_up(database, tmp_path / "elsewhere" / "copy")
    assert f"{database.as_uri()}?mode=ro&immutable=1" in addresses
    assert everything(tmp_path / "elsewhere" / "copy") == everything(database)


@pytest.mark.parametrize("links", [True, False])
def test_a_library_is_there_whenever_restoring_ends(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    back_up(database, tmp_path / "copy")
    before = everything(database)

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    def refuse(*_: object) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", end)
        with pytest.raises(KeyboardInterrupt):
            restore(tmp_path / "copy", database)
    assert everything(database) == before
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    _, aside = restore(tmp_path / "copy", database)
    assert aside is not None
    assert everything(aside) == before
    assert not os.path.samefile(aside, database)


def test_restoring_keeps_a_link_to_the_library(database: Path, tmp_path: Path) -> None:
    back_up(database, tmp_path / "copy")
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "library.sqlite"
    link.symlink_to(database)
    _, aside = restore(tmp_path / "copy", link)
    assert link.is_symlink() and link.resolve() == database
    assert aside is not None and aside.parent == database.parent
    assert list((tmp_path / "links").iterdir()) == [link]


def test_a_damaged_or_lost_library_is_restored(database: Path, tmp_path: Path) -> None:
    back_up(database, tmp_path / "copy")
    database.write_bytes(b"torn" * 5000)
    _, aside = restore(tmp_path / "copy", database)
    assert aside is not None
    assert aside.read_bytes() == b"torn" * 5000
    database.unlink()
    _, aside = restore(tmp_path / "copy", database)
    assert aside is None
    with Library.open(database) as library:
        assert len(library.faces()) == 13
