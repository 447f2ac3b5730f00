"""Batch normalisation folded into the layer before it: the same function, fewer passes."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

__all__ = ["folded", "merged"]

Network = TypeVar("Network", bound=nn.Module)


def folded(network: Network) -> Network:
    """A copy of the network in evaluation mode whose batch normalisations are gone.

    Each one that directly follows a convolution or a linear layer becomes part of its weights:
    w' = w g / sqrt(v + eps), b' = (b - m) g / sqrt(v + eps) + beta. That is computed in float64 and
    rounded once, so the embeddings differ by float32 rounding only. Layers are taken to run in the
    order in which a module registers them, as those of all networks here do. Normalisations that
    follow something else stay.
    """
    result = copy.deepcopy(network).eval()
    for module in result.modules():
        children = list(module.named_children())
        for (name, layer), (next_name, norm) in pairwise(children):
            if _fits(layer, norm):
                module.add_module(name, merged(layer, norm))
                module.add_module(next_name, nn.Identity())
    return result.requires_grad_(False)


def _fits(layer: nn.Module, norm: nn.Module) -> bool:
    return (isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)) or (
        isinstance(layer, nn.Linear) and isinstance(norm, nn.BatchNorm1d)
    )


def merged(layer: nn.Module, norm: nn.Module) -> nn.Module:
    """A convolution or linear layer that does what it and the normalisation after it do."""
    assert isinstance(layer, (nn.Conv2d, nn.Linear))
    assert isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d))
    weight = layer.weight.detach().double()
    mean, variance = (
        _float64(norm.running_mean, 0.0, weight),
        _float64(norm.running_var, 1.0, weight),
    )
    gain = _float64(norm.weight, 1.0, weight) / torch.sqrt(variance + norm.eps)
    bias = (_float64(layer.bias, 0.0, weight) - mean) * gain + _float64(norm.bias, 0.0, weight)
    merged = copy.deepcopy(layer)
    kind = layer.weight.dtype
    merged.weight = nn.Parameter((weight * gain.view(-1, *[1] * (weight.ndim - 1))).to(kind))
    merged.bias = nn.Parameter(bias.to(kind))
    return merged


def _float64(values: Tensor | None, default: float, weight: Tensor) -> Tensor:
    """The values, or as many defaults as the layer has outputs."""
    if values is None:
        return torch.full((len(weight),), default, dtype=torch.float64, device=weight.device)
    return values.detach().double()
