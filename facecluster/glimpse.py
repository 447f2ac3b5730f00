"""What a shell offers while a person types: read in milliseconds, never written.

Apart from the library's package, because importing that takes longer than a person waits for a key.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

__all__ = ["group_numbers", "names"]


def names(library: Path) -> list[str]:
    """The names of everybody that some face is stated to be; none when they cannot be read."""
    rows = _rows(
        library,
        "select name from person where id in (select person from truth where kind = 'is')"
        " order by key",
    )
    return [str(name) for (name,) in rows]


def group_numbers(library: Path) -> list[tuple[int, int]]:
    """The groups' numbers with their counts of faces, largest first; none when unreadable."""
    return _rows(
        library,
        "select number, count(*) from member where face not in (select face from hidden)"
        " group by number order by count(*) desc, number",
    )


def _rows(library: Path, sql: str) -> list[tuple]:  # type: ignore[type-arg]
    # Without a write-ahead log nobody is writing: read as it is, SQLite then makes no side files
    # and needs no right to. With one, it is read as any other reader does.
    how = "mode=ro" if os.path.exists(f"{library}-wal") else "mode=ro&immutable=1"
    try:
        address = f"{library.absolute().as_uri()}?{how}"
        with closing(sqlite3.connect(address, uri=True, timeout=0.1)) as connection:
            return connection.execute(sql).fetchall()
    except (sqlite3.Error, ValueError):
        return []
