"""The levels of a pyramid as they come from a picture, and the memory that pixels are put into."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Level", "Memory", "Pixels"]

Pixels = NDArray[np.uint8] | NDArray[np.float32]

# The largest array whose memory each thread keeps: at most 100 MB.
_KEPT = 25_000_000


class Memory(threading.local):
    """Room for one array in each thread: fresh memory costs more than filling it.

    What is asked for above _KEPT numbers is fresh, and not kept.
    """

    def __init__(self, kind: type[np.generic]) -> None:
        self._room = np.zeros(0, dtype=kind)

    def array(self, shape: tuple[int, int, int]) -> NDArray[Any]:
        """An array with anything in it, good until the next is asked for."""
        size = math.prod(shape)
        if size > _KEPT:
            return np.zeros(shape, dtype=self._room.dtype)
        if self._room.size < size:
            self._room = np.zeros(size, dtype=self._room.dtype)
        return self._room[:size].reshape(shape)


@dataclass(frozen=True, slots=True)
class Level:
    """A level of a pyramid, height x width, even numbers of 12 or more: its rows, some at a time.

    blocks are (h, width, 3), from the top on.
    """

    height: int
    width: int
    blocks: Iterable[Pixels]
