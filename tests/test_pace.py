"""The time left, in simulated scans on a simulated clock."""

from __future__ import annotations

import random

import pytest

from facecluster import pace
from facecluster.pace import Pace, work

# Bytes, and seconds of one core, as measured: 0.25, 2, 5, 12, 12 (less compressed), 24 megapixels.
MEASURED = (
    (50_000, 0.046),
    (296_000, 0.121),
    (686_000, 0.264),
    (1_561_000, 0.513),
    (4_295_000, 0.489),
    (5_489_000, 0.484),
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    return clock


def errors(photos: list[tuple[int, float]], clock: Clock) -> tuple[list[float], list[float]]:
    """Relative errors of the time left, and of a guess by the count, from the first minute on.

    The photos (bytes, seconds) are done eight at a time, as a scan does them; its last minute,
    when a single batch is more than a fifth of what is left, does not count.
    """
    begun = clock.now
    end = begun + sum(seconds for _, seconds in photos)
    ours, by_count = [], []
    told = Pace(sum(work(size) for size, _ in photos))
    for first in range(0, len(photos), 8):
        batch = photos[first : first + 8]
        clock.now += sum(seconds for _, seconds in batch)
        for size, _ in batch:
            told.add(work(size))
        elapsed, left = clock.now - begun, end - clock.now
        if elapsed >= 60 and left >= 60:
            done = first + len(batch)
            ours.append(abs((told.seconds_left() or 0) / left - 1))
            by_count.append(abs(elapsed * (len(photos) - done) / done / left - 1))
    return ours, by_count


@pytest.mark.parametrize("order", ["small first", "large first", "by chance"])
@pytest.mark.parametrize("seed", range(3))
def test_after_a_minute_the_time_left_is_right_within_a_fifth(
    order: str, seed: int, clock: Clock
) -> None:
    dice = random.Random(seed)
    photos = [
        # faces differ: of two photos of one size one may take three times as long as the other
        (int(size * dice.uniform(0.8, 1.2)), seconds / 1.9 * dice.lognormvariate(-0.125, 0.5))
        for size, seconds in MEASURED
        for _ in range(500)
    ]
    if order == "large first":
        photos.reverse()
    if order == "by chance":
        dice.shuffle(photos)
    ours, by_count = errors(photos, clock)
    assert max(ours) < 0.2
    if order != "by chance":
        assert max(by_count) > 0.5, "what weighing by size is for"


def test_a_machine_that_slows_down_is_believed_within_minutes(clock: Clock) -> None:
    told = Pace(100_000)
    for _ in range(600):
        clock.now += 1
        told.add(100)
    assert told.seconds_left() == pytest.approx(400)
    for _ in range(180):
        clock.now += 2
        told.add(100)
    assert told.seconds_left() == pytest.approx(2 * 220, rel=0.02)


def test_nothing_done_is_no_estimate_and_more_than_all_leaves_nothing(clock: Clock) -> None:
    told = Pace(10)
    assert told.seconds_left() is None
    clock.now += 1
    told.add(20)
    assert told.seconds_left() == 0
