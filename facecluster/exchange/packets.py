"""The XMP packet inside a photo's file, and bytes of sidecars: read here, never understood."""

from __future__ import annotations

import os
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from PIL import Image

from facecluster.exchange.tree import MAX_BYTES, UnusableFile

__all__ = ["all_embedded", "embedded", "load", "load_if_there"]

_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_SCAN = 0xDA  # the segment that ends the header of a JPEG
_BLANKS = b"\0 \r\n\t"
_PNG, _PNG_XMP = b"\x89PNG\r\n\x1a\n", b"XML:com.adobe.xmp\0"
_FORMATS = ("WEBP", "TIFF", "AVIF")


def embedded(path: Path) -> bytes | None:
    """The XMP packet inside a JPEG, PNG, WebP, TIFF, AVIF or HEIC file, None when there is none.

    No pixel is decoded. UnusableFile when the file may not be read, or has a packet that
    cannot be reached.
    """
    with _reading():
        return next(_packets(path), None)


def all_embedded(path: Path) -> list[bytes]:
    """The same for all packets: a JPEG or PNG may have several."""
    with _reading():
        return list(_packets(path))


def load(path: Path) -> bytes:
    """The bytes of a sidecar; UnusableFile when it cannot be read or is far too large."""
    with _reading(), open(path, "rb") as file:
        return file.read(MAX_BYTES + 1)


def load_if_there(path: Path) -> bytes | None:
    """The same; None when there is no sidecar."""
    # os.path, as Path.exists raises an error for a name too long, which a sidecar's easily is
    return load(path) if os.path.exists(path) else None


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnusableFile("may not be read") from error


def _packets(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        magic = file.read(12)
    if magic.startswith(b"\xff\xd8"):
        yield from _in_jpeg(path)
    elif magic.startswith(_PNG):
        yield from _in_png(path)
    else:
        heif = magic[4:8] == b"ftyp" and magic[8:] not in (b"avif", b"avis")
        packet = _in_others(path, heif=heif)
        if packet is not None:
            yield packet


def _in_jpeg(path: Path) -> Iterator[bytes]:
    """By the segments of the header: Pillow takes ten times as long."""
    with open(path, "rb") as file:
        kind, found = 0, False
        for kind, segment in _segments(file):
            if kind == 0xE1 and segment.startswith(_JPEG_XMP):
                found = True
                yield segment[len(_JPEG_XMP) :].strip(_BLANKS)
        if not found and kind != _SCAN:
            # Other programs go on behind the damage: they would write over what is not seen here.
            file.seek(0)
            if _JPEG_XMP in file.read():
                raise UnusableFile("has a damaged header with metadata in it: use its sidecar")


def _segments(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Kind and content of each segment of a JPEG's header; last, if it is whole, the first scan."""
    file.seek(2)
    while file.read(1) == b"\xff":
        while (kind := file.read(1)) == b"\xff":
            pass  # fill bytes, of which there may be any number
        size = int.from_bytes(file.read(2), "big") - 2
        if not kind or size < 0:
            return
        yield kind[0], file.read(size)
        if kind[0] == _SCAN:
            return


def _in_png(path: Path) -> Iterator[bytes]:
    """By its chunks: of those behind the pixels Pillow tells only when it has decoded these."""
    place = len(_PNG)
    with open(path, "rb") as file:
        file.seek(place)
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head[:4], "big")
            text = file.read(min(size, MAX_BYTES)) if head[4:] == b"iTXt" else b""
            if text.startswith(_PNG_XMP) and (packet := _in_text_chunk(text[len(_PNG_XMP) :])):
                yield packet
            place += 12 + size  # with the length, the kind and the checksum
            file.seek(place)


def _in_text_chunk(data: bytes) -> bytes | None:
    """The text of an iTXt chunk, behind its keyword; none of a damaged one."""
    _language, _, rest = data[2:].partition(b"\0")
    _translated, _, text = rest.partition(b"\0")
    if data[:1] == b"\1":
        try:
            text = zlib.decompressobj().decompress(text, MAX_BYTES)
        except zlib.error:
            return None
    return text.strip(_BLANKS) or None


def _in_others(path: Path, *, heif: bool) -> bytes | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about other metadata of the file
            with _opened(path, heif=heif) as image:
                packet = image.info.get("xmp")
        if isinstance(packet, str):  # a TIFF's that is called text, each byte of it a letter
            packet = packet.encode("latin-1")
    except Exception:  # of whatever kind: a damaged picture says nothing, and a scan has told it
        return None
    return packet.strip(_BLANKS) or None if isinstance(packet, bytes) else None


def _opened(path: Path, *, heif: bool) -> Image.Image:
    if heif:
        from pillow_heif import HeifImageFile

        return HeifImageFile(path)  # type: ignore[no-untyped-call]
    return Image.open(path, formats=_FORMATS)
