"""Parts of a network that keep what they learnt while the rest learns on."""

from __future__ import annotations

from torch import nn

from facecluster.errors import TrainingError
from facecluster.facenet.architectures import Architecture, FaceNet

__all__ = ["freeze", "freeze_statistics"]


def freeze(network: FaceNet, parts: int) -> None:
    """Keep the first parts of an Inception network as they are: the stem, then row after row.

    No gradient reaches them, so that their share of the backward pass is saved; their batch
    normalisation keeps its statistics. TrainingError if there are not so many.
    """
    first: list[nn.Module] = []
    if isinstance(network.architecture, Architecture):
        first = [
            network.trunk.get_submodule("stem"),
            *network.trunk.get_submodule("inceptions").children(),
        ]
    if parts > len(first):
        raise TrainingError(
            f"{network.architecture.name} has {len(first)} parts to freeze, not {parts}."
        )
    for part in first[:parts]:
        part.requires_grad_(False)
        freeze_statistics(part)


def freeze_statistics(network: nn.Module) -> None:
    """Let batch normalisation use the statistics it has, and gather no others."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
