"""What the tiers of faces (core, attach-only, shelf) do to real groups, by the product's own path.

    python tests/benchmarks/measure_tiers.py [--data DIR] [--cache DIR]

Scans the photos of the development library, LFW's development pictures and the photos of crowds
below ../shared/data (or --data); the libraries are kept in --cache, so that the next run takes
seconds. Prints two Markdown tables: the groups at the network's threshold and at looser ones, with
all faces as core, with the shelf, and with both limits, against who the main face of each photo is
(the largest); and, of the crowds, what the shelf holds, by hand-drawn boxes. No two of the crowds'
faces are known to be one person: the fewer of them are grouped, the better.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facecluster.analyzer import Analyzer
from facecluster.detect import Detector
from facecluster.embed import BUNDLED, open_model
from facecluster.facenet.agreement import bcubed
from facecluster.grouping import Constraints, attach, group
from facecluster.library import Library
from facecluster.library.tiers import CORE_SCORE, CORE_SHARPNESS, CORE_SIZE, SHELF_SCORE
from facecluster.library.vectors import unpack_vectors
from facecluster.records import Box
from facecluster.scan import scan

EMPTY = np.empty((0, 2), dtype=np.int64)
Whom = Callable[[Path], str | None]


class Faces:
    """All faces of a scanned folder, the shelf's too, by column."""

    def __init__(self, library: Library) -> None:
        rows = library._connection.rows(
            "select photo, (select min(path) from file where photo = face.photo), x0, y0, x1, y1,"
            " score, size, sharpness, vector, dimension from face"
            " join embedding on embedding.face = face.id join model on model.id = model"
        )
        self.photo = np.array([row[0] for row in rows])
        self.path = [Path(row[1]) for row in rows]
        self.box = [Box(*row[2:6]) for row in rows]
        self.score, self.size, self.sharpness = np.array([row[6:9] for row in rows]).T
        self.vectors = unpack_vectors([row[9] for row in rows], rows[0][10])

    def main(self, whom: Whom) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The largest face of each photo of somebody known, and a number for who it is."""
        largest: dict[Path, int] = {}
        for row in np.argsort([box.width * box.height for box in self.box]).tolist():
            if whom(self.path[row]) is not None:
                largest[self.path[row]] = row
        names = [whom(path) for path in largest]
        return np.array(list(largest.values())), np.unique(names, return_inverse=True)[1]


def grouped(
    faces: Faces, core: NDArray[np.bool_], joining: NDArray[np.bool_], threshold: float
) -> NDArray[np.int64]:
    labels = np.full(len(core), -1, dtype=np.int64)
    labels[core] = group(
        faces.vectors[core],
        method="agglomerative",
        threshold=threshold,
        k=None,
        constraints=Constraints(EMPTY, EMPTY, faces.photo[core]),
    )
    stated = Constraints(EMPTY, EMPTY, faces.photo)
    return attach(
        faces.vectors, labels, joining & ~core, core, threshold=threshold, constraints=stated
    )


def compare(name: str, faces: Faces, whom: Whom, threshold: float) -> None:
    every = np.ones(len(faces.score), dtype=np.bool_)
    seen = faces.score >= SHELF_SCORE
    core = (faces.score >= CORE_SCORE) & (faces.size >= CORE_SIZE)
    core &= faces.sharpness >= CORE_SHARPNESS
    main, truth = faces.main(whom)
    for looser in (1.0, 1.1, 1.2):
        for tiers, founding, joining in (
            ("none", every, every),
            ("shelf", seen, seen),
            ("shelf, attach-only", core & seen, seen),
        ):
            labels = grouped(faces, founding, joining, threshold * looser)
            counts = f"{len(set(labels[labels >= 0].tolist()))} | {np.sum(labels >= 0)}"
            figures = "| | "
            if len(main):
                found = bcubed(labels[main], truth)
                figures = f"{found.precision:.4f} | {found.recall:.4f} | {found.f:.4f}"
            share = f"{founding.mean():.3f}, {1 - joining.mean():.3f}"
            print(
                f"| {name} | {threshold * looser:.2f} | {tiers} | {share} | {counts} | {figures} |"
            )


def on_the_shelf(faces: Faces, drawn: dict[str, list[dict[str, object]]]) -> None:
    real = np.array(
        [
            any(box.iou(Box(*map(float, one["box"]))) >= 0.4 for one in drawn[path.name])  # type: ignore[call-overload]
            for path, box in zip(faces.path, faces.box, strict=True)
        ]
    )
    print("\n| score below | findings that are no face | faces |\n|---|---|---|")
    for score in (0.75, 0.8, 0.85, 0.9, 0.95):
        below = faces.score < score
        print(
            f"| {score:g} | {np.sum(below & ~real)} of {np.sum(~real)} "
            f"| {np.sum(below & real)} of {np.sum(real)} |"
        )


def arguments(about: str) -> argparse.ArgumentParser:
    """A parser of --data and --cache, described by the first line of a program's docstring."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    root = Path(__file__).resolve().parents[3]
    parser.add_argument("--data", type=Path, default=root / "shared" / "data")
    parser.add_argument(
        "--cache", type=Path, default=Path(tempfile.gettempdir()) / "facecluster-measure"
    )
    return parser


def main() -> None:
    parser = arguments(__doc__ or "")
    chosen = parser.parse_args()
    chosen.cache.mkdir(parents=True, exist_ok=True)
    network = open_model(BUNDLED)
    analyzer = Analyzer(Detector(), network)
    with (chosen.data / "library" / "identities.csv").open(newline="", encoding="utf-8") as file:
        people = {row["file"]: row["person"] for row in csv.DictReader(file)}
    sets: dict[str, tuple[str, Whom]] = {
        "library": ("photos", lambda path: people.get(path.name)),
        "lfw-dev": ("images", lambda path: path.parent.name),
        "detection": ("photos", lambda path: None),
    }
    found = {}
    for name, (folder, _) in sets.items():
        with Library.open(chosen.cache / f"tiers-{name}.sqlite") as library:
            for _ in scan(library, [chosen.data / name / folder], analyzer):
                pass
            found[name] = Faces(library)
    print("| photos | threshold | tiers | core, shelf | groups | faces in them | P | R | F |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, (_, whom) in sets.items():
        compare(name, found[name], whom, network.thresholds["group"])
    boxes = json.loads((chosen.data / "detection" / "boxes.json").read_text(encoding="utf-8"))
    on_the_shelf(found["detection"], boxes)


if __name__ == "__main__":
    main()
