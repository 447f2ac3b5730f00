"""Training by hints: what a second teacher sees in a picture, place by place.

Half of a batch are given faces, whose targets both teachers know; every second of them is blended
with another. The other half are made up, and teach by the second teacher alone: two heads beside
the network's own tell from its last map the teacher's maps and from its vector the teacher's vector
(Romero et al., "FitNets", 2015; Hinton et al., 2015). They are dropped when the training is over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from facecluster.facenet import parallel
from facecluster.facenet.architectures import Architecture, FaceNet
from facecluster.facenet.augment import drawn_warps, mix, standardise, vary
from facecluster.facenet.dataset import FaceTable
from facecluster.facenet.freezing import freeze
from facecluster.facenet.losses import contrastive_loss, distillation_loss, relational_loss
from facecluster.facenet.optimisers import descend, learning_rate
from facecluster.facenet.training import Step, Training, picture_size, variations

__all__ = ["Heads", "Hints", "adopt_heads", "hinted_rows", "train_by_hints", "warped_maps"]

# What the heads' losses count, of the maps and of the vectors.
_MAPS, _VECTORS = 2.0, 1.0
# Where the middles of the second teacher's maps lie in a picture of 128 pixels: the first across
# and down, and the distance to the next. It halves dlib's crop five times.
_FIRST, _NEXT, _SIDE = (33.8, 47.5), 21.43, 128
_FEW = 8_192


@dataclass(frozen=True, slots=True)
class Hints:
    """What the second teacher says of each picture of the lessons.

    maps (N, S, S, C) before its last stage, of which mean and spread are (C,); vectors (N, D), unit
    rows.
    """

    maps: NDArray[np.float16]
    vectors: NDArray[np.float32]
    mean: Tensor
    spread: Tensor

    @classmethod
    def read(cls, lessons: Path) -> Hints:
        """Those that label_faces.py wrote."""
        maps = np.load(lessons / "maps.npy", mmap_mode="r")
        some = maps[:: max(1, len(maps) // _FEW)].astype(np.float32).reshape(-1, maps.shape[3])
        mean, spread = torch.from_numpy(some.mean(0)), torch.from_numpy(some.std(0) + 1e-3)
        return cls(maps, np.load(lessons / "second.npy"), mean, spread)

    def of(self, rows: NDArray[np.int64], warps: Tensor, size: tuple[int, int]) -> Tensor:
        """The maps of some pictures, seen through the warps at so many places: (B, C, h, w)."""
        maps = torch.from_numpy(np.asarray(self.maps[rows])).float()
        return warped_maps((maps - self.mean) / self.spread, warps, size)


def warped_maps(maps: Tensor, warps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (B, S, S, C) of whole pictures as a network sees them in its own warp of each (B, 2, 3):
    (B, C, h, w)."""
    grid = functional.affine_grid(warps, [len(maps), 1, *size], align_corners=False)
    pixels = (grid + 1) * (_SIDE / 2) - 0.5
    first = torch.tensor(_FIRST, device=maps.device)
    places = (pixels - first) * 2 / (_NEXT * (maps.shape[1] - 1)) - 1
    return functional.grid_sample(
        maps.permute(0, 3, 1, 2), places, padding_mode="border", align_corners=True
    )


class Heads(nn.Module):
    """Tell the second teacher's maps from a network's last map, its vector from their mean."""

    def __init__(self, network: FaceNet, hints: Hints) -> None:
        super().__init__()
        assert isinstance(network.architecture, Architecture)
        width = network.architecture.stem[-1]
        for row in network.architecture.rows:
            width = row.width(width)
        self.maps = nn.Conv2d(width, hints.maps.shape[3], 1)
        self.vector = nn.Linear(width, hints.vectors.shape[1])
        for weight in self.maps.parameters():
            nn.init.zeros_(weight)

    def loss(self, last: Tensor, hints: Hints, rows: NDArray[np.int64], warps: Tensor) -> Tensor:
        """Of the pictures of these rows, last being the network's map of them."""
        last = last.float()
        size = last.shape[2], last.shape[3]
        maps = (self.maps(last) - hints.of(rows, warps, size).to(last.device)).pow(2).mean()
        said = torch.from_numpy(hints.vectors[rows]).to(last.device)
        found = functional.normalize(self.vector(last.mean((2, 3))), dim=1)
        vectors = distillation_loss(found, said) + relational_loss(found, said)
        total: Tensor = _MAPS * maps + _VECTORS * vectors
        return total


def adopt_heads(training: Training, hints: Hints) -> None:
    """Put heads beside the network's own: they are trained, saved and resumed with it."""
    heads = Heads(training.network, hints).to(training.device)
    training.network.add_module("heads", heads)
    decay = training.config.weight_decay
    training.optimiser.add_param_group({"params": list(heads.parameters()), "weight_decay": decay})


def hinted_rows(given: int, total: int, batch: int, *, seed: int, step: int) -> NDArray[np.int64]:
    """Rows of a batch in turn: one of the first `given`, and one of those after them."""
    chance = np.random.default_rng((seed, step, 6))
    rows = np.empty(batch, dtype=np.int64)
    rows[0::2] = chance.integers(0, given, len(rows[0::2]))
    rows[1::2] = chance.integers(given, total, len(rows[1::2]))
    return rows


def train_by_hints(
    training: Training, table: FaceTable, lessons: NDArray[np.int64], hints: Hints, *, given: int
) -> Iterator[Step]:
    """Run to config.steps, yielding after each step; stop or save between any two of them.

    The network has its heads (`adopt_heads`). The table's first `given` faces are given ones, with
    targets, the others are made up; lessons are the rows of all of them among the hints.
    """
    config = training.config
    assert table.targets is not None
    heads = training.network.get_submodule("heads")
    assert isinstance(heads, Heads)
    training.network.train()
    freeze(training.network, config.frozen)
    drawn = np.random.default_rng((config.seed, 5)).permutation(given)[: config.contrastive_faces]
    bank = torch.from_numpy(table.targets[drawn]).to(training.device)
    last: list[Tensor] = []
    # The last map, on its way to the mean.
    training.network.get_submodule("trunk.vector").register_forward_pre_hook(
        lambda _, maps: last.append(maps[0])
    )
    while training.step < config.steps:
        started = time.perf_counter()
        step = training.step
        rows = parallel.share(
            hinted_rows(given, len(table), config.batch, seed=config.seed, step=step)
        )
        batch = _prepared(training, table, rows)
        with torch.autocast(batch.pictures.device.type, torch.bfloat16, config.half_precision):
            embeddings = training.network(batch.pictures)
        plain = batch.plain
        beside = heads.loss(last.pop()[plain], hints, lessons[rows[plain]], batch.warps[plain])
        regression = _learn(training, embeddings, batch, bank, beside)
        rate = learning_rate(config, step)
        seconds = time.perf_counter() - started
        yield Step(training.step, regression, 0.0, 0, rate, config.batch / seconds)


@dataclass(frozen=True, slots=True)
class _Batch:
    """pictures with their warps, targets of the given ones (every second), and which pictures are
    no blends."""

    pictures: Tensor
    warps: Tensor
    targets: Tensor
    plain: NDArray[np.int64]


def _prepared(training: Training, table: FaceTable, rows: NDArray[np.int64]) -> _Batch:
    config = training.config
    generator = variations(training)
    stored = torch.from_numpy(np.asarray(table.pixels[rows])).to(training.device)
    warps = drawn_warps(stored, margin=table.margin, generator=generator)
    size = picture_size(config)
    pictures = standardise(
        vary(stored, margin=table.margin, size=size, generator=generator, warps=warps)
    )
    assert table.targets is not None
    targets = torch.from_numpy(table.targets[rows]).to(training.device)
    blended = np.arange(0, len(rows), 4)
    pictures[blended], targets[blended] = mix(
        pictures[blended], targets[blended], share=1.0, generator=generator
    )
    plain = np.flatnonzero(np.arange(len(rows)) % 4)
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    return _Batch(pictures, warps, targets[0::2], plain)


def _learn(
    training: Training, embeddings: Tensor, batch: _Batch, bank: Tensor, beside: Tensor
) -> float:
    """One step; what it gave of the distance to the targets."""
    config = training.config
    total = len(range(0, config.batch, 2))
    found = parallel.gathered(embeddings[0::2], total)
    targets = parallel.gathered(batch.targets, total)
    regression = distillation_loss(found, targets)
    loss = (
        regression
        + config.relational_weight * relational_loss(found, targets)
        + config.contrastive_weight * contrastive_loss(found, targets, bank)
        + beside / parallel.count()
    )
    descend(training, loss)
    return float(regression.detach())
