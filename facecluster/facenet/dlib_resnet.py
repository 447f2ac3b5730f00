"""dlib's face recognition network, read from its own file and run by torch, ten times as fast.

Davis King trained it on three million faces of 7,485 people, none of them in LFW, and gave it to
the public domain. What this project measured of it is in weights/dlib.json and weights/dlib.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from facecluster.facenet.foreign import DLIB, checked

__all__ = ["SIDE", "DlibResNet", "Layer", "layers", "load_dlib_resnet", "unweighted"]

# Of the crop: the part that dlib would cut out, by the place and the distance of the eyes. It has
# more chin and less forehead than the template.
TOP, LEFT, SIDE = 43, 22, 150
# Filters, width and stride of the convolutions.
_SHAPES = (
    (32, 7, 2),
    *[(32, 3, 1)] * 6,
    *[(64, 3, 2), *[(64, 3, 1)] * 7],
    *[(128, 3, 2), *[(128, 3, 1)] * 5],
    *[(256, 3, 2), *[(256, 3, 1)] * 5],
    *[(256, 3, 2), (256, 3, 1)],
)
# dlib's input_rgb_image.
_MEAN = (122.782, 117.001, 104.298)
_SCALE = 256.0


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer's numbers as the file has them; shape: filters, height, width, stride, padding."""

    kind: str
    values: NDArray[np.float32]
    shape: tuple[int, ...] = ()


def layers(data: bytes) -> Iterator[Layer]:
    """The layers that have weights, the first of the network first.

    dlib writes a name, then for a fully connected layer two sizes, then a tensor: a version, four
    sizes, little-endian floats. Each whole number is a byte that counts the bytes after it, its
    highest bit the sign.
    """
    for found in re.finditer(rb"(con|affine|fc)_\d?", data):
        kind, at = found.group(1).decode(), found.end()
        if kind == "fc":
            at = _whole(data, _whole(data, at)[1])[1]
        version, at = _whole(data, at)
        if version != 2:
            continue  # a name by chance, among the floats
        sizes = []
        for _ in range(4):
            size, at = _whole(data, at)
            sizes.append(size)
        count = int(np.prod(sizes))
        values = np.frombuffer(data, "<f4", count, at).astype(np.float32)
        at += 4 * count
        shape = []
        for _ in range(6 if kind == "con" else 0):
            number, at = _whole(data, at)
            shape.append(number)
        yield Layer(kind, values, (*shape[:4], *shape[5:]))


def _whole(data: bytes, at: int) -> tuple[int, int]:
    count = data[at] & 0x0F
    value = int.from_bytes(data[at + 1 : at + 1 + count], "little")
    return (-value if data[at] & 0x80 else value), at + 1 + count


class DlibResNet(nn.Module):
    """Maps crops (B, 3, 194, 194) in 0 to 255 to embeddings (B, 128) float32 with unit rows.

    29 convolutions in residual pairs, each with its affine layer folded in; 5.6 M parameters. dlib
    compares the descriptors by their distances, wherever they lie, and strangers' point in much the
    same direction: less `centre` (128,), the mean of many, they fill the sphere.
    """

    def __init__(self, parts: list[Layer], centre: NDArray[np.float32]) -> None:
        super().__init__()
        *pairs, last = parts
        self.convolutions = nn.ModuleList(
            _folded(convolution, affine)
            for convolution, affine in zip(pairs[::2], pairs[1::2], strict=True)
        )
        self.register_buffer("last", torch.from_numpy(last.values.reshape(-1, DLIB.dimension)))
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("centre", torch.from_numpy(centre))
        self.requires_grad_(False).eval()

    def forward(self, crops: Tensor) -> Tensor:
        """The embeddings."""
        seen = crops[:, :, TOP : TOP + SIDE, LEFT : LEFT + SIDE]
        return functional.normalize(self.descriptors(seen) - self.get_buffer("centre"), dim=1)

    def descriptors(self, pictures: Tensor) -> Tensor:
        """dlib's own vectors (B, 128), not on the sphere, of its crops (B, 3, 150, 150): equal to
        1e-6."""
        first, *rest = self.convolutions
        maps = first((pictures - self.get_buffer("mean")) / _SCALE)
        maps = functional.max_pool2d(functional.relu(maps), 3, 2)
        for upper, lower in zip(rest[::2], rest[1::2], strict=True):
            found = lower(functional.relu(upper(maps)))
            if isinstance(upper, nn.Conv2d) and upper.stride[0] == 2:
                maps = functional.avg_pool2d(maps, 2, 2)
            maps = functional.relu(_grown(maps, found) + _grown(found, maps))
        # The last product stays in full precision: it decides the distances.
        with torch.autocast(maps.device.type, enabled=False):
            return maps.float().mean((2, 3)) @ self.get_buffer("last")


def _folded(convolution: Layer, affine: Layer) -> nn.Conv2d:
    filters, height, width, stride, padding = convolution.shape
    weights, bias = np.split(convolution.values, [-filters])
    scale, shift = (torch.from_numpy(half) for half in np.split(affine.values, 2))
    kernel = torch.from_numpy(weights.reshape(filters, -1, height, width))
    folded = nn.Conv2d(kernel.shape[1], filters, height, stride=stride, padding=padding)
    folded.weight.data = kernel * scale[:, None, None, None]
    assert folded.bias is not None
    folded.bias.data = torch.from_numpy(bias) * scale + shift
    return folded


def _grown(maps: Tensor, other: Tensor) -> Tensor:
    """With zeros after the last row, column and channel where the other has more, as dlib adds."""
    missing = [max(0, theirs - mine) for mine, theirs in zip(maps.shape, other.shape, strict=True)]
    return functional.pad(maps, (0, missing[3], 0, missing[2], 0, missing[1]))


def unweighted() -> DlibResNet:
    """The network with zeros for weights: what it costs, and nothing else."""
    parts, inputs = [], 3
    for filters, side, stride in _SHAPES:
        padding = side // 2 if stride == 1 else 0
        count = filters * inputs * side * side + filters
        shape = (filters, side, side, stride, padding)
        parts.append(Layer("con", np.zeros(count, np.float32), shape))
        parts.append(Layer("affine", np.zeros(2 * filters, np.float32)))
        inputs = filters
    parts.append(Layer("fc", np.zeros(inputs * DLIB.dimension, np.float32)))
    return DlibResNet(parts, np.zeros(DLIB.dimension, np.float32))


def load_dlib_resnet(path: Path) -> DlibResNet:
    """The network of dlib's file; raises ModelError for any other file.

    Nothing is downloaded, and nothing in the file is run.
    """
    return DlibResNet(
        list(layers(checked(DLIB, path))), np.array(DLIB.measured().centre, np.float32)
    )
