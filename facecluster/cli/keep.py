"""Keep a copy of the library, and put one back."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

import click

from facecluster.cli.options import database_option, database_path, ended_tidily, examples
from facecluster.cli.output import hint, json_option, note, print_json
from facecluster.counted import counted
from facecluster.errors import LibraryError

__all__ = ["COMMANDS"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Write over FILE when it is there already.")
@click.option("--restore", "put_back", is_flag=True, help="Make FILE the library again.")
@json_option
@database_option
@examples(
    "backup ~/faces.backup",
    "backup /media/disk/faces.backup --force",
    "backup ~/faces.backup --restore",
)
def backup(file: Path, force: bool, put_back: bool, as_json: bool) -> None:
    """Copy the library to FILE: all that was found and all that you said.

    It may be in use meanwhile. The copy is checked, and only you may read it. --restore puts FILE
    in the library's place; the present library is renamed, never deleted.
    """
    from facecluster.library.copying import back_up, restore

    library, file = database_path(), file.absolute()
    aside = None
    if not put_back and not library.is_file():
        raise LibraryError(
            f"There is no library at {library} yet: make one with 'facecluster scan PATH'."
        )
    with ended_tidily():
        if put_back:
            done, aside = restore(file, library)
        else:
            done = back_up(library, file, force=force)
    if as_json:
        kept = {"kept_aside": str(aside) if aside else None} if put_back else {}
        print_json({**dataclasses.asdict(done), **kept})
        return
    holds = (
        f"{counted(done.faces, 'face')}, {counted(done.people, 'name')}, "
        f"{counted(done.actions, 'statement')} in its log"
    )
    if not put_back:
        click.echo(f"{done.path} holds {holds} ({done.bytes / 1e6:.1f} MB), checked.")
        hint(f"'facecluster backup {shlex.quote(str(file))} --restore' puts it back")
        return
    click.echo(f"{done.path} is the backup now: {holds}.")
    if aside:
        note(f"The library before is kept: {aside}")
        back = f"facecluster backup {shlex.quote(str(aside))} --restore"
        hint(f"'facecluster status'; '{back}' takes this back")
    else:
        hint("'facecluster status'")


COMMANDS = (backup,)
