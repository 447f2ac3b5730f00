"""Two processes on the CPU train as one does.

Run as a program in each of them, it writes what it found to the folder argv[1].
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from facecluster.facenet import parallel
from facecluster.facenet.dataset import FaceTable
from facecluster.facenet.losses import triplet_loss
from facecluster.facenet.mining import all_triplets
from facecluster.facenet.training import Training, TrainingConfig, train

FACES, PEOPLE = 13, torch.arange(13) // 3  # no even number: shares differ by one
CONFIG = TrainingConfig(
    image_size=32,
    dimension=8,
    steps=2,
    batch=5,
    P=3,
    K=2,
    triplet_weight=1.0,
    mixing=0.5,
    warmup=1,
    half_precision=False,
)


def gradients() -> dict[str, torch.Tensor]:
    """Of a triplet loss over 13 faces, by all processes together."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(12, 9), nn.Tanh(), nn.Linear(9, 4)).double()
    pictures = torch.randn(FACES, 12, dtype=torch.float64)
    mine = torch.from_numpy(parallel.share(np.arange(FACES)))
    rows = functional.normalize(network(pictures[mine]), dim=1)
    whole = parallel.gathered(rows, FACES)
    triplets = all_triplets(whole, PEOPLE, 0.5)
    triplet_loss(whole, triplets, margin=0.5).backward()
    parallel.sum_gradients(network)
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


def trained() -> tuple[dict[str, torch.Tensor], list[tuple[float, float, int]]]:
    """Weights and losses of two steps of the real trainer."""
    chance = np.random.default_rng(0)
    who = np.repeat(np.arange(4), 3).astype(np.int64)
    targets = chance.normal(size=(12, 8)).astype(np.float32)
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    pixels = chance.integers(0, 256, (12, 40, 40, 3)).astype(np.uint8)
    training = Training(CONFIG, device="cpu")
    steps = train(training, FaceTable(pixels, who, who, targets, 4))
    losses = [(step.distillation, step.triplet, step.triplets) for step in steps]
    return training.network.state_dict(), losses


def test_two_processes_have_the_gradients_of_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    together = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    started = [
        subprocess.Popen(
            [sys.executable, __file__, tmp_path],
            env={**os.environ, **together, "RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in started:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    one, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    for found in (one, other):
        for name, expected in gradients().items():
            torch.testing.assert_close(found["gradients"][name], expected)
        assert found["agreed"] == [True, False]  # as the first wished
    # The trainer: one loss over the whole batch, then the same weights and statistics everywhere.
    assert one["losses"] == other["losses"] and one["losses"][0][2] > 0
    for name, weight in one["weights"].items():
        assert torch.equal(weight, other["weights"][name]), name


def test_alone_nothing_is_shared() -> None:
    rows = np.arange(5)
    assert parallel.share(rows).tolist() == rows.tolist()
    assert (parallel.count(), parallel.rank(), parallel.is_first()) == (1, 0, True)
    assert parallel.agreed(True) and not parallel.agreed(False)
    with parallel.joined(), parallel.first_then_others():
        assert parallel.count() == 1


def main() -> None:
    with parallel.joined():
        with parallel.first_then_others():
            first = parallel.is_first()
        agreed = [parallel.agreed(first), parallel.agreed(not first)]
        weights, losses = trained()
        found = {
            "gradients": gradients(),
            "agreed": agreed,
            "weights": weights,
            "losses": losses,
        }
        torch.save(found, Path(sys.argv[1]) / f"{parallel.rank()}.pt")


if __name__ == "__main__":
    main()
