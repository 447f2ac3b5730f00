"""Take the names that other tools gave."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.exporting import PATHS, note_all, photos_below, roots_of
from facecluster.cli.options import examples, with_library
from facecluster.cli.output import hint, json_option, note, print_json, printable
from facecluster.counted import counted
from facecluster.errors import FaceclusterError

if TYPE_CHECKING:
    from facecluster.exchange.matching import Conflict, Import
    from facecluster.library import Library, ListedPhoto

__all__ = ["COMMANDS"]


@click.group("import")
def import_() -> None:
    """Take the names that other tools gave."""


@import_.command("xmp")
@PATHS
@click.option("--dry-run", is_flag=True, help="State nothing; only tell what would be.")
@json_option
@examples("import xmp --dry-run", "import xmp ~/Pictures/2019")
@with_library
def import_xmp(library: Library, paths: tuple[Path, ...], dry_run: bool, as_json: bool) -> None:
    """Name the faces that XMP metadata names: in sidecars (IMG.jpg.xmp, IMG.xmp) and in photos.

    Reads MWG's and Microsoft's face regions, as digiKam, Lightroom, Picasa and Windows write them,
    of all photos, or those at or below PATHS. What you said yourself stays; where a file says
    otherwise, it is listed. One 'undo' takes all back.
    """
    from facecluster.exchange.matching import collect
    from facecluster.exchange.xmp import named_faces

    photos_below(library, paths)
    found = collect(library, roots_of(paths), named_faces)
    _state(library, found, ["import", "xmp", *map(str, paths)], dry_run, as_json)


@import_.command("picasa")
@PATHS
@click.option(
    "--contacts",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Picasa's contacts.xml, for names that the folders do not have.",
)
@click.option("--dry-run", is_flag=True, help="State nothing; only tell what would be.")
@json_option
@examples("import picasa --dry-run", "import picasa ~/Pictures --contacts contacts.xml")
@with_library
def import_picasa(
    library: Library, paths: tuple[Path, ...], contacts: Path | None, dry_run: bool, as_json: bool
) -> None:
    """Name the faces that Picasa named: in the .picasa.ini of each folder.

    Of all photos, or those at or below PATHS. What you said yourself stays; where Picasa says
    otherwise, it is listed. One 'undo' takes all back. Picasa keeps contacts.xml in
    %LocalAppData%\\Google\\Picasa2\\contacts.
    """
    from facecluster.exchange.matching import collect
    from facecluster.exchange.picasa import Picasa
    from facecluster.exchange.tree import UnusableFile

    folders = (Path(path).parent for photo in photos_below(library, paths) for path in photo.paths)
    try:
        picasa = Picasa(folders, contacts)
    except UnusableFile as error:
        raise FaceclusterError(f"{contacts} {error}.") from error
    found = collect(library, roots_of(paths), picasa.named_faces)
    found.unusable[:0] = picasa.unusable
    _state(library, found, ["import", "picasa", *map(str, paths)], dry_run, as_json)


@import_.command("json")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="State nothing; only tell what would be.")
@json_option
@examples("import json names.json --dry-run", "import json names.json")
@with_library
def import_json(library: Library, file: Path, dry_run: bool, as_json: bool) -> None:
    """Name the faces that FILE names, which 'export json' made on another machine.

    The photos are known by their content. What you said yourself stays; where FILE says otherwise,
    it is listed. One 'undo' takes all back.
    """
    from facecluster.exchange.matching import Named, collect
    from facecluster.exchange.tables import read_document
    from facecluster.exchange.tree import UnusableFile

    try:
        names = read_document(file)
    except UnusableFile as error:
        raise FaceclusterError(f"{file} {error}.") from error

    def named_faces(photo: ListedPhoto, path: str, _: list[str]) -> list[Named]:
        # the copies of a photo are one content
        return names.get(photo.about.sha256, []) if path == photo.path else []

    found = collect(library, None, named_faces)
    absent = len(names.keys() - {photo.about.sha256 for photo in library.photos()})
    if absent:
        are = "is" if absent == 1 else "are"
        note(f"{counted(absent, 'photo')} of {printable(file)} {are} not in this library.")
    _state(library, found, ["import", "json", str(file)], dry_run, as_json)


def _state(library: Library, found: Import, words: list[str], dry_run: bool, as_json: bool) -> None:
    """State what was found, by one action of the log, and tell it."""
    from facecluster.people.importing import name_each

    sources = sorted(found.files)
    if found.names and not dry_run:
        more = f" and {counted(len(sources) - 1, 'more file')}" if len(sources) > 1 else ""
        # file names may be no text, which the log cannot hold
        command = printable(f"{shlex.join(words)} (from {sources[0]}{more})")
        name_each(library, found.names, command=command)
    if as_json:
        print_json(
            {
                "named": [{"face": face, "person": name} for face, name in found.names.items()],
                "known": found.known,
                "conflicts": [dataclasses.asdict(one) for one in found.conflicts],
                "not_found": [{"path": path, "person": name} for path, name in found.not_found],
                "unusable": found.unusable,
            }
        )
    else:
        _tell_import(found, dry_run)
    if found.unusable:
        click.get_current_context().exit(3)


def _tell_import(found: Import, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    click.echo(
        f"{counted(len(found.names), 'face')} {would}named, {found.known} had that name already, "
        f"{counted(len(found.conflicts), 'is', 'are')} somebody else by your word, "
        f"{len(found.not_found)} not found."
    )
    note_all(
        f"{one.path}: face {one.face} {_standing(one)}, but {one.name} by {one.source}."
        for one in found.conflicts
    )
    note_all(
        f"{path}: no face was found where {name} is said to be." for path, name in found.not_found
    )
    note_all(found.unusable)
    if found.names and not dry_run:
        hint("'facecluster group' puts the others to them; 'facecluster undo' takes this back")


def _standing(one: Conflict) -> str:
    return f"is {one.stated}" if one.stated else f"is not to be {one.name}"


COMMANDS = (import_,)
