"""Faces a second of one core by batch and precision, beside facenet-pytorch's InceptionResnetV1.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_embed.py [--model NAME_OR_PATH] [--faces 128]

Prints one Markdown table: the median of three runs in processor time, so that a busy machine
disturbs it less. Theirs is used as its README does: eager, float32, random weights, 160 pixels.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from facecluster import embed
from facecluster.embed import BUNDLED, open_model
from facecluster.facenet.int8 import usable_ranges
from facecluster.facenet.precision import Precision, multiplies_bfloat16


def faces_per_second(work: Callable[[], object], faces: int) -> float:
    work()
    seconds = []
    for _ in range(3):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return faces / statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default=BUNDLED)
    parser.add_argument("--faces", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| network | precision | batch | faces/s of one core |\n|---|---|---|---|")
    rng = np.random.default_rng(0)
    precisions: list[Precision] = ["float32"]
    precisions += ["bfloat16"] if multiplies_bfloat16() else []
    precisions += ["int8"] if usable_ranges() else []
    for precision in precisions:
        embedder = open_model(options.model, device="cpu", precision=precision)
        side = embedder.crop_size
        crops = rng.integers(0, 256, (options.faces, side, side, 3), dtype=np.uint8)
        for batch in (1, 8, 32, 64, 128):
            embed._BATCH["cpu"] = batch
            speed = faces_per_second(lambda: embedder.embed(crops), options.faces)  # noqa: B023
            print(f"| {embedder.name}, {side} pixels | {precision} | {batch} | {speed:.0f} |")
    from facenet_pytorch import InceptionResnetV1

    theirs, pictures = InceptionResnetV1().eval(), torch.randn(8, 3, 160, 160)
    with torch.no_grad():
        speed = faces_per_second(lambda: theirs(pictures), 8)
    print(f"| facenet-pytorch's InceptionResnetV1, 160 pixels | float32 | 8 | {speed:.1f} |")


if __name__ == "__main__":
    main()
