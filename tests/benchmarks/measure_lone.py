"""What lone faces that join large groups beyond the threshold do to real groups.

    python tests/benchmarks/measure_lone.py [--data DIR] [--cache DIR]

Scans the development library (503 photos of 20 people) and LFW's 1,549 development pictures, most
of them of people seen once or twice; what was found is kept in --cache. Groups the first alone, the
second alone, and both together, as a family's photos with many strangers on them are, with the
tiers of quality, at several thresholds: without lone faces, and with several rules for them. Prints
a Markdown table: BCubed of the main faces, and how many lone faces came to most of their own
person's faces and how many to others.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
from measure_tiers import EMPTY, Faces, arguments
from numpy.typing import NDArray

from facecluster.analyzer import Analyzer
from facecluster.detect import Detector
from facecluster.embed import BUNDLED, open_model
from facecluster.facenet.agreement import bcubed
from facecluster.grouping import Constraints, attach, attaching, group
from facecluster.library import Library
from facecluster.library.tiers import CORE_SCORE, CORE_SHARPNESS, CORE_SIZE, SHELF_SCORE
from facecluster.scan import scan

# A large group, the reach and the margin in thresholds.
RULES = (
    None,
    (8, 1.2, 0.4),
    (8, 1.35, 0.4),
    (8, 1.35, 0.5),
    (8, 1.5, 0.5),
    (4, 1.35, 0.5),
    (6, 1.35, 0.5),
    (12, 1.35, 0.5),
)


class Set:
    """Some of the faces, which are core, and who the main ones are; -1 where nobody says."""

    def __init__(self, faces: Faces, who: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        self.vectors = faces.vectors[rows]
        self.core = (faces.score >= CORE_SCORE) & (faces.size >= CORE_SIZE)
        self.core = (self.core & (faces.sharpness >= CORE_SHARPNESS))[rows]
        self.who = who[rows]
        self.stated = Constraints(EMPTY, EMPTY, faces.photo[rows])


def opened(data: Path, cache: Path) -> dict[str, Set]:
    cache.mkdir(parents=True, exist_ok=True)
    with (data / "library" / "identities.csv").open(newline="", encoding="utf-8") as file:
        people = {row["file"]: row["person"] for row in csv.DictReader(file)}
    folders = [data / "library" / "photos", data / "lfw-dev" / "images"]
    with Library.open(cache / "strangers.sqlite") as library:
        for _ in scan(library, folders, Analyzer(Detector(), open_model(BUNDLED))):
            pass
        faces = Faces(library)
    main, number = faces.main(
        lambda path: path.parent.name if "lfw-dev" in path.parts else people.get(path.name)
    )
    who = np.full(len(faces.score), -1, dtype=np.int64)
    who[main] = number
    seen = faces.score >= SHELF_SCORE
    lfw = np.array(["lfw-dev" in path.parts for path in faces.path])
    return {
        "library": Set(faces, who, np.flatnonzero(seen & ~lfw)),
        "among strangers": Set(faces, who, np.flatnonzero(seen)),
        "lfw-dev": Set(faces, who, np.flatnonzero(seen & lfw)),
    }


def labelled(
    some: Set, threshold: float, rule: tuple[int, float, float] | None
) -> NDArray[np.int64]:
    """The groups as the product makes them, lone faces by this rule."""
    large, reach, margin = rule or (len(some.vectors) + 1, 1.0, 0.0)
    attaching.LARGE, attaching.REACH, attaching.MARGIN = large, reach, margin
    core = np.flatnonzero(some.core)
    labels = np.full(len(some.vectors), -1, dtype=np.int64)
    labels[core] = group(
        some.vectors[core],
        method="agglomerative",
        threshold=threshold,
        k=None,
        constraints=some.stated.subset(core),
    )
    return attach(
        some.vectors, labels, ~some.core, some.core, threshold=threshold, constraints=some.stated
    )


def came_home(some: Set, without: NDArray[np.int64], labels: NDArray[np.int64]) -> tuple[int, int]:
    """How many of those who joined a group now are with most of its known faces, or are not."""
    right = wrong = 0
    for row in np.flatnonzero((without < 0) & (labels >= 0) & (some.who >= 0)).tolist():
        others = some.who[(labels == labels[row]) & (without >= 0) & (some.who >= 0)]
        if len(others):
            is_home = Counter(others.tolist()).most_common(1)[0][0] == some.who[row]
            right, wrong = right + is_home, wrong + (not is_home)
    return right, wrong


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.62, 0.64, 0.66])
    chosen = parser.parse_args()
    sets = opened(chosen.data, chosen.cache)
    print("| photos | threshold | large, reach, margin | P | R | F | lone faces right, wrong |")
    print("|---|---|---|---|---|---|---|")
    for threshold in chosen.thresholds:
        for name, some in sets.items():
            without = labelled(some, threshold, None)
            for rule in RULES:
                labels = without if rule is None else labelled(some, threshold, rule)
                known = some.who >= 0
                alone = known & (labels < 0)
                own = labels.copy()
                own[alone] = labels.max() + 1 + np.arange(np.count_nonzero(alone))
                found = bcubed(own[known], some.who[known])
                figures = f"{found.precision:.3f} | {found.recall:.3f} | {found.f:.3f}"
                right, wrong = came_home(some, without, labels)
                told = "none" if rule is None else ", ".join(f"{value:g}" for value in rule)
                print(f"| {name} | {threshold:g} | {told} | {figures} | {right}, {wrong} |")


if __name__ == "__main__":
    main()
