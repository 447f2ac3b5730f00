"""The memory that a long run has freed, given back to the system."""

from __future__ import annotations

import ctypes
import os

__all__ = ["give_back"]


def give_back() -> bool:
    """Give freed memory back to the system; whether any was, False where nothing can be done.

    glibc keeps what lies between blocks in use. Pictures and layers of ever other sizes leave more
    and more of it behind. Takes milliseconds, and a little more as the memory is filled again.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    return trim is not None and bool(trim(0))
