"""How fast a scan goes, and how long the rest of it will take."""

from __future__ import annotations

import time

__all__ = ["Pace", "work"]

# A photo costs about as much time as 100 kB of it and each of its first 1.5 million bytes; above
# that it is decoded at a reduced size. Measured from 0.25 to 24 megapixels (50 kB to 5.5 MB) the
# time for this much work differs by 1.4 times at most, that for one photo by 11 times.
_BASE = 100_000
_MOST = 1_500_000
# What was done this long ago counts half: a folder of other photos shows within a minute or two.
_HALF_LIFE = 60.0


def work(size: int) -> int:
    """What it costs to look at a file of `size` bytes, as a number to be compared with others."""
    return _BASE + min(size, _MOST)


class Pace:
    """Tells the seconds left of so much work, from the work done so far and its time."""

    def __init__(self, total: int) -> None:
        self._left = total
        self._last = time.monotonic()
        # Of late: both fade by the half-life.
        self._done = self._seconds = 0.0

    def add(self, done: int) -> None:
        """So much more work is done now."""
        now = time.monotonic()
        elapsed, self._last = now - self._last, now
        fading = 0.5 ** (elapsed / _HALF_LIFE)
        self._done = self._done * fading + done
        self._seconds = self._seconds * fading + elapsed
        self._left -= done

    def seconds_left(self) -> float | None:
        """Seconds until all is done at the pace of the last minutes; None before any is."""
        if self._seconds <= 0:
            return None
        return max(0, self._left) * self._seconds / self._done
