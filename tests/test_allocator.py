"""Freed memory goes back to the system, and a long scan sees to it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from made_up_networks import fake_analyzer

from facecluster import allocator
from facecluster.images import Picture

# Blocks of 64 kB, of which every second one is freed: none of that is at the end of the heap.
FRAGMENTED = """
import numpy as np
from facecluster.allocator import give_back

def megabytes():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024

blocks = [np.ones(8000) for _ in range(2000)]
del blocks[::2]
before = megabytes()
print(give_back(), before - megabytes())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads /proc")
def test_what_is_freed_between_blocks_in_use_goes_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FRAGMENTED], capture_output=True, text=True, check=True
    )
    gave, megabytes = done.stdout.split()
    if gave == "False":
        pytest.skip("this system's allocator cannot")
    assert 45 < float(megabytes) < 70


def test_an_allocator_that_cannot_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    assert not allocator.give_back()
    monkeypatch.setattr(allocator.os, "name", "nt")
    monkeypatch.delattr(allocator.ctypes, "CDLL")
    assert not allocator.give_back()


def test_an_analyzer_gives_back_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[bool] = []
    monkeypatch.setattr(allocator, "give_back", lambda: given.append(True))
    analyzer = fake_analyzer()
    picture = Picture(np.zeros((9, 9, 3), dtype=np.uint8), 1.0, 9, 9, 1, None)
    for _ in range(32):
        analyzer.analyze([picture])
        analyzer.embed([picture], [()])
    assert len(given) == 2
