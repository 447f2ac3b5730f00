"""The header of a bundled network's file, readable without torch."""

from __future__ import annotations

import dataclasses
import json
import struct
from dataclasses import dataclass
from pathlib import Path

from facecluster.errors import ModelError

__all__ = ["FORMAT", "Header", "read_header"]

FORMAT = "facecluster-1"
_LARGEST = 1 << 20  # a header beyond a megabyte is not one of ours


@dataclass(frozen=True, slots=True)
class Header:
    """How to use a network: what it is, what it expects, and which distances mean "the same
    person".

    height and width are of the input in pixels: the standard 112 x 112 aligned crop, resized.
    mean and std standardise bytes. thresholds are squared distances by use: verify, identify,
    group. fingerprint is the SHA-256 of the tensors: two files with one fingerprint make the same
    embeddings.
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
    one of ours."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _LARGEST:
                raise ValueError("its header is too long")
            metadata = json.loads(file.read(length))["__metadata__"]
        if metadata["format"] != FORMAT:
            raise ValueError(f"its format is {metadata['format']!r}")
        return Header(**json.loads(metadata["facecluster"]))
    except OSError as error:
        raise ModelError(f"The weights {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise ModelError(f"{path} is not a facecluster network: {error}.") from error
