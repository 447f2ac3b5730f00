"""What an engine is, and those that stay in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

from facecluster.errors import FaceclusterError
from facecluster.processors import cores

__all__ = ["Engine", "WorkerLost", "serial", "threads"]

T = TypeVar("T")
R = TypeVar("R")


class WorkerLost(FaceclusterError):
    """The process that was at work on an item has died."""


class Engine(Protocol):
    """Yields function(item) for each item, in the order of the items.

    The items are taken from in the caller's thread. An exception of the function comes where its
    result would have come, and ends the run; closing the generator ends it too. Where the function
    runs in another process, it, the items and the results are pickled; should a process die, what
    lost(item) gives comes in the item's place, or WorkerLost does, and the others go on.
    """

    def __call__(
        self,
        function: Callable[[T], R],
        items: Iterable[T],
        *,
        lost: Callable[[T], R] | None = None,
    ) -> Generator[R, None, None]:
        """The results, in the order of the items."""
        ...


def serial(
    function: Callable[[T], R], items: Iterable[T], *, lost: Callable[[T], R] | None = None
) -> Generator[R, None, None]:
    """One item at a time, each when it is asked for."""
    for item in items:
        yield function(item)


def threads(
    *,
    workers: int | None = None,
    ahead: int | None = None,
    begin: Callable[[], None] | None = None,
) -> Engine:
    """An engine of a few threads that work up to `ahead` items in advance.

    Good for functions that wait for the disk or release the GIL, as Pillow does while decoding.
    By default a thread for each of the `cores`, but at most 4, and two items a thread in advance.
    begin is called once in each thread.
    """
    workers = workers or min(4, cores())
    ahead = ahead or 2 * workers
    if workers < 1 or ahead < 1:
        raise ValueError(f"workers and ahead must be >= 1, got {workers} and {ahead}")

    def run(
        function: Callable[[T], R], items: Iterable[T], *, lost: Callable[[T], R] | None = None
    ) -> Generator[R, None, None]:
        window: deque[Future[R]] = deque()
        with ThreadPoolExecutor(workers, "facecluster", initializer=begin) as pool:
            try:
                for item in items:
                    window.append(pool.submit(function, item))
                    if len(window) >= ahead:
                        yield window.popleft().result()
                while window:
                    yield window.popleft().result()
            finally:
                # What has not begun need not be done; the pool waits for the rest.
                for future in window:
                    future.cancel()

    return run
