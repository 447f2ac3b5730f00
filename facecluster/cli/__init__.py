"""The `facecluster` command: its jobs are in the modules beside this one; errors become exit codes
here.

0 done; 1 could not; 2 wrong usage; 3 done, but some photos could not be read; 130 interrupted.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any

import click

from facecluster.cli import (
    completing,
    correct,
    evaluate,
    exporting,
    find,
    forget,
    groups,
    importing,
    keep,
    models,
    people,
    review,
    scan,
    search,
    sheet,
    show,
    train,
    watch,
)
from facecluster.cli.options import database_option
from facecluster.cli.output import printable
from facecluster.errors import FaceclusterError

__all__ = ["main"]


class Program(click.Group):
    """A group of commands in which the package's errors are one sentence and an exit code."""

    def main(self, *words: Any, **more: Any) -> Any:
        """Run as a program; letters that the terminal cannot show are printed as escapes."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return super().main(*words, **more)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command named on the command line."""
        try:
            return super().invoke(ctx)
        except FaceclusterError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.exit_code)
        except OSError as error:
            if error.errno == errno.EPIPE:  # `| head` has read enough, which click knows
                raise
            where = f"{printable(error.filename)}: " if error.filename else ""
            if error.errno == errno.ENOENT and not where:  # as os.getcwd tells it
                where = "The folder you are in: "
            click.echo(f"Error: {where}{error.strerror or error}.", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            ctx.exit(130)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which a person meets them."""
        return list(self.commands)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="facecluster")
@database_option
@click.pass_context
def main(context: click.Context) -> None:
    """Find, group and name the people in your photos, on your own machine.

    \b
    Begin with:
      facecluster scan ~/Pictures      find the faces
      facecluster group                put those of one person together
      facecluster groups               see the groups, largest first
      facecluster name 1 "Alice"       say who group 1 is

    Photos are only read, unless you say export xmp --embed; nothing leaves this machine.
    """
    if os.environ.get("NO_COLOR"):
        context.color = False


JOBS = (scan, watch, groups, show, people, correct, review, sheet, find, search, exporting)
for module in (*JOBS, importing, keep, forget, completing, train, evaluate, models):
    for command in module.COMMANDS:
        main.add_command(command)
