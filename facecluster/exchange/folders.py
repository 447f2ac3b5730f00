"""One folder for each person, with the photos they are on: copies or links."""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facecluster.errors import FaceclusterError
from facecluster.library import Library
from facecluster.moments import file_of

__all__ = ["How", "Placed", "folder_names", "photos_of_people", "place"]

How = Literal["copy", "hardlink", "symlink"]

# What Windows refuses in names, and the separators of all systems.
_FORBIDDEN = '<>:"/\\|?*'
_RESERVED = {"con", "prn", "aux", "nul"}
_RESERVED |= {f"{name}{n}" for name in ("com", "lpt") for n in range(1, 10)}


@dataclass(frozen=True, slots=True)
class Placed:
    """A photo in a person's folder; new: it was not there before."""

    path: Path
    new: bool


def photos_of_people(library: Library, roots: Sequence[str] | None) -> dict[str, list[Path]]:
    """By person the files of the photos they are on, each photo once; as `people` shows it.

    Of a frame that is its whole clip.
    """
    paths = {photo.photo: Path(file_of(photo.path)) for photo in library.photos(roots)}
    found: dict[str, dict[Path, None]] = {}
    for face in library.faces():
        if face.person is not None and face.photo in paths:
            found.setdefault(face.person, {})[paths[face.photo]] = None
    return {person: sorted(found[person]) for person in sorted(found)}


def folder_names(people: Iterable[str]) -> dict[str, str]:
    """A folder name for each person, no two alike, that every system takes."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for person in sorted(people):
        name = "".join("_" if letter in _FORBIDDEN else letter for letter in person)
        # A leading dot would hide it, and Windows drops trailing ones. Names are bytes on disks.
        name = name.encode()[:200].decode(errors="ignore").strip(" .") or "_"
        if name.split(".")[0].casefold() in _RESERVED:
            name += "_"
        names[person] = _free(name, "", taken)
    return names


def place(people: dict[str, list[Path]], folder: Path, how: How) -> Iterator[Placed]:
    """Put each photo into its people's folders below this one; yields what is there.

    What is there already is left as it is; two photos of one file name get numbers. Nothing is
    overwritten or deleted. FaceclusterError when a file cannot be put there.
    """
    for person, name in folder_names(people).items():
        taken: set[str] = set()
        home = folder / name
        for source in people[person]:
            try:
                home.mkdir(parents=True, exist_ok=True)
                while True:
                    target = home / _free(source.stem, source.suffix, taken)
                    if not os.path.lexists(target):
                        _put(source, target, how)
                        yield Placed(target, True)
                        break
                    if _is_there(source, target):
                        yield Placed(target, False)
                        break
            except OSError as error:
                raise FaceclusterError(
                    f"{source} cannot be put into {home}: {error.strerror or error}."
                    + (" Use --as copy." if how == "hardlink" else "")
                ) from error


def _put(source: Path, target: Path, how: How) -> None:
    if how == "symlink":
        target.symlink_to(source)
    elif how == "hardlink":
        os.link(source, target)
    else:
        # under another name first: a copy that was stopped half-way must not look like a whole one
        part = target.with_name(f".{target.name}.part")
        try:
            shutil.copy2(source, part)
            os.replace(part, target)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise


def _is_there(source: Path, target: Path) -> bool:
    """Whether the target already is this photo, as a link or as a copy."""
    try:
        return target.samefile(source) or filecmp.cmp(source, target, shallow=False)
    except OSError:
        return False  # a link that leads nowhere


def _free(stem: str, suffix: str, taken: set[str]) -> str:
    """The first of "stem", "stem (2)", ... that is not taken, also where case does not count."""
    number, name = 1, stem + suffix
    while unicodedata.normalize("NFC", name).casefold() in taken:
        number += 1
        name = f"{stem} ({number}){suffix}"
    taken.add(unicodedata.normalize("NFC", name).casefold())
    return name
