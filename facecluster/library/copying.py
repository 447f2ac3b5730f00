"""Whole copies of a library: made while others use it, checked, and put back in its place."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from sqlite_utils import Database

from facecluster.errors import LibraryError
from facecluster.library.connection import Connection, lacking_room
from facecluster.library.schema import MIGRATIONS

__all__ = ["Backup", "back_up", "new_file", "restore", "spare_library"]

_SIDE_FILES = ("", "-journal", "-wal", "-shm")  # of a database, by what SQLite adds to its name


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy that was checked: how many faces, named people and actions of the log it holds."""

    path: str
    faces: int
    people: int
    actions: int
    bytes: int


def back_up(library: Path, target: Path, *, force: bool = False) -> Backup:
    """Copy the library, as it is at one moment, to a new file that only its owner may read.

    Others may read and write the library meanwhile. The file appears whole and checked, or not at
    all. LibraryError when it is there already, unless force, or cannot be written.
    """
    spare_library(target, library)
    with new_file(target, force=force) as fresh:
        _copy(library, fresh)
        counts = _checked(fresh, library, "restore an earlier backup of it")
        size = fresh.stat().st_size
    return Backup(str(target), *counts, size)


def spare_library(target: Path, library: Path) -> None:
    """LibraryError when writing to target would replace the library or what SQLite keeps beside."""
    hard_link = target.exists() and library.exists() and target.samefile(library)
    real = os.path.realpath(library)
    if hard_link or os.path.realpath(target) in {f"{real}{end}" for end in _SIDE_FILES}:
        raise LibraryError(f"{target} is the library itself: choose another file.")


def restore(backup: Path, library: Path) -> tuple[Backup, Path | None]:
    """Put a backup in the library's place; what it holds, and where the present library now is.

    The present library is renamed, never deleted; None when there was none. LibraryError, and
    nothing is changed, when the backup is damaged or no library, or the present one is in use.
    """
    if not backup.is_file():
        raise LibraryError(f"There is no backup at {backup}.")
    if not backup.stat().st_size:  # to SQLite it is a database without tables
        raise LibraryError(f"{backup} is empty and no backup: restore another.")
    if library.exists() and backup.samefile(library):
        raise LibraryError(f"{backup} is the library itself: there is nothing to restore.")
    library = Path(os.path.realpath(library))  # a link to it stays one
    library.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%f")
    aside = library.with_name(f"{library.name}.before-restore-{now}")
    with new_file(library, force=True) as fresh:
        _copy(backup, fresh)
        _bring_up_to_date(fresh, backup)
        counts = _checked(fresh, backup, "restore another")
        size = fresh.stat().st_size
        kept = library.exists()
        if kept:
            _release(library)
            _put_aside(library, aside)
    return Backup(str(library), *counts, size), aside if kept else None


@contextmanager
def new_file(target: Path, *, force: bool) -> Iterator[Path]:
    """An empty private file beside the target that takes its place when the block ends well.

    LibraryError when the target exists, unless force, or when it cannot be written.
    """
    if target.is_dir():
        raise LibraryError(f"{target} is a folder: give the name of a file.")
    if target.exists() and not force:
        raise LibraryError(f"{target} is there already: choose another file, or say --force.")
    try:
        place, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(place)
    except OSError as error:
        raise LibraryError(f"{target} cannot be written: {error.strerror}.") from error
    try:
        yield Path(name)
        os.replace(name, target)
    except (sqlite3.DatabaseError, OSError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise LibraryError(f"{target} cannot be written: {reason}.") from error
    finally:
        for end in _SIDE_FILES:
            Path(f"{name}{end}").unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    """Fill the target with the pages of the source; nothing is made where the source is."""
    try:
        # Where nothing can be written SQLite cannot make the log that it asks for, and no log there
        # means that nobody has the library open.
        real = Path(os.path.realpath(source))  # its log is beside what a link leads to
        alone = not os.path.exists(f"{real}-wal") and not os.access(real.parent, os.W_OK)
        address = f"{real.as_uri()}?mode=ro{'&immutable=1' if alone else ''}"
        with (
            closing(sqlite3.connect(address, uri=True)) as there,
            closing(sqlite3.connect(target, isolation_level=None)) as here,
        ):
            there.backup(here)
            # a copy is read where no side file can be made: one file, without write-ahead log
            here.execute("pragma journal_mode = delete")
    except sqlite3.DatabaseError as error:
        full = lacking_room(error, source, target)
        reason = f"the disk of {full.parent} is full" if full else str(error)
        raise LibraryError(f"{source} cannot be copied: {reason}.") from error


def _bring_up_to_date(copy: Path, backup: Path) -> None:
    """Give the copy of a backup this version's tables; LibraryError when it is no library's."""
    try:
        with closing(sqlite3.connect(copy)) as there:
            ours = list(MIGRATIONS.applied(Database(there, execute_plugins=False)))
        if ours:
            Connection(copy).close()
            return
    except sqlite3.DatabaseError as error:
        raise LibraryError(f"{backup} cannot be restored: {error}.") from error
    except LibraryError as error:
        raise LibraryError(str(error).replace(str(copy), str(backup))) from error
    raise LibraryError(
        f"{backup} is no backup of a library: restore a file that 'facecluster backup FILE' made."
    )


def _checked(copy: Path, source: Path, remedy: str) -> tuple[int, int, int]:
    """Faces, named people and actions in a copy; LibraryError when it is damaged or no library.

    The sentence names the source, and the remedy. Reads every page: about a second for 2 GB.
    """
    try:
        with closing(sqlite3.connect(copy, isolation_level=None)) as there:
            there.execute("pragma journal_mode = delete")
            ((first, *_), *_) = there.execute("pragma integrity_check(1)")
            if first != "ok":
                raise LibraryError(f"{source} is damaged: {remedy}.")
            row: tuple[int, int, int] = there.execute(
                "select (select count(*) from face where id not in (select face from hidden)),"
                " (select count(distinct person) from truth where kind = 'is'),"
                " (select count(*) from action)"
            ).fetchone()
            return row
    except sqlite3.DatabaseError as error:
        raise LibraryError(f"{source} is damaged or no library ({error}): {remedy}.") from error


def _put_aside(library: Path, aside: Path) -> None:
    """Give the library another name too, so that there is one whenever the program ends."""
    for end in ("-wal", "-shm"):  # only of a damaged library
        if os.path.exists(f"{library}{end}"):
            os.rename(f"{library}{end}", f"{aside}{end}")
    try:
        os.link(library, aside)
    except OSError:  # a disk without hard links
        os.rename(library, aside)


def _release(library: Path) -> None:
    """Bring all that is in the library's side files into it; LibraryError when others have it open.

    A damaged library is left as it is.
    """
    try:
        with closing(sqlite3.connect(library, isolation_level=None)) as mine:
            # SQLite gives up the write-ahead log only for the last one who has the file open
            mine.execute("pragma journal_mode = delete")
    except sqlite3.DatabaseError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise LibraryError(
                f"{library} is in use by another program: end it, then restore."
            ) from error
