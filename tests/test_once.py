"""Made once, whoever asks; and again only after an error."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from facecluster.once import once


def test_threads_that_come_together_get_the_same_thing() -> None:
    def make() -> object:
        time.sleep(0.05)
        return object()

    kept = once(make)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: kept(), range(8)))
    assert all(one is found[0] for one in found)


def test_nothing_is_made_before_it_is_asked_for_nor_kept_of_an_error() -> None:
    answers = iter([OSError("not yet"), 7])

    def make() -> int:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    kept = once(make)
    with pytest.raises(OSError, match="not yet"):
        kept()
    assert kept() == kept() == 7
