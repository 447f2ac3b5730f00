"""What each ingredient of the bundled networks' recipe brings: one left out at a time.

    nice -n 19 env OMP_NUM_THREADS=1 python tests/benchmarks/ablate_recipe.py run DATA CACHE RESULTS
    python tests/benchmarks/ablate_recipe.py table RESULTS

DATA, CACHE and RESULTS as for ablations.py. Every run trains the tiny Inception (NNS2's rows) on
64-pixel faces from a random start by examples/train_bundled.py's recipe, as many faces in each,
and is judged on a tenth of the families and celebrities, none of whom it saw. teacher is the mean
squared distance to the teacher's embeddings, times 100.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from ablations import (
    MARGIN,
    SMALL,
    Variant,
    judged,
    parsed,
    print_table,
    read_results,
    run_all,
    shrunk,
)
from torch import Tensor

from facecluster.facenet import training
from facecluster.facenet.architectures import ARCHITECTURES
from facecluster.facenet.augment import centre_crop
from facecluster.facenet.dataset import (
    FaceTable,
    at_most,
    hold_out,
    read_table,
    towards_identities,
    without_doubtful,
)
from facecluster.facenet.training import Training, TrainingConfig, embed_table, picture_size, train

SEEDS = (0, 1)
MOST = 30
WHOLE = TrainingConfig(
    architecture=SMALL.name,
    batch=128,
    mixing=0.5,
    relational_weight=2.0,
    contrastive_weight=0.5,
    learning_rate=2e-3,
    averaging=0.98,
    half_precision=False,
)
TRIPLETS = {"P": 16, "K": 4, "triplet_weight": 0.5}
# What differs from the whole recipe: settings, or what `prepared` and `run` look for by name.
VARIANTS: dict[Variant, dict[str, object]] = {
    ("whole recipe", "as it is"): {},
    ("teacher", "none: triplets alone"): {
        "batch": 0,
        "distill_weight": 0.0,
        "triplet_weight": 1.0,
        "P": 32,
        "K": 4,
    },
    ("regression alone", "no matched distances, no contrast"): {
        "relational_weight": 0.0,
        "contrastive_weight": 0.0,
    },
    ("matched distances", "none"): {"relational_weight": 0.0},
    ("contrast with all faces", "none"): {"contrastive_weight": 0.0},
    ("blends", "none"): {"mixing": 0.0},
    ("blends", "0.8 of the faces"): {"mixing": 0.8},
    ("variations", "none"): {},
    ("faces a person", "all of them"): {},
    ("averaged weights", "none"): {"averaging": 0.0},
    ("falling rate", "constant"): {"cooldown": 0},
    ("triplets beside", "16 x 4, semi-hard"): TRIPLETS,
    ("targets", "a fifth of the way to the person's mean"): {},
}


def main() -> None:
    options = parsed(__doc__ or "", faces=128_000)
    if options.job == "table":
        columns = ("VAL@0.1", "VAL@0.01", "VAL@0.001", "EER", "teacher")
        print_table(read_results(options.results), VARIANTS, columns)
        return
    ARCHITECTURES[SMALL.name] = SMALL
    table = small_table(options.data, options.cache)
    run_all(partial(run, table, options.faces), VARIANTS, SEEDS, options)


def run(table: FaceTable, faces: int, variant: Variant, seed: int) -> dict[str, float]:
    """Train one variant, and judge the averaged network on who was held out."""
    started = time.process_time()
    config = dataclasses.replace(WHOLE, seed=seed, **VARIANTS[variant])  # type: ignore[arg-type]
    # A step counts the faces that it sees, those for triplets too.
    a_step = config.batch + (config.P * config.K if config.triplet_weight else 0)
    steps = faces // a_step
    cooldown = steps // 2 if config.cooldown else 1
    config = dataclasses.replace(config, steps=steps, warmup=steps // 10, cooldown=cooldown)
    rows, held = hold_out(table, 0.1, seed=0)
    if variant[0] != "faces a person":
        rows = at_most(table, rows, MOST, seed=0)
    known = table.take(rows)
    if variant[0] == "targets":
        known = towards_identities(known, 0.2)
    pupil = Training(config, device="cpu")
    vary = plain if variant[0] == "variations" else training.vary
    with mock.patch.object(training, "vary", vary):
        last = [step.distillation for step in train(pupil, known)][-20:]
    kept = table.take(held)
    vectors = embed_table(pupil.average, kept, size=picture_size(config))
    assert kept.targets is not None
    figures = {
        **judged(pupil, kept),
        "teacher": float(((vectors - kept.targets) ** 2).sum(1).mean()),
        "loss": statistics.mean(last),
    }
    return {**figures, "seconds": time.process_time() - started}


def plain(
    pictures: Tensor, *, margin: int, size: tuple[int, int], generator: torch.Generator
) -> Tensor:
    """The standard crop in place of a varied one."""
    return centre_crop(pictures, margin=margin, size=size)


def small_table(data: Path, cache: Path) -> FaceTable:
    """All faces at a small size, with the teacher's embeddings."""
    table = without_doubtful(read_table(data, cache=cache), limit=1.3)
    pieces = []
    for start in range(0, len(table), 256):
        pictures = torch.from_numpy(np.array(table.pixels[start : start + 256]))
        pieces.append(shrunk(pictures.permute(0, 3, 1, 2).float()))
    return dataclasses.replace(table, pixels=np.concatenate(pieces), margin=MARGIN)


if __name__ == "__main__":
    main()
