"""Recall and precision of the detector on photos with hand-drawn boxes.

    python tests/benchmarks/measure_detection.py [--data DIR] [--least PIXELS] [--iou IOU]

A found face counts when its box and a drawn one overlap by IOU, one to one, best scores first.
Recall is over the drawn boxes of `least` pixels and more (geometric mean of the sides) that the
drawers did not mark as invalid; precision over the found faces of that size that do not lie on a
smaller or invalid box.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from facecluster.detect import Detector
from facecluster.images import read
from facecluster.records import Box


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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    data = Path(__file__).resolve().parents[3] / "shared" / "data" / "detection"
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--least", type=float, default=40.0)
    parser.add_argument("--iou", type=float, default=0.5)
    options = parser.parse_args()
    truth = json.loads((options.data / "boxes.json").read_text(encoding="utf-8"))
    detector = Detector()
    wanted = met = shown = right = 0
    for name, entries in sorted(truth.items()):
        drawn = [Box(*map(float, entry["box"])) for entry in entries]
        counts = [
            not entry["invalid"] and side(box) >= options.least
            for entry, box in zip(entries, drawn, strict=True)
        ]
        faces = detector.detect([read(options.data / "photos" / name)])[0]
        found = [face.box for face in faces]
        taken = matches(found, drawn, options.iou)
        wanted += sum(counts)
        met += sum(counts[box] for box in taken)
        on = {number: box for box, number in taken.items()}
        for number, box in enumerate(found):
            if side(box) >= options.least and (number not in on or counts[on[number]]):
                shown += 1
                right += number in on
    print(f"photos {len(truth)}, faces of {options.least:g} px and more {wanted}")
    print(f"recall {met / wanted:.3f}")
    print(f"precision {right / shown:.3f} ({shown - right} of {shown} on no drawn face)")


if __name__ == "__main__":
    main()
