"""What is made when it is first asked for, and then kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["once"]

T = TypeVar("T")


def once(make: Callable[[], T]) -> Callable[[], T]:
    """A function that gives what `make` made at its first call, also to threads that come together.

    What make raises is raised, and the next call tries again.
    """
    lock = threading.Lock()
    made: list[T] = []

    def kept() -> T:
        with lock:
            if not made:
                made.append(make())
            return made[0]

    return kept
