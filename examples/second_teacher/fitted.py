"""Heads fitted to what the teachers say by least squares: training starts from what the network
sees already, and spends its first thousand steps on what it does not see yet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facecluster.facenet.architectures import FaceNet
from facecluster.facenet.dataset import FaceTable
from facecluster.facenet.training import embed_table

__all__ = ["features", "fit"]

# Added to each feature's variance, as a share of their mean: features that hardly vary stay out.
RIDGE = 0.01


def features(network: FaceNet, faces: FaceTable, *, size: tuple[int, int]) -> Tensor:
    """What the network's last layer is given of each of N faces, (N, F)."""
    seen: list[Tensor] = []
    hook = network.projection.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    embed_table(network, faces, size=size)
    hook.remove()
    return torch.cat(seen).float().cpu()


@torch.no_grad()
def fit(layer: nn.Linear, given: Tensor, wanted: Tensor) -> None:
    """Let the layer map the rows given (N, F) to those wanted (N, D) with the least squared
    error, by ridge regression; O(N F F)."""
    rows, targets = given.double(), wanted.double()
    middle, aim = rows.mean(0), targets.mean(0)
    rows = rows - middle
    spread = rows.T @ rows
    spread += RIDGE * spread.diagonal().mean() * torch.eye(len(spread), dtype=torch.float64)
    weight = torch.linalg.solve(spread, rows.T @ (targets - aim)).T
    layer.weight.copy_(weight)
    layer.bias.copy_(aim - weight @ middle)
