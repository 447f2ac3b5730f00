"""Boxes between two frames: the upright photo as a person sees it, and the picture as stored.

Other tools write shares (0 to 1) of the stored frame, before EXIF orientation turns it (MWG 2.0:
regions apply to the stored image).
"""

from __future__ import annotations

from collections.abc import Callable

from facecluster.records import Box, Photo

__all__ = ["from_stored", "stored_size", "to_stored"]

# Where a point (x, y) of one frame, as shares, is in the other. All but 6 and 8 are their own
# inverses.
_TURN: dict[int, Callable[[float, float], tuple[float, float]]] = {
    1: lambda x, y: (x, y),
    2: lambda x, y: (1 - x, y),
    3: lambda x, y: (1 - x, 1 - y),
    4: lambda x, y: (x, 1 - y),
    5: lambda x, y: (y, x),
    6: lambda x, y: (1 - y, x),
    7: lambda x, y: (1 - y, 1 - x),
    8: lambda x, y: (y, 1 - x),
}
_INVERSE = {6: 8, 8: 6}


def stored_size(photo: Photo) -> tuple[int, int]:
    """Width and height of the picture in the file."""
    turned = photo.orientation >= 5
    return (photo.height, photo.width) if turned else (photo.width, photo.height)


def to_stored(box: Box, photo: Photo) -> Box:
    """A box of the upright photo (pixels) as shares of the stored frame, cut at its edges."""
    shares = Box(
        _share(box.x0, photo.width),
        _share(box.y0, photo.height),
        _share(box.x1, photo.width),
        _share(box.y1, photo.height),
    )
    return _turned(shares, _INVERSE.get(photo.orientation, photo.orientation))


def from_stored(shares: Box, photo: Photo) -> Box:
    """A box in shares of the stored frame in pixels of the upright photo."""
    upright = _turned(shares, photo.orientation)
    return Box(
        upright.x0 * photo.width,
        upright.y0 * photo.height,
        upright.x1 * photo.width,
        upright.y1 * photo.height,
    )


def _share(edge: float, size: int) -> float:
    return min(max(edge / size, 0.0), 1.0)


def _turned(box: Box, orientation: int) -> Box:
    turn = _TURN[orientation]
    (xa, ya), (xb, yb) = turn(box.x0, box.y0), turn(box.x1, box.y1)
    return Box(min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb))
