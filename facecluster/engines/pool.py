"""The engine of worker processes on this machine."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import ModuleType
from typing import Any, TypeVar

from facecluster.engines.here import Engine, WorkerLost

__all__ = ["processes"]

T = TypeVar("T")
R = TypeVar("R")

# So many workers dead one after the other, without a result between, is no accident of some items.
_DEATHS = 10


def processes(workers: int) -> Engine:
    """An engine of so many processes on this machine; one that dies is replaced by a new one.

    They start anew, knowing nothing of this process, so the function must be one that can be
    imported, not of the main program. Should ten die one after the other, without a result
    between, WorkerLost ends the run.
    """
    if workers < 1:
        raise ValueError(f"workers must be >= 1, got {workers}")

    def run(
        function: Callable[[T], R], items: Iterable[T], *, lost: Callable[[T], R] | None = None
    ) -> Generator[R, None, None]:
        pool = _Pool(function, lost)
        window: deque[_Task] = deque()
        coming = iter(items)
        try:
            while _fill(pool, window, coming, workers) or window:
                pool.collect(wait_for_one=not window[0].done)
                if window[0].done:
                    yield window.popleft().outcome()
        finally:
            pool.end()

    return run


def _fill(pool: _Pool, window: deque[_Task], items: Iterator[object], workers: int) -> bool:
    """Give items to idle workers, at most one in advance for each; False when none was given.

    In advance, as results come in the order of the items: a slow one must not make the rest idle.
    """
    before = len(window)
    while len(pool.busy) < workers and len(window) < 2 * workers:
        try:
            window.append(pool.give(next(items)))
        except StopIteration:
            break
    return len(window) > before


class _Task:
    """An item at work, and later its result or its error."""

    def __init__(self, item: Any) -> None:
        self.item, self.done = item, False
        self._result: Any = None
        self._error: Exception | None = None

    def end(self, result: Any, error: Exception | None = None) -> None:
        self._result, self._error, self.done = result, error, True

    def outcome(self) -> Any:
        if self._error:
            raise self._error
        return self._result


class _Pool:
    """Processes, each with a pipe over which it is given one item at a time.

    Not a ProcessPoolExecutor, in which the death of one process breaks the items of all, and whose
    processes stay when this one is killed.
    """

    def __init__(self, function: Callable[[Any], Any], lost: Callable[[Any], Any] | None) -> None:
        self._function, self._lost = function, lost
        self._processes: dict[Connection, SpawnProcess] = {}
        self._idle: list[Connection] = []
        self._deaths = 0
        self.busy: dict[Connection, _Task] = {}

    def give(self, item: object) -> _Task:
        """Have an idle worker, or a new one, begin with the item."""
        pipe = self._idle.pop() if self._idle else self._start()
        task = self.busy[pipe] = _Task(item)
        with suppress(OSError):  # it has died, which its end of the pipe tells `collect`, too
            pipe.send(item)
        return task

    def collect(self, *, wait_for_one: bool) -> None:
        """Take in what the workers have done."""
        ready = wait(list(self.busy), None if wait_for_one else 0)
        for pipe in [one for one in self.busy if one in ready]:
            task = self.busy.pop(pipe)
            try:
                result, error = pipe.recv()
            except (EOFError, OSError):
                self._bury(pipe, task)
            else:
                task.end(result, error)
                self._deaths = 0
                self._idle.append(pipe)

    def end(self) -> None:
        """End all processes; those at work at once, as nobody waits for their results."""
        for pipe, process in self._processes.items():
            if pipe in self.busy:
                process.terminate()
            pipe.close()  # which an idle one takes as its end
        for process in self._processes.values():
            process.join()

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(there, self._function), daemon=True)
        with _deaf(), _unseen_main():
            process.start()
        there.close()
        self._processes[here] = process
        return here

    def _bury(self, pipe: Connection, task: _Task) -> None:
        pipe.close()
        self._processes.pop(pipe).join()
        self._deaths += 1
        if self._deaths == _DEATHS:
            raise WorkerLost(
                f"{_DEATHS} worker processes died one after the other: is memory short?"
                " Try with fewer."
            )
        if self._lost:
            task.end(self._lost(task.item))
        else:
            task.end(None, WorkerLost("A worker process died at work."))


def _work(pipe: Connection, function: Callable[[Any], Any]) -> None:
    """What a process does: an item, its outcome, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the process that is asked
    while True:
        error: Exception | None = None
        try:
            item = pipe.recv()
        except EOFError:
            return
        try:
            result = function(item)
        except Exception as failure:
            result, error = None, _sendable(failure)
        try:
            pipe.send((result, error))
        except OSError:  # the other end has gone
            return
        except Exception as failure:  # what cannot be pickled raises one of several
            pipe.send((None, WorkerLost(f"A result cannot be sent: {failure}")))


def _sendable(error: Exception) -> Exception:
    """The error, or what it says where the other end could not make it again."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return WorkerLost(f"A worker failed: {type(error).__name__}: {error}")
    return error


@contextmanager
def _deaf() -> Iterator[None]:
    """Let a process be born that does not hear Ctrl+C, which it could not take before it works."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _unseen_main() -> Iterator[None]:
    """Keep multiprocessing from running the main program in the new process, too.

    It does so to find what was defined there, and a program that does not expect it would start
    over.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
