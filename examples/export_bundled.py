"""Write a training's averaged network as the weights that facecluster ships.

    python examples/export_bundled.py WORK/state.pt facecluster/weights/nn4.safetensors \\
        --verify 1.2 --identify 1.1 --group 1.2

The thresholds are squared distances measured on development pairs by
tests/benchmarks/measure_accuracy.py; run it on the written file, then export again with them.
The heads that the stage "asked" had for hints are dropped.
"""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

import torch
from train_bundled import STAGES

from facecluster.facenet.architectures import build
from facecluster.facenet.augment import MEAN, STD
from facecluster.facenet.checkpoint import save
from facecluster.facenet.header import Header
from facecluster.facenet.training import picture_size


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("state", type=Path)
    parser.add_argument("output", type=Path)
    for use in ("verify", "identify", "group"):
        parser.add_argument(f"--{use}", type=float, required=True)
    parser.add_argument("--stage", choices=STAGES, default="full", help="that was trained last")
    options = parser.parse_args()
    config = STAGES[options.stage]
    state = torch.load(options.state, map_location="cpu", weights_only=True)
    network = build(config.architecture, config.dimension)
    height, width = picture_size(config)
    parts = state["average"]
    network.load_state_dict({name: part for name, part in parts.items() if "hints." not in name})
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


if __name__ == "__main__":
    main()
