"""Measure what a network's distances mean, and write it into the model's file.

    python examples/calibrate.py MODEL.safetensors pairsDevTest.txt --images lfw [--group D2]

Of each picture of the list the main face counts; its folder is the person. All pairs
of pictures are compared, not only the listed ones: a false-accept rate of 1e-5 takes a million.
The weights, and so the fingerprint, stay as they are. With --group `verify` becomes the best
threshold of the listed pairs, `identify` the one at FAR 1e-3, and `group` D2: the largest at which
groups keep their precision, as tests/benchmarks/measure_accuracy.py tells. Never calibrate on
pictures that the network was trained on. Of a network that others trained (dlib's .dat,
MobileFaceNet's .tflite) what is measured goes to facecluster/weights/NAME.json, with --group.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facecluster import Analyzer, Detector, open_model
from facecluster.evaluate import embed_main_faces
from facecluster.facenet.calibration import Calibration, fit
from facecluster.facenet.evaluation import best_threshold, squared_distances
from facecluster.facenet.foreign import FOREIGN, Foreign
from facecluster.facenet.header import read_header, rewrite_header
from facecluster.facenet.pairs import Pairs, read_pairs

Vectors = dict[str, NDArray[np.float32]]


def embed(model: Path, pairs: Pairs, images: Path) -> Vectors:
    """The main face of each picture in which one is found."""
    names = sorted({*pairs.left, *pairs.right})
    analyzer = Analyzer(Detector(), open_model(str(model)))
    found = embed_main_faces(analyzer, [images / name for name in names])
    rows = zip(names, found, strict=True)
    return {name: one.vector for name, one in rows if one.vector is not None}


def all_pairs(vectors: Vectors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The squared distances of all pairs of one person, and of all pairs of two."""
    rows = np.array(list(vectors.values()))
    who = np.array([str(Path(name).parent) for name in vectors])
    first, second = np.triu_indices(len(rows), 1)
    distances = np.maximum(2.0 - 2.0 * rows @ rows.T, 0.0)[first, second].astype(np.float64)
    same = who[first] == who[second]
    return distances[same], distances[~same]


def listed_threshold(pairs: Pairs, vectors: Vectors) -> float:
    """The squared distance at which most of the listed pairs are judged rightly."""
    known = [a in vectors and b in vectors for a, b in zip(pairs.left, pairs.right, strict=True)]
    left, right = (
        np.array([vectors[name] for name, there in zip(side, known, strict=True) if there])
        for side in (pairs.left, pairs.right)
    )
    return best_threshold(squared_distances(left, right), pairs.same[known])[0]


def thresholds(calibration: Calibration, verify: float, group: float) -> dict[str, float]:
    """The squared distance of each use."""
    identify = calibration.threshold(1e-3).threshold
    chosen = {"verify": verify, "identify": identify, "group": group}
    return {use: round(value, 3) for use, value in chosen.items()}


def write_measured(foreign: Foreign, calibration: Calibration, verify: float, group: float) -> None:
    """Where what the network's own file does not say is kept."""
    measured = json.loads(foreign.measured_file.read_text(encoding="utf-8"))
    measured["thresholds"] = thresholds(calibration, verify, group)
    measured["calibration"] = dataclasses.asdict(calibration)
    foreign.measured_file.write_text(json.dumps(measured) + "\n", encoding="utf-8")


def write(model: Path, calibration: Calibration, verify: float, group: float | None) -> None:
    header = dataclasses.replace(read_header(model), calibration=calibration)
    if group is not None:
        chosen = thresholds(calibration, verify, group)
        header = dataclasses.replace(header, thresholds=chosen)
    rewrite_header(model, header)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--source", help="what the pairs are called [default: the list's name]")
    parser.add_argument("--group", type=float, help="set the thresholds too: this one for groups")
    options = parser.parse_args()
    foreign = FOREIGN.get(options.model.suffix)
    if foreign and options.group is None:
        parser.error(f"of {foreign.file} all thresholds are measured at once: give --group")
    pairs = read_pairs(options.pairs)
    vectors = embed(options.model, pairs, options.images)
    same, different = all_pairs(vectors)
    calibration = fit(same, different, source=options.source or options.pairs.name)
    verify = listed_threshold(pairs, vectors)
    if foreign:
        write_measured(foreign, calibration, verify, options.group)
    else:
        write(options.model, calibration, verify, options.group)
    print(f"{options.model}: {len(same)} pairs of one person, {len(different)} of two.")
    print("Look at it with 'facecluster models info'.")


if __name__ == "__main__":
    main()
