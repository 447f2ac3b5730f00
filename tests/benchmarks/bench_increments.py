"""What an increment costs beside a full pass, and how near its groups are to those from scratch.

    python tests/benchmarks/bench_increments.py [time threshold agreement real] [--faces 20000]

Four Markdown tables. Time: new photos of two faces into a library of made faces, one full pass and
one increment, reading and writing included. Threshold: a full pass, then one at a lower threshold
from its merges, and one that makes its own. Agreement: some of 4,000 made faces come after the full
pass, at once or in ten steps; BCubed F of the groups against those from scratch, and precision,
recall and F of both against the truth. Real photos: those of ../shared/data/library (or --data),
some of which come after the full pass; left out where they are not there. Made faces: a long
tail of people (sizes by Zipf's law, exponent 1.6, the largest a twentieth of all), 128 dimensions;
with noise 0.9, 1.1, 1.3 two of one person are 0.90, 1.10, 1.26 apart; strangers 2.0.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facecluster.analyzer import Analyzer
from facecluster.detect import Detector
from facecluster.embed import BUNDLED, open_model
from facecluster.facenet.agreement import Agreement, bcubed
from facecluster.grouping import Constraints, group, grow
from facecluster.library import KeptMerges, Library
from facecluster.people import extend, regroup
from facecluster.records import Analysis, Box, Face, FileStamp, Photo, Quality
from facecluster.scan import scan

Rows = NDArray[np.float32]
THRESHOLD = 1.1
LOWER = 1.0
POINTS = ((3.0, 3.0), (7.0, 3.0), (5.0, 5.0), (3.0, 7.0), (7.0, 7.0))


def made(n: int, noise: float = 0.9) -> tuple[Rows, NDArray[np.int64]]:
    """n unit rows in no order, and who each shows."""
    chance = np.random.default_rng(0)
    sizes = np.minimum(chance.zipf(1.6, size=n), n // 20 + 1)
    who = np.repeat(np.arange(n), sizes)[:n]
    chance.shuffle(who)
    centres = chance.normal(size=(int(who.max()) + 1, 128))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rows = centres[who] + chance.normal(size=(n, 128)) * noise / np.sqrt(128)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), who


def photo(number: int, rows: Rows) -> Analysis:
    faces = tuple(
        Face(Box(100.0 * k, 0, 100.0 * k + 10, 12), POINTS, 0.99, Quality(40.0, 300.0, 0.0))
        for k in range(len(rows))
    )
    about = Photo(f"{number:064d}", 640, 480, 1, None)
    return Analysis(FileStamp(f"/{number}.jpg", 1, 1), about, faces, rows)


def times(faces: int, photos: int) -> None:
    rows, _ = made(faces + 2 * photos)
    analyses = [photo(one, rows[2 * one : 2 * one + 2]) for one in range(len(rows) // 2)]
    with (
        tempfile.TemporaryDirectory() as folder,
        Library.open(Path(folder) / "library.sqlite") as library,
    ):
        model = library.scanned.register_model(fingerprint="f", name="made", dimension=128)
        library.scanned.add(analyses[: faces // 2], detector="d", model=model)
        began = time.perf_counter()
        regroup(library, model, method="agglomerative", threshold=THRESHOLD, k=None)
        full = time.perf_counter() - began
        library.scanned.add(analyses[faces // 2 :], detector="d", model=model)
        began = time.perf_counter()
        done = extend(library)
        some = time.perf_counter() - began
    print(
        f"| {faces} | {done.looked_at} | {full:.2f} | {some:.2f} | {some / full:.1%} |", flush=True
    )


def threshold(faces: int) -> None:
    rows, _ = made(faces)
    analyses = [photo(one, rows[2 * one : 2 * one + 2]) for one in range(faces // 2)]
    with (
        tempfile.TemporaryDirectory() as folder,
        Library.open(Path(folder) / "library.sqlite") as library,
    ):
        model = library.scanned.register_model(fingerprint="f", name="made", dimension=128)
        library.scanned.add(analyses, detector="d", model=model)
        spent, groups = [], []
        nothing = KeptMerges(np.empty((0, 2), np.int64), np.empty(0), 0.0)
        for squared, kept in ((THRESHOLD, False), (LOWER, True), (LOWER, False)):
            if not kept:
                library.merges.keep(b"", nothing)
            began = time.process_time()
            done = regroup(library, model, method="agglomerative", threshold=squared, k=None)
            spent.append(time.process_time() - began)
            groups.append(done.groups)
    assert groups[1] == groups[2]
    print(f"| {faces} | {spent[0]:.1f} | {spent[1]:.1f} | {spent[2]:.1f} |", flush=True)


def agreement(share: float, steps: int, noise: float) -> None:
    rows, truth = made(4_000, noise)
    none = Constraints.none(len(rows))

    def whole(some: Rows) -> NDArray[np.int64]:
        return group(
            some,
            method="agglomerative",
            threshold=THRESHOLD,
            k=None,
            constraints=Constraints.none(len(some)),
        )

    before = round(len(rows) * (1 - share))
    labels = np.full(len(rows), -1, dtype=np.int64)
    labels[:before] = whole(rows[:before])
    for part in np.array_split(np.arange(before, len(rows)), steps):
        new = np.isin(np.arange(len(rows)), part)
        labels = grow(rows, labels, new, threshold=THRESHOLD, constraints=none)
    scratch = whole(rows)
    like = bcubed(labels, each_alone(scratch)).f
    ours, full = (figures(bcubed(found, truth)) for found in (labels, scratch))
    print(
        f"| {noise:g} | {share:.0%} | {steps} | {like:.3f} | {ours} | {full} |",
        flush=True,
    )


def figures(found: Agreement) -> str:
    return f"{found.precision:.3f} {found.recall:.3f} {found.f:.3f}"


def each_alone(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The labels with a group for each face in none."""
    alone = labels < 0
    labels = labels.copy()
    labels[alone] = labels.max() + 1 + np.arange(alone.sum())
    return labels


def real(data: Path) -> None:
    with (data / "library" / "identities.csv").open(newline="", encoding="utf-8") as file:
        people = {row["file"]: row["person"] for row in csv.DictReader(file)}
    network = open_model(BUNDLED)
    how = {"method": "agglomerative", "threshold": network.thresholds["group"], "k": None}
    with tempfile.TemporaryDirectory() as folder:
        with Library.open(Path(folder) / "scanned.sqlite") as library:
            photos = data / "library" / "photos"
            analyses = list(scan(library, [photos], Analyzer(Detector(), network)))
        order = np.random.default_rng(0).permutation(len(analyses))
        for share in (0.1, 0.25, 0.5):
            before = round(len(order) * (1 - share))
            with Library.open(Path(folder) / f"{share}.sqlite") as library:
                model = library.scanned.register_model(
                    fingerprint="f", name="n", dimension=network.dimension
                )
                for part in (order[:before], order[before:]):
                    some = [analyses[place] for place in part.tolist()]
                    library.scanned.add(some, detector="d", model=model)
                    if part[0] == order[0]:
                        regroup(library, model, **how)
                done = extend(library)
                increments = labels_of(library)
                regroup(library, model, **how)
                tell_real(done.since_full, increments, labels_of(library), library, people)


def tell_real(
    since: float,
    increments: dict[int, int],
    scratch: dict[int, int],
    library: Library,
    people: dict[str, str],
) -> None:
    main = main_faces(library, people)
    shown = [face for face in main if face in scratch]
    truth = np.unique([main[face] for face in shown], return_inverse=True)[1]
    alone = each_alone(np.array(list(scratch.values())))
    like = bcubed(np.array(list(increments.values())), alone).f
    print(f"| {len(scratch)} | {since:.0%} | {like:.3f} |", end="")
    for labels in (increments, scratch):
        found = bcubed(np.array([labels[face] for face in shown]), truth)
        print(f" {figures(found)}, {len(set(labels.values()) - {-1})} groups |", end="")
    print(flush=True)


def labels_of(library: Library) -> dict[int, int]:
    return {face.face: face.group or -1 for face in library.faces()}


def main_faces(library: Library, people: dict[str, str]) -> dict[int, str]:
    """Whom the largest face of each photo shows."""
    largest: dict[str, tuple[float, int]] = {}
    for face in library.faces():
        name = Path(face.path).name
        area = face.box.width * face.box.height
        if name in people:
            largest[name] = max(largest.get(name, (0.0, 0)), (area, face.face))
    return {face: people[name] for name, (_, face) in largest.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    root = Path(__file__).resolve().parents[3]
    parser.add_argument("tables", nargs="*", default=["time", "threshold", "agreement", "real"])
    parser.add_argument("--faces", type=int, nargs="+", default=[20_000])
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--data", type=Path, default=root / "shared" / "data")
    chosen = parser.parse_args()
    if "time" in chosen.tables:
        print("| faces | new | full pass, s | increment, s | ratio |\n|---|---|---|---|---|")
        for faces in chosen.faces:
            times(faces, chosen.photos)
    if "threshold" in chosen.tables:
        print("\n| faces | full pass, processor s | lower, its merges | lower, its own merges |")
        print("|---|---|---|---|")
        for faces in chosen.faces:
            threshold(faces)
    if "agreement" in chosen.tables:
        print("\n| noise | new | steps | F, against scratch | P R F, increments | P R F, scratch |")
        print("|---|---|---|---|---|---|")
        for noise in (0.9, 1.1, 1.3):
            for share in (0.1, 0.25, 0.5):
                for steps in (1, 10):
                    agreement(share, steps, noise)
    if "real" in chosen.tables and (chosen.data / "library").is_dir():
        print("\n| real faces | new | F, against scratch | P R F, increments | P R F, scratch |")
        print("|---|---|---|---|---|")
        real(chosen.data)


if __name__ == "__main__":
    main()
