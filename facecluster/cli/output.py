"""What a command prints: data on stdout as a table, JSON or CSV; progress and hints on stderr."""

from __future__ import annotations

import csv
import json
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeVar

import click

if TYPE_CHECKING:
    import rich.progress

__all__ = [
    "Form",
    "Progress",
    "form_options",
    "hint",
    "json_option",
    "note",
    "print_json",
    "print_json_line",
    "print_rows",
    "printable",
    "probability_text",
    "quoted",
]

Form = Literal["table", "json", "csv"]
Value = object
Row = Mapping[str, Value]
Decorated = TypeVar("Decorated", bound=Callable[..., object])


def json_option(command: Decorated) -> Decorated:
    """The `--json` switch, as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def form_options(command: Decorated) -> Decorated:
    """The `--json` and `--csv` switches, as one argument `form`."""
    command = click.option("--csv", "form", flag_value="csv", help="Print CSV.")(command)
    return click.option("--json", "form", flag_value="json", default="table", help="Print JSON.")(
        command
    )


def note(text: str) -> None:
    """Say something to the person at the terminal, apart from the data."""
    click.echo(text, err=True)


def hint(text: str) -> None:
    """Say what can be done next."""
    click.secho(f"Next: {text}", err=True, dim=True)


def print_json(value: Value) -> None:
    """Print one JSON document; a list has one item a line, so that line tools can read it."""
    # a terminal that cannot show every letter gets escapes, which are the same JSON
    ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
    if not isinstance(value, (list, tuple)):
        click.echo(json.dumps(value, ensure_ascii=ascii_only, indent=2))
        return
    lines = [json.dumps(item, ensure_ascii=ascii_only) for item in value]
    click.echo("[" + ",\n ".join(lines) + "]")


def print_json_line(value: Row) -> None:
    """Print one JSON object on one line, at once: somebody may be reading along."""
    click.echo(json.dumps(value))
    sys.stdout.flush()


def print_rows(rows: Sequence[Row], form: Form, *, columns: Sequence[str]) -> None:
    """Print rows with these columns, in order, in the form asked for."""
    if form == "json":
        print_json([{column: row[column] for column in columns} for row in rows])
    elif form == "csv":
        _print_csv(rows, columns)
    else:
        _print_table(rows, columns)


def _print_csv(rows: Sequence[Row], columns: Sequence[str]) -> None:
    lines = csv.writer(sys.stdout, lineterminator="\n")
    lines.writerow(name for column in columns for name in _flat_names(column))
    for row in rows:
        lines.writerow(value for column in columns for value in _flat_values(row[column]))


def _flat_names(column: str) -> list[str]:
    return ["x0", "y0", "x1", "y1"] if column == "box" else [column]


def _flat_values(value: Value) -> list[Value]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _print_table(rows: Sequence[Row], columns: Sequence[str]) -> None:
    cells = [[_cell(column, row[column]) for column in columns] for row in rows]
    numeric = [
        all(isinstance(row[column], (int, float, type(None))) for row in rows) for column in columns
    ]
    from rich.cells import cell_len  # wide letters take two places

    widths = [
        max(cell_len(text) for text in (name, *(line[place] for line in cells)))
        for place, name in enumerate(columns)
    ]

    def lay_out(line: Sequence[str]) -> str:
        padded = [
            " " * (width - cell_len(text)) + text
            if right
            else text + " " * (width - cell_len(text))
            for text, width, right in zip(line, widths, numeric, strict=True)
        ]
        return "  ".join(padded).rstrip()

    click.secho(lay_out(columns), bold=True)
    for line in cells:
        click.echo(lay_out(line))


def printable(value: Value) -> str:
    """The value as a cell of a table: nothing for None, no control characters from file names."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "-"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, (list, tuple)):
        return ",".join(f"{number:.0f}" for number in value)
    # Without its joiners (see library/names.py) a name of some languages is misspelt.
    return "".join(
        letter if letter.isprintable() or letter in "\u200c\u200d" else "\ufffd"
        for letter in str(value)
    )


def _cell(column: str, value: Value) -> str:
    if column == "probability" and isinstance(value, float):
        return probability_text(value)
    return printable(value)


def probability_text(probability: float) -> str:
    """A probability for a person to read; never certainty, which no calibration shows."""
    return ">.99" if probability > 0.99 else "<.01" if probability < 0.01 else f"{probability:.2f}"


def quoted(name: str) -> str:
    """The name as an argument inside a command that a hint puts into single quotes."""
    word = shlex.quote(name) if set(name) & set('"$`\\!') else f'"{name}"'
    return f"-- {word}" if name.startswith("-") else word  # else it would be an option


class Progress:
    """A progress bar on stderr for a person who watches; silent when stderr is no terminal.

    Shows what is done of the whole, how many `unit` a second, and the time left.
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._bar: rich.progress.Progress | None = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            self._bar = self._make_bar()
            self._bar.start()
            self._task = self._bar.add_task("", total=None, speed="", left="-:--:--")
        self._began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, done: float, total: float, *, seconds_left: float | None = None) -> None:
        """So much is done of so much; without seconds_left it is told by the speed until now."""
        if self._bar:
            elapsed = max(time.monotonic() - self._began, 1e-3)
            text = f"{done:.0f}/{total:.0f} {self._unit}  {done / elapsed:.1f} {self._unit}/s"
            if seconds_left is None and done:
                seconds_left = elapsed * (total - done) / done
            left = "-:--:--" if seconds_left is None else str(timedelta(seconds=int(seconds_left)))
            self._bar.update(self._task, completed=done, total=total, speed=text, left=left)

    @staticmethod
    def _make_bar() -> rich.progress.Progress:
        import rich.console
        import rich.progress

        return rich.progress.Progress(
            rich.progress.BarColumn(),
            rich.progress.TextColumn("{task.fields[speed]}", markup=False),
            rich.progress.TextColumn("{task.fields[left]}", style="cyan", markup=False),
            console=rich.console.Console(stderr=True),
            redirect_stdout=False,
            redirect_stderr=False,
        )
