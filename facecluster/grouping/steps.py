"""Long work as generators: they yield the share that is done, 0 to 1, and return the result."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

__all__ = ["part", "result"]

T = TypeVar("T")


def result(steps: Generator[float, None, T]) -> T:
    """What the steps return, once all are done."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            done: T = end.value
            return done


def part(steps: Generator[float, None, T], start: float, end: float) -> Generator[float, None, T]:
    """The same steps as a part of longer work, from the share `start` of it to `end`."""
    while True:
        try:
            done = next(steps)
        except StopIteration as over:
            value: T = over.value
            return value
        yield start + (end - start) * done
