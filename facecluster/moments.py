"""A moment of a clip as a path: `clip.mp4#t=12.5` is the frame at 12.5 seconds.

The notation is that of W3C Media Fragments URI 1.0 (section 4.2.1), which browsers and players
understand. A still photo has no moment: its path is that of its file.
"""

from __future__ import annotations

import os
import re

__all__ = ["CLIP_SUFFIXES", "MARK", "content_of", "file_of", "fragment", "is_clip", "moment_of"]

CLIP_SUFFIXES: frozenset[str] = frozenset(
    [
        *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2"),  # phones and cameras
        *(".mts", ".m2ts"),  # camcorders; not .ts, which is a program's text more often
        *(".avi", ".mpg", ".mpeg", ".wmv", ".asf"),
        *(".mkv", ".webm", ".ogv"),
    ]
)
MARK = "#t="
_MOMENT = re.compile(rf"(.*){MARK}(\d{{1,9}}(?:\.\d+)?)", re.DOTALL)


def is_clip(path: str | os.PathLike[str]) -> bool:
    """Whether a file has the name of a video clip; a moment of one is none."""
    return os.path.splitext(os.fspath(path))[1].lower() in CLIP_SUFFIXES


def fragment(seconds: float) -> str:
    """What follows a clip's path, or its hash, to name a moment of it."""
    return MARK + f"{seconds:.3f}".rstrip("0").rstrip(".")


def moment_of(path: str | os.PathLike[str]) -> float | None:
    """The seconds from the clip's beginning that a path tells; None for all but moments."""
    split = _split(os.fspath(path))
    return float(split[1]) if split else None


def file_of(path: str | os.PathLike[str]) -> str:
    """The file on the disk: of a moment its clip, else the path itself."""
    split = _split(os.fspath(path))
    return split[0] if split else os.fspath(path)


def content_of(sha256: str) -> str:
    """The hash of the file that a photo's hash tells; of a frame that of its clip."""
    return sha256.partition(MARK)[0]


def _split(path: str) -> tuple[str, str] | None:
    found = _MOMENT.fullmatch(path) if MARK in path else None
    return (found[1], found[2]) if found and is_clip(found[1]) else None
