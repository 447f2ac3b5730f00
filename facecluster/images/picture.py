"""What reading gives: a photo's pixels, upright and reduced, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["LONGEST", "MAX_PIXELS", "UPRIGHT", "Picture"]

LONGEST = 1280

# More than any camera makes (phones: 200 million), and a decoded picture of it fits in 1 GB.
MAX_PIXELS = 300_000_000

# EXIF orientation -> what makes the stored picture upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """One photo, upright, at a reduced size.

    pixels is (H, W, 3) RGB; one of them spans scale x scale pixels of the full-size photo, which is
    width x height when upright. orientation is the EXIF value 1-8 of the stored file, taken_at an
    ISO 8601 local time or None.
    """

    pixels: NDArray[np.uint8]
    scale: float
    width: int
    height: int
    orientation: int
    taken_at: str | None
