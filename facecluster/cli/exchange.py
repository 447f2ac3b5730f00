"""Take names to other tools and from them."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.options import examples, with_library
from facecluster.cli.output import (
    Progress,
    hint,
    json_option,
    note,
    print_json,
    print_rows,
    printable,
)
from facecluster.errors import FaceclusterError, LibraryError

if TYPE_CHECKING:
    from facecluster.exchange.folders import How
    from facecluster.exchange.matching import Conflict, Import
    from facecluster.exchange.sidecar import Change
    from facecluster.library import Library, ListedPhoto

__all__ = ["COMMANDS"]

PATHS = click.argument("paths", nargs=-1, type=click.Path(path_type=Path))


@click.group("export")
def export() -> None:
    """Give the names to other tools."""


@click.group("import")
def import_() -> None:
    """Take the names that other tools gave."""


@export.command("xmp")
@PATHS
@click.option("--dry-run", is_flag=True, help="Write nothing; print what would change as a diff.")
@json_option
@examples("export xmp --dry-run", "export xmp ~/Pictures/2019")
@with_library
def export_xmp(library: Library, paths: tuple[Path, ...], dry_run: bool, as_json: bool) -> None:
    """Write who is on the photos into XMP sidecars, IMG.jpg.xmp beside IMG.jpg.

    digiKam, Immich, darktable and others read them. Of all photos, or those at or below PATHS; only
    faces that you named. What a sidecar says already stays; faces you named otherwise or rejected
    are put right in it. No photo is changed.
    """
    from facecluster.exchange.sidecar import unified_diff, write

    changes, unusable = _sidecar_changes(library, _photos(library, paths))
    done: list[Change] = []
    for change in changes:
        if dry_run:
            if not as_json:
                click.echo(unified_diff(change))
            done.append(change)
            continue
        try:
            write(change)
            done.append(change)
        except FaceclusterError as error:
            unusable.append(f"{change.path}: {error}")
    if as_json:
        print_json({"changed": [str(change.path) for change in done], "unusable": unusable})
    else:
        would = "would be " if dry_run else ""
        note(f"{len(done)} sidecars {would}written, {len(unusable)} could not be.")
        _note_all(unusable)
    if unusable:
        click.get_current_context().exit(3)


def _sidecar_changes(library: Library, photos: list[ListedPhoto]) -> tuple[list[Change], list[str]]:
    """How sidecars must change, and which cannot be."""
    from facecluster.exchange.matching import said_of_faces
    from facecluster.exchange.sidecar import change_for
    from facecluster.exchange.tree import UnusableFile

    named, rejected = said_of_faces(library)
    changes, unusable = [], []
    for photo in photos:
        there, not_there = named.get(photo.photo, ()), rejected.get(photo.photo, ())
        for path in photo.paths:
            try:
                change = change_for(photo.about, Path(path), there, not_there)
            except UnusableFile as error:
                unusable.append(f"{path}.xmp {error}.")
                continue
            if change:
                changes.append(change)
    return changes, unusable


@export.command("json")
@PATHS
@examples("export json > names.json", "export json ~/Pictures/2019 > names.json")
@with_library
def export_json(library: Library, paths: tuple[Path, ...]) -> None:
    """Print the names you gave as JSON that 'import json' takes in on another machine.

    Of all photos, or those at or below PATHS. A name goes with the content of the photo and the box
    of the face, so folders and file names may differ there.
    """
    from facecluster.exchange.tables import document, named_photos

    print_json(document(named_photos(library, _roots(paths))))


@export.command("csv")
@PATHS
@examples("export csv > names.csv")
@with_library
def export_csv(library: Library, paths: tuple[Path, ...]) -> None:
    """Print the faces you named as a table, one face a line.

    Of all photos, or those at or below PATHS.
    """
    from facecluster.exchange.tables import named_photos

    rows = [
        {
            "path": one.photo.path,
            "sha256": one.photo.about.sha256,
            "taken_at": one.photo.about.taken_at,
            "person": face.name,
            "box": [face.box.x0, face.box.y0, face.box.x1, face.box.y1],
        }
        for one in named_photos(library, _roots(paths))
        for face in one.faces
    ]
    print_rows(rows, "csv", columns=["path", "sha256", "taken_at", "person", "box"])


@export.command("folders")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@PATHS
@click.option(
    "--as",
    "how",
    type=click.Choice(["copy", "hardlink", "symlink"]),
    default="copy",
    show_default=True,
    help="What is put there; a hard link needs no space but the same disk.",
)
@json_option
@examples("export folders ~/people", "export folders ~/people ~/Pictures/2019 --as hardlink")
@with_library
def export_folders(
    library: Library, folder: Path, paths: tuple[Path, ...], how: How, as_json: bool
) -> None:
    """Make a folder for each person in FOLDER, with the photos they are on.

    Of all photos, or those at or below PATHS. What is there already stays, and a second run adds
    what is new. Nothing is overwritten or deleted.
    """
    from facecluster.exchange.folders import photos_of_people, place

    people = photos_of_people(library, _roots(paths))
    total, there = sum(map(len, people.values())), []
    with Progress("photos") as bar:
        for one in place(people, folder.absolute(), how):
            there.append(one)
            bar.show(len(there), total)
    if as_json:
        print_json([{"path": str(one.path), "new": one.new} for one in there])
        return
    new = sum(one.new for one in there)
    click.echo(f"{new} photos added, {total - new} were there, in {len(people)} folders.")
    if not people:
        hint("nobody has a name there yet: 'facecluster groups'")


@export.command("db")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--embeddings", is_flag=True, help="Also the faces' numbers, which identify people.")
@click.option("--force", is_flag=True, help="Write over FILE when it is there already.")
@json_option
@examples(
    "export db faces.db",
    "export db faces.db --embeddings --force",
)
@with_library
def export_db(library: Library, file: Path, embeddings: bool, force: bool, as_json: bool) -> None:
    """Write people, photos and faces as a plain SQLite database, for SQL and Datasette.

    As the lists show them now; nothing of what you took back. It has these views:

    \b
      people  person, faces, photos
      faces   face, photo, path, x0, y0, x1, y1, score, group_number, person,
              taken_at
      photos  photo, path, taken_at, width, height, faces, people

    A box is in pixels of the upright full-size photo. The tables below them (person, photo, file,
    face, embedding) are described in the database itself.
    """
    from facecluster.library.publishing import publish

    rows = publish(library, file.absolute(), embeddings=embeddings, force=force)
    if as_json:
        print_json({"path": str(file.absolute()), **rows})
        return
    click.echo(
        f"{file}: {rows['person']} people, {rows['photo']} photos, {rows['face']} faces, "
        f"{rows['embedding']} embeddings."
    )
    hint(f"'sqlite3 {file} \"select * from people\"', or 'datasette {file}'")


@import_.command("xmp")
@PATHS
@click.option("--dry-run", is_flag=True, help="State nothing; only tell what would be.")
@json_option
@examples("import xmp --dry-run", "import xmp ~/Pictures/2019")
@with_library
def import_xmp(library: Library, paths: tuple[Path, ...], dry_run: bool, as_json: bool) -> None:
    """Name the faces that XMP metadata names: in sidecars (IMG.jpg.xmp, IMG.xmp) and in JPEGs.

    Reads MWG's and Microsoft's face regions, as digiKam, Lightroom, Picasa and Windows write them,
    of all photos, or those at or below PATHS. What you said yourself stays; where a file says
    otherwise, it is listed. One 'undo' takes all back.
    """
    from facecluster.exchange.matching import collect
    from facecluster.exchange.xmp import named_faces

    _photos(library, paths)
    found = collect(library, _roots(paths), named_faces)
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

    folders = (Path(path).parent for photo in _photos(library, paths) for path in photo.paths)
    try:
        picasa = Picasa(folders, contacts)
    except UnusableFile as error:
        raise FaceclusterError(f"{contacts} {error}.") from error
    found = collect(library, _roots(paths), picasa.named_faces)
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
        note(f"{absent} photos of {printable(file)} are not in this library.")
    _state(library, found, ["import", "json", str(file)], dry_run, as_json)


def _photos(library: Library, paths: tuple[Path, ...]) -> list[ListedPhoto]:
    """The photos at or below the paths; LibraryError when there are none."""
    photos = library.photos(_roots(paths))
    if not photos:
        raise LibraryError("The library has no photos there: 'facecluster scan PATH' first.")
    return photos


def _roots(paths: tuple[Path, ...]) -> list[str] | None:
    return [os.path.abspath(path) for path in paths] or None


def _state(library: Library, found: Import, words: list[str], dry_run: bool, as_json: bool) -> None:
    """State what was found, by one action of the log, and tell it."""
    from facecluster.people.importing import name_each

    sources = sorted(found.files)
    if found.names and not dry_run:
        more = f" and {len(sources) - 1} more files" if len(sources) > 1 else ""
        name_each(library, found.names, command=f"{shlex.join(words)} (from {sources[0]}{more})")
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
        f"{len(found.names)} faces {would}named, {found.known} had that name already, "
        f"{len(found.conflicts)} are somebody else by your word, {len(found.not_found)} not found."
    )
    _note_all(
        f"{one.path}: face {one.face} {_standing(one)}, but {one.name} by {one.source}."
        for one in found.conflicts
    )
    _note_all(
        f"{path}: no face was found where {name} is said to be." for path, name in found.not_found
    )
    _note_all(found.unusable)
    if found.names and not dry_run:
        hint("'facecluster group' puts the others to them; 'facecluster undo' takes this back")


def _standing(one: Conflict) -> str:
    return f"is {one.stated}" if one.stated else f"is not {one.name}"


def _note_all(lines: Iterable[str]) -> None:
    for line in lines:
        note(printable(line))


COMMANDS = (export, import_)
