"""The header of a bundled network's file, readable without torch."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from facecluster.errors import ModelError
from facecluster.facenet.calibration import Calibration
from facecluster.facenet.sizes import OF_THE_PAPER

__all__ = ["FORMAT", "Header", "read_header", "rewrite_header"]

FORMAT = "facecluster-1"
_LARGEST = 1 << 20  # a header beyond a megabyte is not one of ours
_MOST = 4096  # pixels or dimensions
_USES = ("verify", "identify", "group")
# What JSON that says anything may lead to, deeply nested lists and endless numbers included.
_DAMAGE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
    struct.error,
)


@dataclass(frozen=True, slots=True)
class Header:
    """How to use a network: what it is, what it expects, and which distances mean "the same
    person".

    height and width are of the input in pixels: the standard 112 x 112 aligned crop, resized.
    mean and std standardise bytes. thresholds are squared distances by use: verify, identify,
    group. fingerprint is the SHA-256 of the tensors: two files with one fingerprint make the same
    embeddings. calibration is None in files that were written without.
    """

    name: str
    architecture: str
    dimension: int
    height: int
    width: int
    batch_norm: bool
    mean: float
    std: float
    thresholds: dict[str, float]
    created: str
    fingerprint: str = ""
    calibration: Calibration | None = None

    def with_fingerprint(self, fingerprint: str) -> Header:
        """The same header for tensors of this fingerprint."""
        return dataclasses.replace(self, fingerprint=fingerprint)

    def to_metadata(self) -> dict[str, str]:
        """The header as safetensors keeps it: strings only, one JSON document."""
        return {
            "format": FORMAT,
            "facecluster": json.dumps(dataclasses.asdict(self), sort_keys=True),
        }


def read_header(path: Path) -> Header:
    """The header of a weights file, from its first kilobytes; raises ModelError when it is not
    one of ours.

    What a later version may have added is left out.
    """
    try:
        with path.open("rb") as file:
            return _header(_read(file))
    except OSError as error:
        raise ModelError(f"The weights {path} cannot be read: {error.strerror}.") from error
    except _DAMAGE as error:
        raise ModelError(f"{path} is not a facecluster network: {error}.") from error


def rewrite_header(path: Path, header: Header) -> None:
    """Put this header before the file's tensors, which stay as they are, byte by byte.

    Whole or not at all. ModelError when the file is not one of ours, has another fingerprint than
    the header, or cannot be written.
    """
    if read_header(path).fingerprint != header.fingerprint:
        raise ModelError(f"{path} has other weights than the header is of: nothing was changed.")
    partial = path.with_suffix(".part")
    try:
        with path.open("rb") as old, partial.open("wb") as new:
            document = {**_read(old), "__metadata__": header.to_metadata()}
            text = json.dumps(document, separators=(",", ":")).encode()
            text += b" " * (-len(text) % 8)  # tensors begin at a multiple of eight
            new.write(struct.pack("<Q", len(text)) + text)
            shutil.copyfileobj(old, new)
        shutil.copymode(path, partial)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ModelError(f"The weights {path} cannot be written: {error.strerror}.") from error


def _read(file: BinaryIO) -> dict[str, Any]:
    """The JSON document at the beginning of a safetensors file, which is left at the tensors."""
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _LARGEST:
        raise ValueError("its header is too long")
    document: dict[str, Any] = json.loads(file.read(length))
    return document


def _header(document: dict[str, Any]) -> Header:
    metadata = document["__metadata__"]
    if metadata["format"] != FORMAT:
        raise ValueError(f"its format is {metadata['format']!r}")
    known = {field.name for field in dataclasses.fields(Header)}
    values = {k: v for k, v in json.loads(metadata["facecluster"]).items() if k in known}
    values["thresholds"] = {use: values["thresholds"][use] for use in _USES}
    calibration = values.pop("calibration", None)
    found = Header(
        **values, calibration=None if calibration is None else Calibration.from_json(calibration)
    )
    if found.architecture not in OF_THE_PAPER:
        raise ValueError(f"its architecture is {found.architecture!r}")
    if not _makes_sense(found):
        raise ValueError("what it says of itself is damaged")
    return found


def _makes_sense(header: Header) -> bool:
    sizes = (header.dimension, header.height, header.width)
    words = (header.name, header.created, header.fingerprint)
    return (
        all(type(size) is int and 0 < size <= _MOST for size in sizes)
        and all(isinstance(word, str) for word in words)
        and all(0 <= threshold <= 4 for threshold in header.thresholds.values())
        and 0 <= header.mean <= 255
        and 0 < header.std < math.inf
        and isinstance(header.batch_norm, bool)
    )
