"""One folder for each person, with the photos they are on: copies or links."""

from __future__ import annotations

import contextlib
import filecmp
import hashlib
import os
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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
    """A photo in a person's folder; new: it was not there before.

    error is a sentence that says why it could not be put there; then path is where it was to be.
    """

    path: Path
    new: bool
    error: str | None = None


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
    """A folder name for each person, no two alike, that every system takes.

    The same whoever else is there: else a later run would put one person's photos into the folder
    of another.
    """
    taken: set[str] = set()
    return {person: _free(_folder_name(person), "", taken) for person in sorted(people)}


def _folder_name(person: str) -> str:
    """The name itself if it can be one; else what is left of it, and four digits of its hash."""
    name = "".join("_" if letter in _FORBIDDEN else letter for letter in person)
    # A leading dot would hide it, and Windows drops trailing ones. Names are bytes on disks.
    name = name.encode()[:200].decode(errors="ignore").strip(" .") or "_"
    stem, dot, rest = name.partition(".")
    if stem.rstrip().casefold() in _RESERVED:  # with whatever follows a dot, too
        name = f"{stem}_{dot}{rest}"
    if name == person:
        return name
    # Names that differ in case alone are one person's, and shall have one folder.
    digest = hashlib.sha256(_folded(person).encode()).hexdigest()
    return f"{name} ({digest[:4]})"


def place(people: dict[str, list[Path]], folder: Path, how: How) -> Iterator[Placed]:
    """Put each photo into its people's folders below this one; yields what is there.

    What is there already is left as it is; two photos of one file name get numbers. Nothing is
    overwritten or deleted. OSError when the folder itself cannot be made.
    """
    if people:
        folder.mkdir(parents=True, exist_ok=True)
    for person, name in folder_names(people).items():
        taken: set[str] = set()
        home = folder / name
        for source in people[person]:
            target = home / source.name
            try:
                home.mkdir(exist_ok=True)
                target, new = _placed(source, home, how, taken)
            except OSError as error:
                why = f"{source} cannot be put into {home}: {error.strerror or error}."
                if isinstance(error, FileNotFoundError) and not source.exists():
                    why = f"{source} is not there: plug its disk in, or scan its folder again."
                if how == "hardlink" and not isinstance(error, FileNotFoundError):
                    why += " Use --as copy."
                yield Placed(target, False, why)
            else:
                yield Placed(target, new)


def _placed(source: Path, home: Path, how: How, taken: set[str]) -> tuple[Path, bool]:
    """Where the photo is in the folder now, and whether it was put there only now."""
    while True:
        target = home / _free(source.stem, source.suffix, taken)
        if not os.path.lexists(target):
            _put(source, target, how)
            return target, True
        if _is_there(source, target):
            return target, False


def _put(source: Path, target: Path, how: How) -> None:
    if how == "symlink":
        target.symlink_to(source)
    elif how == "hardlink":
        os.link(source, target)
    else:
        # Under another name first: a copy that was stopped half-way must not look like a whole one.
        # A short one, as the photo's own may be as long as the system allows; always the same, so
        # that the next run takes away what was left.
        digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()
        part = target.with_name(f".facecluster-{digest[:16]}.part")
        try:
            _copy(source, part)
            os.replace(part, target)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise


def _copy(source: Path, part: Path) -> None:
    """Copy the photo, with its times and rights, into a file that is new under this name."""
    part.unlink(missing_ok=True)
    # The name can be foreseen: never into what somebody else has put there, such as a link.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)  # not on every system
    with open(source, "rb") as photo, open(os.open(part, flags, 0o600), "wb") as copy:
        shutil.copyfileobj(photo, copy, 1 << 20)
    shutil.copystat(source, part)


def _is_there(source: Path, target: Path) -> bool:
    """Whether the target already is this photo, as a link or as a copy."""
    try:
        return target.samefile(source) or filecmp.cmp(source, target, shallow=False)
    except OSError:
        return False  # a link that leads nowhere


def _free(stem: str, suffix: str, taken: set[str]) -> str:
    """The first of "stem", "stem (2)", ... that is not taken, also where case does not count."""
    number, name = 1, stem + suffix
    while _folded(name) in taken:
        number += 1
        name = f"{stem} ({number}){suffix}"
    taken.add(_folded(name))
    return name


def _folded(name: str) -> str:
    """Equal for names that a disk may take for one."""
    return unicodedata.normalize("NFC", name).casefold()
