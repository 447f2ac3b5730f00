"""Recall and precision on photos with hand-drawn boxes, ours beside facenet-pytorch's MTCNN.

    python tests/benchmarks/measure_detection.py [--data DIR] [--least PIXELS] [--iou IOU] [--fast]

Ours is with the defaults of `scan`, with --thorough and with --min-face of the least pixels;
facenet-pytorch sees the whole photo, with its own smallest face of 20 pixels and with our 32.
--fast measures the defaults alone. Prints a Markdown table. A found face counts when its box and a
drawn one overlap by IOU, one to one, best scores first. Recall is over the drawn boxes of `least`
pixels and more (geometric mean of the sides) that the drawers did not mark as invalid; precision
over the found faces of that size that do not lie on a smaller or invalid box.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

from facenet_pytorch import MTCNN
from PIL import Image

from facecluster.cli.detection import DetectionSettings, detection_settings
from facecluster.detect import Detector
from facecluster.images import LONGEST, read
from facecluster.records import Box

Finder = Callable[[Path], list[Box]]


def side(box: Box) -> float:
    return float((max(box.width, 0.0) * max(box.height, 0.0)) ** 0.5)


def matches(found: list[Box], drawn: list[Box], iou: float) -> dict[int, int]:
    """Drawn box -> found box, greedily by the order of the found ones."""
    taken: dict[int, int] = {}
    for number, box in enumerate(found):
        free = [other for other in range(len(drawn)) if other not in taken]
        best = max(free, key=lambda other: box.iou(drawn[other]), default=None)
        if best is not None and box.iou(drawn[best]) >= iou:
            taken[best] = number
    return taken


def ours(settings: DetectionSettings | None) -> Finder:
    if settings is None:
        detector, longest = Detector(), LONGEST
    else:
        detector = Detector(min_face=settings.min_face, min_share=settings.min_share)
        longest = settings.longest
    return lambda path: [face.box for face in detector.detect([read(path, longest=longest)])[0]]


def theirs(smallest: int) -> Finder:
    mtcnn = MTCNN(keep_all=True, min_face_size=smallest)

    def find(path: Path) -> list[Box]:
        boxes, _ = mtcnn.detect(Image.open(path).convert("RGB"))
        return [Box(*map(float, box)) for box in (() if boxes is None else boxes)]

    return find


def measure(name: str, find: Finder, truth: dict, options: argparse.Namespace) -> None:
    """Print the finder's row."""
    wanted = met = shown = right = 0
    seconds = 0.0
    for photo, entries in sorted(truth.items()):
        drawn = [Box(*map(float, entry["box"])) for entry in entries]
        counts = [
            not entry["invalid"] and side(box) >= options.least
            for entry, box in zip(entries, drawn, strict=True)
        ]
        began = time.process_time()
        found = find(options.data / "photos" / photo)
        seconds += time.process_time() - began
        taken = matches(found, drawn, options.iou)
        wanted += sum(counts)
        met += sum(counts[box] for box in taken)
        on = {number: box for box, number in taken.items()}
        for number, box in enumerate(found):
            if side(box) >= options.least and (number not in on or counts[on[number]]):
                shown += 1
                right += number in on
    print(
        f"| {name} | {met / wanted:.3f} ({met} of {wanted}) | {right / shown:.3f} "
        f"({shown - right} of {shown} on no drawn face) | {1000 * seconds / len(truth):.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    data = Path(__file__).resolve().parents[3] / "shared" / "data" / "detection"
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--least", type=float, default=40.0)
    parser.add_argument("--iou", type=float, default=0.5)
    parser.add_argument("--fast", action="store_true")
    options = parser.parse_args()
    truth = json.loads((options.data / "boxes.json").read_text(encoding="utf-8"))
    finders = {"facecluster": ours(None)}
    if not options.fast:
        finders |= {
            f"facecluster --min-face {options.least:g}": ours(
                detection_settings((options.least, 0.0), False)
            ),
            "facecluster --thorough": ours(detection_settings(None, True)),
            "facenet-pytorch": theirs(20),
            "facenet-pytorch, min_face_size=32": theirs(32),
        }
    print(f"{len(truth)} photos, faces of {options.least:g} px and more, IoU {options.iou:g}\n")
    print("| detector | recall | precision | CPU ms a photo |\n|---|---:|---:|---:|")
    for name, find in finders.items():
        measure(name, find, truth, options)


if __name__ == "__main__":
    main()
