"""Training throughput beside the same step written plainly in PyTorch, in turns in one run.

    python tests/benchmarks/bench_training.py [--networks nn4 nns2] [--batch 128] [--rounds 3]

Ours is `facenet.training.train`: faces varied, standardised, triplets mined (semi-hard), weights
averaged. The plain step does the same as one writes it first: the same variations, rows and filters
with PyTorch's own layers (no channels-last, L2 pooling by avg_pool2d), the same miner and loss,
AdamW, and PyTorch's AveragedModel. Also the share of the machine's own matrix-product peak: three
forward passes' multiply-adds over the time. Prints one Markdown table; seconds are the process's
own (all threads), so that other work on the machine disturbs them less.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from facecluster.facenet import layers
from facecluster.facenet.architectures import build
from facecluster.facenet.augment import standardise, vary
from facecluster.facenet.dataset import FaceTable
from facecluster.facenet.losses import triplet_loss
from facecluster.facenet.mining import semi_hard
from facecluster.facenet.precision import half_precision, multiplies_bfloat16
from facecluster.facenet.sizes import SIZES
from facecluster.facenet.training import Training, TrainingConfig, train

K = 4


class PlainL2Pool(nn.Module):
    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return torch.sqrt(functional.avg_pool2d(pictures * pictures, 3, 1, 1) + 1e-6)


def ours(name: str, batch: int, *, half: bool) -> Iterator[object]:
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(64), 8).astype(np.int64)
    pixels = rng.integers(0, 256, (len(who), 128, 128, 3)).astype(np.uint8)
    config = TrainingConfig(
        architecture=name,
        steps=1_000_000,
        batch=0,
        P=batch // K,
        K=K,
        triplet_weight=1.0,
        half_precision=half,
    )
    return train(Training(config), FaceTable(pixels, who, who, None, 8))


def plain(name: str, batch: int, *, half: bool) -> Iterator[object]:
    network = with_plain_pooling(build(name)).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.998), use_buffers=True)
    size, people = SIZES[name], torch.arange(batch) // K
    stored = torch.randint(0, 256, (batch, 128, 128, 3), dtype=torch.uint8)
    generator = torch.Generator().manual_seed(0)
    while True:
        varied = vary(stored, margin=8, size=(size.height, size.width), generator=generator)
        pictures = standardise(varied)
        with half_precision("cpu", wanted=half):
            rows = network(pictures)
        loss = triplet_loss(rows, semi_hard(rows, people, 0.2))
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        average.update_parameters(network)
        yield loss.item()


def with_plain_pooling(network: nn.Module) -> nn.Module:
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, layers.L2Pool):
                module.add_module(name, PlainL2Pool())
    return network


def peak(*, half: bool) -> float:
    """Multiply-adds a second of this process in a large matrix product."""
    kind = torch.bfloat16 if half else torch.float32
    one, other = (torch.randn(2048, 2048).to(kind) for _ in range(2))
    return max(2048**3 / seconds(lambda: one @ other) for _ in range(5))


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["nn4", "nns2"])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print("| network | precision | ours, faces/s | plain | ours / plain | share of the peak |")
    print("|---|---|---|---|---|---|")
    for name in options.networks:
        for half in (False, True)[: 1 + multiplies_bfloat16()]:
            steps = {how: make(name, options.batch, half=half) for how, make in HOW.items()}
            times: dict[str, list[float]] = {how: [] for how in HOW}
            most = 0.0
            for number in range(options.rounds + 1):  # the first warms up
                most = max(most, peak(half=half))
                for how, step in steps.items():
                    taken = seconds(lambda: next(step))  # noqa: B023
                    if number:
                        times[how].append(taken)
            mine, theirs = (options.batch / statistics.median(t) for t in times.values())
            share = 3 * SIZES[name].multiply_adds * mine / most
            print(
                f"| {name} | {'bfloat16' if half else 'float32'} | {mine:.0f} | {theirs:.0f} | "
                f"{mine / theirs:.2f} | {share:.0%} |",
                flush=True,
            )


HOW = {"ours": ours, "plain": plain}

if __name__ == "__main__":
    main()
