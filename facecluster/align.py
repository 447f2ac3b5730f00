"""Five landmarks to an aligned crop: the eyes, nose and mouth always at the same pixels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["TEMPLATE", "TEMPLATE_SIZE", "crop", "similarity"]

TEMPLATE_SIZE = 112

# The five points on which most public face networks are trained (ArcFace's, of a 112 x 112 crop):
# left eye, right eye, nose, left and right mouth corner, as seen in the picture.
TEMPLATE: NDArray[np.float64] = np.array(
    [[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]]
)


def similarity(
    landmarks: NDArray[np.floating], size: int, margin: float = 0.0
) -> NDArray[np.float64]:
    """The (2, 3) matrix that takes points of the picture to the crop: turn, one scale, shift.

    It is the least-squares fit of the (5, 2) landmarks to the template, never a mirror image.
    The crop is size x size and shows the template with margin more of its 112 pixels on each side.
    Points are pixel centres: (0, 0) is the middle of the first pixel. Landmarks that all coincide
    fix no scale: ValueError.
    """
    zoom = size / (TEMPLATE_SIZE + 2 * margin)
    target = (TEMPLATE + margin + 0.5) * zoom - 0.5
    # A similarity is one complex product and sum: w = a z + b.
    z = np.asarray(landmarks, dtype=np.float64) @ np.array([1, 1j])
    w = target @ np.array([1, 1j])
    z_mean, w_mean = z.mean(), w.mean()
    spread = float(np.sum(np.abs(z - z_mean) ** 2))
    if not (spread > 0 and math.isfinite(spread)):
        raise ValueError("the landmarks must be five finite points that are not all the same")
    a = np.vdot(z - z_mean, w - w_mean) / spread
    b = w_mean - a * z_mean
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def crop(
    pixels: NDArray[np.uint8], landmarks: NDArray[np.floating], size: int, margin: float = 0.0
) -> NDArray[np.uint8]:
    """The aligned face, (size, size, 3), with black where the picture ends.

    pixels is (H, W, 3), landmarks are (5, 2) in these pixels; size and margin as in `similarity`.
    A face larger than the crop is averaged down, not sampled, so that its texture does not alias.
    The cost grows with the face's area in the picture, not with the picture's.
    """
    forward = similarity(landmarks, size, margin)
    inverse = np.linalg.inv(np.vstack([forward, [0, 0, 1]]))[:2]
    # From pixel centres to Pillow's continuous coordinates, where the first pixel spans 0 to 1.
    inverse[:, 2] += 0.5 - inverse[:, :2] @ [0.5, 0.5]
    region, x0, y0 = _region(pixels, inverse, size)
    if region.size == 0:
        return np.zeros((size, size, 3), dtype=np.uint8)
    step = math.hypot(inverse[0, 0], inverse[1, 0])
    factor = max(1, int(step))
    image = Image.fromarray(region)
    if factor > 1:
        image = image.reduce(factor)
    # After a whole-number reduction one crop pixel still spans up to two: sample at half steps.
    finer = 2 if step > 1 else 1
    inverse[:, 2] -= [x0, y0]
    inverse[:, 2] /= factor
    inverse[:, :2] /= factor * finer
    warped = image.transform(
        (size * finer, size * finer),
        Image.Transform.AFFINE,
        tuple(inverse.ravel()),
        Image.Resampling.BILINEAR,
    )
    if finer > 1:
        warped = warped.reduce(finer)
    return np.array(warped)


def _region(
    pixels: NDArray[np.uint8], inverse: NDArray[np.float64], size: int
) -> tuple[NDArray[np.uint8], int, int]:
    """The part of the picture that the crop shows, two crop pixels wider, and where it begins."""
    corners = np.array([[-2, -2], [size + 2, -2], [-2, size + 2], [size + 2, size + 2]])
    corners = corners @ inverse[:, :2].T + inverse[:, 2]
    height, width = pixels.shape[:2]
    x0, y0 = np.clip(np.floor(corners.min(axis=0)), 0, [width, height]).astype(int)
    x1, y1 = np.clip(np.ceil(corners.max(axis=0)), 0, [width, height]).astype(int)
    return np.ascontiguousarray(pixels[y0:y1, x0:x1]), int(x0), int(y0)
