"""Photos by who is on them and when they were taken."""

from __future__ import annotations

import os
import re
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.completing import complete_person
from facecluster.cli.options import examples, with_library
from facecluster.cli.output import hint, json_option, note, print_json
from facecluster.cli.people import check_person
from facecluster.cli.sheet import write_photo_sheet
from facecluster.moments import file_of, moment_of

if TYPE_CHECKING:
    from facecluster.library import Library, ListedPhoto

__all__ = ["COMMANDS"]

OPENED = 10


def _date(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """The value, if it is a year, a month or a day that there is."""
    if value is None:
        return None
    try:
        if re.fullmatch(r"\d{4}(-\d\d){0,2}", value, re.ASCII):
            date.fromisoformat(value + "-01" * (2 - value.count("-")))
            return value
    except ValueError:
        pass
    raise click.BadParameter(f"{value!r} is no date: write 2019, 2019-06 or 2019-06-30.")


@click.command()
@click.argument("name", required=False, shell_complete=complete_person)
@click.option(
    "--and",
    "others",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_person,
    help="This one is on it too.",
)
@click.option(
    "--not",
    "without",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_person,
    help="This one is not on it.",
)
@click.option("--from", "first", callback=_date, metavar="DATE", help="Taken on this day or later.")
@click.option("--to", "last", callback=_date, metavar="DATE", help="Taken on this day or before.")
@click.option("--min-faces", type=click.IntRange(min=0), default=0, metavar="N", help="At least.")
@click.option("--alone", is_flag=True, help="Nobody else is on it; without a NAME: one face.")
@click.option("-0", "null", is_flag=True, help="End each path with a zero byte, for xargs -0.")
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page with the photos.",
)
@click.option("--open", "then_open", is_flag=True, help="Open the page, or the first ten photos.")
@json_option
@examples(
    'find "Alice" --and "Bob" --not "Carol"',
    'find "Alice" --from 2019 --to 2020-06',
    'find "Alice" --alone -0 | xargs -0 cp -t alice',
    "find --min-faces 5 --json",
    'find "Alice" --and "Bob" --sheet both.html --open',
)
@with_library
def find(
    library: Library,
    name: str | None,
    others: tuple[str, ...],
    without: tuple[str, ...],
    first: str | None,
    last: str | None,
    min_faces: int,
    alone: bool,
    null: bool,
    sheet: Path | None,
    then_open: bool,
    as_json: bool,
) -> None:
    """Print the paths of the photos that NAME is on.

    A DATE is 2019, 2019-06 or 2019-06-30, by the camera's clock. Copies of one photo are printed
    once. So is the file of a clip, however many of its frames are meant; --json tells each, with
    its moment in seconds.
    """
    from facecluster.library import Wanted

    if first and last and first[: len(last)] > last:
        raise click.UsageError(f"--from {first} is after --to {last}: no photo can be of both.")
    if sheet and (as_json or null):
        raise click.UsageError("--sheet makes a page, not a list: leave out -0 and --json.")
    people = (*((name,) if name is not None else ()), *others)
    for one in (*people, *without):
        check_person(library, one)
    if not (people or without or first or last or min_faces or alone):
        raise click.UsageError('Say whom or what to find: facecluster find "Alice".')
    found = library.find(Wanted(people, without, first, last, min_faces, alone))
    if sheet:
        title = f"Photos of {' and '.join(people)}" if people else "Photos"
        write_photo_sheet(sheet, title, found, then_open=then_open)
        return
    _print(found, null, as_json)
    if then_open:
        for path in _files(found)[:OPENED]:
            click.launch(path)


def _files(found: list[ListedPhoto]) -> list[str]:
    """The files to open: the clip of a frame, once."""
    return list(dict.fromkeys(file_of(one.path) for one in found))


def _print(found: list[ListedPhoto], null: bool, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "photo": one.photo,
                    "path": file_of(one.path),
                    "moment": moment_of(one.path),
                    "taken_at": one.about.taken_at,
                }
                for one in found
            ]
        )
        return
    for path in _files(found):
        # bytes, as click leaves parts out of a text that look like colours
        click.echo(os.fsencode(path) + (b"\0" if null else b"\n"), nl=False)
    if not found:
        note("No photo is like that.")
    elif sys.stdout.isatty():  # else it is piped into something
        hint("the same with '--sheet photos.html --open' shows them")


COMMANDS = (find,)
