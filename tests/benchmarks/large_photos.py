"""Photos of 12 megapixels for benchmarks, from small ones: 0 to 5 pasted on a grainy canvas."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 4000, 3000
COLUMNS, ROWS = 3, 2


def make_large_photos(folder: Path, count: int, sources: Sequence[Path], seed: int = 0) -> None:
    """Write `count` JPEGs of about 3 MB; each pasted photo comes out 350 to 1,300 pixels long."""
    chance, generator = random.Random(seed), np.random.default_rng(seed)
    cell = SIZE[0] // COLUMNS, SIZE[1] // ROWS
    for number in range(count):
        canvas = _canvas(generator)
        places = [(x, y) for x in range(COLUMNS) for y in range(ROWS)]
        for x, y in chance.sample(places, chance.randint(0, 5)):
            with Image.open(chance.choice(sources)) as source:
                picture = source.convert("RGB")
            share = chance.uniform(350, 1300) / max(picture.size)
            picture = picture.resize(
                (int(picture.width * share), int(picture.height * share)), Image.Resampling.LANCZOS
            )
            left = x * cell[0] + chance.randint(0, cell[0] - picture.width)
            top = y * cell[1] + chance.randint(0, cell[1] - picture.height)
            canvas.paste(picture, (left, top))
        canvas.save(folder / f"{number:03}.jpg", quality=90)


def _canvas(generator: np.random.Generator) -> Image.Image:
    """Soft colours with the grain of a sensor, so that it decodes as slowly as a photo."""
    colours = generator.integers(40, 216, (12, 16, 3), dtype=np.uint8)
    soft = Image.fromarray(colours).resize(SIZE, Image.Resampling.BICUBIC)
    grain = generator.normal(0, 5, (SIZE[1], SIZE[0], 1)).astype(np.int16)
    return Image.fromarray(np.clip(np.asarray(soft) + grain, 0, 255).astype(np.uint8))
