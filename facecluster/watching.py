"""Folders kept in view: what arrives is scanned when it is whole, and told who is on it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import watchfiles

from facecluster.analyzer import Analyzer
from facecluster.errors import MissingRoot
from facecluster.images import find_images
from facecluster.library import Library, ListedFace
from facecluster.records import FileStamp
from facecluster.scan import scan

__all__ = ["Arrival", "arrivals", "changes"]

QUIET = 1.0  # seconds in which no size and no time of a file may change before it is read


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file, or a frame of a clip, that was looked at: who is on it, or why it cannot be read."""

    path: str
    faces: tuple[ListedFace, ...]
    error: str | None


def changes(roots: Sequence[Path], *, quiet: float = QUIET) -> Iterator[None]:
    """Yields once when the watch has begun, then each time pictures came, changed or went.

    Only when all of them were at rest for `quiet` seconds: nothing is read half written. A root
    that is unplugged or replaced is watched again once all of them are there. Ends by
    KeyboardInterrupt.
    """
    begun, seen = False, None
    for _ in _stirrings(roots, quiet):
        now = _at_rest(roots, quiet) if begun else _pictures(roots)
        # Other files change too, the library's own among them.
        if now != seen or not begun:
            begun, seen = True, now
            yield


def _stirrings(roots: Sequence[Path], quiet: float) -> Iterator[None]:
    """Yields when a watch begins, when something happens below the roots, and when one goes.

    The system watches what was at a path when the watch began, and never says that something else
    is there now: so the roots are looked at, too.
    """
    while True:
        watched = _identities(roots)
        if watched is None:
            time.sleep(quiet)
            continue
        with suppress(FileNotFoundError), closing(_events(roots)) as events:
            next(events)
            yield
            for happened in events:
                replaced = _identities(roots) != watched
                if happened or replaced:
                    yield
                if replaced:
                    break


def _events(roots: Sequence[Path]) -> Generator[set[tuple[watchfiles.Change, str]], None, None]:
    return watchfiles.watch(
        *roots, debounce=500, rust_timeout=500, yield_on_timeout=True, raise_interrupt=True
    )


def _identities(roots: Sequence[Path]) -> list[tuple[int, int]] | None:
    """Which files or folders the roots are now; None while one of them is not there."""
    try:
        return [(one.st_dev, one.st_ino) for one in map(os.stat, roots)]
    except OSError:
        return None


def _at_rest(roots: Sequence[Path], quiet: float) -> list[FileStamp] | None:
    before, now = None, _pictures(roots)
    while now is not None and now != before:
        time.sleep(quiet)
        before, now = now, _pictures(roots)
    return now


def _pictures(roots: Sequence[Path]) -> list[FileStamp] | None:
    """The pictures there; None while a folder is not."""
    try:
        return list(find_images(roots, clips=True))
    except MissingRoot:
        return None


def arrivals(
    library: Library, roots: Sequence[Path], analyzer: Analyzer, place: Callable[[], object]
) -> Iterator[Arrival]:
    """Scan what is new below the roots, have `place` group its faces, and tell who is on it.

    Raises MissingRoot, and nothing is changed, when a folder seems to be unplugged.
    """
    told = {one.path: one.reason for one in library.unreadable()}
    looked_at = [
        one
        for one in scan(library, roots, analyzer)
        if one.error is None or told.get(one.file.path) != one.error  # else it is tried in vain
    ]
    if any(one.faces for one in looked_at):
        place()
    paths = [one.file.path for one in looked_at]
    photos = {path: one.photo for one in library.photos(paths) for path in one.paths}
    return (
        Arrival(path, _faces(library, photos.get(path)), one.error)
        for path, one in zip(paths, looked_at, strict=True)
    )


def _faces(library: Library, photo: int | None) -> tuple[ListedFace, ...]:
    return () if photo is None else tuple(library.faces(photo=photo))
