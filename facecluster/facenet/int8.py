"""An Inception network in whole numbers of eight bits, which processors multiply fastest.

Activations are bytes: each channel has a scale of its own, by which the highest value that its
batch normalisation lets expect, its mean and so many standard deviations, becomes the largest byte.
So no faces are needed to calibrate it (Nagel et al., "Data-Free Quantization", 2019). ReLU and both
kinds of pooling leave scales as they are; a convolution's weights absorb those of its input and of
its output, and are then quantised, each filter by a scale of its own.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from facecluster.facenet.architectures import Architecture, FaceNet
from facecluster.facenet.fold import merged
from facecluster.facenet.layers import ConvUnit, Inception, L2Pool

__all__ = ["Int8FaceNet", "Ranges", "fits", "usable_ranges"]

# The least value that the largest byte stands for, also of a channel that never rises so high.
_LEAST = 1e-3


@dataclass(frozen=True, slots=True)
class Ranges:
    """The largest quantised activation and weight whose products the processor sums without error.

    first_weights are those of the first convolution, which sees pictures, with bytes up to 255.
    deviations is how many standard deviations of a channel its activations have room for.
    """

    activations: float
    weights: float
    first_weights: float
    deviations: float


# Processors without VNNI add pairs of products in sixteen bits: two may make no more than 32,767.
# There as much room for weights as for activations, and less for what hardly comes, moves the
# distances by two thirds of what 180, 90 and ten deviations do (nn4's card).
_RANGES = (Ranges(255.0, 127.0, 127.0, 10.0), Ranges(127.0, 127.0, 63.0, 5.0))


def fits(network: nn.Module) -> bool:
    """Whether the network can be made one of eight bits: an Inception network with batch
    normalisation and finite weights."""
    return (
        isinstance(network, FaceNet)
        and isinstance(network.architecture, Architecture)
        and network.batch_norm
        and all(bool(weight.isfinite().all()) for weight in network.parameters())
    )


@functools.cache
def usable_ranges() -> Ranges | None:
    """The widest ranges in which this machine computes rightly, None where it does in none.

    The documentation of torch promises nothing of the operators that its compiler uses.
    """
    return next(filter(_computes, _RANGES), None)


def _computes(ranges: Ranges) -> bool:
    maps = torch.full((1, 4, 4, 4), int(ranges.activations), dtype=torch.uint8)
    maps = maps.contiguous(memory_format=torch.channels_last)
    picture = torch.full_like(maps[:, :3], 255)
    scales, pixels = (torch.full((count,), 0.01, dtype=torch.float64) for count in (4, 3))
    with torch.random.fork_rng(devices=[]):  # nobody's random numbers are to change by this
        unit, first, layer = (
            ConvUnit(4, 8, 3, batch_norm=True).eval(),
            ConvUnit(3, 8, 3, batch_norm=True).eval(),
            nn.Linear(64, 8),
        )
    with torch.inference_mode():
        for weight in (unit.convolution.weight, first.convolution.weight, layer.weight):
            weight.fill_(0.01)  # all of them the largest, so that no sum is larger than theirs
        wanted = (
            unit(maps * 0.01),
            first((picture - 128.0) * 0.01),
            layer(maps.flatten(1) * 0.01).relu(),
        )
        try:
            made, seen = _Unit(unit, scales, ranges), _Unit(first, pixels, ranges, zero_point=128)
            found = (
                made(maps) * made.scales.view(1, -1, 1, 1),
                seen(picture) * seen.scales.view(1, -1, 1, 1),
                _Hidden(layer, scales, ranges)(maps),
            )
        except (AttributeError, NotImplementedError, RuntimeError, TypeError):
            return False
    return all(bool(((a - b).abs() < 0.06).all()) for a, b in zip(found, wanted, strict=True))


class Int8FaceNet(nn.Module):
    """Maps faces (B, 3, H, W), bytes from 0 to 255, to embeddings (B, D) float32 with unit rows.

    Made of a FaceNet that `fits`, whose input is (bytes - mean) / std.
    """

    def __init__(self, network: FaceNet, ranges: Ranges, *, mean: float, std: float) -> None:
        super().__init__()
        trunk = network.trunk
        scales = torch.full((3,), 1.0 / std, dtype=torch.float64)
        zero_point = round(mean)
        offset = (zero_point - mean) / std
        layers: list[nn.Module] = []
        for layer in trunk.get_submodule("stem").children():
            if isinstance(layer, ConvUnit):
                if layers:
                    unit = _Unit(layer, scales, ranges)
                else:
                    unit = _Unit(layer, scales, ranges, zero_point=zero_point, offset=offset)
                layers.append(unit)
                scales = unit.scales
            elif isinstance(layer, nn.MaxPool2d):
                layers.append(_pooled(layer))
        for inception in trunk.get_submodule("inceptions").children():
            columns = _Columns(cast("Inception", inception), scales, ranges)
            layers.append(columns)
            scales = columns.scales
        self.maps = nn.Sequential(*layers)
        self.vector = _vector(trunk.get_submodule("vector"), scales, ranges)
        self.projection = network.projection

    def forward(self, pictures: Tensor) -> Tensor:
        """The embeddings."""
        return functional.normalize(self.projection(self.vector(self.maps(pictures))), dim=1)


class _Unit(nn.Module):
    """A ConvUnit on maps of bytes; its `scales` are those of the maps it makes, (outgoing,)."""

    def __init__(
        self,
        unit: ConvUnit,
        scales: Tensor,
        ranges: Ranges,
        *,
        zero_point: int | None = None,
        offset: float = 0.0,
    ) -> None:
        """scales are those of its input: byte b of channel c means b x scales[c].

        Of a picture it means (b - zero_point) x scales[c] + offset.
        """
        super().__init__()
        norm = cast("nn.BatchNorm2d", unit.normalisation)
        layer = cast("nn.Conv2d", merged(unit.convolution, norm))
        weight, bias = (
            cast("Tensor", part).detach().double() for part in (layer.weight, layer.bias)
        )
        most = norm.bias.detach() + ranges.deviations * norm.weight.detach().abs()
        self.scales = most.double().clamp(min=_LEAST) / ranges.activations
        bias = bias + offset * weight.sum((1, 2, 3))
        weight = weight * scales.view(1, -1, 1, 1) / self.scales.view(-1, 1, 1, 1)
        self.bias = (bias / self.scales).float()
        most_weight = ranges.weights if zero_point is None else ranges.first_weights
        rounded, self.weight_scales = _quantized(weight, most_weight)
        self.zero_point = zero_point or 0
        # Stride, padding, dilation, groups: as oneDNN wants them.
        self.shape = list(layer.stride), list(layer.padding), [1, 1], 1
        self.weight = torch.ops.onednn.qconv_prepack(
            rounded, self.weight_scales, 1.0, self.zero_point, *self.shape, None
        )
        self.zeros = torch.zeros(len(rounded), dtype=torch.int32)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, incoming, H, W) -> (B, outgoing, H / stride, W / stride), both bytes."""
        found: Tensor = torch.ops.onednn.qconv2d_pointwise(
            maps, 1.0, self.zero_point, self.weight, self.weight_scales, self.zeros, self.bias,
            *self.shape, 1.0, 0, torch.uint8, "relu", [], "",
        )  # fmt: skip
        return found


def _quantized(weight: Tensor, most: float) -> tuple[Tensor, Tensor]:
    """Weights (K, ...) as whole numbers up to `most`, and the scale of each filter, (K,)."""
    each = weight.shape[0], *[1] * (weight.ndim - 1)
    scale = (weight.flatten(1).abs().amax(1) / most).clamp(min=1e-12).float()
    return (weight / scale.double().view(each)).round().to(torch.int8).contiguous(), scale


class _Columns(nn.Module):
    """An Inception on maps of bytes."""

    def __init__(self, inception: Inception, scales: Tensor, ranges: Ranges) -> None:
        super().__init__()
        self.columns = nn.ModuleList()
        leaving = []
        for column in inception.columns:
            layers = nn.Sequential()
            mine = scales
            for layer in column if isinstance(column, nn.Sequential) else [column]:
                if isinstance(layer, ConvUnit):
                    unit = _Unit(layer, mine, ranges)
                    layers.append(unit)
                    mine = unit.scales
                else:
                    layers.append(_pooled(layer))
            self.columns.append(layers)
            leaving.append(mine)
        self.scales = torch.cat(leaving)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, incoming, H, W) -> (B, outgoing, H / stride, W / stride), both bytes."""
        return torch.cat([column(maps) for column in self.columns], dim=1)


def _pooled(pool: nn.Module) -> nn.Module:
    if isinstance(pool, L2Pool):
        return _L2Pool(pool.stride)
    stride = cast("nn.MaxPool2d", pool).stride
    assert isinstance(stride, int)
    return _MaxPool(stride)


class _MaxPool(nn.Module):
    """The largest of a 3x3 window, of bytes: torch's own refuses maps of more than 255 numbers."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H / stride, W / stride)."""
        padded = functional.pad(maps, (1, 1, 1, 1))
        last = padded.shape[2] - 2, padded.shape[3] - 2
        top, middle, low = (padded[:, :, at : at + last[0] : self.stride] for at in range(3))
        tallest = torch.maximum(torch.maximum(top, middle), low)
        left, centre, right = (tallest[..., at : at + last[1] : self.stride] for at in range(3))
        return torch.maximum(torch.maximum(left, centre), right)


class _L2Pool(nn.Module):
    """L2Pool on maps of bytes."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H / stride, W / stride)."""
        squares = maps.float()
        pooled = functional.avg_pool2d(squares.mul_(squares), 3, self.stride, 1)
        # By way of sixteen bits: torch turns floats into bytes one by one.
        return pooled.sqrt_().add_(0.5).to(torch.int16).to(torch.uint8)


def _vector(vector: nn.Module, scales: Tensor, ranges: Ranges) -> nn.Module:
    if isinstance(vector, nn.Sequential):
        return _Hidden(cast("nn.Linear", vector[1]), scales, ranges)
    return _Mean(scales)


class _Mean(nn.Module):
    """GlobalMean of a map of bytes with these scales."""

    def __init__(self, scales: Tensor) -> None:
        super().__init__()
        self.scales = scales.float()

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C) float32."""
        return functional.adaptive_avg_pool2d(maps.float(), 1).flatten(1) * self.scales


class _Hidden(nn.Module):
    """The fully connected layer over the whole of a map of bytes with these scales, then ReLU."""

    def __init__(self, layer: nn.Linear, scales: Tensor, ranges: Ranges) -> None:
        super().__init__()
        weight = layer.weight.detach().double()
        weight = weight * scales.repeat_interleave(weight.shape[1] // len(scales))
        rounded, self.weight_scales = _quantized(weight, ranges.weights)
        self.bias = layer.bias.detach()
        self.weight = torch.ops.onednn.qlinear_prepack(rounded, None)
        self.zeros = torch.zeros(len(rounded), dtype=torch.int32)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, hidden) float32."""
        found: Tensor = torch.ops.onednn.qlinear_pointwise(
            maps.flatten(1), 1.0, 0, self.weight, self.weight_scales, self.zeros, self.bias,
            1.0, 0, torch.float32, "relu", [], "",
        )  # fmt: skip
        return found
