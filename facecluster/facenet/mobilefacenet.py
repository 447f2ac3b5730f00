"""MobileFaceNet (Chen and others, 2018), read from a TensorFlow Lite file and run by torch.

The weights are those of sirius-ai's MobileFaceNet_TF, which were trained on the refined MS-Celeb-1M
and which many applications carry. What this project measured of them is in
weights/mobilefacenet.json and weights/mobilefacenet.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from facecluster.facenet.foreign import MOBILEFACENET, checked
from facecluster.facenet.tflite_file import constants

__all__ = ["MobileFaceNet", "adopt", "load_mobilefacenet", "unweighted"]

# Of each group of bottlenecks: channels within, how many, and the stride of the first (table 1).
# They end in 128 channels, the first group in 64.
_BOTTLENECKS = ((128, 5, 2), (256, 1, 2), (256, 6, 1), (512, 1, 2), (256, 2, 1))
_STEM, _LAST, _SIDE = 64, 512, 7
# From the file's order of a kernel's axes to torch's.
_ACROSS, _WITHIN = (0, 3, 1, 2), (3, 0, 1, 2)


class MobileFaceNet(nn.Module):
    """Maps crops (B, 3, 112, 112), about [-1, 1], to embeddings (B, 192) float32 with unit rows.

    35 convolutions and 17 within channels, batch normalisation folded in as the file has it; 1.28 M
    parameters. Strangers' vectors point in much the same direction: less `centre` (192,), they are
    put on the sphere again.
    """

    def __init__(self, centre: NDArray[np.float32]) -> None:
        super().__init__()
        inner = [_convolution(3, _STEM, 3, 2), nn.PReLU(_STEM), *_within(_STEM, 1)]
        inner.append(_convolution(_STEM, _STEM, 1, 1))
        width = _STEM
        for number, (expanded, count, stride) in enumerate(_BOTTLENECKS):
            for place in range(count):
                outputs = _STEM if number == 0 else 2 * _STEM
                inner.append(_Bottleneck(width, expanded, outputs, stride if place == 0 else 1))
                width = outputs
        inner += [_convolution(width, _LAST, 1, 1), nn.PReLU(_LAST)]
        inner += [nn.Conv2d(_LAST, _LAST, _SIDE, groups=_LAST)]
        inner += [_convolution(_LAST, _LAST, 1, 1)]
        inner += [_convolution(_LAST, MOBILEFACENET.dimension, 1, 1)]
        self.trunk = nn.Sequential(*inner)
        self.register_buffer("centre", torch.from_numpy(centre))
        self.requires_grad_(False).eval()

    def forward(self, crops: Tensor) -> Tensor:
        """The embeddings."""
        vectors = functional.normalize(self.trunk(crops).flatten(1).float(), dim=1)
        return functional.normalize(vectors - self.get_buffer("centre"), dim=1)


class _Bottleneck(nn.Module):
    """Wider, within channels, narrower; added to what came in where the shape stays."""

    def __init__(self, inputs: int, expanded: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _convolution(inputs, expanded, 1, 1),
            nn.PReLU(expanded),
            *_within(expanded, stride),
            _convolution(expanded, outputs, 1, 1),
        )
        self.adds = stride == 1

    def forward(self, maps: Tensor) -> Tensor:
        found: Tensor = self.layers(maps)
        return maps + found if self.adds else found


def _convolution(inputs: int, outputs: int, side: int, stride: int, groups: int = 1) -> nn.Module:
    """Padded as TensorFlow pads: for stride 2 after the last row and column alone."""
    if stride == 1:
        return nn.Conv2d(inputs, outputs, side, padding=side // 2, groups=groups)
    inner = nn.Conv2d(inputs, outputs, side, stride=stride, groups=groups)
    return nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), inner)


def _within(channels: int, stride: int) -> list[nn.Module]:
    return [_convolution(channels, channels, 3, stride, channels), nn.PReLU(channels)]


def unweighted() -> MobileFaceNet:
    """The network without its weights: what it costs, and nothing else."""
    return MobileFaceNet(np.zeros(MOBILEFACENET.dimension, np.float32))


def load_mobilefacenet(path: Path) -> MobileFaceNet:
    """The network of the file; raises ModelError for any other file.

    Nothing is downloaded, and nothing in the file is run.
    """
    network = MobileFaceNet(np.array(MOBILEFACENET.measured().centre, np.float32))
    adopt(network, constants(checked(MOBILEFACENET, path)))
    return network


@torch.no_grad()
def adopt(network: nn.Module, stored: Iterator[NDArray[np.float32]]) -> None:
    """Give the network the numbers of a file, which has them in the order of its layers."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            kernel = next(stored)
            within = layer.groups > 1
            layer.weight.copy_(torch.from_numpy(kernel.transpose(_WITHIN if within else _ACROSS)))
            assert layer.bias is not None
            layer.bias.copy_(torch.from_numpy(next(stored)))
        elif isinstance(layer, nn.PReLU):
            # The file computes relu(x) + c (x - |x|).
            layer.weight.copy_(2 * torch.from_numpy(next(stored)))
    assert next(stored, None) is None
