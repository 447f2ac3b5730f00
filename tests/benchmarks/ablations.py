"""Embedding size, miner, alignment and batch: one thing changed at a time, the same faces seen.

    nice -n 19 env OMP_NUM_THREADS=1 python tests/benchmarks/ablations.py run DATA CACHE RESULTS
    python tests/benchmarks/ablations.py table RESULTS

DATA is a folder of aligned faces with faces.csv and faces-*.zip, CACHE the .npy file of its decoded
pictures, RESULTS a file that gets a line of JSON a run: runs that it has are not done again. Every
run trains the tiny Inception (NNS2's rows) on 64-pixel faces by triplets alone, from a random
start, and is judged on a tenth of the families and celebrities, none of whom it saw.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from facecluster.facenet import evaluation
from facecluster.facenet.architectures import ARCHITECTURES
from facecluster.facenet.dataset import FaceTable, at_most, hold_out, read_table, without_doubtful
from facecluster.facenet.training import Training, TrainingConfig, embed_table, picture_size, train

# Stored faces of 80 pixels, of which the network sees 64 of the inner 70: an eighth of the memory.
STORED, MARGIN, SIZE = 80, 5, 64
SEEDS = (0, 1, 2)
FACES_A_PERSON = 12
PAIRS = 1_000_000

SMALL = dataclasses.replace(ARCHITECTURES["nns2"], name="nns2-64", height=SIZE, width=SIZE)
BASE = TrainingConfig(
    architecture=SMALL.name,
    batch=0,
    P=32,
    K=4,
    distill_weight=0.0,
    triplet_weight=1.0,
    learning_rate=2e-3,
    averaging=0.98,
    offline_every=50,
    half_precision=False,
)
Variant = tuple[str, str]
# What is changed, to what, and how; the base is 128 dimensions, semi-hard, aligned, 32 x 4 faces.
VARIANTS: dict[Variant, dict[str, object]] = {
    ("base", "128, semi_hard, aligned, 128 faces"): {},
    ("dimension", "64"): {"dimension": 64},
    ("dimension", "256"): {"dimension": 256},
    ("dimension", "512"): {"dimension": 512},
    ("miner", "all"): {"miner": "all"},
    ("miner", "hardest"): {"miner": "hardest"},
    ("miner", "offline"): {"miner": "offline"},
    ("alignment", "box only"): {},
    ("batch", "32 faces"): {"P": 8},
    ("batch", "512 faces"): {"P": 128},
}


def main() -> None:
    options = parsed(__doc__ or "", faces=32_000)
    if options.job == "table":
        columns = ("VAL@0.1", "VAL@0.01", "VAL@0.001", "EER")
        print_table(read_results(options.results), VARIANTS, columns)
        return
    ARCHITECTURES[SMALL.name] = SMALL
    aligned, boxed = both_tables(options.data, options.cache)

    def train_one(variant: Variant, seed: int) -> dict[str, float]:
        config = dataclasses.replace(BASE, seed=seed, **VARIANTS[variant])  # type: ignore[arg-type]
        steps = options.faces // (config.P * config.K)
        config = dataclasses.replace(config, steps=steps, warmup=steps // 10, cooldown=steps)
        return run(config, boxed if variant[0] == "alignment" else aligned)

    run_all(train_one, VARIANTS, SEEDS, options)


def parsed(about: str, *, faces: int) -> argparse.Namespace:
    """The words of a program that runs variants of a training, or prints the table of them."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    jobs = parser.add_subparsers(dest="job", required=True)
    job = jobs.add_parser("run")
    job.add_argument("data", type=Path)
    job.add_argument("cache", type=Path)
    job.add_argument("results", type=Path)
    job.add_argument("--faces", type=int, default=faces, help="seen in each run")
    jobs.add_parser("table").add_argument("results", type=Path)
    return parser.parse_args()


def run_all(
    train_one: Callable[[Variant, int], dict[str, float]],
    variants: Iterable[Variant],
    seeds: Sequence[int],
    options: argparse.Namespace,
) -> None:
    """Train each variant with each seed, but for those whose figures are among the results."""
    for seed in seeds:
        for what, value in variants:
            done = {
                (one["what"], one["value"], one["seed"]) for one in read_results(options.results)
            }
            if (what, value, seed) in done:
                continue
            figures = train_one((what, value), seed)
            line = {"what": what, "value": value, "seed": seed, "faces": options.faces, **figures}
            with options.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            print(line, flush=True)


def run(config: TrainingConfig, table: FaceTable) -> dict[str, float]:
    """Train, and judge the averaged network on who was held out."""
    started = time.process_time()
    rows, held = hold_out(table, 0.1, seed=0)
    # Relatives side by side in a batch, as the trainer draws them, are too hard for a beginner.
    known = dataclasses.replace(table, kin=table.identities).take(rows)
    training = Training(config, device="cpu")
    last = [step.triplet for step in train(training, known)][-20:]
    figures = {"loss": statistics.mean(last), **judged(training, table.take(held))}
    return {**figures, "seconds": time.process_time() - started}


def judged(training: Training, kept: FaceTable) -> dict[str, float]:
    """EER, and VAL at three false-accept rates, of the averaged network."""
    same, different = distances(training, kept)
    figures = {"EER": evaluation.equal_error_rate(same, different)[0]}
    for far in (1e-1, 1e-2, 1e-3):
        figures[f"VAL@{far:g}"] = evaluation.validation_at_far(same, different, far)
    return figures


def distances(
    training: Training, kept: FaceTable
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared distances of the same pairs and of those that are not even related."""
    vectors = embed_table(training.average, kept, size=picture_size(training.config))
    first, second = np.triu_indices(len(kept), 1)
    same = kept.identities[first] == kept.identities[second]
    strangers = np.flatnonzero(kept.kin[first] != kept.kin[second])
    strangers = np.random.default_rng(0).choice(
        strangers, min(PAIRS, len(strangers)), replace=False
    )
    mine = np.flatnonzero(same)
    return (
        evaluation.squared_distances(vectors[first[mine]], vectors[second[mine]]),
        evaluation.squared_distances(vectors[first[strangers]], vectors[second[strangers]]),
    )


def both_tables(data: Path, cache: Path) -> tuple[FaceTable, FaceTable]:
    """The named faces at a small size: aligned, and as a detector's box alone would crop them."""
    table = without_doubtful(read_table(data, cache=cache), limit=1.3)
    rows = at_most(table, np.flatnonzero(table.identities >= 0), FACES_A_PERSON, seed=0)
    aligned, boxed = [], []
    for start in range(0, len(rows), 256):
        pictures = torch.from_numpy(np.asarray(table.pixels[rows[start : start + 256]]))
        generator = torch.Generator().manual_seed(start)
        aligned.append(shrunk(pictures.permute(0, 3, 1, 2).float()))
        boxed.append(shrunk(unaligned(pictures, generator)))
    people, kin = table.identities[rows], table.kin[rows]
    one, other = (np.concatenate(pieces) for pieces in (aligned, boxed))
    return tuple(FaceTable(pixels, people, kin, None, MARGIN) for pixels in (one, other))  # type: ignore[return-value]


def unaligned(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each face turned, scaled and shifted once and for all, as boxes leave them.

    Roll with a standard deviation of 10 degrees, size of 8 %, centre of 4 of 112 pixels each way.
    """
    count, side = pictures.shape[:2]

    def normal(deviation: float) -> torch.Tensor:
        return deviation * torch.randn(count, generator=generator).clamp(-2.5, 2.5)

    angle, scale = normal(10 * np.pi / 180), 1 + normal(0.08)
    across, down = normal(4 * 2 / side), normal(4 * 2 / side)
    cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
    matrix = torch.stack([cos, -sin, across, sin, cos, down], dim=1).view(count, 2, 3)
    grid = functional.affine_grid(matrix, [count, 3, side, side], align_corners=False)
    return functional.grid_sample(
        pictures.permute(0, 3, 1, 2).float(), grid, padding_mode="border", align_corners=False
    )


def shrunk(pictures: torch.Tensor) -> NDArray[np.uint8]:
    small = functional.interpolate(pictures, size=(STORED, STORED), mode="bilinear", antialias=True)
    return small.round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()


def read_results(path: Path) -> list[dict[str, object]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def print_table(
    results: list[dict[str, object]],
    variants: Iterable[Variant],
    columns: tuple[str, ...],
) -> None:
    """Mean and spread (standard deviation) over the seeds, in percent."""
    print("| changed | to | seeds | " + " | ".join(columns) + " | seconds |")
    print("|---|---|---|" + "---|" * (len(columns) + 1))
    for what, value in variants:
        mine = [one for one in results if (one["what"], one["value"]) == (what, value)]
        if not mine:
            continue
        cells = []
        for column in columns:
            values = [100 * float(str(one[column])) for one in mine]
            spread = statistics.stdev(values) if len(values) > 1 else float("nan")
            cells.append(f"{statistics.mean(values):.1f} +- {spread:.1f}")
        seconds = statistics.mean(float(str(one["seconds"])) for one in mine)
        print(f"| {what} | {value} | {len(mine)} | " + " | ".join(cells) + f" | {seconds:.0f} |")


if __name__ == "__main__":
    main()
