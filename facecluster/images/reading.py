"""Read one picture: upright RGB pixels, reduced, and what EXIF tells."""

from __future__ import annotations

import hashlib
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from facecluster.errors import UnreadableImage
from facecluster.images.finding import printable
from facecluster.images.picture import LONGEST, MAX_PIXELS, UPRIGHT, Picture
from facecluster.images.raw import is_raw, open_preview
from facecluster.images.video import read_frame, read_frames
from facecluster.moments import file_of, fragment, is_clip, moment_of

__all__ = ["content_hash", "may_pass", "read", "read_all"]

# JPEG, MPO and HEIC are told apart by hand, in `_open`.
_FORMATS = ("PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
_AV1 = {b"avif", b"avis"}  # the brands by which a HEIF file tells how its pixels are coded
_HEVC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_ORIENTATION, _DATE, _EXIF_IFD, _DATE_TAKEN = 0x0112, 0x0132, 0x8769, 0x9003
# A larger clip is not hashed whole: so many pieces of this size, evenly over it, tell it apart.
_PIECES, _PIECE = 64, 1 << 18
# How reasons end that are not of the file itself, but of the machine as it was then.
_GONE = " is not there."
_FORBIDDEN = " may not be read: check its permissions."
_TOO_LARGE = " needs more memory than there is."
_FOR_NOW = "; the next scan tries again."


def content_hash(path: Path) -> str:
    """What tells the file's content apart, as 64 hex digits; raises UnreadableImage.

    SHA-256 of its bytes; of a clip larger than 16 MB, of its size and 64 pieces of it, so that the
    cost is bounded.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if is_clip(path) and size > _PIECES * _PIECE:
                digest.update(size.to_bytes(8, "little"))
                for place in range(_PIECES):
                    file.seek(place * (size - _PIECE) // (_PIECES - 1))
                    digest.update(file.read(_PIECE))
                return digest.hexdigest()
            while block := file.read(1 << 20):
                digest.update(block)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    return digest.hexdigest()


def read(path: Path, *, longest: int = LONGEST) -> Picture:
    """The picture in the file, upright, reduced by a whole number to not less than longest pixels.

    longest is about its longer side, which comes out below twice that; small pictures stay whole.
    JPEGs are decoded at the reduced size, which is several times faster than decoding them whole.
    An animation or a stereo pair gives its first frame; alpha is laid on white; 16 bits become 8.
    A RAW photo, told by its name, is seen in its preview, but has its own size. A path that names
    a moment of a clip (`moments`) gives the key frame there, or the last one before.
    Raises UnreadableImage for whatever is no picture, damaged, cut short or absurdly large.
    """
    moment = moment_of(path)
    with _told_of(path):
        if moment is not None:
            return read_frame(Path(file_of(path)), moment, longest)
        if is_clip(path):
            raise UnreadableImage(
                f"it is a clip: name a moment of it, as in {path.name}{fragment(12.5)}"
            )
        with open(path, "rb") as file:
            return _decode_raw(path, longest) if is_raw(path) else _decode(file, longest)


def read_all(path: Path, *, longest: int = LONGEST) -> list[tuple[str, Picture]]:
    """All that the file shows, each with what follows its path in the name of the picture.

    That is nothing for a photo; a clip shows a few frames, each with its moment. Raises as `read`.
    """
    if not is_clip(path):
        return [("", read(path, longest=longest))]
    with _told_of(path):
        return [(fragment(time), frame) for time, frame in read_frames(path, longest)]


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    """Inside, whatever goes wrong with the file is an UnreadableImage that names it."""
    try:
        with _silence:
            yield
    except (UnreadableImage, Image.DecompressionBombError, OSError) as error:
        raise _unreadable(path, error) from error
    except MemoryError as error:
        raise UnreadableImage(f"{printable(path)}{_TOO_LARGE}") from error
    except Exception as error:  # Pillow meets hostile files with nearly every class there is
        raise _unreadable(path, error) from error


def may_pass(reason: str) -> bool:
    """Whether a file that could not be read for this reason may be read another time, unchanged."""
    return reason.endswith((_GONE, _FORBIDDEN, _TOO_LARGE, _FOR_NOW))


def _decode(file: IO[bytes], longest: int) -> Picture:
    image = _open(file)
    orientation, taken_at = _exif(image)
    (width, height), scale, pixels = _pixels(image, longest)
    return Picture(pixels, scale, width, height, orientation, taken_at)


def _decode_raw(path: Path, longest: int) -> Picture:
    preview = open_preview(path, longest)
    _, scale, pixels = _pixels(preview.image, longest, turn=preview.turn)
    taken_at = _exif(preview.image)[1] or preview.taken_at
    return Picture(
        pixels,
        scale * preview.scale,
        preview.width,
        preview.height,
        preview.orientation,
        taken_at,
    )


def _pixels(
    image: Image.Image, longest: int, *, turn: int | None = None
) -> tuple[tuple[int, int], float, NDArray[np.uint8]]:
    """The image's upright size, and its upright pixels with their scale.

    turn is the orientation that makes it upright, by default the one that it tells itself.
    """
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise Image.DecompressionBombError
    factor = _draft(image, longest) if isinstance(image, JpegImagePlugin.JpegImageFile) else 1
    with _muted() if image.format == "TIFF" else nullcontext():
        image.load()
    if factor == 1:
        width, height = image.size  # Pillow turns TIFFs upright while loading
    if turn is None:
        turn = _exif(image)[0]  # what is left to turn; for a TIFF nothing
    rgb = _rgb(image)
    further = max(rgb.size) // longest
    if further > 1:
        rgb = rgb.reduce(further)
        factor *= further
    if turn in UPRIGHT:
        rgb = rgb.transpose(UPRIGHT[turn])
    if turn >= 5:
        width, height = height, width
    return (width, height), float(factor), np.array(rgb)


def _open(file: IO[bytes]) -> Image.Image:
    """The file as a Pillow image whose pixels are not decoded yet."""
    magic = file.read(12)
    file.seek(0)
    if not magic:
        raise UnreadableImage("it is empty")
    if magic.startswith(b"\xff\xd8"):
        # Not Image.open: it refuses 180 million pixels, which JPEG reads cheaply at an eighth, and
        # goes looking for the second picture of a stereo pair.
        return JpegImagePlugin.JpegImageFile(file)
    if magic[4:8] == b"ftyp" and not _is_avif(file):
        # It comes upright, as its container says, with an orientation of 1.
        from pillow_heif import HeifImageFile

        return HeifImageFile(file)  # type: ignore[no-untyped-call]
    return Image.open(file, formats=_FORMATS)


def _is_avif(file: IO[bytes]) -> bool:
    """Whether the HEIF file is an AVIF, which pillow_heif cannot decode.

    Its first brand says so, or is one of all kinds (mif1), and the others do.
    """
    head = file.read(1024)
    file.seek(0)
    box = head[: int.from_bytes(head[:4], "big")]
    first, others = head[8:12], {box[at : at + 4] for at in range(16, len(box), 4)}
    return first in _AV1 or bool(others & _AV1 and not ({first} | others) & _HEVC)


def _draft(image: JpegImagePlugin.JpegImageFile, longest: int) -> int:
    """Ask the decoder for 1/8, 1/4 or 1/2 of the size; the factor it will really use."""
    width, height = image.size
    for factor in (8, 4, 2):
        if max(width, height) >= factor * longest and min(width, height) >= factor:
            drafted = image.draft(None, (width // factor, height // factor))
            return round(width / drafted[1][2]) if drafted else 1
    return 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bits(image)).convert("RGB")
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image)
        image = white
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> NDArray[np.uint8]:
    """Grey values as 8 bits: of integers the highest bits in use, floats are stretched to 0-255."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    top = float(values.max())
    if image.mode.startswith("I"):
        top = 2.0 ** max(8, int(top).bit_length()) - 1
    scaled: NDArray[np.uint8] = np.clip(values * (255.0 / (top or 1.0)), 0, 255).astype(np.uint8)
    return scaled


def _exif(image: Image.Image) -> tuple[int, str | None]:
    """Orientation 1-8 and the local time of the picture; a damaged EXIF block counts as none."""
    try:
        exif = image.getexif()
        orientation = exif.get(_ORIENTATION, 1)
        taken = exif.get_ifd(_EXIF_IFD).get(_DATE_TAKEN) or exif.get(_DATE)
    except Exception:  # as in `read`; the pixels may still be sound
        return 1, None
    if not (isinstance(orientation, int) and 1 <= orientation <= 8):
        orientation = 1
    try:
        return orientation, datetime.strptime(str(taken)[:19], "%Y:%m:%d %H:%M:%S").isoformat()
    except ValueError:
        return orientation, None


def _unreadable(path: Path, error: Exception) -> UnreadableImage:
    name = printable(path)
    if isinstance(error, FileNotFoundError):
        return UnreadableImage(f"{name}{_GONE}")
    if isinstance(error, PermissionError):
        return UnreadableImage(f"{name}{_FORBIDDEN}")
    # What the system itself reports; that of a decoder has no number, or a class of its own.
    if isinstance(error, OSError) and error.errno and type(error).__module__ == "builtins":
        return UnreadableImage(f"{name} cannot be read: {error.strerror}{_FOR_NOW}")
    if isinstance(error, UnreadableImage):
        return UnreadableImage(f"{name} cannot be read: {error}.")
    if isinstance(error, UnidentifiedImageError):
        return UnreadableImage(f"{name} is not a picture of a kind that facecluster reads.")
    if isinstance(error, Image.DecompressionBombError):
        return UnreadableImage(f"{name} is refused: it claims too many pixels for a photo.")
    return UnreadableImage(f"{name} is damaged or cut short; restore it from a copy.")


@contextmanager
def _muted() -> Iterator[None]:
    """Keep what a C library writes to the process's own stderr from the user's screen.

    libtiff prints a line for each odd tag; a hostile file has hundreds, over the progress bar.
    """
    with _mute_lock:
        try:
            saved = os.dup(2)
        except OSError:  # the program was started without a stderr
            yield
            return
        try:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


class _Silence:
    """While any thread is inside, Pillow's warnings (odd EXIF, large pictures) go nowhere.

    `warnings.catch_warnings` alone is not safe between threads: two that overlap could restore
    each other's filters in the wrong order and leave the program silent for good.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._caught.__exit__(None, None, None)


_silence = _Silence()
_mute_lock = threading.Lock()
