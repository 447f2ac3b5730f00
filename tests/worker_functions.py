"""What the engines' tests have workers do; in a module of its own, as workers import it."""

from __future__ import annotations

import os
import threading
import time


def double(item: int) -> int:
    return 2 * item


def twelfth(item: int) -> int:
    return 12 // item


def where(_: object) -> tuple[int, int]:
    """The process and the thread at work."""
    return os.getpid(), threading.get_ident()


def uneven(item: int) -> int:
    """The even ones take their time."""
    time.sleep(0.0 if item % 2 else 0.02)
    return item


def die_of_three(item: int) -> int:
    if item == 3:
        os._exit(1)
    return item


def die(_: object) -> None:
    os._exit(1)


def unsendable(_: object) -> object:
    return threading.Lock()


def fail(kind: type[Exception]) -> None:
    raise kind("of the function")


class OfTwoWords(Exception):
    """As many packages have them: what Python keeps of it does not make it again."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} {other}")


def fail_in_two_words(_: object) -> None:
    raise OfTwoWords("no", "memory")
