"""The page in the browser on which the faces are named."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.network import calibration_of, library_model, threshold_for
from facecluster.cli.options import SQUARED_DISTANCE, examples, with_library
from facecluster.cli.output import hint, note
from facecluster.counted import counted
from facecluster.errors import FaceclusterError, LibraryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from facecluster.facenet.calibration import Calibration
    from facecluster.library import Library
    from facecluster.review import Review
    from facecluster.review.questions import Judge

__all__ = ["COMMANDS"]


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="The port.")
@click.option("--no-open", is_flag=True, help="Print the address only; open no browser.")
@click.option(
    "--threshold",
    type=SQUARED_DISTANCE,
    metavar="D2",
    help="Squared distance up to which suggestions are made [default: the network's].",
)
@examples("review", "review --no-open", "review --port 8800")
@with_library
def review(library: Library, port: int, no_open: bool, threshold: float | None) -> None:
    """Name the faces on a page in your browser, with the keyboard.

    Groups as grids of faces, suggestions, corrections, undo. The address holds a secret and works
    on this machine only; the page uses nothing from the network. Stop it with Ctrl+C: all that you
    said is kept.
    """
    chosen = library_model(library, None)
    if library.groupings.newest() is None:
        raise LibraryError("Nothing is grouped yet: run 'facecluster group' first.")

    def judge(network: str) -> tuple[float, Calibration | None]:
        limit = threshold_for(network, "identify") if threshold is None else threshold
        return limit, calibration_of(network)

    judge(chosen.name)  # what cannot be told is told before the page is open
    before = len(library.statements.log())
    page = _open_page(library, judge, port)
    click.echo(page.url)
    note("The page is at this address until you press Ctrl+C here.")
    with contextlib.nullcontext() if no_open or not _has_screen() else _in_browser(page.url):
        page.run()
    said = len(library.statements.log()) - before
    progress = library.overview.progress()
    note(
        f"{counted(said, 'statement')} made; "
        f"{progress.settled} of {counted(progress.faces, 'face')} settled."
    )
    hint("'facecluster log' lists what you said" if said else "'facecluster people'")


def _open_page(library: Library, judge: Judge, port: int) -> Review:
    try:
        from facecluster.review import Review
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn", "anyio"):
            raise
        raise FaceclusterError(
            "The page needs packages that are not installed: pip install 'facecluster[review]'."
        ) from error
    return Review(library.path, judge, port=port)


@contextlib.contextmanager
def _in_browser(address: str) -> Iterator[None]:
    """Open the address in the browser, by way of a file that only this user can read.

    Every user of the machine can read the command line of a browser, and the address is a secret.
    The file is there as long as the context.
    """
    import tempfile
    import webbrowser

    with contextlib.ExitStack() as stack:
        try:
            made = tempfile.TemporaryDirectory(prefix="facecluster-", ignore_cleanup_errors=True)
            leading = Path(stack.enter_context(made)) / "review.html"
            leading.touch(mode=0o600)
            leading.write_text(LEADING.format(address=address), encoding="utf-8")
            opened = webbrowser.open(leading.as_uri())
        except OSError:
            opened = False
        if opened:
            note("If your browser does not show it, open this address there yourself.")
        yield


LEADING = """\
<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}">
<title>facecluster review</title>
<p><a href="{address}">facecluster review</a></p>
"""


def _has_screen() -> bool:
    """Whether a browser would have a window; else it could only take over this terminal."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


COMMANDS = (review,)
