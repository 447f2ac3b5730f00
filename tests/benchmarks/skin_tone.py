"""How light the skin of an aligned face is in its picture, by colour alone.

The individual typology angle (Chardon, Cretois and Hourseau, 1991), as Merler and others took it of
pictures (Diversity in Faces, 2019). Light, camera and make-up are in it: it parts many people into
groups that differ on the whole, and says nothing of one person.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# The least angle in degrees of each group, the lightest first. Usually there are six: the two
# lightest and the two darkest are one each here, as few faces are at the ends.
TONES = (("light", 41.0), ("intermediate", 28.0), ("tan", 10.0), ("brown or dark", -np.inf))
# Of b*; less is the rounding of grey.
LEAST_YELLOW = 0.01
# IEC 61966-2-1: linear sRGB to XYZ; its white is D65.
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = _TO_XYZ.sum(axis=1)
# Rows and columns of the 112 x 112 crop: both cheeks and the bridge of the nose, by the template;
# and the face without what is behind it.
_PATCHES = (np.s_[66:78, 30:42], np.s_[66:78, 70:82], np.s_[52:62, 51:61])
_FACE = np.s_[40:104, 28:84]
# Of grey and sepia pictures colour follows from lightness up to this (root mean square, in units of
# CIELAB). By eye on 2,565 pictures: grey and toned ones have 0 to 2, coloured ones over 2.5.
_TONED = 2.0


def lab(colours: NDArray[np.uint8]) -> Floats:
    """L* (0 to 100), a* and b* (CIE 1976, white D65) of sRGB bytes, both (..., 3)."""
    values = colours / 255.0
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _TO_XYZ.T / _WHITE
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def typology_angle(lightness: float, yellowness: float) -> float:
    """ITA in degrees of L* and b*: the lighter the larger; from -90 to 90 where b* >= 0."""
    return float(np.degrees(np.arctan2(lightness - 50.0, yellowness)))


def skin_angle(crop: NDArray[np.uint8]) -> float:
    """ITA of the median skin colour of a 112 x 112 crop; NaN where colour does not show it.

    That is in grey and sepia pictures, and under light that leaves nothing yellow in the skin.
    """
    colours = lab(crop)
    if _is_toned(colours[_FACE].reshape(-1, 3)):
        return float("nan")
    skin = np.concatenate([colours[patch].reshape(-1, 3) for patch in _PATCHES])
    lightness, _, yellowness = np.median(skin, axis=0).tolist()
    return typology_angle(lightness, yellowness) if yellowness > LEAST_YELLOW else float("nan")


def _is_toned(colours: Floats) -> bool:
    """Whether a* and b* of the colours (N, 3) are a curve of L*, as in grey and sepia pictures."""
    powers = np.vander(colours[:, 0] / 100.0, 4)
    curve = powers @ np.linalg.lstsq(powers, colours[:, 1:], rcond=None)[0]
    rest = colours[:, 1:] - curve
    return bool(np.sqrt((rest**2).sum(axis=1).mean()) < _TONED)
