"""Whether dates help to tell who somebody is: rules by period on made-up lives.

    python tests/benchmarks/measure_years.py [--data DIR] [--cache DIR] [--seeds 3]

People in families of four, two of them children, over 16 years. A face is a person's direction,
which drifts with the years, and the errors of real faces: what the faces of the development
library's 20 people differ by from their means, a part of it shared by the photos of a season. A
child begins with so much of a direction that all babies share (0, half or nearly all of it), which
fades with a half-life of 3.5 years. Of each person some faces are named, any or those of the first
six years; each other face is asked about. Prints a Markdown table: the share of faces whose person
comes first, children and adults, and VAL at FAR 1e-3 over all faces and people. There is no real
photo with a date at hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from measure_lone import opened
from measure_tiers import arguments
from numpy.typing import NDArray

YEARS, FAMILIES, DIMENSIONS = 16, 20, 40
BABY, SEASON, OWN = 0.7, 0.55, 0.85
Rows = NDArray[np.float64]


@dataclass
class Lives:
    """Unit rows, whose they are, when they were taken in years, and whether of a child."""

    rows: Rows
    who: NDArray[np.int64]
    year: Rows
    child: NDArray[np.bool_]

    def of(self, some: NDArray[np.bool_]) -> Lives:
        return Lives(self.rows[some], self.who[some], self.year[some], self.child[some])


def unit(rows: Rows) -> Rows:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def lives(errors: Rows, drift: float, seed: int) -> Lives:
    chance = np.random.default_rng(seed)
    basis = np.linalg.qr(chance.normal(size=(errors.shape[1], DIMENSIONS)))[0].T
    baby = unit(chance.normal(size=DIMENSIONS))
    parts = []
    for family in range(FAMILIES):
        shared = unit(chance.normal(size=DIMENSIONS))
        for member in range(4):
            count = int(min(300, 15 * chance.pareto(1.2) + 8))
            year = np.sort(chance.uniform(0, YEARS, count))
            grown = unit(0.6 * shared + 0.8 * unit(chance.normal(size=DIMENSIONS)))
            first = unit(BABY * baby + BABY * unit(chance.normal(size=DIMENSIONS)))
            young = (drift * np.exp(-year / 5) if member > 1 else np.zeros(count))[:, None]
            steps = np.sqrt(np.diff(year, prepend=0) / YEARS / DIMENSIONS)[:, None]
            wander = np.cumsum(chance.normal(size=(count, DIMENSIONS)) * steps, axis=0)
            face = unit(unit((1 - young) * grown + young * first) + 0.35 * wander)
            season = errors[chance.integers(len(errors), size=3 * YEARS)][(3 * year).astype(int)]
            own = errors[chance.integers(len(errors), size=count)]
            rows = unit(0.66 * face @ basis + SEASON * season + OWN * own)
            who = np.full(count, 4 * family + member)
            parts.append(Lives(rows, who, year, np.full(count, member > 1)))
    columns = zip(*((one.rows, one.who, one.year, one.child) for one in parts), strict=True)
    return Lives(*(np.concatenate(column) for column in columns))


def distances(asked: Lives, named: Lives) -> dict[str, Rows]:
    """From each face asked about to each person, (M, P), by rule."""
    gap = np.abs(asked.year[:, None] - named.year)
    dots = asked.rows @ named.rows.T
    single = 2 - 2 * dots
    found = {}
    people = [named.who == one for one in np.unique(named.who)]
    middles = unit(np.array([named.rows[theirs].sum(axis=0) for theirs in people]))
    found["centroid of all (`identify`)"] = 2 - 2 * asked.rows @ middles.T
    for half in (1, 2, 4, 8):
        weight = 2.0 ** (-gap / half)
        # The length of a weighted sum, without the sum of each face asked about.
        shared = named.rows @ named.rows.T
        columns = []
        for theirs in people:
            mine = weight[:, theirs]
            length = np.sqrt(np.einsum("mi,ij,mj->m", mine, shared[np.ix_(theirs, theirs)], mine))
            columns.append(2 - 2 * (mine * dots[:, theirs]).sum(axis=1) / length)
        found[f"centroid weighted by date, half for {half} years"] = np.stack(columns, axis=1)
    for width in (2, 4):
        columns = []
        for theirs in people:
            period = (named.year[theirs] // width).astype(int)
            each = [named.rows[theirs][period == one].sum(axis=0) for one in np.unique(period)]
            columns.append((2 - 2 * asked.rows @ unit(np.array(each)).T).min(axis=1))
        found[f"nearest centroid of a period of {width} years"] = np.stack(columns, axis=1)
    found["nearest face"] = np.stack([single[:, theirs].min(axis=1) for theirs in people], axis=1)
    return found


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    some = opened(chosen.data, chosen.cache)["library"]
    known = some.who >= 0
    rows, who = some.vectors[known].astype(np.float64), some.who[known]
    errors = np.concatenate([rows[who == one] - rows[who == one].mean(0) for one in set(who)])
    print("| drift | named | rule | right: children | adults | VAL at FAR 1e-3 |")
    print("|---|---|---|---|---|---|")
    for drift in (0.0, 0.5, 0.9):
        for early in (False, True):
            figures: dict[str, list[tuple[float, float, float]]] = {}
            for seed in range(chosen.seeds):
                measure(lives(errors, drift, seed), early, seed, figures)
            for rule, values in figures.items():
                shown = " | ".join(f"{value:.3f}" for value in np.mean(values, axis=0))
                print(f"| {drift:g} | {'first 6 years' if early else 'any'} | {rule} | {shown} |")


def measure(
    life: Lives, early: bool, seed: int, figures: dict[str, list[tuple[float, float, float]]]
) -> None:
    chance = np.random.default_rng(seed)
    is_named = life.year < 6 if early else chance.random(len(life.rows)) < 0.3
    named = life.of(is_named)
    # The library's own size is enough: each asked face is compared with all named ones.
    asked = life.of(~is_named & np.isin(life.who, named.who) & (chance.random(len(life.who)) < 0.5))
    people = np.unique(named.who)
    for rule, away in distances(asked, named).items():
        right = people[away.argmin(axis=1)] == asked.who
        theirs = people == asked.who[:, None]
        strict = np.quantile(away[~theirs], 1e-3)
        value = float((away[theirs] <= strict).mean())
        told = (float(right[asked.child].mean()), float(right[~asked.child].mean()), value)
        figures.setdefault(rule, []).append(told)


if __name__ == "__main__":
    main()
