"""Say who people are, correct what is wrong, and take it back."""

from __future__ import annotations

import dataclasses
import difflib
import shlex
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from facecluster.cli.completing import complete_group, complete_number_or_person, complete_person
from facecluster.cli.options import database_option, examples, group_number, with_library
from facecluster.cli.output import (
    Form,
    form_options,
    hint,
    json_option,
    note,
    print_json,
    print_rows,
    printable,
    quoted,
)
from facecluster.counted import counted
from facecluster.errors import UsageError

if TYPE_CHECKING:
    from facecluster.library import Action, Library
    from facecluster.people import Said

__all__ = ["COMMANDS", "check_person", "tell_said"]

_BACK = "'facecluster undo' takes this back"
_BEFORE = "You said so before:"


@click.group(invoke_without_command=True)
@form_options
@database_option
@examples("people", "people --csv", 'people set "Mia" --born 2015-03')
@click.pass_context
def people(context: click.Context, form: Form) -> None:
    """List the people you named, or set what you know of one."""
    if context.invoked_subcommand is None:
        _list_people(form=form)
    elif form != "table":
        raise click.UsageError(f"--{form} is for the list: 'people set' has a --json of its own.")


@with_library
def _list_people(library: Library, form: Form) -> None:
    found = library.people()
    births = library.statements.births()
    rows = [
        {
            "person": one.name,
            "faces": one.faces,
            "photos": one.photos,
            "born": births.get(one.id),
        }
        for one in found
    ]
    columns = ["person", "faces", "photos", "born"]
    print_rows(rows, form, columns=columns if births or form != "table" else columns[:-1])
    if form == "table":
        hint("'facecluster faces --person NAME'" if found else "'facecluster groups'")


@people.command("set")
@click.argument("person", shell_complete=complete_person)
@click.option("--born", required=True, metavar="DATE", help="2015-03-21, 2015-03 or 2015.")
@json_option
@examples('people set "Mia" --born 2015-03', 'people set "Mia" --born 2015')
@with_library
def set_person(library: Library, person: str, born: str, as_json: bool) -> None:
    """Say when PERSON was born.

    From then on no face on an older photo, by the date in the photo, is put with them, suggested to
    be them or identified as them; a name you gave such a face stays.
    """
    from facecluster.people import state_birth

    check_person(library, person)
    command = shlex.join(["people", "set", person, "--born", born])
    action = state_birth(library, person, born, command=command)
    if as_json:
        print_json({"action": action, "person": library.person_name(person), "born": born})
        return
    when = "on" if born.count("-") == 2 else "in"
    told = f"{library.person_name(person)} was born {when} {born}"
    if action == 0:
        click.echo(f"{_BEFORE} {told}.")
        return
    click.echo(f"{told}.")
    hint(f"'facecluster group' keeps older photos apart; {_BACK}")


@click.command()
@click.argument(
    "words", nargs=-1, metavar="[NUMBER] NAME", shell_complete=complete_number_or_person
)
@click.option("--face", "faces", type=int, multiple=True, metavar="ID", help="Name this face.")
@json_option
@examples('name 12 "Alice"', 'name --face 345 --face 346 "Alice"')
@with_library
def name(library: Library, words: tuple[str, ...], faces: tuple[int, ...], as_json: bool) -> None:
    """Say that group NUMBER, or each --face, is NAME.

    The same name twice is one person. The name stays with the faces whatever is scanned or grouped
    later.
    """
    from facecluster.people import name_faces, name_group

    known = library.overview.names()
    number = group_number(words[0]) if len(words) == 2 and not faces else None
    if faces and len(words) == 1:
        text = shlex.join(["name", *(f"--face={face}" for face in faces), words[0]])
        said = name_faces(library, faces, words[0], command=text)
    elif number is not None:
        text = shlex.join(["name", *words])
        said = name_group(library, number, words[1], command=text)
    else:
        raise click.UsageError(
            "Give a group's NUMBER and a NAME, or --face ID and a NAME; one of several words needs "
            'quotes: name 2 "Bob Smith".'
        )
    if as_json:
        print_json(dataclasses.asdict(said))
        return
    near = None if said.person in known else _nearest(said.person or "", known)
    meant = f"{said.person} is a new person. If you meant {near}: 'facecluster undo'."
    told = f"{_are(said.faces)} {said.person}"
    tell_said(said, told, "'facecluster groups' for the next one", [meant] if near else [])


@click.command()
@click.argument("old", shell_complete=complete_person)
@click.argument("new", shell_complete=complete_person)
@json_option
@examples('rename "Alise" "Alice"', 'rename "Mama" "Johanna Berg"')
@with_library
def rename(library: Library, old: str, new: str, as_json: bool) -> None:
    """Give the person OLD the name NEW.

    Nothing of what you said is lost. When somebody is called NEW already, the two are one person
    from then on.
    """
    from facecluster.people import rename as state

    check_person(library, old)
    written = library.person_name(old)
    known = library.overview.names()
    said = state(library, old, new, command=shlex.join(["rename", old, new]))
    if as_json:
        print_json(dataclasses.asdict(said))
        return
    if said.action == 0 and said.person in known:
        click.echo(f"The name is written {said.person} already.")
        return
    if said.action == 0:
        click.echo(f"The name is written {said.person} now.")
        back = f"facecluster rename {quoted(new)} {quoted(written)}"
        hint(f"'{back}' takes this back, 'undo' does not")
        return
    one = f"{said.person} was known already: {old} and {said.person} are one person."
    tell_said(said, f"{_are(said.faces)} {said.person} now", "", [one] * (said.person in known))


@click.command()
@click.argument("faces", nargs=-1, required=True, type=int, metavar="FACE...")
@click.option(
    "--person",
    metavar="NAME",
    shell_complete=complete_person,
    help="Who it is not [default: whom it shows now].",
)
@json_option
@examples("reject 345 346", 'reject 345 --person "Alice"')
@with_library
def reject(library: Library, faces: tuple[int, ...], person: str | None, as_json: bool) -> None:
    """Say that each FACE is not the person it is listed under.

    No later grouping puts it there again. Faces of a group without a name are taken out of it,
    several of them as a group of their own.
    """
    from facecluster.people import reject as state

    if person is not None:
        check_person(library, person)
    words = ["reject", *map(str, faces), *(["--person", person] if person else [])]
    number = _group_without_name(library, faces) if person is None else None
    if number is not None:
        _take_out(library, faces, number, shlex.join(words), as_json)
        return
    said = state(library, faces, person=person, command=shlex.join(words))
    if as_json:
        print_json({**dataclasses.asdict(said), "group": None})
        return
    told = f"{_are(said.faces)} not {said.person or 'the people they were listed under'}"
    tell_said(said, told, "'facecluster group' puts the rest right")


def _group_without_name(library: Library, faces: Sequence[int]) -> int | None:
    """The group that all of the faces are in, if it has no name."""
    listed = {one.face: one for one in library.faces()}
    found = {(one.group, one.person) for face in faces if (one := listed.get(face))}
    number, name = found.pop() if len(found) == 1 and listed.keys() >= set(faces) else (None, None)
    return number if name is None else None


def _take_out(
    library: Library, faces: Sequence[int], number: int, command: str, as_json: bool
) -> None:
    from facecluster.people import take_out

    done = take_out(library, faces, number, command=command)
    if as_json:
        figures = {"action": done.action, "person": None, "faces": done.faces, "skipped": 0}
        print_json({**figures, "group": done.number})
        return
    home = "" if done.number is None else f", but of one of their own, {done.number}"
    click.echo(f"{_are(done.faces)} not of group {number}{home}.")
    hint(_BACK)


@click.command()
@click.argument("number", required=False, type=int, shell_complete=complete_group)
@click.option("--face", "faces", type=int, multiple=True, metavar="ID", help="Ignore this face.")
@click.option("--not-a-face", is_flag=True, help="It is no face at all: a statue, a pattern.")
@json_option
@examples("ignore 40", "ignore --face 345", "ignore --face 345 --not-a-face")
@with_library
def ignore(
    library: Library,
    number: int | None,
    faces: tuple[int, ...],
    not_a_face: bool,
    as_json: bool,
) -> None:
    """Leave group NUMBER, or each --face, out of every list from now on.

    For strangers in the background, and for what is no face. 'faces --ignored' lists them.
    """
    from facecluster.people import ignore as ignore_faces
    from facecluster.people import ignore_group

    if (number is None) == (not faces) or (not_a_face and not faces):
        raise click.UsageError("Give a group's NUMBER, or --face ID (with --not-a-face or not).")
    words = ["ignore", *(f"--face={face}" for face in faces)]
    if number is not None:
        said = ignore_group(library, number, command=shlex.join([*words, str(number)]))
    else:
        words += ["--not-a-face"] if not_a_face else []
        said = ignore_faces(library, faces, not_a_face=not_a_face, command=shlex.join(words))
    if as_json:
        print_json(dataclasses.asdict(said))
        return
    tell_said(said, f"{_are(said.faces)} left out from now on")


@click.command()
@click.argument("action", required=False, type=int)
@json_option
@examples("undo", "undo 17")
@with_library
def undo(library: Library, action: int | None, as_json: bool) -> None:
    """Take back the newest statement that stands, or ACTION of the log.

    Undoing an undo states it again.
    """
    from facecluster.people import undo as take_back

    words = ["undo", *([str(action)] if action is not None else [])]
    _tell_standing(library, take_back(library, action, command=shlex.join(words)), as_json)


@click.command()
@json_option
@examples("redo")
@with_library
def redo(library: Library, as_json: bool) -> None:
    """State again what the last undo took back."""
    from facecluster.people import redo as state_again

    _tell_standing(library, state_again(library, command="redo"), as_json)


def _tell_standing(library: Library, said: Action, as_json: bool) -> None:
    """Tell that what was said is taken back now, or stands again."""
    if as_json:
        figures = {"action": said.id, "command": said.command, "faces": said.faces}
        print_json({**figures, "undone": said.undone})
        return
    what = f"{printable(said.command)}{_of_faces(said.faces)}"
    click.echo(f"{'Taken back' if said.undone else 'Stated again'}: {what}.")
    mixed = library.groupings.mixed_by(said.id)
    first = "'facecluster group' parts the people who are in one group now; " if mixed else ""
    if said.undone:
        hint(f"{first}'facecluster redo' states it again; 'facecluster log' lists what you said")
    else:
        hint(f"{first}{_BACK}")


@click.command()
@click.option(
    "-n",
    "limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="N",
    help="How many.",
)
@form_options
@examples("log", "log -n 100", "log --json")
@with_library
def log(library: Library, limit: int, form: Form) -> None:
    """List what you stated, newest first."""
    rows = [
        {
            "action": one.id,
            "at": one.at,
            "command": one.command,
            "faces": one.faces,
            "undone": one.undone,
            "undoes": one.undoes,
        }
        for one in library.statements.log(limit)
    ]
    columns = ["action", "at", "command", "faces", "undone", "undoes"]
    any_undo = form != "table" or any(row["undoes"] for row in rows)
    print_rows(rows, form, columns=columns if any_undo else columns[:-1])
    if form == "table":
        hint("'facecluster undo ACTION'" if rows else "'facecluster groups'")


def check_person(library: Library, name: str) -> None:
    """Raise UsageError, with the nearest name, when nobody is called `name`."""
    try:
        library.person_name(name)
    except UsageError as error:
        near = _nearest(name, library.overview.names())
        raise UsageError(f"{error} Did you mean {near}?" if near else str(error)) from error


def _nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that is written most like this one, or the only one that has it as a word."""
    written = {_typed(one): one for one in known}
    found = difflib.get_close_matches(_typed(name), written, n=1)
    if found:
        return written[found[0]]
    part_of = [one for key, one in written.items() if _typed(name) in key.split()]
    return part_of[0] if len(part_of) == 1 else None


def _typed(name: str) -> str:
    """The name as it is typed where the keyboard has no accents."""
    letters = unicodedata.normalize("NFD", name.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def tell_said(said: Said, text: str, then: str = "", notes: Sequence[str] = ()) -> None:
    """Tell what was stated, or was so already, what to know of it, and how to go on or back."""
    kept = (
        f"; {counted(said.skipped, 'face')} stated otherwise before stay as they were"
        if said.skipped
        else ""
    )
    click.echo(f"{'' if said.action else f'{_BEFORE} '}{text}{kept}.")
    for one in notes:
        note(one)
    if steps := [step for step in (then, _BACK if said.action else "") if step]:
        hint("; ".join(steps))


def _of_faces(faces: int) -> str:
    return f" ({counted(faces, 'face')})" if faces else ""


def _are(faces: int) -> str:
    return counted(faces, "face is", "faces are")


COMMANDS = (people, name, rename, reject, ignore, undo, redo, log)
