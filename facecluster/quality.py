"""How well a face can be recognised: its size, its sharpness and how far it is turned away.

What follows from it, and from the detector's score, for lists and groups: library/tiers.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facecluster.records import Quality

__all__ = ["measure"]


def measure(landmarks: NDArray[np.floating], crop: NDArray[np.uint8]) -> Quality:
    """The quality of the face with these five landmarks and this aligned crop.

    landmarks is (5, 2) in pixels of the full-size photo, crop (S, S, 3). Sharpness depends on S and
    on nothing else of the photo's size: a small face that was enlarged is soft.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    return Quality(
        size=float(np.hypot(*(mouth - eyes))), sharpness=_sharpness(crop), yaw=_yaw(points)
    )


def _sharpness(crop: NDArray[np.uint8]) -> float:
    """Variance of the four-neighbour Laplacian of the grey picture; 0 when it has no inside."""
    grey = crop.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    laplacian -= 4 * grey[1:-1, 1:-1]
    return float(laplacian.var()) if laplacian.size else 0.0


def _yaw(points: NDArray[np.float64]) -> float:
    """How far the nose is off the face's middle line, in halves of the eyes' distance, in [-1, 1].

    Positive: the nose points to the picture's right. A turned-away face has its eyes close together
    and the nose beside them, so that a profile comes out at +-1.
    """
    left, right, nose, _, _ = points
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    down = mouth - eyes
    length, apart = np.hypot(*down), np.hypot(*(right - left))
    if length == 0 or apart == 0:
        return 0.0
    # The cross product is the nose's distance from the line, times the line's length.
    off = (down[1] * (nose[0] - eyes[0]) - down[0] * (nose[1] - eyes[1])) / length
    return float(np.clip(2 * off / apart, -1, 1))
