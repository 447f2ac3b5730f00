"""How often `identify` is right, wrong and silent by several rules, and how true its odds are.

    python tests/benchmarks/measure_identify.py [--data DIR] [--cache DIR] [--rounds 20]

Of the 20 people of the development library some faces are named, 1, 3, or 2 to 15 each, drawn anew
in each round; the others are asked about, and so are LFW's development pictures: strangers. Prints
Markdown tables: at the network's threshold of identifying, the share of the faces asked about that
are told right and wrong, and of the strangers that are told to be somebody; the share told right at
the threshold that takes 1 % of the strangers for somebody; and of the answers by their probability
how many are right.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from measure_lone import opened
from measure_tiers import arguments
from numpy.typing import NDArray

from facecluster.embed import BUNDLED, find_model
from facecluster.people.nearness import centroids
from facecluster.people.odds import probabilities

Rows = NDArray[np.float64]
Rule = Callable[[Rows, Rows, NDArray[np.int64]], Rows]
EDGES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.01)
# The rule of `identify` counts a single face this many times as far as it is.
ALONE = 1.4


def by_centroid(asked: Rows, named: Rows, who: NDArray[np.int64]) -> Rows:
    return np.asarray(2 - 2 * asked @ centroids(who, named)[1].T)


def by_average(asked: Rows, named: Rows, who: NDArray[np.int64]) -> Rows:
    distances = 2 - 2 * asked @ named.T
    return np.stack([distances[:, who == one].mean(axis=1) for one in np.unique(who)], axis=1)


def by_nearest(asked: Rows, named: Rows, who: NDArray[np.int64]) -> Rows:
    distances = 2 - 2 * asked @ named.T
    return np.stack([distances[:, who == one].min(axis=1) for one in np.unique(who)], axis=1)


def by_both(asked: Rows, named: Rows, who: NDArray[np.int64]) -> Rows:
    return np.minimum(by_centroid(asked, named, who), ALONE * by_nearest(asked, named, who))


def by_five_nearest(asked: Rows, named: Rows, who: NDArray[np.int64]) -> Rows:
    """Less where the nearest five say more by their votes, as `identify` with k = 5 does."""
    distances = 2 - 2 * asked @ named.T
    limit = find_model(BUNDLED).thresholds["identify"]
    votes = np.zeros((len(asked), who.max() + 1))
    nearest = np.argsort(distances, axis=1)[:, :5]
    for place in nearest.T:
        gap = np.maximum(0.0, limit - distances[np.arange(len(asked)), place])
        np.add.at(votes, (np.arange(len(asked)), who[place]), gap)
    return np.where(votes > 0, limit - 1e-3 * votes, limit + 1e-3)


RULES: dict[str, Rule] = {
    "centroid, or a face 1.4 times nearer (`identify`)": by_both,
    "centroid": by_centroid,
    "average": by_average,
    "nearest": by_nearest,
    "votes of the 5 nearest (`identify --neighbours 5`)": by_five_nearest,
}


def drawn(who: NDArray[np.int64], count: int | None, seed: int) -> NDArray[np.bool_]:
    """Which faces are named: so many of each person, or 2 to 15."""
    chance = np.random.default_rng(seed)
    named = np.zeros(len(who), dtype=np.bool_)
    for one in np.unique(who):
        rows = np.flatnonzero(who == one)
        named[chance.permutation(rows)[: count or int(chance.integers(2, 16))]] = True
    return named


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=20)
    chosen = parser.parse_args()
    sets = opened(chosen.data, chosen.cache)
    known = sets["library"].who >= 0
    faces = sets["library"].vectors[known].astype(np.float64)
    who = np.unique(sets["library"].who[known], return_inverse=True)[1]
    strangers = sets["lfw-dev"].vectors[sets["lfw-dev"].who >= 0].astype(np.float64)
    print("| named faces a person | rule | right | wrong | strangers | right at 1 % of strangers |")
    print("|---|---|---|---|---|---|")
    for count in (1, 3, None):
        for name, rule in RULES.items():
            figures = [
                told(rule, faces, who, drawn(who, count, seed), strangers)
                for seed in range(chosen.rounds)
            ]
            print(f"| {count or '2 to 15'} | {name} |", end="")
            print("".join(f" {value:.3f} |" for value in np.mean(figures, axis=0)))
    print("\n| rule | probability | answers | right |\n|---|---|---|---|")
    for name in ("centroid", "average"):
        reliability(name, faces, who, strangers, chosen.rounds)


def told(
    rule: Rule, faces: Rows, who: NDArray[np.int64], named: NDArray[np.bool_], strangers: Rows
) -> tuple[float, float, float, float]:
    limit = find_model(BUNDLED).thresholds["identify"]
    distances = rule(faces[~named], faces[named], who[named])
    right, near = distances.argmin(axis=1) == who[~named], distances.min(axis=1)
    theirs = np.sort(rule(strangers, faces[named], who[named]).min(axis=1))
    strict = theirs[int(0.01 * len(theirs))]
    return (
        float(np.mean(right & (near <= limit))),
        float(np.mean(~right & (near <= limit))),
        float(np.mean(theirs <= limit)),
        float(np.mean(right & (near < strict))),
    )


def reliability(
    name: str, faces: Rows, who: NDArray[np.int64], strangers: Rows, rounds: int
) -> None:
    calibration = find_model(BUNDLED).calibration
    assert calibration is not None
    chances, right = [], []
    for seed in range(rounds):
        named = drawn(who, None, seed)
        some = np.random.default_rng(seed).permutation(strangers)[: np.count_nonzero(~named)]
        for asked, truth in ((faces[~named], who[~named]), (some, np.full(len(some), -1))):
            distances = RULES[name](asked, faces[named], who[named])
            chance = probabilities(np.maximum(distances, 0.0), calibration)
            chances.append(chance.max(axis=1))
            right.append(chance.argmax(axis=1) == truth)
    chance, hit = np.concatenate(chances), np.concatenate(right)
    for low, high in pairwise(EDGES):
        here = (chance >= low) & (chance < high)
        print(f"| {name} | {low:g} to {min(high, 1):g} | {here.sum()} | {hit[here].mean():.2f} |")


if __name__ == "__main__":
    main()
