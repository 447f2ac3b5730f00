"""Both engines give the same results in the same order, and stop cleanly."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecluster.engines import serial, threads


@given(st.lists(st.integers()), st.integers(1, 4), st.integers(1, 9))
def test_results_come_in_the_order_of_the_items(items: list[int], workers: int, ahead: int) -> None:
    expected = [item * 2 for item in items]
    assert list(serial(lambda item: item * 2, items)) == expected
    assert list(threads(workers=workers, ahead=ahead)(lambda item: item * 2, items)) == expected


def test_threads_take_no_more_items_than_they_were_allowed() -> None:
    before = set(threading.enumerate())
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = threads(workers=2, ahead=5)(str, items())
    assert [next(results) for _ in range(10)] == [str(number) for number in range(10)]
    assert len(taken) <= 15
    results.close()
    assert set(threading.enumerate()) <= before


def test_the_items_are_taken_in_the_thread_of_the_caller() -> None:
    takers = set()

    def items() -> Iterator[int]:
        for number in range(20):
            takers.add(threading.current_thread())
            yield number

    workers = set(threads(workers=2)(lambda _: threading.current_thread().name, items()))
    assert takers == {threading.current_thread()}
    assert threading.current_thread().name not in workers


def test_each_thread_begins_before_its_first_item() -> None:
    begun = threading.local()
    engine = threads(workers=3, begin=lambda: setattr(begun, "here", True))
    assert list(engine(lambda _: begun.here, range(20))) == [True] * 20


@pytest.mark.parametrize("engine", [serial, threads(workers=2)], ids=["serial", "threads"])
def test_an_error_comes_in_its_place_and_ends_the_run(engine) -> None:  # type: ignore[no-untyped-def]
    before = set(threading.enumerate())
    results = engine(lambda item: 12 // item, [4, 2, 0, 1])
    assert [next(results), next(results)] == [3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("settings", [{"workers": -1}, {"ahead": -1}])
def test_no_threads_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be >= 1"):
        threads(**settings)
