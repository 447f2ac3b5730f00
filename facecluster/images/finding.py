"""Picture files below folders: each real file once, in a settled order."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from facecluster.errors import MissingRoot
from facecluster.images.raw import RAW_SUFFIXES, is_raw
from facecluster.moments import CLIP_SUFFIXES, is_clip
from facecluster.records import FileStamp

__all__ = ["SUFFIXES", "find_images", "printable", "stamp_of", "twins"]

SUFFIXES: frozenset[str] = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".heic",
        ".heif",
        ".hif",
        ".avif",
        ".png",
        ".webp",
        ".tif",
        ".tiff",
        ".bmp",
        ".gif",
        *RAW_SUFFIXES,
    ]
)

_LIVE_PHOTO = 16_000_000  # bytes at most, of a telephone's
_LATEST = 2**63 - 1  # nanoseconds, in the year 2262: the library holds no later time

_log = logging.getLogger(__name__)

# Takes the path and why it is passed over.
PassOver = Callable[[str, str], object]
_FORBIDDEN = "may not be read and is passed over"
_NO_TEXT = "has a name that is not text: rename it"
_GONE = "has gone or may not be read and is passed over"


def _warn(path: str, why: str) -> None:
    _log.warning("%s %s.", path, why)


def find_images(
    roots: Iterable[Path], *, clips: bool = False, pass_over: PassOver = _warn
) -> Iterator[FileStamp]:
    """Every picture file below the roots, by absolute path, depth first in the order of names.

    With clips, video clips are among them; without, only as roots.

    Hidden files and folders are skipped, unless they are roots themselves. Links are followed, but
    each real file comes once and a loop ends. A RAW file beside a picture of the same name is that
    picture once more, and is skipped; so is a small clip (a Live Photo). A root may be a file, of
    any name. Folders that may not be read and names that are not text are passed over, which is
    told, and logged by default. Raises MissingRoot, before the first file, when a root is not there
    or cannot be listed.
    """
    tops = [Path(os.path.abspath(root)) for root in roots]
    for top in tops:
        try:
            mode = top.stat().st_mode
            if stat.S_ISDIR(mode):
                os.scandir(top).close()
        except (OSError, ValueError) as error:
            raise MissingRoot(f"{printable(top)} is not there or may not be read.") from error
        if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
            raise MissingRoot(f"{printable(top)} is neither a folder nor a file.")
    suffixes = SUFFIXES | CLIP_SUFFIXES if clips else SUFFIXES
    seen: set[str] = set()
    for top in tops:
        if top.is_dir():
            yield from _walk(str(top), seen, suffixes, pass_over)
        else:
            yield from _stamp(str(top), seen, os.path.realpath(top), pass_over)


def _walk(
    top: str, seen: set[str], suffixes: frozenset[str], pass_over: PassOver
) -> Iterator[FileStamp]:
    """The pictures below one folder; seen holds the real paths of files and folders met so far."""
    # Each entry of the stack: (path as the user sees it, real path, is a folder).
    stack = [(top, os.path.realpath(top), True)]
    while stack:
        path, real, is_folder = stack.pop()
        if not is_folder:
            yield from _stamp(path, seen, real, pass_over)
        elif real not in seen:
            seen.add(real)
            stack += reversed(sorted(_without_twins(_entries(path, real, suffixes, pass_over))))


def twins(folder: str) -> set[str]:
    """The files in a folder that find_images skips, as a picture of the same name lies beside."""
    found = _entries(folder, folder, SUFFIXES | CLIP_SUFFIXES)
    return {path for path, _, _ in found}.difference(path for path, _, _ in _without_twins(found))


def _entries(
    folder: str, real_folder: str, suffixes: frozenset[str], pass_over: PassOver = _warn
) -> list[tuple[str, str, bool]]:
    """The folders and pictures in a folder, twins among them."""
    found = []
    inside = os.path.join(real_folder, "")  # that of a whole disk ends with a separator already
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                is_folder = _leads_there(entry.is_dir)
                if entry.name.startswith(".") or not (is_folder or _is_one(entry, suffixes)):
                    continue
                # realpath asks the system once for each folder above, so only links pay for it.
                linked = entry.is_symlink()
                real = os.path.realpath(entry.path) if linked else inside + entry.name
                found.append((entry.path, real, is_folder))
    except OSError:
        pass_over(printable(folder), _FORBIDDEN)
    return found


def _without_twins(found: list[tuple[str, str, bool]]) -> list[tuple[str, str, bool]]:
    """Those of a folder's entries that are not a picture of the same name once more."""
    doubtful = {path for path, _, is_folder in found if not is_folder and _may_be_twin(path)}
    if not doubtful:
        return found
    pictures = {
        os.path.splitext(path)[0].lower()
        for path, _, is_folder in found
        if not (is_folder or path in doubtful or is_clip(path))
    }
    return [
        entry
        for entry in found
        if entry[0] not in doubtful or os.path.splitext(entry[0])[0].lower() not in pictures
    ]


def _may_be_twin(path: str) -> bool:
    """Whether it is a RAW photo, or a clip no larger than the three seconds of a Live Photo."""
    try:
        return is_raw(path) or (is_clip(path) and os.path.getsize(path) <= _LIVE_PHOTO)
    except OSError:
        return False


def _is_one(entry: os.DirEntry[str], suffixes: frozenset[str]) -> bool:
    return os.path.splitext(entry.name)[1].lower() in suffixes and _leads_there(entry.is_file)


def _leads_there(is_kind: Callable[[], bool]) -> bool:
    """What an entry's is_dir or is_file says; a link that leads to itself, or to where nobody may
    look, is neither and does not end the listing of its folder."""
    try:
        return is_kind()
    except OSError:
        return False


def _stamp(path: str, seen: set[str], real: str, pass_over: PassOver) -> Iterator[FileStamp]:
    """The file's stamp; nothing if it was seen before, has just gone, or has no storable name."""
    if real in seen:
        return
    seen.add(real)
    try:
        path.encode()
        stamp = stamp_of(path)
    except UnicodeEncodeError:
        pass_over(printable(path), _NO_TEXT)
    except OSError:
        pass_over(path, _GONE)
    else:
        yield stamp


def stamp_of(path: str) -> FileStamp:
    """The file's size and time as a library holds them; OSError when it is not there.

    Disks that were damaged tell times of other millennia: those are as late, or early, as can be.
    """
    found = os.stat(path)
    return FileStamp(path, found.st_size, max(-_LATEST, min(found.st_mtime_ns, _LATEST)))


def printable(path: Path | str) -> str:
    """The path as text that can be stored and printed, whatever bytes the name has."""
    return os.fsencode(path).decode("utf-8", "replace")
