"""Keep folders in view, and say who is on the photos that arrive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.groups import group_faces
from facecluster.cli.network import default_network, open_analyzer
from facecluster.cli.options import NamedPath, check_there, examples, with_library
from facecluster.cli.output import hint, json_option, note, print_json_line, printable
from facecluster.cli.scan import look_at, tell_scan
from facecluster.counted import counted
from facecluster.errors import FaceclusterError, MissingRoot

if TYPE_CHECKING:
    from facecluster.analyzer import Analyzer
    from facecluster.library import Library
    from facecluster.watching import Arrival

__all__ = ["COMMANDS"]


@click.command()
@click.argument("paths", nargs=-1, required=True, type=NamedPath())
@json_option
@examples("watch ~/Pictures", "watch ~/Pictures /media/camera --json")
@with_library
def watch(library: Library, paths: tuple[Path, ...], as_json: bool) -> None:
    """Scan the folders PATHS, then every photo that arrives in them, and say who is on it.

    New faces are put into groups as 'group' does it; no face that you named is moved. --json prints
    a line for each photo. Stop it with Ctrl+C (exit code 130): what was found is kept. Needs
    pip install 'facecluster[watch]'.
    """
    try:
        from facecluster.watching import arrivals, changes
    except ModuleNotFoundError as error:
        if error.name != "watchfiles":
            raise
        raise FaceclusterError(
            "Watching needs a package that is not installed: pip install 'facecluster[watch]'."
        ) from error
    check_there(paths)
    analyzer = open_analyzer(default_network(library))
    count = 0
    try:
        for number, _ in enumerate(changes(paths)):
            if number == 0:
                _first_scan(library, paths, analyzer, as_json=as_json)
                continue
            chosen = default_network(library)
            if chosen != analyzer.embedder.name:  # by 'models use' meanwhile
                analyzer = open_analyzer(chosen)
            try:
                found = arrivals(library, paths, analyzer, lambda: _place(library))
            except MissingRoot as error:
                note(f"{error} Still watching.")
                continue
            for one in found:
                count += 1
                _tell(one, as_json=as_json)
    except KeyboardInterrupt:
        note(f"Stopped: {counted(count, 'photo')} arrived; all that was found is kept.")
        hint("'facecluster groups'")
        click.get_current_context().exit(130)


def _first_scan(
    library: Library, paths: tuple[Path, ...], analyzer: Analyzer, *, as_json: bool
) -> None:
    summary, seconds = look_at(library, paths, analyzer, allow_empty=False)
    if not as_json:
        tell_scan(summary, seconds)
    if summary.faces or library.groupings.newest() is None:
        _place(library)
    note("Watching until you press Ctrl+C.")


def _place(library: Library) -> None:
    """Group as 'group' does; when that would move a named face, everything stays."""
    try:
        group_faces(library)
    except FaceclusterError as error:
        note(f"Not grouped: {error}")


def _tell(one: Arrival, *, as_json: bool) -> None:
    if as_json:
        faces = [
            {"face": face.face, "group": face.group, "person": face.person} for face in one.faces
        ]
        print_json_line(
            {"message_type": "photo", "path": one.path, "faces": faces, "error": one.error}
        )
        return
    who = [face.person or f"group {face.group}" for face in one.faces if face.person or face.group]
    known = ", ".join(dict.fromkeys(who)) or "nobody known"
    path, told = printable(one.path), printable(one.error) if one.error else known
    # Most reasons begin with the path already.
    click.echo(told if told.startswith(path) else f"{path}: {told}")


COMMANDS = (watch,)
