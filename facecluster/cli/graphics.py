"""Pictures as text that a terminal shows: half blocks everywhere, true pixels where it can."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
from PIL import Image

__all__ = ["CELL", "GRAPHICS", "Graphics", "blocks", "detect", "iterm", "kitty", "sixel"]

Graphics = Literal["blocks", "kitty", "iterm", "sixel"]
GRAPHICS: tuple[str, ...] = get_args(Graphics)

# Pixels of one character cell that sixel pictures assume: what most terminals emulate.
CELL = (10, 20)
_KITTY_CHUNK = 4096
_SIXEL_COLOURS = 255


def detect(environment: Mapping[str, str] = os.environ) -> Graphics:
    """What this terminal shows, by the variables it sets; it is never asked, so it cannot hang."""
    term = environment.get("TERM", "")
    program = environment.get("TERM_PROGRAM", "")
    if environment.get("TMUX") or term.startswith(("screen", "tmux")):
        return "blocks"  # it swallows what it does not know
    if environment.get("KITTY_WINDOW_ID") or term in ("xterm-kitty", "xterm-ghostty"):
        return "kitty"
    if program in ("iTerm.app", "WezTerm") or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm"
    if term.startswith(("foot", "mlterm", "contour", "yaft")) or "sixel" in term:
        return "sixel"
    return "blocks"


def blocks(image: Image.Image, *, true_colour: bool = True) -> list[str]:
    """One line for two rows of pixels, each cell an upper half block in two colours."""
    paint = _true if true_colour else _of_256
    rows = np.asarray(image.convert("RGB")).astype(int).tolist()
    return [
        "".join(
            f"\x1b[38;{paint(*above)};48;{paint(*below)}m\u2580"
            for above, below in zip(upper, lower, strict=True)
        )
        + "\x1b[0m"
        for upper, lower in zip(rows[::2], rows[1::2], strict=False)
    ]


def _true(red: int, green: int, blue: int) -> str:
    return f"2;{red};{green};{blue}"


def _of_256(red: int, green: int, blue: int) -> str:
    """The nearest of the 6 x 6 x 6 cube, which every terminal of the last decades has."""
    levels = [
        0 if value < 48 else 1 if value < 115 else (value - 35) // 40
        for value in (red, green, blue)
    ]
    return f"5;{16 + 36 * levels[0] + 6 * levels[1] + levels[2]}"


def kitty(image: Image.Image, columns: int, rows: int) -> str:
    """kitty's protocol: a PNG over so many cells, in chunks; the cursor stays at its end."""
    data = base64.b64encode(_png(image)).decode("ascii")
    chunks = [data[at : at + _KITTY_CHUNK] for at in range(0, len(data), _KITTY_CHUNK)]
    head = f"a=T,f=100,q=2,c={columns},r={rows},"
    parts = []
    for place, chunk in enumerate(chunks):
        more = int(place + 1 < len(chunks))
        parts.append(f"\x1b_G{head if place == 0 else ''}m={more};{chunk}\x1b\\")
    return "".join(parts)


def iterm(image: Image.Image, columns: int, rows: int) -> str:
    """iTerm2's protocol: a PNG over so many cells."""
    png = _png(image)
    data = base64.b64encode(png).decode("ascii")
    return (
        f"\x1b]1337;File=inline=1;size={len(png)};width={columns};height={rows};"
        f"preserveAspectRatio=0:{data}\x07"
    )


def sixel(image: Image.Image) -> str:
    """DEC's sixels, in a palette made for this picture; what is transparent is left as it is."""
    width, height = image.size
    indexed = image.convert("RGB").quantize(_SIXEL_COLOURS)
    palette = np.array(indexed.getpalette(), dtype=int).reshape(-1, 3) * 100 // 255
    pixels = np.full((-(-height // 6) * 6, width), -1)
    pixels[:height] = np.asarray(indexed)
    if image.mode == "RGBA":
        pixels[:height][np.asarray(image)[:, :, 3] == 0] = -1
    out = [f'\x1bP0;1q"1;1;{width};{height}']
    for colour in np.unique(pixels[pixels >= 0]).tolist():
        red, green, blue = palette[colour].tolist()
        out.append(f"#{colour};2;{red};{green};{blue}")
    weights = 1 << np.arange(6)[:, None]
    for band in pixels.reshape(-1, 6, width):
        for colour in np.unique(band[band >= 0]).tolist():
            bits = 63 + ((band == colour) * weights).sum(axis=0)
            out.append(f"#{colour}{_repeated(bytes(bits.tolist()).decode('ascii'))}$")
        out.append("-")
    return "".join(out) + "\x1b\\"


def _repeated(letters: str) -> str:
    """Runs of more than three letters as !count and the letter."""
    out, start = [], 0
    for place in range(1, len(letters) + 1):
        if place == len(letters) or letters[place] != letters[start]:
            run = place - start
            out.append(f"!{run}{letters[start]}" if run > 3 else letters[start] * run)
            start = place
    return "".join(out)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
