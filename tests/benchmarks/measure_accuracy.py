"""How well a network does on real faces, by the product's own path: read, detect, align, embed.

    python tests/benchmarks/measure_accuracy.py [--model PATH] [--no-mirror] [--json] [--teacher]

Three measurements on ../shared/data (or --data): LFW's development test (1,000 pairs), the
grouping of 503 photos of 20 people, and relatives against strangers. What was detected is kept in
--cache, so that the next network takes seconds. --teacher repeats the README's figures of the
families from the teacher's embeddings, a check of this script. Prints "name value" lines, or one
JSON document.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facecluster import align
from facecluster.detect import Detector
from facecluster.embed import BUNDLED, Embedder, open_model
from facecluster.facenet import agreement, evaluation
from facecluster.facenet.dataset import FaceTable, read_table
from facecluster.facenet.pairs import read_lfw_pairs
from facecluster.grouping import Constraints, group
from facecluster.images import Picture, read

Rows = NDArray[np.float32]


def landmarks_of(paths: list[Path], detector: Detector, cache: Path) -> list[NDArray[np.float64]]:
    """For each photo its faces (F, 14): box (4) and landmarks (10) in pixels as read."""
    name = hashlib.sha256(f"{detector.name} {[str(p) for p in paths]}".encode()).hexdigest()[:16]
    kept = cache / f"faces-{name}.npz"
    if kept.is_file():
        with np.load(kept) as file:
            return [file[str(number)] for number in range(len(paths))]
    found = []
    for number, path in enumerate(paths):
        picture = read(path)
        faces = detector.detect([picture])[0]
        found.append(np.array([flat(face, picture) for face in faces]).reshape(-1, 14))
        print(f"\r{number + 1} of {len(paths)} photos", end="", file=sys.stderr)
    print(file=sys.stderr)
    np.savez(kept, **{str(number): faces for number, faces in enumerate(found)})  # type: ignore[arg-type]
    return found


def flat(face: object, picture: Picture) -> list[float]:
    box, marks = face.box, face.landmarks  # type: ignore[attr-defined]
    values = [box.x0, box.y0, box.x1, box.y1, *(value for point in marks for value in point)]
    return [value / picture.scale for value in values]


def main_face(faces: NDArray[np.float64], width: int, height: int, *, by_size: bool) -> int:
    """The face nearest the centre; by_size: the largest, weighed by how near the centre it is."""
    centre = (faces[:, :2] + faces[:, 2:4]) / 2
    away = np.linalg.norm(centre - [width / 2, height / 2], axis=1) / np.hypot(width, height)
    if not by_size:
        return int(np.argmin(away))
    sides = np.sqrt(np.prod(faces[:, 2:4] - faces[:, :2], axis=1))
    return int(np.argmax(sides * (1 - away)))


def embedded(crops: list[NDArray[np.uint8]], embedder: Embedder) -> Rows:
    side = embedder.crop_size
    return embedder.embed(np.array(crops, dtype=np.uint8).reshape(-1, side, side, 3))


def lfw(data: Path, embedder: Embedder, cache: Path) -> Iterator[tuple[str, float]]:
    pairs = read_lfw_pairs(data / "lfw-dev" / "pairsDevTest.txt")
    names = sorted({*pairs.left, *pairs.right})
    paths = [data / "lfw-dev" / "images" / name for name in names]
    found = landmarks_of(paths, Detector(), cache)
    best = [
        faces[main_face(faces, 250, 250, by_size=False), 4:].reshape(5, 2)
        for faces in found
        if len(faces)
    ]
    # Deep-funneled pictures all have the face at the same place: where none is found, it is there.
    centre = np.median(best, axis=0)
    crops, missed, several = [], 0, 0
    for path, faces in zip(paths, found, strict=True):
        pixels = read(path).pixels
        missed += len(faces) == 0
        several += len(faces) > 1
        marks = centre
        if len(faces):
            marks = faces[main_face(faces, 250, 250, by_size=False), 4:].reshape(5, 2)
        crops.append(align.crop(pixels, marks, embedder.crop_size, embedder.margin))
    rows, number = embedded(crops, embedder), {name: i for i, name in enumerate(names)}
    left, right = ([number[name] for name in side] for side in (pairs.left, pairs.right))
    distances = evaluation.squared_distances(rows[left], rows[right])
    yield "pictures", float(len(paths))
    yield "pictures without a face found", float(missed)
    yield "pictures with several", float(several)
    yield from verification(distances, pairs.same)
    who = np.array([Path(name).parent.name for name in names])
    yield from far_thresholds(rows, who)
    everybody = np.unique(who, return_inverse=True)[1]
    yield from grouped(rows, everybody, np.arange(len(rows)), Constraints.none(len(rows)))


def verification(
    distances: NDArray[np.float64], same: NDArray[np.bool_]
) -> Iterator[tuple[str, float]]:
    """Accuracy over ten folds; the other figures are of all pairs at one threshold."""
    accuracy = evaluation.folded_accuracy(distances, same, evaluation.even_folds(same))
    yield "accuracy", accuracy.mean
    yield "accuracy standard error", accuracy.standard_error
    yield "accuracy threshold", evaluation.best_threshold(distances, same)[0]
    yield "AUC", evaluation.area_under_curve(distances[same], distances[~same])
    rate, threshold = evaluation.equal_error_rate(distances[same], distances[~same])
    yield "EER", rate
    yield "EER threshold", threshold
    yield from at_rates(distances[same], distances[~same], (1e-1, 1e-2, 1e-3))


def at_rates(
    same: NDArray[np.float64], different: NDArray[np.float64], rates: tuple[float, ...]
) -> Iterator[tuple[str, float]]:
    for far in rates:
        threshold = evaluation.threshold_at_far(different, far)
        yield f"threshold at FAR {far:g}", threshold
        yield f"VAL at FAR {far:g}", evaluation.validation_rate(same, threshold)


def far_thresholds(rows: Rows, who: NDArray[np.str_]) -> Iterator[tuple[str, float]]:
    """Thresholds from all pairs of different people: the 500 of the test cannot show FAR 1e-3."""
    first, second = np.triu_indices(len(rows), 1)
    distances = np.maximum(2.0 - 2.0 * rows @ rows.T, 0.0)[first, second]
    different = distances[who[first] != who[second]]
    same = distances[who[first] == who[second]]
    yield "all pairs: different", float(len(different))
    yield "all pairs: same", float(len(same))
    for name, value in at_rates(same, different, (1e-2, 1e-3, 1e-4, 1e-5)):
        yield f"all pairs: {name}", value


def library_faces(
    data: Path, embedder: Embedder, cache: Path
) -> tuple[Rows, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """All faces (N, D), the photo of each (N,), the main faces (M,) and who those show (M,)."""
    with (data / "library" / "identities.csv").open(newline="", encoding="utf-8") as file:
        people = {row["file"]: row["person"] for row in csv.DictReader(file)}
    paths = sorted(path for path in (data / "library" / "photos").rglob("*") if path.is_file())
    found = landmarks_of(paths, Detector(), cache)
    crops, photos, chosen, truth = [], [], [], []
    for photo, (path, faces) in enumerate(zip(paths, found, strict=True)):
        if len(faces) == 0:
            continue
        pixels = read(path).pixels
        if path.name in people:
            best = main_face(faces, pixels.shape[1], pixels.shape[0], by_size=True)
            chosen.append(len(crops) + best)
            truth.append(people[path.name])
        for face in faces:
            marks = face[4:].reshape(5, 2)
            crops.append(align.crop(pixels, marks, embedder.crop_size, embedder.margin))
            photos.append(photo)
    answer = np.unique(truth, return_inverse=True)[1].astype(np.int64)
    return embedded(crops, embedder), np.array(photos), np.array(chosen), answer


def library(
    data: Path, embedder: Embedder, cache: Path, threshold: float
) -> Iterator[tuple[str, float]]:
    rows, photos, chosen, answer = library_faces(data, embedder, cache)
    none = np.empty((0, 2), np.int64)
    constraints = Constraints(none, none, photos)
    yield "photos with a face", float(len(np.unique(photos)))
    yield "faces", float(len(rows))
    yield "main faces", float(len(chosen))
    yield "threshold", threshold
    yield from agreement.grouping(labelled(rows, threshold, constraints)[chosen], answer)
    yield from grouped(rows, answer, chosen, constraints)
    average = labelled(rows, threshold, constraints, by_centroid=False)[chosen]
    for name, value in agreement.grouping(average, answer):
        yield f"average linkage: {name}", value


def labelled(
    rows: Rows, threshold: float, constraints: Constraints, *, by_centroid: bool = True
) -> NDArray[np.int64]:
    return group(
        rows,
        method="agglomerative",
        threshold=threshold,
        k=None,
        constraints=constraints,
        by_centroid=by_centroid,
    )


def grouped(
    rows: Rows, answer: NDArray[np.int64], chosen: NDArray[np.int64], constraints: Constraints
) -> Iterator[tuple[str, float]]:
    """How well the chosen rows are grouped at many thresholds."""
    for step in (*np.arange(0.2, 1.2, 0.02).round(2).tolist(), 1.2, 1.3, 1.4, 1.5):
        found_here = agreement.bcubed(labelled(rows, step, constraints)[chosen], answer)
        yield f"BCubed precision at {step:g}", found_here.precision
        yield f"BCubed recall at {step:g}", found_here.recall
        yield f"BCubed F at {step:g}", found_here.f


def families(table: FaceTable, rows: Rows) -> Iterator[tuple[str, float]]:
    first, second = np.triu_indices(len(rows), 1)
    distances = evaluation.squared_distances(rows[first], rows[second])
    one = table.identities[first] == table.identities[second]
    kin = table.kin[first] == table.kin[second]
    for name, different in (("relatives", distances[kin & ~one]), ("strangers", distances[~kin])):
        yield f"{name}: EER", evaluation.equal_error_rate(distances[one], different)[0]
        for figure, value in at_rates(distances[one], different, (1e-2,)):
            yield f"{name}: {figure}", value
        yield f"{name}: different pairs", float(len(different))


def centred(table: FaceTable, embedder: Embedder) -> list[NDArray[np.uint8]]:
    """The standard crops of aligned pictures, by the template's own points."""
    marks = align.TEMPLATE + table.margin
    return [
        align.crop(np.asarray(pixels), marks, embedder.crop_size, embedder.margin)
        for pixels in table.pixels
    ]


def measure(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, float]]]:
    options.cache.mkdir(parents=True, exist_ok=True)
    table = read_table(options.data / "families", cache=options.cache / "families.npy")
    if options.teacher:
        assert table.targets is not None
        yield "families, teacher", dict(families(table, table.targets))
        return
    embedder = open_model(options.model, mirror=not options.no_mirror)
    threshold = options.threshold or embedder.thresholds["group"]
    yield "families", dict(families(table, embedded(centred(table, embedder), embedder)))
    yield "lfw-dev", dict(lfw(options.data, embedder, options.cache))
    yield "library", dict(library(options.data, embedder, options.cache, threshold))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    root = Path(__file__).resolve().parents[3]
    parser.add_argument("--model", default=BUNDLED)
    parser.add_argument("--threshold", type=float, help="for the library; default: the model's")
    parser.add_argument("--no-mirror", action="store_true")
    parser.add_argument("--teacher", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", type=Path, default=root / "shared" / "data")
    parser.add_argument(
        "--cache", type=Path, default=Path(tempfile.gettempdir()) / "facecluster-measure"
    )
    options = parser.parse_args()
    results = {}
    for name, figures in measure(options):
        results[name] = figures
        if not options.json:
            print(f"\n{name}")
            for figure, value in figures.items():
                print(f"  {figure:32} {value:.4f}", flush=True)
    if options.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
