"""Put right what the groups have wrong: divide one, join several."""

from __future__ import annotations

import dataclasses
import shlex
from typing import TYPE_CHECKING

import click

from facecluster.cli.options import examples, with_library
from facecluster.cli.output import hint, json_option, note, print_json, print_rows
from facecluster.cli.people import check_person

if TYPE_CHECKING:
    from facecluster.library import Library

__all__ = ["COMMANDS"]


@click.command()
@click.argument("which", metavar="NUMBER|PERSON")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 4),
    metavar="D2",
    help="Squared distance above which faces come apart [default: where the group divides best].",
)
@json_option
@examples("split 3", "split 3 --threshold 0.8", 'split "Alice"')
@with_library
def split(library: Library, which: str, threshold: float | None, as_json: bool) -> None:
    """Divide group NUMBER, or the faces of PERSON that you did not name one by one.

    Faces stated to be one person stay together. From now on each part stays together and apart from
    the others, until you say otherwise: name two parts the same, 'merge' or 'split' again. Faces
    that fit no part are in no group until the next 'group'.
    """
    from facecluster.people import split_group, split_person

    words = ["split", which, *(["--threshold", f"{threshold:g}"] if threshold is not None else [])]
    command = shlex.join(words)
    if which.isdecimal():
        done = split_group(library, int(which), threshold=threshold, command=command)
    else:
        check_person(library, which)
        done = split_person(library, which, threshold=threshold, command=command)
    if as_json:
        print_json(
            {
                "action": done.action,
                "group": done.number,
                "threshold": done.threshold,
                "parts": [
                    {"group": part.number, "person": part.person, "faces": list(part.faces)}
                    for part in done.parts
                ],
                "loose": list(done.loose),
            }
        )
        return
    click.echo(f"Group {done.number} comes apart at a squared distance of {done.threshold:.2f}.")
    rows = [
        {"group": part.number, "faces": len(part.faces), "person": part.person}
        for part in done.parts
    ]
    print_rows(rows, "table", columns=["group", "faces", "person"])
    if done.loose:
        note(f"Faces that fit no part, in no group now: {' '.join(map(str, done.loose))}.")
    hint("'facecluster faces --group NUMBER' shows a part; 'facecluster undo' takes this back")


@click.command()
@click.argument("numbers", nargs=-1, required=True, type=int, metavar="NUMBER NUMBER...")
@json_option
@examples("merge 3 8", "merge 3 8 21")
@with_library
def merge(library: Library, numbers: tuple[int, ...], as_json: bool) -> None:
    """Say that these groups are one person, named or not.

    They are one group at once and after every later 'group'. When one has a name, all get it.
    """
    from facecluster.people import merge as join

    done = join(library, numbers, command=shlex.join(["merge", *map(str, numbers)]))
    if as_json:
        figures = dataclasses.asdict(done)
        print_json({"action": figures.pop("action"), "group": figures.pop("number"), **figures})
        return
    whose = f", {done.person}" if done.person else ""
    kept = f"; {done.skipped} stated otherwise before stay as they were" if done.skipped else ""
    click.echo(f"{done.faces} faces are one person: group {done.number}{whose}{kept}.")
    if done.shared_photos:
        photos = "1 photo shows" if done.shared_photos == 1 else f"{done.shared_photos} photos show"
        note(f"{photos} this person more than once: a mirror, a collage, or two people.")
    hint("'facecluster undo' takes this back")


COMMANDS = (split, merge)
