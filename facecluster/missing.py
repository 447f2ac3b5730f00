"""Files that were known and are not found: deleted, or on a disk that is not plugged in."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from functools import cache

from facecluster import images
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


def really_gone(paths: Collection[str], found: Iterable[str] = ()) -> set[str]:
    """Those of the paths, known but not found by a scan, that are not there or now a file's twin.

    Or the same file as one that was found: by another name, through a link.

    Not those in a folder that cannot be listed now, and not those that are there but could not be
    looked at: nobody may look into the folder, or a network disk did not answer.
    """
    twins = cache(images.twins)

    @cache
    def names(folder: str) -> frozenset[str] | None:
        """What is in a folder, nothing where it has gone; None where that cannot be told now."""
        try:
            return frozenset(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            above = os.path.dirname(folder)
            return frozenset() if above == folder or names(above) is not None else None
        except OSError:
            return None

    @cache
    def is_listed(path: str) -> bool:
        """Whether it is called exactly that, where some systems take A.jpg for a.jpg, too."""
        folder, name = os.path.split(path)
        if not name or (there := names(folder)) is None:
            return True
        return name in there and is_listed(folder)

    def is_gone(path: str) -> bool:
        folder = os.path.dirname(path)
        return names(folder) is not None and (not is_listed(path) or path in twins(folder))

    gone = {path for path in paths if is_gone(path)}
    if rest := set(paths) - gone:
        met = set(map(os.path.realpath, found))
        gone |= {path for path in rest if os.path.realpath(path) in met}
    return gone
