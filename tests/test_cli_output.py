"""What reaches the screen: tables, JSON lines, colours, progress."""

import io
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from facecluster.cli import main
from facecluster.cli.output import Progress, print_json, print_rows, printable, quoted
from facecluster.evaluate import main_face
from facecluster.records import Box

Run = Callable[..., Result]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_shows_count_speed_and_time_left_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with Progress("photos") as bar:
        for done in range(1, 4):
            bar.show(done, 3)
    shown = terminal.getvalue()
    assert "3/3 photos" in shown
    assert "photos/s" in shown
    assert "0:00:00" in shown


def test_progress_is_silent_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("photos") as bar:
        bar.show(1, 2)
    assert capsys.readouterr() == ("", "")


def test_columns_line_up_under_wide_letters(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"person": "李雷", "faces": 12}, {"person": "Zoë", "faces": None}]
    print_rows(rows, "table", columns=["person", "faces"])
    assert capsys.readouterr().out == "person  faces\n李雷       12\nZoë         -\n"


def test_a_table_of_nothing_is_its_header(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([], "table", columns=["group", "faces"])
    assert capsys.readouterr().out == "group  faces\n"


@pytest.mark.parametrize("rows", [[], [{"a": 1}], [{"a": 1}, {"a": "Zoë \n"}]])
def test_json_lists_have_an_item_a_line(
    rows: list[dict[str, object]], capsys: pytest.CaptureFixture[str]
) -> None:
    print_json(rows)
    out = capsys.readouterr().out
    assert json.loads(out) == rows
    assert out.count("\n") == max(1, len(rows))


def test_json_is_ascii_where_the_terminal_knows_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    print_json({"person": "Zoë"})
    stream.flush()
    written = stream.buffer
    assert isinstance(written, io.BytesIO)
    assert json.loads(written.getvalue()) == {"person": "Zoë"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.999, "1.00"),
        ([1.4, 2.6], "1,3"),
        ("a\x1b[2Jb", "a�[2Jb"),
        ("\u0634\u0631\u200d\u0645\u200c", "\u0634\u0631\u200d\u0645\u200c"),
        (True, "yes"),
        (False, "-"),
    ],
)
def test_cells(value: object, text: str) -> None:
    assert printable(value) == text


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("1", False), ("", True)])
def test_no_color_is_respected(
    database: Path, monkeypatch: pytest.MonkeyPatch, no_color: str | None, coloured: bool
) -> None:
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    result = CliRunner().invoke(main, ["people"], color=True)
    assert ("\x1b[" in result.stdout) is coloured
    assert ("\x1b[" in result.stderr) is coloured


def test_the_main_face_is_large_and_near_the_middle() -> None:
    def face(x: float, y: float, side: float) -> Box:
        return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)

    middle, corner, speck = face(320, 240, 100), face(40, 40, 120), face(320, 240, 20)
    assert main_face((corner, middle, speck), 640, 480) == 1
    assert main_face((speck, corner), 640, 480) == 0
    assert main_face((corner,), 640, 480) == 0


@pytest.mark.parametrize(
    ("name", "argument"),
    [("Ann", '"Ann"'), ("Ann Lee", '"Ann Lee"'), ("A$b", "'A$b'"), ("-Ann", '-- "-Ann"')],
)
def test_names_in_hints_can_be_typed(name: str, argument: str) -> None:
    assert quoted(name) == argument
    assert shlex.split(argument)[-1] == name
