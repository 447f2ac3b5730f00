"""Peak memory and time of the paper's batch, 45 people x 40 faces, as its chunks shrink.

    python tests/benchmarks/bench_replay.py [--network nns2] [--chunks 1800 450 90 30]

One step of a triplet loss over semi-hard triplets by `replayed_backward`, each size of chunk in a
process of its own; the first is the whole batch in one pass. Prints one Markdown table; memory is
that of the whole process, the interpreter and the pictures included.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import torch

from facecluster.facenet.architectures import build
from facecluster.facenet.losses import triplet_loss
from facecluster.facenet.mining import semi_hard
from facecluster.facenet.replay import replayed_backward
from facecluster.facenet.sizes import SIZES

PEOPLE, FACES = 45, 40


def step(name: str, chunk: int) -> None:
    """One step; prints its seconds and the process's peak in MB."""
    torch.manual_seed(0)
    network, size = build(name).train(), SIZES[name]
    pictures = torch.randn(PEOPLE * FACES, 3, size.height, size.width)
    people = torch.arange(len(pictures)) // FACES

    def loss(embeddings: torch.Tensor) -> torch.Tensor:
        return triplet_loss(embeddings, semi_hard(embeddings, people, 0.2))

    started = time.perf_counter()
    replayed_backward(network, pictures, loss, chunk=chunk)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{time.perf_counter() - started:.1f} {peak:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--network", default="nns2", choices=sorted(SIZES))
    parser.add_argument("--chunks", type=int, nargs="+", default=[1800, 450, 90, 30])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        step(options.network, options.one)
        return
    print(f"| {options.network}, {PEOPLE * FACES} faces: chunk | s | peak MB |\n|---|---|---|")
    for chunk in options.chunks:
        words = [sys.executable, __file__, "--network", options.network, "--one", str(chunk)]
        printed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        print(f"| {chunk} | {' | '.join(printed.split())} |", flush=True)


if __name__ == "__main__":
    main()
