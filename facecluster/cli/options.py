"""Options and decorators that several commands share; the library is opened here, when it is
needed."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from facecluster.cli.output import printable
from facecluster.errors import LibraryError, MissingRoot, UsageError

if TYPE_CHECKING:
    from facecluster.library import Library

__all__ = [
    "SQUARED_DISTANCE",
    "NamedPath",
    "NumberRange",
    "check_plot",
    "check_there",
    "database_option",
    "database_path",
    "ended_tidily",
    "examples",
    "group_number",
    "with_library",
    "write_plot",
]

P = ParamSpec("P")
R = TypeVar("R")
Decorated = TypeVar("Decorated", bound=Callable[..., object])
_KEY = "facecluster.database"
_DIGITS = 18  # of the largest number that surely fits into SQLite


class NumberRange(click.FloatRange):
    """A range that has no room for nan, which is neither below nor above anything."""

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number; click's own sentence for one out of the range."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{number} is not in the range {self._describe_range()}.", param, ctx)
        return number


class NamedPath(click.Path):
    """A path that is no empty word: an unset variable of a script is not the folder one is in.

    Whether it may be read tells who reads it: that is no wrong usage.
    """

    def __init__(self, *, file_okay: bool = True) -> None:
        super().__init__(path_type=Path, file_okay=file_okay, readable=False)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """The path as click gives it."""
        if not os.fspath(value):
            self.fail("An empty word is no path: write . for the folder you are in.", param, ctx)
        return super().convert(value, param, ctx)


def group_number(word: str) -> int | None:
    """The word as a group's number, None when it is a person's name; UsageError beyond any."""
    if not word.isdecimal():
        return None
    if len(word) > _DIGITS:  # Python itself refuses to read one of thousands
        raise UsageError("A number is larger than any in a library: correct it.")
    return int(word)


SQUARED_DISTANCE = NumberRange(0, 4)  # of unit vectors


def check_plot(plot: Path | None) -> None:
    """Refuse, before any work, to draw a curve where none can be written."""
    if plot and plot.suffix.lower() != ".svg":
        raise UsageError(f"{plot} is no .svg: curves are drawn as SVG.")
    if plot and not plot.parent.is_dir():
        raise UsageError(f"{plot} cannot be written: {plot.parent} is no folder.")


def write_plot(plot: Path, svg: str) -> None:
    """Write a curve where `check_plot` found that one can be written."""
    try:
        plot.write_text(svg, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{plot} cannot be written: {error.strerror}.") from error


def _remember(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    # meta is one dictionary for a command and its group: --db may stand before or after the name
    if path is not None:
        context.meta[_KEY] = path


def database_option(command: Decorated) -> Decorated:
    """The `--db` option; its value is read by `database_path`."""
    return click.option(
        "--db",
        type=click.Path(dir_okay=False, path_type=Path),
        expose_value=False,
        callback=_remember,
        help="The library's file [default: $FACECLUSTER_DB, else the one of 'status'].",
    )(command)


def database_path(context: click.Context | None = None) -> Path:
    """Where the library is: --db, else FACECLUSTER_DB, else the platform's place for a user's
    data."""
    chosen = (context or click.get_current_context()).meta.get(_KEY) or os.environ.get(
        "FACECLUSTER_DB"
    )
    if chosen:  # no shell knows the ~ of --db=~/library.sqlite, or one in a settings file
        return Path(os.path.expanduser(chosen)).absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("facecluster", appauthor=False)) / "library.sqlite"


def with_library(command: Callable[Concatenate[Library, P], R]) -> Callable[P, R]:
    """Give the command the library as its first argument, opened when the command runs.

    Asking for help or giving a wrong option opens nothing. Only scan and watch make a new library,
    of folders that are there.
    """

    @database_option
    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        from facecluster.library import Library

        path = database_path()
        if not path.is_file():
            if click.get_current_context().command.name not in ("scan", "watch"):
                raise LibraryError(
                    f"There is no library at {path} yet: make one with 'facecluster scan PATH'."
                )
            check_there(click.get_current_context().params["paths"])
        with ended_tidily(), Library.open(path) as library:
            return command(library, *args, **kwargs)

    return run


@contextlib.contextmanager
def ended_tidily() -> Iterator[None]:
    """Inside, a request to end, or a terminal that is closed, ends the program as an error does.

    At once, as else, it would leave half-written copies of the library or of faces behind.
    """
    codes: list[int] = []

    def end(number: int, _: object) -> None:
        codes.append(128 + number)  # as a shell tells it of a program that ended at once
        sys.exit(codes[0])

    with contextlib.ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():  # only there Python is told
            for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
                if signal.getsignal(number) is signal.SIG_DFL:
                    signal.signal(number, end)
                    stack.callback(signal.signal, number, signal.SIG_DFL)
        try:
            yield
        finally:
            if codes:  # also where watchfiles makes a Ctrl+C of it
                sys.exit(codes[0])


def check_there(paths: Sequence[Path]) -> None:
    """MissingRoot for the first that is not there or may not be read."""
    for path in paths:
        if not os.access(path, os.R_OK):
            raise MissingRoot(f"{printable(path)} is not there or may not be read.")


def examples(*lines: str) -> Callable[[Decorated], Decorated]:
    """Add example command lines to the end of the command's help."""

    def add(command: Decorated) -> Decorated:
        # \b keeps click from re-wrapping the paragraph
        block = "\n".join(["\b", "Examples:", *(f"  facecluster {line}" for line in lines)])
        command.__doc__ = f"{inspect.cleandoc(command.__doc__ or '')}\n\n{block}\n"
        return command

    return add
