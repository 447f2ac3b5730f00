"""Whether one rule for the threshold of grouping holds precision in libraries of any size.

    python tests/benchmarks/measure_thresholds.py --lfw FILE --library FILE [--teacher]

FILE are libraries of ../shared/data/lfw-dev/images and ../shared/data/library/photos, scanned with
the bundled network. Parts of each (by people, by photos) are grouped with the rule's threshold for
their number of faces and with the network's one constant. --teacher adds the teacher's embeddings
of 100 to 3,352 people of ../shared/data/faces, calibrated on pairs of other families, and made-up
faces of 20 dimensions. Main faces count. Prints a Markdown table; a few minutes with --teacher.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facecluster.embed import Model, find_model, group_threshold
from facecluster.evaluate import main_face
from facecluster.facenet import agreement
from facecluster.facenet.calibration import fit
from facecluster.grouping import Constraints, group
from facecluster.library import Library

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
Rows = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclasses.dataclass
class Faces:
    """Unit rows, the photo of each, and who it is, -1 where nobody knows."""

    rows: Rows
    photos: Labels
    who: Labels

    def part(self, chosen: NDArray[np.bool_]) -> Faces:
        return Faces(self.rows[chosen], self.photos[chosen], self.who[chosen])


def tell(name: str, faces: Faces, model: Model, constant: float | None) -> None:
    """A line with BCubed figures at the rule's threshold and at the constant."""
    rule = group_threshold(model, len(faces.rows))
    cells = [name, str(len(faces.rows)), f"{rule.threshold:.2f}"]
    none = np.empty((0, 2), np.int64)
    known = faces.who >= 0
    for threshold in (rule.threshold, constant):
        if threshold is None:
            continue
        labels = group(
            faces.rows,
            method="agglomerative",
            threshold=threshold,
            k=None,
            constraints=Constraints(none, none, faces.photos),
        )
        found = agreement.bcubed(labels[known], faces.who[known])
        cells.append(f"{found.precision:.3f} / {found.recall:.3f} / {found.f:.3f}")
    print(f"| {' | '.join(cells)} |", flush=True)


def scanned(path: Path, truth: dict[str, str] | None) -> Faces:
    """All faces of a library; who the main ones are by file name, or by folder."""
    with Library.open(path) as library:
        faces = library.faces()
        numbers, rows = library.embeddings(library.models()[0].id)
        place = {int(face): row for row, face in enumerate(numbers)}
        people: dict[int, str] = {}
        for photo in library.photos():
            here = [face for face in faces if face.photo == photo.photo]
            file = Path(photo.path)
            who = file.parent.name if truth is None else truth.get(file.name)
            if here and who:
                boxes = [face.box for face in here]
                main = here[main_face(boxes, photo.about.width, photo.about.height)].face
                people[place[main]] = who
        who = np.full(len(rows), -1)
        who[list(people)] = np.unique(list(people.values()), return_inverse=True)[1]
        return Faces(rows, library.photos_of(numbers), who)


def parts(faces: Faces, by: Labels, sizes: tuple[int, ...]) -> list[tuple[int, Faces]]:
    order = np.random.default_rng(1).permutation(np.unique(by[by >= 0]))
    return [(len(order[:size]), faces.part(np.isin(by, order[:size]))) for size in sizes]


def calibrated(faces: Faces, family: Labels, model: Model) -> Model:
    """The model with a calibration on all pairs of these faces, but for members of one family."""
    first, second = np.triu_indices(len(faces.rows), 1)
    distances = np.maximum(2.0 - 2.0 * faces.rows @ faces.rows.T, 0.0)[first, second]
    same = faces.who[first] == faces.who[second]
    other = family[first] != family[second]
    found = fit(distances[same].astype(float), distances[other].astype(float), source="-")
    return dataclasses.replace(model, calibration=found)


def teacher(model: Model) -> None:
    rows = np.load(DATA / "faces" / "teacher.npy").astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    with (DATA / "faces" / "faces.csv").open(newline="", encoding="utf-8") as file:
        names = np.array([row["person"] for row in csv.DictReader(file)])
    kept = np.array([bool(name) and not name.startswith("celeb") for name in names])
    who = np.unique(names[kept], return_inverse=True)[1]
    family = np.unique([name.split("/")[0] for name in names[kept]], return_inverse=True)[1]
    faces = Faces(rows[kept], np.arange(kept.sum()), who.astype(np.int64))
    sample = np.isin(np.arange(len(who)), np.random.default_rng(0).permutation(len(who))[:4000])
    model = calibrated(faces.part(sample), family[sample], model)
    for people, part in parts(faces, faces.who, (100, 300, 1000, 3352)):
        tell(f"teacher, {people} people", part, model, 1.0)


def made_up(count: int, each: int, seed: int) -> Faces:
    """Faces of 20 dimensions, some noise in 64, `each` a person, most of few."""
    chance = np.random.default_rng(seed)
    people = max(2, count // each)
    who = np.concatenate([np.arange(people), chance.integers(people, size=count - people)])
    centres = chance.normal(size=(people, 20))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rows = 0.35 / 8 * chance.normal(size=(count, 64))
    scatter = 0.62 / np.sqrt(20) * chance.gamma(4, 0.25, size=(count, 1))
    rows[:, :20] += centres[who] + scatter * chance.normal(size=(count, 20))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Faces(rows.astype(np.float32), np.arange(count), who)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lfw", type=Path, required=True)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--teacher", action="store_true")
    options = parser.parse_args()
    model = find_model("nn4")
    constant = model.thresholds["group"]
    print("| faces | number | threshold | rule: P / R / F | constant: P / R / F |")
    print("|---|---|---|---|---|")
    lfw = scanned(options.lfw, None)
    for people, part in parts(lfw, lfw.who, (60, 240, 965)):
        tell(f"LFW development, {people} people, main faces", part, model, constant)
    with (DATA / "library" / "identities.csv").open(newline="", encoding="utf-8") as file:
        truth = {row["file"]: row["person"] for row in csv.DictReader(file)}
    library = scanned(options.library, truth)
    for photos, part in parts(library, library.photos, (120, 250, 503)):
        tell(f"library, {photos} photos", part, model, constant)
    if options.teacher:
        teacher(model)
        sample = made_up(4000, 3, 0)
        drawn = calibrated(sample, sample.who, model)
        for count in (500, 4000, 24_000):
            tell(f"made up, {count // 3} people", made_up(count, 3, count), drawn, 0.6)


if __name__ == "__main__":
    main()
