"""One contract for all engines; what only threads, processes or a cluster can do comes after it."""

from __future__ import annotations

import multiprocessing
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import NamedTuple
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worker_functions import (
    die,
    die_of_three,
    double,
    fail,
    fail_in_two_words,
    twelfth,
    uneven,
    unsendable,
    where,
)

from facecluster.engines import Engine, WorkerLost, dask, processes, serial, threads
from facecluster.engines.cluster import _Cluster
from facecluster.errors import FaceclusterError
from facecluster.processors import cores

ALL = ["serial", "threads", "processes", "dask"]
ELSEWHERE = ["processes", "dask"]


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "dask":
        return dask(request.getfixturevalue("cluster"))
    engines: dict[str, Engine] = {
        "serial": serial,
        "threads": threads(workers=2),
        "processes": processes(2),
    }
    return engines[request.param]


def test_the_contract_is_of_all_engines() -> None:
    assert {"serial", "threads", "processes", "dask"} == set(ALL)


@pytest.mark.parametrize("engine", ALL, indirect=True)
def test_results_come_in_the_order_of_the_items(engine: Engine) -> None:
    assert list(engine(uneven, range(40))) == list(range(40))
    assert list(engine(double, iter([]))) == []


@pytest.mark.parametrize("engine", ALL, indirect=True)
def test_items_are_taken_in_the_callers_thread_and_not_far_ahead(engine: Engine) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(threading.get_ident())
            yield number

    results = engine(double, items())
    assert [next(results) for _ in range(10)] == list(range(0, 20, 2))
    assert len(taken) <= 10 + 2 * 4
    results.close()
    assert len(taken) <= 10 + 2 * 4
    assert set(taken) == {threading.get_ident()}


@pytest.mark.parametrize("engine", ALL, indirect=True)
def test_an_error_comes_in_its_place_and_ends_the_run(engine: Engine) -> None:
    before = set(threading.enumerate())
    results = engine(twelfth, [4, 2, 0, 1])
    assert [next(results), next(results)] == [3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []
    assert multiprocessing.active_children() == []
    if engine is serial:
        assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("engine", ELSEWHERE, indirect=True)
def test_the_work_is_done_in_two_other_processes(engine: Engine) -> None:
    places = {process for process, _ in engine(where, range(20))}
    assert os.getpid() not in places
    assert len(places) == 2


@pytest.mark.parametrize("engine", ELSEWHERE, indirect=True)
def test_an_item_that_kills_its_worker_is_lost_and_the_others_are_not(engine: Engine) -> None:
    expected = [-3 if item == 3 else item for item in range(12)]
    for _ in range(3):
        assert list(engine(die_of_three, range(12), lost=lambda item: -item)) == expected


@given(st.lists(st.integers()), st.integers(1, 4), st.integers(1, 9))
def test_threads_keep_the_order_with_any_settings(
    items: list[int], workers: int, ahead: int
) -> None:
    expected = [item * 2 for item in items]
    assert list(threads(workers=workers, ahead=ahead)(double, items)) == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no such thing")
def test_there_are_no_more_threads_than_processors_that_may_be_used() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cores() == 1
        assert len({thread for _, thread in threads()(where, range(20))}) == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert cores() == len(allowed)


def test_each_thread_begins_before_its_first_item() -> None:
    begun = threading.local()
    engine = threads(workers=3, begin=lambda: setattr(begun, "here", True))
    assert list(engine(lambda _: begun.here, range(20))) == [True] * 20


@pytest.mark.parametrize("settings", [{"workers": -1}, {"ahead": -1}])
def test_no_threads_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be >= 1"):
        threads(**settings)


def test_no_processes_is_refused() -> None:
    with pytest.raises(ValueError, match="must be >= 1"):
        processes(0)


def test_pipes_may_be_of_another_class(monkeypatch: pytest.MonkeyPatch) -> None:
    # as they are on Windows
    monkeypatch.setattr("facecluster.engines.pool.Connection", bytes)
    assert list(processes(2)(double, range(5))) == [0, 2, 4, 6, 8]


def test_a_process_that_dies_takes_only_its_own_item_along() -> None:
    assert list(processes(2)(die_of_three, range(6), lost=lambda _: 33)) == [0, 1, 2, 33, 4, 5]
    with pytest.raises(WorkerLost, match="died"):
        list(processes(1)(die_of_three, [3]))


def test_processes_that_only_die_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facecluster.engines.pool._DEATHS", 3)
    with pytest.raises(WorkerLost, match="3 worker processes died one after the other"):
        list(processes(2)(die, range(100), lost=lambda item: item))
    assert multiprocessing.active_children() == []


def test_an_error_that_cannot_be_made_again_here_is_told_in_words() -> None:
    with pytest.raises(WorkerLost, match="OfTwoWords: no memory"):
        list(processes(1)(fail_in_two_words, [1]))


def test_a_result_that_cannot_be_sent_is_an_error() -> None:
    with pytest.raises(WorkerLost, match="cannot be sent"):
        list(processes(1)(unsendable, [1]))


def test_processes_do_not_outlive_their_parent() -> None:
    code = (
        "from facecluster.engines import processes\n"
        "from worker_functions import where\n"
        "for process, _ in processes(1)(where, range(10**9)):\n"
        "    print(process, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{worker}/exe").exists()


class Mortals(NamedTuple):
    address: str
    scheduler: subprocess.Popen[str]
    worker: subprocess.Popen[str]


@pytest.fixture
def mortals() -> Iterator[Mortals]:
    """A Dask scheduler and its only worker, which nobody starts again when they are killed."""
    pytest.importorskip("distributed")
    tests = Path(__file__).parent
    command = [sys.executable, "-m", "dask", "worker", "--no-nanny", "--nthreads", "1"]
    with subprocess.Popen(
        [sys.executable, str(tests / "dask_cluster.py"), "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as scheduler:
        assert scheduler.stdout is not None
        address = scheduler.stdout.readline().strip()
        with subprocess.Popen(
            [*command, address],
            text=True,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(tests)},
        ) as worker:
            yield Mortals(address, scheduler, worker)
            scheduler.kill()
            worker.kill()


@pytest.mark.parametrize(
    ("dies", "sentence"),
    [("worker", "has no workers any more"), ("scheduler", "does not answer any more")],
)
def test_the_last_worker_or_the_scheduler_that_dies_ends_the_run_with_one_sentence(
    mortals: Mortals, dies: str, sentence: str
) -> None:
    # Elsewhere: Dask leaves a connection open that breaks, which the next tests would be told of.
    program = (
        "import os, signal, sys\n"
        "from worker_functions import uneven\n"
        "from facecluster.engines import cluster\n"
        "from facecluster.errors import FaceclusterError\n"
        "results = cluster.dask(sys.argv[1])(uneven, range(1000))\n"
        "assert next(results) == 0\n"
        "cluster._SECONDS = 0.2\n"
        "os.kill(int(sys.argv[2]), signal.SIGKILL)\n"
        "try: list(results)\n"
        "except FaceclusterError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, mortals.address, str(getattr(mortals, dies).pid)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert re.search(f"{sentence}.*run the same command again", done.stdout), done.stderr


def test_an_item_may_take_longer_than_a_cluster_may_be_away(
    cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = dask(cluster)(uneven, range(12))
    assert next(results) == 0
    monkeypatch.setattr("facecluster.engines.cluster._SECONDS", 0.01)
    assert list(results) == list(range(1, 12))


@pytest.mark.parametrize("engine", ELSEWHERE, indirect=True)
@pytest.mark.parametrize("kind", [TimeoutError, ConnectionError, CancelledError])
def test_an_error_of_the_function_is_not_taken_for_one_of_the_engine(
    engine: Engine, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match="of the function"):
        list(engine(fail, [kind]))


def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("facecluster.engines.cluster._SECONDS", 0.3)
    with pytest.raises(FaceclusterError, match=r"No Dask scheduler answers at tcp://127.0.0.1:9"):
        list(dask("tcp://127.0.0.1:9")(double, [1]))
    with pytest.raises(FaceclusterError, match="No Dask scheduler answers at nonsense"):
        list(dask("nonsense://here")(double, [1]))


@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:9", "tcp://here:x", ""])
def test_no_client_is_made_for_what_is_no_address(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    # one that fails so complains again, with a traceback, when the program ends
    monkeypatch.setattr(distributed, "Client", lambda *_, **__: pytest.fail("a client was made"))
    with pytest.raises(FaceclusterError, match=f"No Dask scheduler answers at {address}"):
        list(dask(address)(double, [1]))


def test_a_scheduler_without_workers_is_one_sentence_in_each_version_of_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    distributed = pytest.importorskip("distributed")

    class Late(Exception):
        """What asyncio raises before Python 3.11: no TimeoutError."""

    class Client:
        closed, loop, status = False, Mock(), "running"

        def __init__(self, *_: object, **__: object) -> None: ...

        def nthreads(self) -> dict[str, int]:
            return {}

        def wait_for_workers(self, *_: object, **__: object) -> None:
            raise Late

        def close(self) -> None:
            self.closed = True

    monkeypatch.setattr(distributed, "TimeoutError", Late)
    monkeypatch.setattr(distributed, "Client", Client)
    with pytest.raises(FaceclusterError, match="has no workers: start some"):
        list(dask("tcp://127.0.0.1:9")(double, [1]))
    one = _Cluster(Client(), "tcp://127.0.0.1:9", double)  # type: ignore[arg-type]
    with pytest.raises(FaceclusterError, match="has no workers any more"):
        one._look_for_workers()


def test_without_the_package_the_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(FaceclusterError, match=r"pip install 'facecluster\[dask\]'"):
        list(dask("tcp://127.0.0.1:9")(double, [1]))
