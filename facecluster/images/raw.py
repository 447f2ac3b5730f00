"""RAW photos through the preview that the camera put into them, by LibRaw (the extra `raw`)."""

from __future__ import annotations

import importlib.util
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, JpegImagePlugin

from facecluster.errors import UnreadableImage

if TYPE_CHECKING:
    from rawpy import RawPy

__all__ = ["RAW_SUFFIXES", "Preview", "can_read_raw", "is_raw", "open_preview", "way_to_turn"]

RAW_SUFFIXES: frozenset[str] = frozenset(
    [
        *(".dng", ".gpr"),  # Adobe, phones, small makers; GoPro
        *(".cr2", ".cr3", ".crw"),  # Canon
        *(".nef", ".nrw"),  # Nikon
        *(".arw", ".srf", ".sr2"),  # Sony
        *(".raf", ".orf", ".pef", ".srw", ".x3f"),  # Fujifilm, Olympus, Pentax, Samsung, Sigma
        *(".rw2", ".rwl"),  # Panasonic, Leica
        *(".3fr", ".fff", ".iiq", ".mos", ".mef"),  # Hasselblad, Phase One, Leaf, Mamiya
        *(".dcr", ".kdc", ".erf", ".mrw"),  # Kodak, Epson, Minolta
    ]
)

# LibRaw's flip of the sensor's picture -> EXIF orientation.
_ORIENTATION = {0: 1, 3: 3, 5: 8, 6: 6}
_MISSING = "RAW photos need a package that is not installed: pip install 'facecluster[raw]'"


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture that shows a RAW photo, not decoded yet, and how it stands to the photo.

    turn is the EXIF orientation that makes image upright; scale, width, height, orientation and
    taken_at are the photo's, as in `Picture`, scale for a pixel of image.
    """

    image: Image.Image
    turn: int
    scale: float
    width: int
    height: int
    orientation: int
    taken_at: str | None


def is_raw(path: Path | str) -> bool:
    """Whether a file has the name of a RAW photo."""
    return os.path.splitext(path)[1].lower() in RAW_SUFFIXES


def can_read_raw() -> bool:
    """Whether the package for RAW photos is installed; imports nothing."""
    return importlib.util.find_spec("rawpy") is not None


def open_preview(path: Path, longest: int) -> Preview:
    """The preview in a RAW photo; the sensor's own pixels where none is so large as is needed.

    The latter, at half the size, takes ten times as long. Raises UnreadableImage, without a path.
    """
    try:
        import rawpy
    except ImportError as error:
        raise UnreadableImage(_MISSING) from error
    try:
        with rawpy.imread(os.fspath(path)) as raw:
            return _preview(raw, longest)
    except rawpy.LibRawFileUnsupportedError as error:
        raise UnreadableImage("it is no RAW photo, or of a camera that LibRaw does not know") from (
            error
        )


def _preview(raw: RawPy, longest: int) -> Preview:
    sizes, orientation = raw.sizes, _ORIENTATION.get(raw.sizes.flip, 1)
    full = (sizes.width, sizes.height)
    if 0 < sizes.crop_width <= sizes.width and 0 < sizes.crop_height <= sizes.height:
        full = (sizes.crop_width, sizes.crop_height)  # without the edges that only converters need
    full = full[::-1] if orientation >= 5 else full
    image = _embedded(raw)
    if image is None or max(image.size) < min(longest, max(full) // 2):
        pixels = raw.postprocess(half_size=True, use_camera_wb=True)
        image, turn = Image.fromarray(pixels), 1
    else:
        turn = way_to_turn(image.getexif().get(0x0112, 1), orientation, image.size, full)
    upright = image.size[::-1] if turn >= 5 else image.size
    scale = min(full[0] / upright[0], full[1] / upright[1])
    if abs(full[0] * upright[1] / (full[1] * upright[0]) - 1) > 0.03:
        # The camera was set to another shape: the photo is the part of the sensor that it shows.
        full = (round(upright[0] * scale), round(upright[1] * scale))
    return Preview(image, turn, scale, *full, orientation, _taken_at(raw))


def _embedded(raw: RawPy) -> Image.Image | None:
    """The largest preview of a kind that can be shown, if there is one."""
    import rawpy

    try:
        preview = raw.extract_thumb()
    except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError):
        return None
    if isinstance(preview.data, bytes):
        return JpegImagePlugin.JpegImageFile(io.BytesIO(preview.data))
    return Image.fromarray(preview.data)


def way_to_turn(
    told: int, orientation: int, preview: tuple[int, int], full: tuple[int, int]
) -> int:
    """The EXIF orientation by which a preview (width, height) shows the upright photo `full`.

    told is what its own EXIF says, orientation what the RAW file says. Cameras store it as the
    sensor sees it, some phones upright, and either may forget to say so: the first that gives a
    tall preview of a tall photo, and a wide one of a wide photo, is believed.
    """
    for turn in (told, orientation, 1):
        width, height = preview[::-1] if turn >= 5 else preview
        if (width - height) * (full[0] - full[1]) >= 0:
            return turn
    return told


def _taken_at(raw: RawPy) -> str | None:
    try:
        return raw.other.timestamp.isoformat()
    except (OverflowError, OSError, ValueError):  # absurd times
        return None
