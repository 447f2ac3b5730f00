"""Erase a person from the library, for good."""

from __future__ import annotations

import dataclasses
import glob
import os
from typing import TYPE_CHECKING

import click

from facecluster.cli.completing import complete_person
from facecluster.cli.network import library_model, threshold_for
from facecluster.cli.options import examples, with_library
from facecluster.cli.output import hint, json_option, note, print_json, printable, quoted
from facecluster.cli.people import check_person
from facecluster.counted import counted
from facecluster.errors import FaceclusterError, ModelError

if TYPE_CHECKING:
    from facecluster.library import Erased, Library

__all__ = ["COMMANDS"]


@click.command()
@click.argument("person", shell_complete=complete_person)
@click.option("--yes", is_flag=True, help="Do not ask first.")
@json_option
@examples('forget "Alice"', 'forget "Alice" --yes --json > receipt.json')
@with_library
def forget(library: Library, person: str, yes: bool, as_json: bool) -> None:
    """Erase PERSON: the name, the faces and their embeddings, and all that you said of them.

    This cannot be undone. Nothing of it is left in the library's file but hashed places on photos,
    so that no scan of them finds the faces again. Not touched are your photos, and what was made
    before: backups, sheets, exports, sidecars. Faces of PERSON that have no name stay: name them
    first.
    """
    from facecluster.exchange.matching import same_name
    from facecluster.people import forget as erase
    from facecluster.people.forgetting import faces_of

    check_person(library, person)
    name = library.person_name(person)
    _warn(library, name, *map(len, faces_of(library, name)))
    if not yes:
        _ask(name)
    told = _names_in_files(library, name)
    erased = erase(library, name)
    files = sorted({file for file, one in told if any(same_name(one, n) for n in erased.names)})
    # beside the file itself, where the library is a link to it
    real = glob.escape(os.path.realpath(library.path))
    aside = sorted(glob.glob(f"{real}.before-restore-*"))
    if as_json:
        figures = {**dataclasses.asdict(erased), "person": name}
        print_json({**figures, "copies": aside, "files_with_the_name": files})
        return
    _print_receipt(name, erased)
    by = "put aside by 'backup --restore',"
    old = counted(len(aside), f"older library, {by} still has", f"older libraries, {by} still have")
    _tell_files(f"{old} them", aside)
    says = counted(len(files), "photo or sidecar still says", "photos and sidecars still say")
    _tell_files(f"{says} the name", files)
    hint("backups, sheets and exports made before still hold them: delete those yourself")


def _ask(name: str) -> None:
    """Go on only after a yes."""
    try:
        if click.confirm(f"Forget {name} for good?", err=True):
            return
    except click.Abort as error:
        click.echo(err=True)  # the question's line has no end yet
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise FaceclusterError("Nothing was forgotten: nobody answered; say --yes.") from error
    raise FaceclusterError("Nothing was forgotten.")


def _warn(library: Library, name: str, said: int, shown: int) -> None:
    """Say what will go, and which groups may be the same person."""
    note(
        f"{name}: {counted(said + shown, 'face')}, with embeddings, and all that you said of them, "
        "go for good. This cannot be undone."
    )
    if shown:
        note(
            f"{shown} of them you did not name: their group is {name}. Look first: "
            f"'facecluster show {quoted(name)}'."
        )
    from facecluster.people import suggest

    chosen = library_model(library, None)
    try:
        limit = threshold_for(chosen.name, "identify")
    except ModelError:  # a network of one's own that is gone
        return
    maybe = [
        str(one.group) for one in suggest(library, chosen.id, threshold=limit) if one.person == name
    ]
    if maybe:
        groups = f"Group {maybe[0]}" if len(maybe) == 1 else f"Groups {', '.join(maybe)}"
        note(f"{groups} may be {name} too, and will stay: 'facecluster show {maybe[0]}'.")


def _names_in_files(library: Library, name: str) -> set[tuple[str, str]]:
    """The sidecars and photos that name somebody on the photos of this person, and whom."""
    from facecluster.exchange.xmp import named_faces

    on = {face.photo for face in library.faces(person=name)}
    return {
        (one.source, one.name)
        for photo in library.photos()
        if photo.photo in on
        for path in photo.paths
        for one in named_faces(photo, path, [])
    }


def _print_receipt(name: str, erased: Erased) -> None:
    others = [one for one in erased.names if one != name]
    written = f" (also as {', '.join(others)})" if others else ""
    click.echo(f"Forgotten  {name}{written}")
    click.echo(
        f"Erased     {counted(erased.faces, 'face')} on {counted(erased.photos, 'photo')}, "
        f"{counted(erased.vectors, 'embedding')}, {counted(erased.statements, 'statement')}, "
        f"the name in {counted(erased.lines, 'line')} of the log"
    )
    click.echo(
        f"Kept       {counted(erased.places, 'place')} on photos, as hashes without a name, that "
        "scans leave out"
    )
    click.echo("Log        says that somebody was forgotten, not who")
    click.echo("The library's file was written anew, so that nothing of the rest is left in it.")


def _tell_files(what: str, paths: list[str]) -> None:
    if paths:
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        note(f"{what}: {printable(paths[0])}{more}.")


COMMANDS = (forget,)
