"""The engine of a Dask cluster (the extra `dask`)."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from facecluster.engines.here import Engine, WorkerLost
from facecluster.errors import FaceclusterError

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["dask"]

T = TypeVar("T")
R = TypeVar("R")

_SECONDS = 20.0  # to find the scheduler, and a worker when there is none


def dask(address: str) -> Engine:
    """An engine of the workers of a running Dask cluster; address is its scheduler's.

    The function and what it needs must be installed on the workers. Items of a worker that dies are
    given to others by Dask itself; one whose workers die again and again (its setting
    allowed-failures, 3), also with nothing beside it, is lost. Workers may come and go.
    FaceclusterError when the package is not installed, and when, at first or later, no scheduler
    answers or it has had no worker for 20 seconds.
    """

    def run(
        function: Callable[[T], R], items: Iterable[T], *, lost: Callable[[T], R] | None = None
    ) -> Generator[R, None, None]:
        window: deque[tuple[T, Future[R]]] = deque()
        with _connected(address) as client:
            cluster = _Cluster(client, address, function)
            ahead = 0
            for number, item in enumerate(items):
                if number % 100 == 0:
                    ahead = 2 * max(1, cluster.threads())
                window.append((item, cluster.submit(item)))
                if len(window) >= ahead:
                    yield from _next(window, cluster, lost)
            while window:
                yield from _next(window, cluster, lost)

    return run


def _connected(address: str) -> Client:
    """A client, which ends its tasks when it is closed."""
    try:
        from distributed import Client, TimeoutError  # before Python 3.11 not the built-in one
        from distributed.comm.addressing import resolve_address
    except ImportError as error:
        raise FaceclusterError(
            "Dask needs a package that is not installed: pip install 'facecluster[dask]'."
        ) from error
    for name in ("client", "batched"):  # they log tracebacks of what is a FaceclusterError here
        logging.getLogger(f"distributed.{name}").setLevel(logging.CRITICAL)
    try:
        resolve_address(address)  # a client that cannot use it complains once more when it goes
        client = Client(address, timeout=_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:  # no answer in time is an OSError
        raise FaceclusterError(
            f"No Dask scheduler answers at {address or repr(address)}: is it running, "
            "is the address right?"
        ) from error
    try:
        client.wait_for_workers(1, timeout=_SECONDS)
    except TimeoutError as error:
        client.close()
        raise FaceclusterError(
            f"The Dask scheduler at {address} has no workers: start some with 'dask worker'."
        ) from error
    return client


class _Cluster(Generic[T, R]):
    """The workers at one function; that they or the scheduler are lost is a FaceclusterError."""

    def __init__(self, client: Client, address: str, function: Callable[[T], R]) -> None:
        self._client, self._address, self._function = client, address, function

    def threads(self) -> int:
        """Those of all workers."""
        with self._reached():
            return sum(self._client.nthreads().values())

    def submit(self, item: T) -> Future[R]:
        """Have a worker begin with the item."""
        with self._reached():
            return self._client.submit(self._function, item, pure=False)

    def answer(self, future: Future[R]) -> list[R]:
        """The result; none where the workers died."""
        from distributed import KilledWorker, TimeoutError

        seconds = _SECONDS
        try:
            while True:
                with self._reached(future):
                    try:
                        return [future.result(timeout=seconds)]
                    # When both come at once Dask has no result to return, and finds out so.
                    except (TimeoutError, UnboundLocalError):
                        if future.status == "error":  # the function's own error, at once
                            return [future.result()]
                        if future.done():  # the result is large for the network
                            seconds *= 2
                self._look_for_workers()
        except KilledWorker:
            return []
        finally:
            future.release()

    def _look_for_workers(self) -> None:
        """Wait for a worker where there is none: they may come and go, but not for good."""
        if self.threads():
            return
        from distributed import TimeoutError

        with self._reached():
            try:
                self._client.wait_for_workers(1, timeout=_SECONDS)
            except TimeoutError as error:
                # What waits for results inside Dask would say so, too, with a traceback.
                loop: Any = self._client.loop
                loop.asyncio_loop.set_exception_handler(lambda *_: None)
                raise FaceclusterError(
                    f"The Dask scheduler at {self._address} has no workers any more: start some "
                    "with 'dask worker' and run the same command again; what was done is kept."
                ) from error

    @contextmanager
    def _reached(self, future: Future[R] | None = None) -> Iterator[None]:
        """Inside, whatever says that the scheduler is lost is a FaceclusterError.

        An error of the future's own function says nothing of the scheduler, whatever it is.
        """
        from distributed import CancelledError

        try:
            yield
        except Exception as error:
            lost = isinstance(error, (OSError, CancelledError)) or self._client.status != "running"
            if not lost or (future and future.status == "error"):
                raise
            raise FaceclusterError(
                f"The Dask scheduler at {self._address} does not answer any more: see that it and "
                "its workers run, and run the same command again; what was done is kept."
            ) from error


def _next(
    window: deque[tuple[T, Future[R]]],
    cluster: _Cluster[T, R],
    lost: Callable[[T], R] | None,
) -> Generator[R, None, None]:
    """The result of the first item; where workers died at it, those of all that are in hand.

    Dask blames a worker's death on all that the worker had to do. So what else is in hand is waited
    for, and then each suspect is tried once more with nothing beside it.
    """
    item, future = window.popleft()
    answers = [(item, cluster.answer(future))]
    if not answers[0][1]:
        answers += [(item, cluster.answer(future)) for item, future in window]
        window.clear()
    for item, answer in answers:
        result = answer or cluster.answer(cluster.submit(item))
        if result:
            yield result[0]
        elif lost is None:
            raise WorkerLost("The Dask workers died at work on this.")
        else:
            yield lost(item)
