"""The paper's networks as tables, and `build`, which turns a table into a network (section 3.3)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from facecluster.errors import ModelError
from facecluster.facenet.layers import (
    ConvUnit,
    GlobalMean,
    Inception,
    InceptionRow,
    Maxout,
    ResponseNorm,
)

__all__ = ["ARCHITECTURES", "Architecture", "ConvRow", "FaceNet", "ZeilerFergus", "build"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """An Inception network: a stem, then inception rows, then one vector a face.

    height and width are of the input in pixels. stem gives the filters of the 7x7 convolution and
    of the 1x1 and 3x3 of "inception (2)". hidden = 0 averages the last map, as Table 2 does;
    else a fully connected layer of that width reads the whole of it.
    """

    name: str
    height: int
    width: int
    rows: tuple[InceptionRow, ...]
    stem: tuple[int, int, int] = (64, 64, 192)
    hidden: int = 0

    def trunk(self, *, batch_norm: bool) -> tuple[nn.Module, int]:
        """The layers from picture to vector, and the vector's width."""
        first, reduce, channels = self.stem
        stem = nn.Sequential(
            ConvUnit(3, first, 7, stride=2, batch_norm=batch_norm),
            nn.MaxPool2d(3, 2, padding=1),
            _norm(batch_norm),
            ConvUnit(first, reduce, 1, batch_norm=batch_norm),
            ConvUnit(reduce, channels, 3, batch_norm=batch_norm),
            _norm(batch_norm),
            nn.MaxPool2d(3, 2, padding=1),
        )
        inceptions = nn.Sequential()
        for row in self.rows:
            inceptions.append(Inception(channels, row, batch_norm=batch_norm))
            channels = row.width(channels)
        layers = OrderedDict[str, nn.Module](stem=stem, inceptions=inceptions)
        if not self.hidden:
            layers["vector"] = GlobalMean()
            return nn.Sequential(layers), channels
        halvings = 3 + sum(row.stride == 2 for row in self.rows)
        height, width = _halved(self.height, halvings), _halved(self.width, halvings)
        connected = nn.Linear(channels * height * width, self.hidden)
        layers["vector"] = nn.Sequential(nn.Flatten(), connected, nn.ReLU())
        return nn.Sequential(layers), self.hidden


@dataclass(frozen=True, slots=True)
class ConvRow:
    """One row of Table 1: a 1x1 convolution (0 = none), then a kernel, and what follows it."""

    filters: int
    kernel: int = 3
    stride: int = 1
    reduce: int = 0
    pool: bool = False
    norm_before_pool: bool = False
    norm_after_pool: bool = False


@dataclass(frozen=True, slots=True)
class ZeilerFergus:
    """The Zeiler & Fergus network with 1x1 convolutions (Table 1): rows, then maxout layers."""

    name: str
    height: int
    width: int
    rows: tuple[ConvRow, ...]
    maxout: tuple[int, ...]

    def trunk(self, *, batch_norm: bool) -> tuple[nn.Module, int]:
        """The layers from picture to vector, and the vector's width."""
        layers, channels, halvings = nn.Sequential(), 3, 0
        for row in self.rows:
            if row.reduce:
                layers.append(ConvUnit(channels, row.reduce, 1, batch_norm=batch_norm))
                channels = row.reduce
            layers.append(
                ConvUnit(
                    channels, row.filters, row.kernel, stride=row.stride, batch_norm=batch_norm
                )
            )
            if row.norm_before_pool:
                layers.append(_norm(batch_norm))
            if row.pool:
                layers.append(nn.MaxPool2d(3, 2, padding=1))
            if row.norm_after_pool:
                layers.append(_norm(batch_norm))
            channels = row.filters
            halvings += (row.stride == 2) + row.pool
        layers.append(nn.Flatten())
        width = channels * _halved(self.height, halvings) * _halved(self.width, halvings)
        for outgoing in self.maxout:
            layers.append(Maxout(width, outgoing))
            width = outgoing
        return layers, width


# Table 1: 220x220, 140 M parameters, 1.6 B multiply-adds.
_NN1 = ZeilerFergus(
    "nn1",
    220,
    220,
    (
        ConvRow(64, kernel=7, stride=2, pool=True, norm_after_pool=True),
        ConvRow(192, reduce=64, pool=True, norm_before_pool=True),
        ConvRow(384, reduce=192, pool=True),
        ConvRow(256, reduce=384),
        ConvRow(256, reduce=256),
        ConvRow(256, reduce=256, pool=True),
    ),
    maxout=(32 * 128, 32 * 128),
)
# Table 2: 224x224, 7.5 M parameters, 1.6 B multiply-adds.
_NN2 = Architecture(
    "nn2",
    224,
    224,
    (
        InceptionRow("3a", 64, 96, 128, 16, 32, "max", 32),
        InceptionRow("3b", 64, 96, 128, 32, 64, "l2", 64),
        InceptionRow("3c", 0, 128, 256, 32, 64, "max", 0, stride=2),
        InceptionRow("4a", 256, 96, 192, 32, 64, "l2", 128),
        InceptionRow("4b", 224, 112, 224, 32, 64, "l2", 128),
        InceptionRow("4c", 192, 128, 256, 32, 64, "l2", 128),
        InceptionRow("4d", 160, 144, 288, 32, 64, "l2", 128),
        InceptionRow("4e", 0, 160, 256, 64, 128, "max", 0, stride=2),
        InceptionRow("5a", 384, 192, 384, 48, 128, "l2", 128),
        InceptionRow("5b", 384, 192, 384, 48, 128, "max", 128),
    ),
)
# Section 3.3: NN2 unchanged at 160x160.
_NN3 = replace(_NN2, name="nn3", height=160, width=160)
# Section 3.3: 96x96 and no 5x5 convolutions in the higher layers, 285 M multiply-adds.
# The paper does not say: which layers; without them in 5a and 5b the count is the paper's.
_NN4 = replace(
    _NN2,
    name="nn4",
    height=96,
    width=96,
    rows=tuple(
        replace(row, five_reduce=0, five=0) if row.name in ("5a", "5b") else row
        for row in _NN2.rows
    ),
)
# The paper does not say: the layers of the two networks for phones. These are designed to have
# its parameters and multiply-adds: 26 M and 220 M at 165x165, 4.3 M and 20 M at 140x116.
_NNS1 = Architecture(
    "nns1",
    165,
    165,
    (
        InceptionRow("3a", 32, 48, 64, 8, 16, "max", 16),
        InceptionRow("3b", 32, 48, 56, 16, 32, "l2", 32),
        InceptionRow("3c", 0, 64, 128, 16, 32, "max", 0, stride=2),
        InceptionRow("4a", 128, 64, 128, 16, 32, "l2", 64),
        InceptionRow("4b", 96, 64, 128, 16, 32, "l2", 64),
        InceptionRow("4e", 0, 96, 160, 32, 64, "max", 0, stride=2),
        InceptionRow("5a", 192, 96, 192, 0, 0, "l2", 64),
    ),
    stem=(32, 32, 80),
    hidden=1536,
)
_NNS2 = Architecture(
    "nns2",
    140,
    116,
    (
        InceptionRow("3a", 16, 16, 24, 4, 8, "max", 8),
        InceptionRow("3c", 0, 20, 40, 8, 16, "max", 0, stride=2),
        InceptionRow("4a", 48, 24, 48, 8, 16, "l2", 24),
        InceptionRow("4e", 0, 32, 72, 12, 24, "max", 0, stride=2),
        InceptionRow("5a", 96, 48, 96, 0, 0, "l2", 32),
    ),
    stem=(12, 12, 20),
    hidden=896,
)

ARCHITECTURES: dict[str, Architecture | ZeilerFergus] = {
    net.name: net for net in (_NN1, _NN2, _NN3, _NN4, _NNS1, _NNS2)
}


class FaceNet(nn.Module):
    """Maps faces (B, 3, H, W), standardised, to embeddings (B, D) float32 with unit rows.

    Networks that average the last map (NN2, NN3, NN4) take any H and W of 32 or more.
    """

    def __init__(
        self, architecture: Architecture | ZeilerFergus, dimension: int, *, batch_norm: bool
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.dimension = dimension
        self.batch_norm = batch_norm
        self.trunk, width = architecture.trunk(batch_norm=batch_norm)
        self.projection = nn.Linear(width, dimension)

    def forward(self, pictures: Tensor) -> Tensor:
        """The embeddings, (B, D) float32: ||f(x)|| = 1 (section 3.1)."""
        return functional.normalize(self.raw(pictures), dim=1)

    def raw(self, pictures: Tensor) -> Tensor:
        """The embeddings before they are put on the sphere, (B, D) float32."""
        features = self.trunk(pictures)
        # The last product and the norm stay in full precision: they decide the distances.
        with torch.autocast(features.device.type, enabled=False):
            projected: Tensor = self.projection(features.to(self.projection.weight.dtype))
        return projected


def build(name: str, dimension: int = 128, *, batch_norm: bool = True) -> FaceNet:
    """A freshly initialised network of ARCHITECTURES; raises ModelError for an unknown name.

    # The paper does not say: how weights start; He et al. 2015 suits the ReLUs.
    """
    if name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ModelError(f"There is no network named {name!r}; the networks are {known}.")
    network = FaceNet(ARCHITECTURES[name], dimension, batch_norm=batch_norm)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def _norm(batch_norm: bool) -> nn.Module:
    # With batch normalisation the response normalisation has nothing left to do.
    return nn.Identity() if batch_norm else ResponseNorm()


def _halved(size: int, times: int) -> int:
    for _ in range(times):
        size = (size + 1) // 2
    return size
