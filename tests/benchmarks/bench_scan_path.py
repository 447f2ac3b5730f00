"""Read, detect, align and embed: ours against facenet-pytorch used as its README shows.

    python tests/benchmarks/bench_scan_path.py [PHOTOS] [--folder FOLDER]

takes PHOTOS photos (default 60) each of ../shared/data/library and ../shared/data/detection, or of
FOLDER, spread evenly, and gives a few at a time to each program in turn, so that a change of the
machine's load hits all alike. facenet-pytorch decodes the whole photo with Pillow, and its
InceptionResnetV1 has random weights. Prints a Markdown table for each folder: photos/s of
wall-clock and of processor time, and recall of the drawn boxes of at least 40 pixels at IoU 0.5.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from facenet_pytorch import MTCNN, InceptionResnetV1
from PIL import Image

from facecluster.align import crop
from facecluster.detect import Detector
from facecluster.embed import BUNDLED, Embedder, open_model
from facecluster.errors import ModelError
from facecluster.images import read
from facecluster.quality import measure
from facecluster.records import Box

DATA = Path(__file__).parents[3] / "shared" / "data"
AT_ONCE = 8

Boxes = list[list[Box]]


def ours(detector: Detector, embedder: Embedder | None, paths: list[Path]) -> Boxes:
    pictures = [read(path) for path in paths]
    found = detector.detect(pictures)
    size, margin = (embedder.crop_size, embedder.margin) if embedder else (96, 0)
    crops = []
    for picture, faces in zip(pictures, found, strict=True):
        for face in faces:
            landmarks = np.array(face.landmarks)
            crops.append(crop(picture.pixels, landmarks / picture.scale, size, margin))
            measure(landmarks, crops[-1])
    if embedder and crops:
        embedder.embed(np.stack(crops))
    return [[face.box for face in faces] for faces in found]


def theirs(mtcnn: MTCNN, resnet: InceptionResnetV1, paths: list[Path]) -> Boxes:
    found = []
    for path in paths:
        image = Image.open(path).convert("RGB")
        boxes, _ = mtcnn.detect(image)
        crops = mtcnn.extract(image, boxes, None)
        if crops is not None:
            resnet(crops).detach()
        found.append([Box(*map(float, box)) for box in (boxes if boxes is not None else ())])
    return found


def recall(found: dict[str, list[Box]]) -> str:
    path = DATA / "detection" / "boxes.json"
    drawn = json.loads(path.read_text()) if path.exists() else {}
    hits = []
    for name, boxes in found.items():
        for face in drawn.get(name, ()):
            box = Box(*map(float, face["box"]))
            if not face["invalid"] and max(box.width, box.height) >= 40:
                hits.append(any(box.iou(other) >= 0.5 for other in boxes))
    return f"{np.mean(hits):.3f} of {len(hits)}" if hits else "-"


def compare(paths: list[Path], programs: dict[str, Callable[[list[Path]], Boxes]]) -> None:
    wall, processor = dict.fromkeys(programs, 0.0), dict.fromkeys(programs, 0.0)
    found: dict[str, dict[str, list[Box]]] = {name: {} for name in programs}
    for run in programs.values():
        run(paths[:1])
    for start in range(0, len(paths), AT_ONCE):
        part = paths[start : start + AT_ONCE]
        for name, run in programs.items():
            began = time.perf_counter(), time.process_time()
            boxes = run(part)
            wall[name] += time.perf_counter() - began[0]
            processor[name] += time.process_time() - began[1]
            found[name].update({p.name: b for p, b in zip(part, boxes, strict=True)})
    print("| program | photos/s | ours is | photos/CPU-s | ours is | faces | recall >= 40 px |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name in programs:
        print(
            f"| {name} | {len(paths) / wall[name]:.2f} | {wall[name] / wall['ours']:.1f} x "
            f"| {len(paths) / processor[name]:.2f} | {processor[name] / processor['ours']:.1f} x "
            f"| {sum(map(len, found[name].values()))} | {recall(found[name])} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="?", type=int, default=60)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    try:
        embedder = open_model(BUNDLED)
    except ModelError:
        print("The bundled network is not there: ours does not embed.\n")
        embedder = None
    detector = Detector()
    resnet = InceptionResnetV1(pretrained=None).eval()
    default, same = MTCNN(keep_all=True), MTCNN(keep_all=True, min_face_size=32)
    programs: dict[str, Callable[[list[Path]], Boxes]] = {
        "ours": lambda paths: ours(detector, embedder, paths),
        "facenet-pytorch": lambda paths: theirs(default, resnet, paths),
        "facenet-pytorch, same min face": lambda paths: theirs(same, resnet, paths),
    }
    folders = [DATA / name / "photos" for name in ("library", "detection")]
    for folder in [arguments.folder] if arguments.folder else folders:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
        step = max(1, len(paths) // arguments.photos)
        paths = paths[::step][: arguments.photos]
        print(f"\n{folder}: {len(paths)} photos; {torch.get_num_threads()} threads, ", end="")
        print(f"load {os.getloadavg()[0]:.1f}\n")
        compare(paths, programs)


if __name__ == "__main__":
    main()
