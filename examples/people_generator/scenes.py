"""The places the drawn people stand in: soft landscapes and rooms, painted with gradients and
simple shapes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Pixels = NDArray[np.float32]
Colour = tuple[int, int, int]
Scene = Callable[[np.random.Generator, int, int], Image.Image]


def gradient(width: int, height: int, top: Colour, bottom: Colour) -> Image.Image:
    """A vertical gradient."""
    part = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    rows = np.array(top, np.float32) * (1 - part) + np.array(bottom, np.float32) * part
    return Image.fromarray(np.broadcast_to(rows, (height, width, 3)).round().astype(np.uint8))


def _vary(rng: np.random.Generator, colour: Colour, by: int = 14) -> Colour:
    r, g, b = np.clip(np.array(colour) + rng.integers(-by, by + 1, 3), 0, 255).tolist()
    return (r, g, b)


def _ridge(
    rng: np.random.Generator, width: int, level: float, rough: float
) -> list[tuple[float, float]]:
    x = np.linspace(0, width, 60)
    y = np.full(60, float(level))
    for wave in (1.3, 2.9, 6.1):
        y += rough / wave * np.sin(x / width * 2 * np.pi * wave + rng.uniform(0, 6.3))
    return [*zip(x.tolist(), y.tolist(), strict=True), (width, 1e5), (0, 1e5)]


def _leaves(
    rng: np.random.Generator,
    draw: ImageDraw.ImageDraw,
    x: float,
    y: float,
    size: float,
    base: Colour,
) -> None:
    for _ in range(70):
        dx, dy = rng.normal(0, 0.42, 2) * size
        r = size * rng.uniform(0.08, 0.22)
        draw.ellipse((x + dx - r, y + dy - r, x + dx + r, y + dy + r), _vary(rng, base, 22))


def meadow(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    image = gradient(width, height, _vary(rng, (120, 176, 226)), (236, 240, 232))
    draw = ImageDraw.Draw(image)
    for level, colour in ((0.5, (150, 182, 176)), (0.58, (122, 166, 122)), (0.68, (140, 180, 88))):
        draw.polygon(_ridge(rng, width, level * height, height * 0.06), _vary(rng, colour))
    for _ in range(4):
        x, y = rng.uniform(0, width), height * rng.uniform(0.5, 0.6)
        draw.rectangle((x - width * 0.006, y, x + width * 0.006, y + height * 0.14), (110, 86, 66))
        _leaves(rng, draw, x, y, height * rng.uniform(0.1, 0.16), (84, 136, 70))
    for _ in range(160):
        x, y, r = rng.uniform(0, width), height * rng.uniform(0.76, 1), height * 0.006
        petals = [(244, 226, 120), (240, 240, 240), (232, 130, 130)]
        draw.ellipse((x - r, y - r, x + r, y + r), petals[rng.integers(3)])
    return image


def beach(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    horizon = int(height * rng.uniform(0.42, 0.52))
    shore = int(height * 0.74)
    image = gradient(width, height, _vary(rng, (96, 168, 226)), (250, 236, 214))
    image.paste(
        gradient(width, shore - horizon, _vary(rng, (48, 122, 168)), (150, 206, 210)), (0, horizon)
    )
    draw = ImageDraw.Draw(image)
    draw.polygon(_ridge(rng, width, shore, height * 0.02), _vary(rng, (232, 212, 170)))
    for _ in range(50):
        x, y = rng.uniform(0, width), rng.uniform(horizon, shore)
        draw.line((x, y, x + width * 0.04, y), (196, 228, 232), max(1, height // 400))
    x, y, r = width * rng.uniform(0.1, 0.9), height * 0.16, height * 0.06
    draw.ellipse((x - r, y - r, x + r, y + r), (255, 246, 214))
    return image


def city(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    image = gradient(width, height, _vary(rng, (150, 172, 206)), (250, 222, 196))
    draw = ImageDraw.Draw(image)
    for depth, colour in ((0, (176, 178, 194)), (1, (136, 138, 160)), (2, (104, 104, 128))):
        x = -width * 0.05
        while x < width:
            w = width * rng.uniform(0.07, 0.14)
            top = height * rng.uniform(0.12 + 0.12 * depth, 0.42 + 0.1 * depth)
            draw.rectangle((x, top, x + w, height), _vary(rng, colour, 8))
            step = w / 5
            for row in np.arange(top + step, height, step * 1.5).tolist():
                for column in range(1, 5):
                    if rng.random() < 0.45:
                        u = x + column * step
                        lit = (250, 226, 160) if rng.random() < 0.6 else _vary(rng, (90, 98, 124))
                        draw.rectangle(
                            (u - step * 0.28, row, u + step * 0.28, row + step * 0.8), lit
                        )
            x += w * rng.uniform(1.0, 1.25)
    return image


def room(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    walls = [(216, 202, 180), (188, 206, 204), (222, 194, 178), (200, 196, 216)]
    wall = _vary(rng, walls[rng.integers(4)])
    image = gradient(width, height, wall, _vary(rng, wall, 6))
    draw = ImageDraw.Draw(image)
    x0, x1 = width * 0.06, width * rng.uniform(0.3, 0.4)
    draw.rectangle((x0, height * 0.06, x1, height * 0.56), (248, 246, 240))
    pane = gradient(
        int(x1 - x0 - 0.03 * width), int(height * 0.45), (158, 200, 236), (226, 238, 222)
    )
    image.paste(pane, (int(x0 + 0.015 * width), int(height * 0.085)))
    draw.rectangle(
        (
            (x0 + x1) / 2 - width * 0.005,
            height * 0.06,
            (x0 + x1) / 2 + width * 0.005,
            height * 0.56,
        ),
        (248, 246, 240),
    )
    for row in range(2):
        y = height * (0.24 + 0.2 * row)
        x = width * 0.66
        while x < width * 0.95:
            w = width * rng.uniform(0.012, 0.026)
            tall = height * rng.uniform(0.09, 0.14)
            draw.rectangle((x, y - tall, x + w, y), _vary(rng, (150, 110, 100), 60))
            x += w * 1.05
        draw.rectangle((width * 0.64, y, width * 0.97, y + height * 0.018), (134, 98, 70))
    sofa = _vary(rng, (110, 130, 140), 40)
    draw.rounded_rectangle(
        (-width * 0.1, height * 0.7, width * 1.1, height * 1.3), height * 0.08, sofa
    )
    return image


def kitchen(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    image = gradient(width, height, (240, 236, 226), (222, 220, 210))
    draw = ImageDraw.Draw(image)
    tile, base = height / 12, _vary(rng, (170, 202, 200), 24)
    for row in range(4):
        for column in range(int(width / tile) + 1):
            x, y = column * tile, height * 0.34 + row * tile
            draw.rectangle((x + 1, y + 1, x + tile - 2, y + tile - 2), _vary(rng, base, 6))
    front = _vary(rng, (196, 160, 120), 24)
    for column in range(6):
        x = width / 6 * column
        draw.rectangle((x + 4, 0, x + width / 6 - 4, height * 0.26), front)
        draw.rectangle((x + 4, height * 0.76, x + width / 6 - 4, height), front)
        draw.ellipse(
            (x + width / 12 - 5, height * 0.22, x + width / 12 + 5, height * 0.22 + 10),
            (90, 80, 76),
        )
    draw.rectangle((0, height * 0.7, width, height * 0.75), (120, 104, 96))
    x = width * rng.uniform(0.06, 0.14)
    draw.polygon(
        [
            (x, height * 0.58),
            (x + width * 0.06, height * 0.58),
            (x + width * 0.05, height * 0.7),
            (x + width * 0.01, height * 0.7),
        ],
        (188, 112, 84),
    )
    _leaves(rng, draw, x + width * 0.03, height * 0.52, height * 0.09, (84, 140, 80))
    return image


def party(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    image = gradient(width, height, _vary(rng, (52, 44, 84)), _vary(rng, (132, 84, 96)))
    glow = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(glow)
    for _ in range(46):
        x, y, r = (
            rng.uniform(0, width),
            height * rng.uniform(0, 0.8),
            height * rng.uniform(0.015, 0.05),
        )
        draw.ellipse((x - r, y - r, x + r, y + r), _vary(rng, (120, 88, 54), 44))
    mixed = np.asarray(image, np.float32) + np.asarray(
        glow.filter(ImageFilter.GaussianBlur(2)), np.float32
    )
    image = Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for column in range(14):
        x = width * (column + 0.5) / 14
        y = height * (0.1 + 0.05 * np.sin(column * 1.4))
        flags = [(226, 96, 92), (244, 196, 90), (110, 178, 160), (120, 140, 214)]
        draw.polygon(
            [(x - width / 34, y), (x + width / 34, y), (x, y + height * 0.07)], flags[column % 4]
        )
    return image


def garden(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    image = gradient(width, height, (206, 226, 206), (112, 152, 92))
    draw = ImageDraw.Draw(image)
    for _ in range(38):
        x, y = rng.uniform(0, width), height * rng.uniform(0.1, 1.0)
        _leaves(rng, draw, x, y, height * 0.1, _vary(rng, (96, 146, 84), 26))
    for _ in range(70):
        x, y, r = (
            rng.uniform(0, width),
            height * rng.uniform(0.25, 1),
            height * rng.uniform(0.008, 0.018),
        )
        draw.ellipse((x - r, y - r, x + r, y + r), _vary(rng, (232, 132, 150), 40))
    return image


def snow(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    image = gradient(width, height, _vary(rng, (168, 194, 222)), (240, 240, 246))
    draw = ImageDraw.Draw(image)
    draw.polygon(_ridge(rng, width, height * 0.45, height * 0.14), (196, 210, 228))
    draw.polygon(_ridge(rng, width, height * 0.62, height * 0.05), (240, 244, 250))
    for _ in range(9):
        x, y, s = (
            rng.uniform(0, width),
            height * rng.uniform(0.58, 0.7),
            height * rng.uniform(0.08, 0.16),
        )
        for level in range(3):
            top, wide = y - s * (2.2 - 0.6 * level), s * (0.34 + 0.14 * level)
            draw.polygon(
                [(x, top), (x - wide, top + s * 0.9), (x + wide, top + s * 0.9)],
                _vary(rng, (70, 112, 98), 10),
            )
    for _ in range(220):
        x, y, r = rng.uniform(0, width), rng.uniform(0, height), height * rng.uniform(0.002, 0.006)
        draw.ellipse((x - r, y - r, x + r, y + r), (252, 252, 255))
    return image


def studio(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    tones = [(124, 144, 160), (168, 140, 130), (130, 150, 130), (160, 150, 176)]
    base = np.array(_vary(rng, tones[rng.integers(4)]), np.float32)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    far = np.hypot((x - width * 0.5) / width, (y - height * 0.4) / height)
    paint = base * (1.25 - 0.7 * far)[:, :, None]
    return Image.fromarray(np.clip(paint, 0, 255).astype(np.uint8))


SCENES: dict[str, Scene] = {
    "meadow": meadow,
    "beach": beach,
    "city": city,
    "room": room,
    "kitchen": kitchen,
    "party": party,
    "garden": garden,
    "snow": snow,
    "studio": studio,
}


def backdrop(name: str, rng: np.random.Generator, width: int, height: int) -> Pixels:
    """(H, W, 3) colours of a scene a little out of focus, as behind a portrait."""
    image = SCENES[name](rng, width, height)
    blurred = image.filter(ImageFilter.GaussianBlur(height / 260))
    colours: Pixels = np.array(blurred, dtype=np.float32)
    return colours


def finish(canvas: Pixels, rng: np.random.Generator) -> Image.Image:
    """The photo's own colour, light, paper grain and noise."""
    height, width = canvas.shape[:2]
    gain = rng.uniform(0.92, 1.06) * (1 + rng.normal(0, 0.02, 3))
    image = canvas * gain.astype(np.float32) + rng.uniform(-6, 6)
    grain = rng.normal(0, 1, (height // 2 + 1, width // 2 + 1)).astype(np.float32)
    soft = Image.fromarray(grain).resize((width, height), Image.Resampling.BILINEAR)
    image += rng.uniform(1.0, 2.2) * np.asarray(soft)[:, :, None]
    return Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
