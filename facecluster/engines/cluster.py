"""The engine of a Dask cluster (the extra `dask`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from facecluster.engines.here import Engine, WorkerLost
from facecluster.errors import FaceclusterError

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["dask"]

T = TypeVar("T")
R = TypeVar("R")

_SECONDS = 20.0  # to find the scheduler, and its first worker


def dask(address: str) -> Engine:
    """An engine of the workers of a running Dask cluster; address is its scheduler's.

    The function and what it needs must be installed on the workers. Items of a worker that dies are
    given to others by Dask itself; one whose workers die again and again (its setting
    allowed-failures, 3), also with nothing beside it, is lost. Workers may come and go.
    FaceclusterError when the package is not installed, when no scheduler answers or when it has no
    worker.
    """

    def run(
        function: Callable[[T], R], items: Iterable[T], *, lost: Callable[[T], R] | None = None
    ) -> Generator[R, None, None]:
        window: deque[tuple[T, Future[R]]] = deque()
        with _connected(address) as client:
            submit = partial(client.submit, function, pure=False)
            ahead = 0
            for number, item in enumerate(items):
                if number % 100 == 0:
                    ahead = 2 * max(1, sum(client.nthreads().values()))
                window.append((item, submit(item)))
                if len(window) >= ahead:
                    yield from _next(window, submit, lost)
            while window:
                yield from _next(window, submit, lost)

    return run


def _connected(address: str) -> Client:
    """A client, which ends its tasks when it is closed."""
    try:
        from distributed import Client
        from distributed.comm.addressing import resolve_address
    except ImportError as error:
        raise FaceclusterError(
            "Dask needs a package that is not installed: pip install 'facecluster[dask]'."
        ) from error
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


def _next(
    window: deque[tuple[T, Future[R]]],
    submit: Callable[[T], Future[R]],
    lost: Callable[[T], R] | None,
) -> Generator[R, None, None]:
    """The result of the first item; where workers died at it, those of all that are in hand.

    Dask blames a worker's death on all that the worker had to do. So what else is in hand is waited
    for, and then each suspect is tried once more with nothing beside it.
    """
    item, future = window.popleft()
    answers = [(item, _answer(future))]
    if not answers[0][1]:
        answers += [(item, _answer(future)) for item, future in window]
        window.clear()
    for item, answer in answers:
        result = answer or _answer(submit(item))
        if result:
            yield result[0]
        elif lost is None:
            raise WorkerLost("The Dask workers died at work on this.")
        else:
            yield lost(item)


def _answer(future: Future[R]) -> list[R]:
    """The result; none where the workers died."""
    from distributed import KilledWorker

    try:
        return [future.result()]
    except KilledWorker:
        return []
    finally:
        future.release()
