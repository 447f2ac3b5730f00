"""The contact sheet: one HTML file to look at, to send round, to print."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.options import examples, with_library
from facecluster.cli.output import Progress, hint, note
from facecluster.counted import counted
from facecluster.errors import FaceclusterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from facecluster.library import Library, ListedPhoto
    from facecluster.sheet import Contents

__all__ = ["COMMANDS", "write_photo_sheet"]

_FACE, _PHOTO = 144, 400


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("faces.html"),
    show_default=True,
    metavar="FILE",
    help="Where to write it.",
)
@click.option(
    "--groups",
    type=click.IntRange(min=0),
    default=200,
    metavar="N",
    show_default=True,
    help="Of the groups without a name, so many, the largest.",
)
@click.option(
    "--faces",
    type=click.IntRange(min=1),
    default=12,
    metavar="N",
    show_default=True,
    help="Of each person and group, so many.",
)
@click.option("--force", is_flag=True, help="Overwrite FILE whatever it is.")
@click.option("--open", "then_open", is_flag=True, help="Show it in the browser.")
@examples("sheet --open", "sheet -o ~/faces.html --groups 50 --faces 24")
@with_library
def sheet(
    library: Library, output: Path, groups: int, faces: int, force: bool, then_open: bool
) -> None:
    """Write a page with the faces of all people and groups.

    The page is one file that needs nothing else: no network, no script. It shows of each person and
    group the most typical and the most doubtful faces, and how to name it. It holds pictures of
    faces: only you may read the file.
    """
    from facecluster.library.copying import spare_library
    from facecluster.portraits import as_jpeg, portraits
    from facecluster.sheet import contents

    _check_target(output, force)
    spare_library(output, library.path)
    whole = contents(library, groups=groups, faces=faces)
    tiles = [
        tile
        for part in (*whole.people, *whole.groups)
        for tile in (*part.typical, *part.doubtful)
        if tile.box is not None
    ]
    wanted = {tile.number: (tile.path, tile.box) for tile in tiles if tile.box}
    pictures: dict[int, bytes | None] = {}
    with Progress("faces") as bar:
        for face, image in portraits(wanted, _FACE):
            pictures[face] = as_jpeg(image) if image else None
            bar.show(len(pictures), len(wanted))
    missing = _write(output, "The faces in your photos", whole, pictures, then_open)
    if whole.groups:
        hint(f"'facecluster name {whole.groups[0].group} NAME'")
    if missing:
        click.get_current_context().exit(3)


def write_photo_sheet(
    output: Path, title: str, photos: list[ListedPhoto], *, then_open: bool
) -> None:
    """Write a page of these photos."""
    from facecluster.portraits import as_jpeg, thumbnails
    from facecluster.sheet import found_photos

    _check_target(output, force=False)
    if not photos:
        note("No photo is like that.")
    pictures: dict[int, bytes | None] = {}
    with Progress("photos") as bar:
        for number, image in thumbnails({one.photo: one.path for one in photos}, _PHOTO):
            pictures[number] = as_jpeg(image) if image else None
            bar.show(len(pictures), len(photos))
    if _write(output, title, found_photos(photos), pictures, then_open):
        click.get_current_context().exit(3)


def _check_target(output: Path, force: bool) -> None:
    """Refuse, before any work, to overwrite what is not a sheet."""
    from facecluster.sheet import is_sheet

    try:
        mode = output.stat().st_mode
        if not stat.S_ISREG(mode):  # a pipe would wait for ever; a device would be replaced
            raise FaceclusterError(f"{output} is no ordinary file: choose another.")
        if force:
            return
        with output.open(encoding="utf-8", errors="replace") as file:
            ours = is_sheet(file.read(2000))
    except FileNotFoundError:
        return
    except OSError as error:
        raise FaceclusterError(
            f"{output} may not be read or written ({error.strerror}): choose another file."
        ) from error
    if not ours:
        raise FaceclusterError(f"{output} is not a sheet: choose another file or move it away.")


def _write(
    output: Path,
    title: str,
    whole: Contents,
    pictures: Mapping[int, bytes | None],
    then_open: bool,
) -> int:
    """Write the page; how many of its pictures are missing."""
    from facecluster.library.copying import new_file
    from facecluster.sheet import page

    missing = sum(picture is None for picture in pictures.values())
    if missing == len(pictures) > 0 and output.exists():
        raise FaceclusterError(
            f"None of the photos is there, so {output} stays as it is: plug their disk in, or scan "
            "their folders again."
        )
    with new_file(output, force=True) as fresh:
        fresh.write_text(page(title, whole, pictures), encoding="utf-8")
    click.echo(output)
    if missing:
        are = counted(
            missing, "picture is missing: its photo is", "pictures are missing: their photos are"
        )
        note(f"{are} gone or cannot be read.")
    if then_open:
        click.launch(output.absolute().as_uri())
    return missing


COMMANDS = (sheet,)
