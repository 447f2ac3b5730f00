"""What the teacher sees of a face on the way to its vector, told from the network's maps by heads
that are dropped later (Romero et al., "FitNets", 2015): of one face thousands of numbers are
learnt instead of a hundred."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from facecluster.facenet.architectures import Architecture, FaceNet
from facecluster.facenet.training import Training
from second_teacher.fitted import fit
from second_teacher.teacher import MAP_WIDTH, resized

__all__ = ["Hint", "adopt_hints", "fit_hints", "hint_loss", "shown_maps"]


class Hint(nn.Module):
    """Tells the teacher's maps (B, MAP_WIDTH, H, W) from the network's (B, width, H, W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(width, MAP_WIDTH, 1)
        # Each channel's standard deviation: what an error is measured by.
        self.register_buffer("spread", torch.ones(MAP_WIDTH, 1, 1))

    def forward(self, maps: Tensor) -> Tensor:
        told: Tensor = self.layer(maps)
        return told


def adopt_hints(training: Training) -> None:
    """Put the heads beside the network: they are trained, averaged, saved and resumed with it."""
    heads = nn.ModuleList([Hint(width) for _, width in _hinted(training.network)])
    heads.to(training.device)
    training.network.add_module("hints", heads)
    training.average.add_module("hints", copy.deepcopy(heads).requires_grad_(False))
    decay = training.config.weight_decay
    training.optimiser.add_param_group({"params": list(heads.parameters()), "weight_decay": decay})


@contextmanager
def shown_maps(network: FaceNet) -> Iterator[list[Tensor]]:
    """The maps that hints are told from, in a list that each forward pass within fills anew."""
    rows = list(network.trunk.get_submodule("inceptions").children())
    shown: list[Tensor] = []

    def show(_: nn.Module, __: object, maps: Tensor) -> None:
        shown.append(maps)

    hooks = [rows[number].register_forward_hook(show) for number, _ in _hinted(network)]
    hooks.append(network.trunk.register_forward_pre_hook(lambda *_: shown.clear()))
    try:
        yield shown
    finally:
        for hook in hooks:
            hook.remove()


def _hinted(network: FaceNet) -> list[tuple[int, int]]:
    """The last row of each size but the smallest, and its channels."""
    architecture = network.architecture
    assert isinstance(architecture, Architecture)
    channels, widths = architecture.stem[2], []
    for row in architecture.rows:
        channels = row.width(channels)
        widths.append(channels)
    later = enumerate(architecture.rows[1:])
    return [(number, widths[number]) for number, row in later if row.stride == 2]


def hint_loss(network: FaceNet, shown: Sequence[Tensor], maps: Sequence[Tensor]) -> Tensor:
    """The mean squared error of what is told of the teacher's maps, each channel's variance taken
    as 1, summed over the sizes."""
    total = torch.zeros((), device=maps[0].device)
    for head, found, wanted in zip(_heads(network), shown, maps, strict=True):
        missed = head(found).float() - resized(wanted.float(), found.shape[2:])
        total = total + (missed / head.get_buffer("spread")).pow(2).mean()
    return total


@torch.no_grad()
def fit_hints(training: Training, shown: Sequence[Tensor], maps: Sequence[Tensor]) -> None:
    """Let the heads tell what they can of the teacher's maps of some faces."""
    for number, (found, wanted) in enumerate(zip(shown, maps, strict=True)):
        given, aim = (
            part.float().permute(0, 2, 3, 1).flatten(0, 2)
            for part in (found, resized(wanted.float(), found.shape[2:]))
        )
        layer = nn.Linear(given.shape[1], MAP_WIDTH)
        fit(layer, given, aim)
        for network in (training.network, training.average):
            head = _heads(network)[number]
            head.layer.weight.copy_(layer.weight[:, :, None, None])
            assert head.layer.bias is not None
            head.layer.bias.copy_(layer.bias)
            head.get_buffer("spread").copy_(aim.std(0)[:, None, None])


def _heads(network: FaceNet) -> list[Hint]:
    return [head for head in network.get_submodule("hints").children() if isinstance(head, Hint)]
