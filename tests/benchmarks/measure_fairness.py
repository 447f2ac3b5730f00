"""For whom a network works: verification within groups of skin tone and of age.

    python tests/benchmarks/measure_fairness.py [--model nn4|nns2|FILE] [--ages FILE.csv]

Of LFW's development pictures and the held-out families below ../shared/data (or --data), by the
product's own reading, detection and alignment; what was detected is kept in --cache. Tones are
measured in the pictures (skin_tone.py), a person's being the median of theirs. Ages come from a CSV
file with the columns file ("Name/Name_0001.jpg", and the families' "000000.webp") and age; without
one they are left out. Prints the two Markdown tables of a model's card: percent, with the 95 %
interval of drawing people. A rate that too few pairs show is "-".
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measure_accuracy import centred, embedded, landmarks_of, main_face
from measure_tiers import arguments
from numpy.typing import NDArray
from skin_tone import TONES, skin_angle
from subgroups import grouped, interval, pairs_within, rates, share_between

from facecluster import align
from facecluster.detect import Detector
from facecluster.embed import BUNDLED, Embedder, open_model
from facecluster.facenet.dataset import read_table
from facecluster.images import read

AGES = (("under 13", 0), ("13 to 19", 13), ("20 to 39", 20), ("40 to 59", 40), ("60 and over", 60))
USES = ("identify", "verify")
# With fewer pairs of one person, or of strangers, a rate is left out.
LEAST_SAME, LEAST_STRANGERS = 20, 1000


@dataclass
class Faces:
    """N faces of one set: unit rows (N, D), who each is and of which family, and its file.

    angles (N,) are the skin's, NaN where colour does not show it.
    """

    of: str
    rows: NDArray[np.float32]
    people: NDArray[np.int64]
    families: NDArray[np.int64]
    files: list[str]
    angles: NDArray[np.float64]

    def personal_angles(self) -> NDArray[np.float64]:
        """For each face with an angle the median of its person's, for the others NaN."""
        angles = np.full(len(self.angles), np.nan)
        seen = ~np.isnan(self.angles)
        for person in np.unique(self.people[seen]):
            here = seen & (self.people == person)
            angles[here] = np.median(self.angles[here])
        return angles


def lfw(data: Path, embedder: Embedder, cache: Path) -> Faces:
    """LFW's development pictures in which a face is found: that nearest the middle."""
    images = data / "lfw-dev" / "images"
    paths = sorted(path for path in images.rglob("*") if path.is_file())
    crops, files, angles = [], [], []
    for path, faces in zip(paths, landmarks_of(paths, Detector(), cache), strict=True):
        if len(faces):
            pixels = read(path).pixels
            best = main_face(faces, pixels.shape[1], pixels.shape[0], by_size=False)
            marks = faces[best, 4:].reshape(5, 2)
            crops.append(align.crop(pixels, marks, embedder.crop_size, embedder.margin))
            files.append(path.relative_to(images).as_posix())
            angles.append(skin_angle(align.crop(pixels, marks, align.TEMPLATE_SIZE)))
    who = np.unique([file.split("/")[0] for file in files], return_inverse=True)[1]
    return Faces("LFW", embedded(crops, embedder), who, who, files, np.array(angles))


def families(data: Path, embedder: Embedder, cache: Path) -> Faces:
    """The families that no bundled network was trained on; each face comes aligned."""
    table = read_table(data / "families", cache=cache / "families.npy")
    with (data / "families" / "faces.csv").open(newline="", encoding="utf-8") as file:
        files = [row["name"] for row in csv.DictReader(file)]
    inner = slice(table.margin, table.margin + align.TEMPLATE_SIZE)
    angles = [skin_angle(np.asarray(pixels)[inner, inner]) for pixels in table.pixels]
    rows = embedded(centred(table, embedder), embedder)
    return Faces("families", rows, table.identities, table.kin, files, np.array(angles))


def ages_of(path: Path, faces: Faces) -> NDArray[np.float64]:
    """The age of each face by the file, NaN where it has none."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        ages = {row["file"]: float(row["age"]) for row in csv.DictReader(file)}
    return np.array([ages.get(file, np.nan) for file in faces.files])


def line(
    faces: Faces, name: str, rows: NDArray[np.int64], thresholds: Sequence[float], rounds: int
) -> str:
    """One group's row of the table."""
    pairs = pairs_within(faces.rows[rows], faces.people[rows], faces.families[rows])
    same = int(pairs.same.sum())
    strangers = len(pairs.same) - same
    shown = [same >= LEAST_SAME, strangers >= LEAST_STRANGERS]
    enough = [*shown * len(thresholds), all(shown)]
    cells = ["-"] * len(enough)
    if any(enough):
        found = rates(pairs, thresholds, np.ones(pairs.families, dtype=np.int64))
        low, high = interval(pairs, thresholds, rounds=rounds, seed=0)
        cells = [
            f"{share(value)} ({share(least)}-{share(most)})" if shown_here else "-"
            for value, least, most, shown_here in zip(found, low, high, enough, strict=True)
        ]
    people = len(np.unique(faces.people[rows]))
    counts = [f"{len(rows):,}", f"{people:,}", f"{same:,}", f"{strangers:,}"]
    return f"| {' | '.join([faces.of, name, *counts, *cells])} |"


def share(value: float) -> str:
    """Percent, with two digits that count."""
    percent = 100 * value
    return (
        f"{percent:.2f}" if percent < 1 else f"{percent:.1f}" if percent < 10 else f"{percent:.0f}"
    )


def head(kind: str, thresholds: Sequence[float]) -> str:
    columns = ["of", kind, "faces", "people", "same pairs", "pairs of strangers"]
    for use, threshold in zip(USES, thresholds, strict=True):
        columns += [f"VAL, {use} ({threshold:.3g})", f"FAR, {use}"]
    columns.append("EER")
    return f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|"


def about_tones(faces: Faces) -> str:
    """A sentence on the pictures left out, and on how far the angle is the person's."""
    seen = ~np.isnan(faces.angles)
    part = share_between(faces.angles[seen], faces.people[seen])
    return (
        f"{faces.of}: {int((~seen).sum())} of {len(seen):,} pictures left out as grey, sepia or lit"
        f" in colour; {100 * part:.0f} % of the variance of the angle lies between people."
    )


def tell(options: argparse.Namespace) -> None:
    options.cache.mkdir(parents=True, exist_ok=True)
    embedder = open_model(options.model)
    thresholds = [embedder.thresholds[use] for use in USES]
    sets = [of(options.data, embedder, options.cache) for of in (lfw, families)]
    print(head("skin tone", thresholds))
    for faces in sets:
        for name, rows in grouped(faces.personal_angles(), TONES):
            print(line(faces, name, rows, thresholds, options.rounds), flush=True)
    print("", *map(about_tones, sets), sep="\n")
    if options.ages:
        print(f"\n{head('age', thresholds)}")
        for faces in sets:
            for name, rows in grouped(ages_of(options.ages, faces), AGES):
                print(line(faces, name, rows, thresholds, options.rounds), flush=True)


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--model", default=BUNDLED)
    parser.add_argument("--ages", type=Path, metavar="FILE.csv")
    parser.add_argument("--rounds", type=int, default=200, help="draws of people")
    tell(parser.parse_args())


if __name__ == "__main__":
    main()
