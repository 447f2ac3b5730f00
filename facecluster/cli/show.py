"""Faces as pictures in the terminal."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from facecluster.cli.completing import complete_number_or_person
from facecluster.cli.options import examples, group_number, with_library
from facecluster.cli.output import Form, hint, json_option, note, print_rows, printable, quoted
from facecluster.cli.people import check_person
from facecluster.errors import UsageError
from facecluster.moments import file_of

if TYPE_CHECKING:
    from PIL import Image

    from facecluster.cli.graphics import Graphics
    from facecluster.library import Library, ListedFace

__all__ = ["COMMANDS"]

# A face is so many cells wide, half as many high, as cells are twice as high as wide.
_WIDE, _GAP = 22, 2
_OPENED = 10


@click.command()
@click.argument(
    "what", required=False, metavar="NUMBER|PERSON", shell_complete=complete_number_or_person
)
@click.option("--face", "wanted", type=int, multiple=True, metavar="ID", help="This face.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=24,
    show_default=True,
    metavar="N",
    help="So many at most, the most typical first.",
)
@click.option(
    "--graphics",
    type=click.Choice(["auto", "blocks", "kitty", "iterm", "sixel"]),
    default="auto",
    show_default=True,
    help="How the terminal shows pictures.",
)
@click.option("--open", "then_open", is_flag=True, help="Open the photos too, ten at most.")
@json_option
@examples("show 12", 'show "Alice" --limit 60', "show --face 7 --face 9 --open")
@with_library
def show(
    library: Library,
    what: str | None,
    wanted: tuple[int, ...],
    limit: int,
    graphics: str,
    then_open: bool,
    as_json: bool,
) -> None:
    """Show the faces of a group or a person as pictures.

    Pictures are drawn with coloured blocks, or in full where the terminal can (kitty, iTerm2,
    sixel). Where there is no terminal, or NO_COLOR is set, the faces are listed.
    """
    if (what is None) == (not wanted):
        raise click.UsageError("Say what to show: a group's number, a person's name, or --face ID.")
    found = _by_number(library, wanted) if wanted else _members(library, what or "")
    shown = found[:limit]
    taken = {one.photo: one.about.taken_at for one in library.photos()}
    days = [(taken.get(one.photo) or "")[:10] for one in shown]
    plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR")
    if as_json or (graphics == "auto" and plain):
        _list(shown, days, "json" if as_json else "table")
    else:
        _draw(shown, days, graphics)
    if len(found) > limit:
        note(f"{len(found) - limit} more: --limit {len(found)}")
    if then_open:
        for path in list(dict.fromkeys(file_of(one.path) for one in shown))[:_OPENED]:
            click.launch(path)
    if not as_json:
        hint(_next_step(what, shown))


def _next_step(what: str | None, shown: Sequence[ListedFace]) -> str:
    if what and what.isdecimal() and not any(one.person for one in shown):
        return f"'facecluster name {what} NAME'"
    if shown and shown[0].person:
        name = quoted(shown[0].person)
        return f"'facecluster find {name}'; 'facecluster reject FACE' for a wrong one"
    return "'facecluster why FACE'; 'facecluster name --face FACE NAME'"


def _list(shown: Sequence[ListedFace], days: Sequence[str], form: Form) -> None:
    rows = [
        {"face": one.face, "date": day or None, "person": one.person, "path": one.path}
        for one, day in zip(shown, days, strict=True)
    ]
    print_rows(rows, form, columns=["face", "date", "person", "path"])


def _by_number(library: Library, wanted: Sequence[int]) -> list[ListedFace]:
    lists = [library.faces(only=only) for only in ("shown", "shelf", "ignored")]
    everybody = {one.face: one for those in lists for one in those}
    missing = next((face for face in wanted if face not in everybody), None)
    if missing is not None:
        raise UsageError(f"There is no face {missing}: 'facecluster faces' lists them.")
    return [everybody[face] for face in wanted]


def _members(library: Library, what: str) -> list[ListedFace]:
    """The faces of a group or person, the most typical first."""
    from facecluster.people import likeness

    number = group_number(what)
    if number is not None:
        found = library.faces(group=number)
    else:
        check_person(library, what)
        found = library.faces(person=what)
    by_number = {one.face: one for one in found}
    numbers = list(by_number)
    return [by_number[face] for face in likeness(library, numbers, numbers)]


def _draw(shown: Sequence[ListedFace], days: Sequence[str], graphics: str) -> None:
    from facecluster.cli.graphics import CELL, detect
    from facecluster.portraits import portraits

    kind: Graphics = detect() if graphics == "auto" else graphics  # type: ignore[assignment]
    side = _WIDE if kind == "blocks" else _WIDE * CELL[0]
    pictures = dict(portraits({one.face: (one.path, one.box) for one in shown}, side))
    across = max(1, (shutil.get_terminal_size().columns + _GAP) // (_WIDE + _GAP))
    for start in range(0, len(shown), across):
        row = shown[start : start + across]
        _draw_row([pictures[one.face] for one in row], kind)
        captions = [
            (f"{one.face}  {day}", printable(os.path.basename(one.path)))
            for one, day in zip(row, days[start : start + across], strict=True)
        ]
        for line in zip(*captions, strict=True):
            click.echo((" " * _GAP).join(_fitted(text) for text in line).rstrip())
        click.echo()


def _draw_row(pictures: Sequence[Image.Image | None], kind: Graphics) -> None:
    """The pictures beside each other; one that is missing is grey."""
    from PIL import Image

    from facecluster.cli import graphics

    side = _WIDE if kind == "blocks" else _WIDE * graphics.CELL[0]
    tiles = [one or Image.new("RGB", (side, side), (128, 128, 128)) for one in pictures]
    if kind == "blocks":
        true_colour = os.environ.get("COLORTERM") in ("truecolor", "24bit")
        drawn = [graphics.blocks(tile, true_colour=true_colour) for tile in tiles]
        for line in zip(*drawn, strict=True):
            click.echo((" " * _GAP).join(line), color=True)
        return
    columns = len(tiles) * (_WIDE + _GAP) - _GAP
    strip = Image.new("RGBA", (columns * graphics.CELL[0], side))
    for place, tile in enumerate(tiles):
        strip.paste(tile, (place * (_WIDE + _GAP) * graphics.CELL[0], 0))
    if kind == "sixel":
        click.echo(graphics.sixel(strip), color=True)
    else:
        encode = graphics.kitty if kind == "kitty" else graphics.iterm
        click.echo(encode(strip, columns, _WIDE // 2), color=True)


def _fitted(text: str) -> str:
    """The text in the width of a picture, cut in its middle where it is longer."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) > _WIDE:
        text = set_cell_size(text, _WIDE - 9).rstrip() + "…" + text[-8:]
    return set_cell_size(text, _WIDE)


COMMANDS = (show,)
