"""Read the named faces that Picasa left: .picasa.ini in each folder, and contacts.xml.

A folder's file has a section for each photo with `faces=rect64(HEX),CONTACT;...`, and names in
[Contacts2]. Real files have broken lines, unknown contacts and sections that come twice: what can
be read is taken, the rest is told. Nothing is ever written to them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from facecluster.exchange.frames import from_stored
from facecluster.exchange.matching import Named
from facecluster.exchange.packets import load
from facecluster.exchange.tree import UnusableFile, parse
from facecluster.library import ListedPhoto
from facecluster.records import Box

__all__ = ["Picasa", "contacts_of", "sections_of"]

_INI_NAMES = (".picasa.ini", "Picasa.ini", "picasa.ini")
_FACE = re.compile(r"rect64\(([0-9a-fA-F]{1,16})\)(?:,([0-9a-fA-F]+))?")
_NOBODY = "f" * 16  # a face that was never given a name
_LARGEST = 65535.0  # of each of the four numbers in a rect64

Sections = dict[str, list[tuple[str, str]]]


class Picasa:
    """What Picasa knew of the photos in some folders.

    Contacts have the same number everywhere, so a name from any folder, or from contacts.xml,
    counts for all. unusable has what could not be read, as sentences. Raises UnusableFile when
    contacts.xml itself cannot be read.
    """

    def __init__(self, folders: Iterable[Path], contacts: Path | None = None) -> None:
        self.unusable: list[str] = []
        self._names: dict[str, str] = {}
        self._folders: dict[Path, tuple[Path, Sections]] = {}
        self._told: set[tuple[Path, str]] = set()
        for folder in dict.fromkeys(folders):
            self._read_folder(folder)
        if contacts is not None:
            self._names.update(contacts_of(load(contacts)))

    def named_faces(self, photo: ListedPhoto, path: str, unusable: list[str]) -> list[Named]:
        """The faces that Picasa named in one of a photo's files; notes what it cannot use."""
        file = Path(path)
        if file.parent not in self._folders:
            return []
        ini, sections = self._folders[file.parent]
        found = []
        for key, value in sections.get(_key(file.name), []):
            if key != "faces":
                continue
            for entry in filter(None, (one.strip() for one in value.split(";"))):
                one = self._face(entry, photo, ini, file.name, unusable)
                if one is not None:
                    found.append(one)
        return found

    def _face(
        self, entry: str, photo: ListedPhoto, ini: Path, file: str, unusable: list[str]
    ) -> Named | None:
        match = _FACE.fullmatch(entry)
        box = _box(match[1]) if match else None
        if match is None or box is None:
            unusable.append(f"{ini}: {file} has a face that cannot be read: {entry}.")
            return None
        contact = _contact(match[2] or _NOBODY)
        if contact == _NOBODY:
            return None
        name = self._names.get(contact)
        if name is None:
            if (ini, contact) not in self._told:
                self._told.add((ini, contact))
                unusable.append(f"{ini}: contact {contact} has no name there nor in contacts.xml.")
            return None
        return Named(name, from_stored(box, photo.about), str(ini))

    def _read_folder(self, folder: Path) -> None:
        for ini in (folder / name for name in _INI_NAMES):
            if not ini.is_file():
                continue
            try:
                sections = sections_of(load(ini))
            except UnusableFile as error:
                self.unusable.append(f"{ini} {error}.")
                continue
            self._folders[folder] = (ini, sections)
            for section in ("contacts", "contacts2"):
                for contact, value in sections.get(section, []):
                    # [Contacts] of old versions has an account instead of a name: user_lh,HASH
                    name, separator, _ = value.partition(";")
                    if separator and name.strip():
                        self._names[_contact(contact)] = name.strip()
            return


def sections_of(data: bytes) -> Sections:
    """The lines KEY=VALUE of each section, by its name in small letters; other lines are skipped.

    A section that comes twice is one.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    sections: Sections = {}
    here: list[tuple[str, str]] = []
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            here = sections.setdefault(_key(line[1:-1]), [])
        elif "=" in line:
            key, _, value = line.partition("=")
            here.append((key.strip().lower(), value.strip()))
    return sections


def contacts_of(data: bytes) -> dict[str, str]:
    """Names by contact number from the text of contacts.xml; UnusableFile when it is none."""
    names = {}
    for element in parse(data).walk():
        name = (element.attributes.get("name") or element.attributes.get("display") or "").strip()
        if element.name == "contact" and "id" in element.attributes and name:
            names[_contact(element.attributes["id"])] = name
    return names


def _key(name: str) -> str:
    """Equal for two ways of writing one file name: Windows made no difference in case."""
    return unicodedata.normalize("NFC", name).casefold()


def _contact(number: str) -> str:
    """Contact numbers are written with or without leading zeros."""
    return number.strip().lower().lstrip("0")


def _box(digits: str) -> Box | None:
    """The rectangle as shares; leading zeros of the 16 digits may be left out."""
    digits = digits.rjust(16, "0")
    left, top, right, bottom = (int(digits[n : n + 4], 16) / _LARGEST for n in (0, 4, 8, 12))
    return Box(left, top, right, bottom) if left < right and top < bottom else None
