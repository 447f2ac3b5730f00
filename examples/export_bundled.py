"""Write a training's averaged network as the weights that facecluster ships.

    python examples/export_bundled.py WORK/state.pt facecluster/weights/nn4.safetensors \\
        --verify 1.2 --identify 1.1 --group 1.2

The thresholds are squared distances measured on development pairs by
tests/benchmarks/measure_accuracy.py; run it on the written file, then export again with them.
The heads that the stage "asked" had for hints are dropped. With --mean-with MODEL the mean of its
weights and the training's, which began with them, is written: it keeps of what either knows
(Wortsman and others, "Robust fine-tuning of zero-shot models", 2022).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import torch
from torch import Tensor
from train_bundled import STAGES

from facecluster.facenet.architectures import build
from facecluster.facenet.augment import MEAN, STD
from facecluster.facenet.checkpoint import load, save
from facecluster.facenet.header import Header
from facecluster.facenet.training import picture_size


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("state", type=Path)
    parser.add_argument("output", type=Path)
    for use in ("verify", "identify", "group"):
        parser.add_argument(f"--{use}", type=float, required=True)
    parser.add_argument("--stage", choices=STAGES, default="full", help="that was trained last")
    parser.add_argument("--mean-with", type=Path, metavar="MODEL")
    parser.add_argument("--share", type=float, default=0.5, help="that MODEL has in the mean")
    options = parser.parse_args()
    config = STAGES[options.stage]
    state = torch.load(options.state, map_location="cpu", weights_only=True)
    network = build(config.architecture, config.dimension)
    height, width = picture_size(config)
    parts = {name: part for name, part in state["average"].items() if "hints." not in name}
    if options.mean_with:
        parts = mean(parts, load(options.mean_with)[0].state_dict(), options.share)
    network.load_state_dict(parts)
    header = Header(
        name=options.output.stem,
        architecture=config.architecture,
        dimension=config.dimension,
        height=height,
        width=width,
        batch_norm=True,
        mean=MEAN,
        std=STD,
        thresholds={use: getattr(options, use) for use in ("verify", "identify", "group")},
        created=date.today().isoformat(),
    )
    written = save(network, options.output, header)
    print(f"{options.output}: {state['step']} steps, fingerprint {written.fingerprint[:12]}")


def mean(
    parts: Mapping[str, Tensor], others: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """The weighted mean of two networks' parameters and statistics."""
    return {
        name: torch.lerp(part, others[name], share) if part.is_floating_point() else part
        for name, part in parts.items()
    }


if __name__ == "__main__":
    main()
