"""Tensors in the files of torch: read without running anything, written whole or not at all; and
the fingerprint of tensors."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from facecluster.errors import TrainingError

__all__ = ["fingerprint", "read_tensors", "write_tensors"]


def read_tensors(path: Path, device: str) -> object:
    """What the file holds, its tensors on this device, wherever they were when it was written.

    OSError when it cannot be read; ValueError when it is damaged, or holds anything but data.
    """
    with path.open("rb") as file:
        try:
            return torch.load(file, map_location=device, weights_only=True)
        # Damage shows as whatever it leads to: IndexError, struct.error, AssertionError and more.
        except Exception as error:
            raise ValueError("it is damaged, or nothing that torch can read") from error


def write_tensors(tensors: object, path: Path) -> None:
    """Write a file for `read_tensors`; TrainingError, and what was there stays, without room."""
    partial = path.with_suffix(".part")
    try:
        with partial.open("wb") as file:
            torch.save(tensors, file)
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # torch's own, when less was written than it thinks
        with contextlib.suppress(OSError):
            partial.unlink()
        reason = getattr(error, "strerror", None) or "the disk may be full"
        raise TrainingError(f"{path} cannot be written: {reason}.") from error


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """The SHA-256, in hex digits, of these tensors: their names, types, shapes and numbers.

    They must be on the CPU; TypeError for numbers of a kind that numpy has not.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
