"""What a squared distance tells: how probably two faces are one person, and how often two strangers
are as near.

Both are fitted to the squared distances of development pairs, kept in a model's header as a few
numbers, and hold for faces like those of the pairs only: relatives and children are nearer.

P(same | d2) is a logistic regression (Platt, 1999) on the squared distance, both kinds of pairs
with equal weight, so at equal odds. On Labeled Faces in the Wild the log odds are straight from 0.5
to 2.0, as far as there are pairs, so no freer curve fits.

False-accept rates (section 4) are counted as far down as some pairs are accepted. Below, the
rate falls as a power of the distance, as it must on a sphere where only the number of dimensions
counts; the power is Hill's estimate (1975) from the nearest thousandth of the pairs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import UsageError

__all__ = ["Calibration", "FalseAccepts", "fit"]

Floats = NDArray[np.float64]

# Down to this many accepted pairs a rate is counted (to some 30 %), below it is extrapolated.
_COUNTED = 10
_RATES = tuple(10.0**-power for power in range(1, 9))
# The nearest pairs of strangers that the tail is fitted to: a share, and at least so many.
_TAIL, _NEAREST = 1e-3, 20
# Fewer pairs of one person, or of two, show nothing; of these so many that FAR 0.1 is counted.
_LEAST = (20, 100)
# No two points of the sphere are farther apart (squared).
_FARTHEST = 4.0


@dataclass(frozen=True, slots=True)
class FalseAccepts:
    """The threshold within which this share of the pairs of strangers lies.

    extrapolated: by the fitted tail, since the pairs are too few to show it.
    """

    rate: float
    threshold: float
    extrapolated: bool


@dataclass(frozen=True, slots=True)
class Calibration:
    """What squared distances mean for one network; made by `fit`.

    The log odds of "same person" are intercept + slope x squared distance at equal odds. rates are
    falling. source says of which pairs, same and different how many there were.
    """

    source: str
    same: int
    different: int
    intercept: float
    slope: float
    rates: tuple[FalseAccepts, ...]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Calibration:
        """What dataclasses.asdict and JSON made of one; ValueError or TypeError when it is none."""
        rates = tuple(FalseAccepts(**rate) for rate in value["rates"])
        found = cls(**{**value, "rates": rates})
        points = [number for one in rates for number in (one.threshold, one.rate)]
        finite = all(math.isfinite(number) for number in (found.intercept, found.slope, *points))
        if len(rates) < 2 or not finite or min(points) <= 0:
            raise ValueError("its calibration is damaged")
        if all(one.extrapolated for one in rates):
            raise ValueError("its calibration is of no pairs")
        return found

    def log_odds(self, squared_distance: float) -> float:
        """The natural logarithm of the odds of one person to two, when both are as frequent.

        Other frequencies shift it: with a share p of pairs of one person, by log(p / (1 - p)).
        """
        return self.intercept + self.slope * squared_distance

    def probability(self, squared_distance: float) -> float:
        """P(same | squared distance) when pairs of one person and of two are as frequent."""
        return _logistic(self.log_odds(squared_distance))

    def threshold(self, rate: float) -> FalseAccepts:
        """The squared distance that has this FAR (0 < rate <= 1).

        Between the kept rates, and below them, on straight lines in the logarithms of both.
        """
        points = [(one.rate, one.threshold) for one in reversed(self.rates)]
        rates, thresholds = np.log([*points, (1.0, _FARTHEST)]).T
        threshold = math.exp(_on_lines(math.log(rate), rates, thresholds))
        counted = min(one.rate for one in self.rates if not one.extrapolated)
        return FalseAccepts(rate, min(threshold, _FARTHEST), rate < counted * (1 - 1e-9))


def fit(same: Floats, different: Floats, *, source: str) -> Calibration:
    """The calibration of these squared distances of pairs of one person (S,) and of two (N,).

    source names the pairs. UsageError when there are fewer than 20 and 100 of them or when same
    pairs are not nearer. O(N log N); a million pairs take a second.
    """
    if len(same) < _LEAST[0] or len(different) < _LEAST[1]:
        raise UsageError(
            f"{len(same)} pairs of one person and {len(different)} of two are too few to calibrate "
            f"with: {_LEAST[0]} and {_LEAST[1]} are the least."
        )
    intercept, slope = _regression(same, different)
    if not slope < 0:
        raise UsageError("The network tells nobody apart: same pairs are no nearer than others.")
    return Calibration(
        source, len(same), len(different), intercept, slope, _false_accepts(np.sort(different))
    )


def _regression(same: Floats, different: Floats) -> tuple[float, float]:
    """Intercept and slope by Newton's method, from pairs that count as half of the whole each.

    Where no distance is met by both kinds the slope has no limit: a little of each label is taken
    back, as Platt (1999) does, so that it has. Distances are fitted from their middle in their own
    width: so the steps are as large as the slope of those that lie close together.
    """
    x = np.concatenate([same, different])
    middle, width = x.mean(), max(x.std(), 1e-6)
    goal = np.repeat(
        [(len(same) + 1) / (len(same) + 2), 1 / (len(different) + 2)], [len(same), len(different)]
    )
    weight = np.repeat([0.5 / len(same), 0.5 / len(different)], [len(same), len(different)])
    design = np.stack([np.ones_like(x), (x - middle) / width])
    found = np.zeros(2)
    for _ in range(100):
        share = 1.0 / (1.0 + np.exp(-(found @ design)))
        gradient = design @ (weight * (goal - share))
        curvature = (design * (weight * share * (1 - share))) @ design.T
        step = np.linalg.solve(curvature + 1e-12 * np.eye(2), gradient)
        # Full steps may overshoot where the kinds hardly overlap.
        found += step * min(1.0, 5.0 / max(np.abs(step).max(), 1e-300))
        if np.abs(step).max() < 1e-9:
            break
    slope = found[1] / width
    return float(found[0] - slope * middle), float(slope)


def _false_accepts(ordered: Floats) -> tuple[FalseAccepts, ...]:
    """The thresholds at _RATES for rising distances, counted or by the fitted tail."""
    count = len(ordered)
    anchor = min(max(_NEAREST, int(_TAIL * count)), count - 1)
    edge = max(float(ordered[anchor]), 1e-6)
    inverse_power = float(np.mean(np.log(edge / np.maximum(ordered[:anchor], 1e-9))))
    found: list[FalseAccepts] = []
    for rate in _RATES:
        allowed = rate * count
        extrapolated = allowed < _COUNTED
        threshold = float(ordered[max(0, int(allowed) - 1)])
        if extrapolated:
            threshold = edge * (allowed / anchor) ** inverse_power
        # Counted and fitted thresholds meet with an error: it must not turn the order.
        threshold = min(threshold, found[-1].threshold if found else _FARTHEST)
        found.append(FalseAccepts(rate, max(threshold, 1e-6), extrapolated))
    return tuple(found)


def _on_lines(x: float, xs: Floats, ys: Floats) -> float:
    """y at x on the straight lines through the points, xs rising, the first going on below."""
    xs = np.maximum.accumulate(xs + 1e-12 * np.arange(len(xs)))
    at = max(1, min(int(np.searchsorted(xs, x)), len(xs) - 1))
    share = (x - xs[at - 1]) / (xs[at] - xs[at - 1])
    return float(ys[at - 1] + share * (ys[at] - ys[at - 1]))


def _logistic(x: float) -> float:
    # Either form alone overflows on one side.
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))
