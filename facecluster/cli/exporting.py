"""Give the names to other tools."""

from __future__ import annotations

import itertools
import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from facecluster.cli.options import NamedPath, examples, with_library
from facecluster.cli.output import (
    Progress,
    hint,
    json_option,
    note,
    print_json,
    print_rows,
    printable,
    quoted,
)
from facecluster.counted import counted
from facecluster.errors import FaceclusterError, LibraryError
from facecluster.moments import moment_of

if TYPE_CHECKING:
    from facecluster.exchange.folders import How, Placed
    from facecluster.exchange.sidecar import Change
    from facecluster.library import Library, ListedPhoto

__all__ = ["COMMANDS"]

# What is to be written, by the number of the photo.
Changes: TypeAlias = "dict[int, list[Change]]"

PATHS = click.argument("paths", nargs=-1, type=NamedPath())


@click.group("export")
def export() -> None:
    """Give the names to other tools."""


@export.command("xmp")
@PATHS
@click.option("--embed", is_flag=True, help="Into the photos themselves, by exiftool.")
@click.option("--dry-run", is_flag=True, help="Write nothing; print what would change as a diff.")
@json_option
@examples("export xmp --dry-run", "export xmp ~/Pictures/2019", "export xmp --embed ~/Pictures")
@with_library
def export_xmp(
    library: Library, paths: tuple[Path, ...], embed: bool, dry_run: bool, as_json: bool
) -> None:
    """Write who is on the photos into XMP sidecars, IMG.jpg.xmp beside IMG.jpg.

    digiKam, Immich, darktable and others read them. Of all photos, or those at or below PATHS; only
    faces that you named. What a sidecar says already stays; faces you named otherwise or rejected
    are put right in it. No photo is changed, unless you say --embed: then the names go into the
    photos, each is read back and compared, and as it was it stays beside as IMG.jpg_original.
    Frames of clips are left out.
    """
    from facecluster.exchange.exiftool import find_exiftool

    exiftool = find_exiftool() if embed else None
    changes, unusable = _changes(library, photos_below(library, paths), embed)
    done, later = changes, 0
    if exiftool and not dry_run:
        done, later = _write_into_photos(library, changes, exiftool, unusable)
    elif not dry_run:
        done = _write_sidecars(changes, unusable)
    elif not as_json:
        _print_diff(changes)
    paths_done = [str(change.path) for those in done.values() for change in those]
    if as_json:
        print_json({"changed": paths_done, "unusable": unusable})
    else:
        what = counted(len(paths_done), "photo" if embed else "sidecar")
        failed = f", {len(unusable)} could not be" if unusable else ""
        rest = "" if paths_done or unusable else ": nothing new to say"
        note(f"{what} {'would be ' if dry_run else ''}written{failed}{rest}.")
        note_all(unusable)
    _tell_only_shown(library, paths)
    if later:
        have = counted(later, "photo has", "photos have")
        hint(f"'facecluster scan PATH': {have} copies that were not written")
    elif paths_done and not as_json and not dry_run:
        hint("'facecluster import xmp' takes in what other programs change there")
    if unusable:
        click.get_current_context().exit(3)


def _print_diff(changes: Changes) -> None:
    from facecluster.exchange.sidecar import unified_diff

    for change in itertools.chain.from_iterable(changes.values()):
        click.echo(unified_diff(change))


def _changes(library: Library, photos: list[ListedPhoto], embed: bool) -> tuple[Changes, list[str]]:
    """How sidecars, or the photos themselves, must change, and which cannot be."""
    from facecluster.exchange import exiftool, sidecar
    from facecluster.exchange.matching import said_of_faces

    change_for = exiftool.change_for if embed else sidecar.change_for
    named, rejected = said_of_faces(library)
    changes: Changes = {}
    unusable = []
    frames = 0
    for photo in photos:
        there, not_there = named.get(photo.photo, ()), rejected.get(photo.photo, ())
        if not (there or not_there):
            continue
        if moment_of(photo.path) is not None:
            frames += 1
            continue
        for path in photo.paths:
            try:
                change = change_for(photo.about, Path(path), there, not_there)
            except FaceclusterError as error:
                unusable.append(f"{path}{'' if embed else '.xmp'} {error}.")
                continue
            if change:
                changes.setdefault(photo.photo, []).append(change)
    if frames:
        are = "is" if frames == 1 else "are"
        note(f"{counted(frames, 'frame')} of clips {are} left out: face regions are for photos.")
    return changes, unusable


def _write_sidecars(changes: Changes, unusable: list[str]) -> Changes:
    """Write each; those that were, and what went wrong is noted."""
    from facecluster.exchange.sidecar import write

    done: Changes = {}
    for photo, those in changes.items():
        for change in those:
            try:
                write(change)
                done.setdefault(photo, []).append(change)
            except FaceclusterError as error:
                unusable.append(f"{change.path} {error}.")
    return done


def _write_into_photos(
    library: Library, changes: Changes, exiftool: str, unusable: list[str]
) -> tuple[Changes, int]:
    """Write each, and note in the library what the file is now; how many a scan must look at."""
    from facecluster.exchange.exiftool import clear_rests, write
    from facecluster.images import content_hash

    files = (change.path for those in changes.values() for change in those)
    clear_rests({Path(os.path.realpath(file)).parent for file in files})
    done: Changes = {}
    later = 0
    with Progress("photos") as bar:
        for place, (photo, those) in enumerate(changes.items()):
            bar.show(place, len(changes))
            stamps = []
            for change in those:
                try:
                    stamps.append(write(change, exiftool))
                    done.setdefault(photo, []).append(change)
                except FaceclusterError as error:
                    unusable.append(f"{change.path} {error}.")
            contents = {content_hash(Path(stamp.path)) for stamp in stamps}
            if stamps and not (
                len(contents) == 1 and library.scanned.rewritten(photo, stamps, contents.pop())
            ):
                later += 1
    return done, later


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

    print_json(document(named_photos(library, known_roots(library, paths))))
    _tell_only_shown(library, paths)


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
        for one in named_photos(library, known_roots(library, paths))
        for face in one.faces
    ]
    print_rows(rows, "csv", columns=["path", "sha256", "taken_at", "person", "box"])
    _tell_only_shown(library, paths)


@export.command("folders")
@click.argument("folder", type=NamedPath(file_okay=False))
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
    """Make a folder for each person in FOLDER, with the photos and clips they are on.

    Of all photos, or those at or below PATHS. What is there already stays, and a second run adds
    what is new. Nothing is overwritten or deleted. A name that cannot be a folder's gets four
    digits of its own: Tom Jr. is in "Tom Jr (6867)".
    """
    from facecluster.exchange.folders import photos_of_people, place

    people = photos_of_people(library, known_roots(library, paths))
    total = sum(map(len, people.values()))
    done: list[Placed] = []
    with Progress("photos") as bar:
        for one in place(people, folder.absolute(), how):
            done.append(one)
            bar.show(len(done), total)
    failed = [one.error for one in done if one.error is not None]
    there = [one for one in done if one.error is None]
    if as_json:
        print_json([{"path": str(one.path), "new": one.new} for one in there])
    else:
        _tell_folders(len(people), there, len(failed))
    note_all(failed)
    if failed:
        click.get_current_context().exit(3)


def _tell_folders(folders: int, there: list[Placed], failed: int) -> None:
    new = sum(one.new for one in there)
    click.echo(
        f"{counted(new, 'photo')} added, {counted(len(there) - new, 'was', 'were')} there, "
        f"in {counted(folders, 'folder')}{f'; {failed} could not be put there' if failed else ''}."
    )
    if not folders:
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
        f"{file}: {counted(rows['person'], 'person', 'people')}, "
        f"{counted(rows['photo'], 'photo')}, {counted(rows['face'], 'face')}, "
        f"{counted(rows['embedding'], 'embedding')}."
    )
    name = shlex.quote(str(file))
    hint(f"'sqlite3 {name} \"select * from people\"', or 'datasette {name}'")


def _tell_only_shown(library: Library, paths: tuple[Path, ...]) -> None:
    """Say which faces are listed under a name that the user never gave them, and so left out."""
    below = {one.photo for one in library.photos(roots_of(paths))}
    said = {fact.face for fact in library.statements.truth() if fact.kind == "is"}
    shown = [one for one in library.faces() if one.person and one.photo in below]
    left = [one for one in shown if one.face not in said]
    if left:
        are = counted(len(left), "face is", "faces are")
        group, name = left[0].group, quoted(str(left[0].person))
        note(
            f"{are} left out: in groups that have a name, but not named by you. Look at each such "
            f"group, as by 'facecluster show {group}', and name it again, as by 'facecluster name "
            f"{group} {name}'."
        )


def photos_below(library: Library, paths: tuple[Path, ...]) -> list[ListedPhoto]:
    """The photos at or below the paths; LibraryError when there are none."""
    photos = library.photos(roots_of(paths))
    if not photos:
        raise LibraryError("The library has no photos there: 'facecluster scan PATH' first.")
    return photos


def known_roots(library: Library, paths: tuple[Path, ...]) -> list[str] | None:
    """The paths, or None for all photos; LibraryError when there are paths, but no photos below
    them."""
    if paths:
        photos_below(library, paths)
    return roots_of(paths)


def roots_of(paths: tuple[Path, ...]) -> list[str] | None:
    return [os.path.abspath(path) for path in paths] or None


def note_all(lines: Iterable[str]) -> None:
    for line in lines:
        note(printable(line))


COMMANDS = (export,)
