"""How well people of one sub-group are told apart, at thresholds that are given, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def grouped(values: Floats, groups: Sequence[tuple[str, float]]) -> Iterator[tuple[str, Integers]]:
    """The rows of all values (N,) but NaN, then those of each group: from its least value on."""
    yield "all", np.flatnonzero(~np.isnan(values))
    least = sorted(floor for _, floor in groups)
    number = np.searchsorted(least, values, side="right") - 1
    for name, floor in groups:
        yield name, np.flatnonzero(~np.isnan(values) & (number == least.index(floor)))


@dataclass(frozen=True)
class Pairs:
    """P pairs of faces, the nearest first: squared distances and whether both are one person.

    first and second (P,) number the families of the two, from 0 to families - 1. Strangers are of
    two families: pairs of relatives are left out.
    """

    distances: Floats
    same: NDArray[np.bool_]
    first: Integers
    second: Integers
    families: int


def pairs_within(rows: NDArray[np.float32], people: Integers, families: Integers) -> Pairs:
    """All pairs of N faces: unit rows (N, D), who each is and whose family (N,)."""
    numbers = np.unique(families, return_inverse=True)[1]
    first, second = np.triu_indices(len(rows), 1)
    same = people[first] == people[second]
    kept = same | (numbers[first] != numbers[second])
    first, second, same = first[kept], second[kept], same[kept]
    distances = np.clip(2.0 - 2.0 * (rows @ rows.T).astype(np.float64), 0.0, 4.0)[first, second]
    order = np.argsort(distances)
    return Pairs(
        distances[order],
        same[order],
        numbers[first[order]],
        numbers[second[order]],
        len(np.unique(numbers)),
    )


def rates(pairs: Pairs, thresholds: Sequence[float], times: Integers) -> Floats:
    """VAL and FAR at each threshold, then EER: (2 T + 1,), each family counted so many times.

    times is (families,). Two copies of one family are no strangers. NaN where no pairs are left.
    """
    weights = times[pairs.first] * np.where(pairs.same, 1, times[pairs.second])
    accepted, met = np.cumsum(weights * pairs.same), np.cumsum(weights * ~pairs.same)
    if len(weights) == 0 or accepted[-1] == 0 or met[-1] == 0:
        return np.full(2 * len(thresholds) + 1, np.nan)
    val, far = (np.concatenate([[0.0], count / count[-1]]) for count in (accepted, met))
    at = np.searchsorted(pairs.distances, thresholds, side="right")
    even = np.argmin(np.abs(far - (1.0 - val)))
    equal = (far[even] + 1.0 - val[even]) / 2
    return np.concatenate([np.stack([val[at], far[at]], axis=1).ravel(), [equal]])


def interval(
    pairs: Pairs, thresholds: Sequence[float], *, rounds: int, seed: int
) -> tuple[Floats, Floats]:
    """The 95 % interval of each of `rates`, by drawing families with replacement (percentiles).

    People, not pairs: a face that is near to many would else count as many findings. Members of a
    family are drawn together, since they look alike.
    """
    chance = np.random.default_rng(seed)
    drawn = [
        np.bincount(chance.integers(pairs.families, size=pairs.families), minlength=pairs.families)
        for _ in range(rounds)
    ]
    found = np.array([rates(pairs, thresholds, times) for times in drawn])
    low, high = np.nanpercentile(found, [2.5, 97.5], axis=0)
    return low, high


def share_between(values: Floats, people: Integers) -> float:
    """The share of the variance of values (N,) that lies between people: ICC(1), at most 1.

    Low where one person's values differ as much as two people's (Shrout and Fleiss, 1979, with the
    mean size of groups of unequal size). People of one value count for the variance between.
    """
    numbers, sizes = np.unique(people, return_inverse=True, return_counts=True)[1:]
    means = np.bincount(numbers, values) / sizes
    groups, total = len(sizes), len(values)
    between = float((sizes * (means - values.mean()) ** 2).sum() / (groups - 1))
    within = float(((values - means[numbers]) ** 2).sum() / (total - groups))
    size = (total - float((sizes**2).sum()) / total) / (groups - 1)
    return (between - within) / (between + (size - 1) * within)
