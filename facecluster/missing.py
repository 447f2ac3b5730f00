"""Files that were known and are not found: deleted, or on a disk that is not plugged in."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from facecluster.errors import MissingRoot
from facecluster.library import KnownFile
from facecluster.records import FileStamp

__all__ = ["check_plugged_in", "really_gone"]


def check_plugged_in(
    roots: Iterable[str], found: Iterable[FileStamp], known: Mapping[str, KnownFile]
) -> None:
    """MissingRoot for a root that has lost everything known below it: an unplugged disk."""
    found = list(found)
    paths = {file.path for file in found}
    # A renamed folder changes every path, but neither size nor time of what is in it.
    stamps = {(file.size, file.mtime_ns) for file in found}
    for root in roots:
        folder = root.rstrip(os.sep) + os.sep
        below = [
            file.stamp for path, file in known.items() if path == root or path.startswith(folder)
        ]
        if below and not any(
            file.path in paths or (file.size, file.mtime_ns) in stamps for file in below
        ):
            others = sum(path == root or path.startswith(folder) for path in paths)
            raise MissingRoot(
                f"None of the {len(below)} photos known below {root} is there"
                f"{_guess(others)} Nothing was changed; if you deleted them all, say --allow-empty."
            )


def _guess(others: int) -> str:
    """Why the known photos may be gone, where there are so many others."""
    if not others:
        return ": is a disk unplugged?"
    are = "1 other is" if others == 1 else f"{others} others are"
    return f", but {are}: another card or disk? Then copy them to a folder, and scan that."


def really_gone(paths: Iterable[str]) -> set[str]:
    """Those of the paths that are not there; not those in a folder that cannot be listed now."""
    listable: dict[str, bool] = {}

    def can_tell(path: str) -> bool:
        folder = os.path.dirname(path)
        if folder not in listable:
            try:
                os.scandir(folder).close()
                listable[folder] = True
            except (FileNotFoundError, NotADirectoryError):
                listable[folder] = folder == path or can_tell(folder)
            except OSError:
                listable[folder] = False
        return listable[folder]

    return {path for path in paths if can_tell(path)}
