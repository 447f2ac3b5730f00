"""Faces in the terminal: every protocol is read back to the pixels it was made of."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facecluster.cli import graphics
from facecluster.library import Library
from facecluster.people import name_group

from .conftest import Run


def picture(width: int = 12, height: int = 8) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x * 20, y * 30, np.full_like(x, 90)], axis=2).astype(np.uint8))


def test_blocks_hold_two_rows_a_line() -> None:
    lines = graphics.blocks(picture())
    assert len(lines) == 4
    cells = re.findall(r"38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀", "".join(lines))
    colours = np.array(cells, dtype=int).reshape(4, 12, 2, 3)
    wanted = np.asarray(picture()).reshape(4, 2, 12, 3).transpose(0, 2, 1, 3)
    assert (colours == wanted).all()
    assert all(line.endswith("\x1b[0m") for line in lines)


def test_without_true_colour_the_nearest_of_256() -> None:
    line = graphics.blocks(Image.new("RGB", (1, 2), (255, 0, 135)), true_colour=False)[0]
    assert line == "\x1b[38;5;198;48;5;198m▀\x1b[0m"


def test_kitty_sends_a_png_in_chunks() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    text = graphics.kitty(image, 9, 4)
    chunks = re.findall(r"\x1b_G(.*?);(.*?)\x1b\\", text)
    assert len(chunks) > 2
    assert chunks[0][0] == "a=T,f=100,q=2,c=9,r=4,m=1"
    assert [head for head, _ in chunks[1:]] == ["m=1"] * (len(chunks) - 2) + ["m=0"]
    assert max(len(data) for _, data in chunks) <= 4096
    with Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in chunks)))) as back:
        assert (np.asarray(back) == noise).all()


def test_iterm_sends_a_png() -> None:
    text = graphics.iterm(picture(), 6, 2)
    found = re.fullmatch(r"\x1b\]1337;File=inline=1;size=(\d+);(.*?):(.*)\x07", text)
    assert found and found[2] == "width=6;height=2;preserveAspectRatio=0"
    png = base64.b64decode(found[3])
    assert len(png) == int(found[1])
    with Image.open(io.BytesIO(png)) as back:
        assert (np.asarray(back) == np.asarray(picture())).all()


def drawn(text: str) -> np.ndarray:
    """What a terminal makes of sixels: (H, W, 3) percent, -1 where nothing was drawn."""
    head = re.match(r'\x1bP0;1q"1;1;(\d+);(\d+)', text)
    assert head and text.endswith("\x1b\\")
    width, height = int(head[1]), int(head[2])
    canvas = np.full((height + 6, width, 3), -1)
    colours, colour, x, top = {}, 0, 0, 0
    for number, rgb, count, run, one, move in re.findall(
        r"#(\d+)(;2;\d+;\d+;\d+)?|!(\d+)([?-~])|([?-~])|([$-])", text[head.end() : -2]
    ):
        if rgb:
            colours[int(number)] = [int(value) for value in rgb.split(";")[2:]]
        elif number:
            colour = int(number)
        elif move == "$":
            x = 0
        elif move:
            x, top = 0, top + 6
        else:
            for row in range(6):
                if (ord(run or one) - 63) >> row & 1:
                    canvas[top + row, x : x + int(count or 1)] = colours[colour]
            x += int(count or 1)
    return canvas[:height]


@pytest.mark.parametrize("height", [6, 8, 13])
def test_sixels_are_the_picture_again(height: int) -> None:
    image = picture(12, height).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 3, 2))
    canvas = drawn(graphics.sixel(image))
    assert (canvas[:2, :3] == -1).all()
    shown = (canvas >= 0).all(axis=2)
    assert shown.sum() == 12 * height - 6
    error = np.abs(canvas * 2.55 - np.asarray(image)[:, :, :3])[shown]
    assert error.max() < 8


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({}, "blocks"),
        ({"TERM": "xterm-256color"}, "blocks"),
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"KITTY_WINDOW_ID": "1", "TERM": "xterm-256color"}, "kitty"),
        ({"KITTY_WINDOW_ID": "1", "TERM": "tmux-256color"}, "blocks"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "foot"}, "sixel"),
    ],
)
def test_the_terminal_is_known_by_its_variables(environment: dict[str, str], kind: str) -> None:
    assert graphics.detect(environment) == kind


def test_without_a_terminal_the_faces_are_listed(grouped: Path, run: Run) -> None:
    done = run("show", 2, "--limit", 3)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0].split() == ["face", "date", "person", "path"]
    assert len(done.stdout.splitlines()) == 4
    assert done.stderr == "1 more: --limit 4\nNext: 'facecluster name 2 NAME'\n"
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("kind", "mark"), [("kitty", "\x1b_G"), ("iterm", "\x1b]1337"), ("sixel", "\x1bP0")]
)
def test_a_kind_can_be_asked_for(grouped: Path, run: Run, kind: str, mark: str) -> None:
    done = run("show", 3, "--graphics", kind)
    assert done.stdout.count(mark) == 1  # all three beside each other


def test_blocks_come_with_number_and_file(
    grouped: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "47")  # two beside each other
    monkeypatch.setenv("COLORTERM", "truecolor")
    with Library.open(grouped) as library:
        name_group(library, 3, "Cid", command="t")
        faces = library.faces(group=3)
    done = run("show", "cid", "--graphics", "blocks")
    lines = done.stdout.splitlines()
    assert len(lines) == 2 * (11 + 2 + 1)
    assert lines[0].count("▀") == 44
    text = re.sub(r"\x1b\[[\d;]*m", "", done.stdout)
    for one in faces:
        assert re.search(rf"(^|  ){one.face}\b", text, re.M)
        assert Path(one.path).name in text
    assert "\x1b[38;2;0;0;254;48;2;0;0;254m" in lines[0]
    assert """Next: 'facecluster find "Cid"'; 'facecluster reject FACE'""" in done.stderr
    listed = json.loads(run("show", "cid", "--json").stdout)
    assert {one["face"] for one in listed} == {one.face for one in faces}


def test_a_long_file_name_is_cut_in_its_middle() -> None:
    from facecluster.cli.show import _fitted

    assert _fitted("a" * 30 + "b" * 5 + ".jpg") == "a" * 13 + "…" + "bbbb.jpg"
    assert _fitted("short") == "short".ljust(22)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Say what to show"),
        (("2", "--face", 1), "Say what to show"),
        (("99",), "There is no group 99"),
        (("--face", 99), "There is no face 99"),
        (("nobody",), "nobody"),
    ],
)
def test_what_is_not_there_is_one_sentence(
    grouped: Path, run: Run, words: tuple[object, ...], sentence: str
) -> None:
    done = run("show", *words)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_faces_by_number_and_a_photo_that_is_gone(grouped: Path, run: Run) -> None:
    grey = "\x1b[38;5;102;48;5;102m"
    with Library.open(grouped) as library:
        path = Path(library.faces()[0].path)
    words = ("show", "--face", 3, "--face", 1, "--graphics", "blocks")
    assert grey not in run(*words).stdout
    path.unlink()
    done = run(*words)
    assert done.exit_code == 0
    assert done.stdout.count(grey) == 22 * 11
