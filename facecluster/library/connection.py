"""One SQLite connection: opened safely, errors as sentences, transactions all or nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from sqlite_utils import Database

from facecluster.errors import LibraryError, UsageError
from facecluster.library.names import alike
from facecluster.library.schema import MIGRATIONS
from facecluster.moments import file_of

__all__ = ["OF_FILE", "Connection", "Row", "Value", "lacking_room", "moments_of"]

Value = str | int | float | bytes | None
Row = tuple[Value, ...]
# By place for ?, by name for :name; not ?1, which some Pythons (3.12.0 to 3.12.3) take for a name.
Parameters: TypeAlias = "Sequence[Value] | Mapping[str, Value]"

# Long enough for another command's commit, short enough that a person still waits for the answer.
_BUSY_MS = 10_000
_SHARED = 32_768  # bytes, of the -shm file


class Connection:
    """A library's database; every error of SQLite becomes a LibraryError that names the file.

    A file that may not be written, on a read-only disk or in somebody else's folder, is opened to
    be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writable = not _only_to_read(path)
        with self._translated():
            if self._writable:
                _make_private(path)
                self._sqlite = sqlite3.connect(path, isolation_level=None)
            else:
                # Without a write-ahead log nobody has it open, and none could be made here.
                address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
                self._sqlite = sqlite3.connect(address, uri=True, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._sqlite.close()
                raise

    def close(self) -> None:
        """Give the file back; closing twice is harmless."""
        self._sqlite.close()

    # Values of a row are the types its STRICT columns declare; callers unpack them, so a precise
    # type here would only make them cast.
    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple]:  # type: ignore[type-arg]
        """All rows of a question."""
        with self._translated():
            return self._sqlite.execute(sql, parameters).fetchall()

    def run(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one statement; the row id of an insert."""
        with self._translated():
            return self._sqlite.execute(sql, parameters).lastrowid or 0

    def count(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one statement; how many rows it changed."""
        with self._translated():
            return self._sqlite.execute(sql, parameters).rowcount

    def run_many(self, sql: str, rows: Iterable[Parameters]) -> None:
        """Run one statement for each row of parameters."""
        with self._translated():
            self._sqlite.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What runs inside is written whole or not at all; inside another one it joins that one."""
        if self._sqlite.in_transaction:
            yield
            return
        # IMMEDIATE waits for another writer now; a lock asked for later can only fail.
        self.run("begin immediate")
        try:
            yield
            self.run("commit")
        except BaseException:
            self._sqlite.rollback()
            raise

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Inside, nobody else has the file open, and what is deleted is overwritten with zeros.

        Older copies of what is deleted are in no side file either. LibraryError when another
        program has the file open.
        """
        self.run("pragma locking_mode = exclusive")
        self.run("pragma secure_delete = on")
        try:
            # SQLite gives up the write-ahead log only for the last one who has the file open
            self.run("pragma journal_mode = delete")
            yield
        finally:
            self.run("pragma locking_mode = normal")
            self.rows("select 1 from sqlite_master limit 1")  # only now is the lock given up
            with self._translated():
                self._write_ahead()

    def _prepare(self) -> None:
        self._sqlite.execute(f"pragma busy_timeout = {_BUSY_MS}")
        self._sqlite.create_function("file_of", 1, file_of, deterministic=True)
        self._sqlite.create_function("alike", 1, alike, deterministic=True)
        tables = {name for (name,) in self.rows("select name from sqlite_master")}
        database = Database(self._sqlite, execute_plugins=False)
        applied = {migration.name for migration in MIGRATIONS.applied(database)}
        if tables and not applied:
            raise LibraryError(
                f"{self.path} is another program's database: choose another file with --db."
            )
        if applied - _known_migrations():
            raise LibraryError(
                f"{self.path} was made by a newer facecluster: upgrade this one to open it."
            )
        if self._writable:
            self._write_ahead()
            # In WAL mode NORMAL never damages the file; a power cut may lose the last commits.
            self._sqlite.execute("pragma synchronous = normal")
            self._sqlite.execute("pragma foreign_keys = on")
        if MIGRATIONS.pending(database):
            with self.transaction():
                MIGRATIONS.apply(database)

    def _write_ahead(self) -> None:
        """Turn WAL on; unlike every other statement this one fails at once where it must wait."""
        deadline = time.monotonic() + _BUSY_MS / 1000
        while True:
            try:
                self._sqlite.execute("pragma journal_mode = wal")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise  # a mistake of this program, not of the file
        except OverflowError as error:
            raise UsageError("A number is larger than any in a library: correct it.") from error
        except (sqlite3.DatabaseError, OSError) as error:
            raise LibraryError(_sentence(self.path, error)) from error


def _only_to_read(path: Path) -> bool:
    """Whether a library is there that cannot be written, and that nobody left half-written."""
    if not path.is_file() or os.path.exists(f"{path}-wal"):
        return False
    return not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


def _known_migrations() -> set[str]:
    """The names this program has; to an empty database all of them are pending."""
    with closing(sqlite3.connect(":memory:")) as empty:
        return {migration.name for migration in MIGRATIONS.pending(Database(empty))}


def _make_private(path: Path) -> None:
    """Make the file, readable by its owner only; SQLite gives its side files the same rights."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _sentence(path: Path, error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    if "unable to open" in text:
        return f"{path} cannot be opened: it has to be a file in a folder that may be written to."
    if "locked" in text or "busy" in text:
        return f"{path} is in use by another program: wait for it to end, then try again."
    if "not a database" in text or "malformed" in text:
        return f"{path} is damaged or no database: restore it from a backup or choose another."
    if "readonly" in text or isinstance(error, PermissionError):
        return f"{path} may not be written: check the permissions of the file and its folder."
    if "full" in text or lacking_room(error, path):
        return f"{path} cannot grow: the disk is full."
    return f"{path} cannot be opened or used as the library: {text}."


def lacking_room(error: Exception, *paths: Path) -> Path | None:
    """The first of these databases whose disk is full, where that is why SQLite failed.

    It only speaks of an I/O error where there is no room for the file it shares beside a library.
    """
    if "full" in str(error) or "disk I/O" in str(error):
        for path in paths:
            with suppress(OSError):
                if shutil.disk_usage(path.parent).free < _SHARED:
                    return path
    return None


def moments_of(column: str, of: str) -> str:
    """SQL: whether the path or hash in a column is that of a moment of this one (> follows =)."""
    return f"({column} > {of} || '#t=' and {column} < {of} || '#t>')"


# The rows of a file, by path: its own, or those of a clip's frames.
OF_FILE = f"(path = :path or ({moments_of('path', ':path')} and file_of(path) = :path))"
