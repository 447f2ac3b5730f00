"""The paper's networks as tables, and `build`, which turns a table into a network (section
3.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from facecluster.errors import ModelError
from facecluster.facenet.layers import ConvUnit, Inception, InceptionRow, ResponseNorm

__all__ = ["ARCHITECTURES", "Architecture", "FaceNet", "build"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """An Inception network of the paper: a fixed stem, then inception rows, average pool, fc, L2.

    height and width are of the input picture in pixels.
    """

    name: str
    height: int
    width: int
    rows: tuple[InceptionRow, ...]


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

ARCHITECTURES: dict[str, Architecture] = {net.name: net for net in (_NN2, _NN3, _NN4)}


class FaceNet(nn.Module):
    """Maps faces (B, 3, H, W), standardised, to embeddings (B, D) float32 with unit rows.

    Any H and W of 32 or more will do: the last pooling is over all that is left.
    """

    def __init__(self, architecture: Architecture, dimension: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.architecture = architecture
        self.dimension = dimension
        self.batch_norm = batch_norm

        def unit(a: int, b: int, kernel: int, stride: int = 1) -> ConvUnit:
            return ConvUnit(a, b, kernel, stride=stride, batch_norm=batch_norm)

        # With batch normalisation the response normalisation has nothing left to do.
        norm1, norm2 = (nn.Identity() if batch_norm else ResponseNorm() for _ in range(2))
        self.stem = nn.Sequential(
            unit(3, 64, 7, 2),
            nn.MaxPool2d(3, 2, padding=1),
            norm1,
            unit(64, 64, 1),  # "inception (2)": one column of 1x1 and 3x3
            unit(64, 192, 3),
            norm2,
            nn.MaxPool2d(3, 2, padding=1),
        )
        width, modules = 192, []
        for row in architecture.rows:
            modules.append(Inception(width, row, batch_norm=batch_norm))
            width = row.width(width)
        self.inceptions = nn.Sequential(*modules)
        self.projection = nn.Linear(width, dimension)

    def forward(self, pictures: Tensor) -> Tensor:
        """The embeddings, (B, D) float32: ||f(x)|| = 1 (section 3.1)."""
        return functional.normalize(self.raw(pictures), dim=1)

    def raw(self, pictures: Tensor) -> Tensor:
        """The embeddings before they are put on the sphere, (B, D) float32."""
        features = self.inceptions(self.stem(pictures)).mean(dim=(2, 3))
        # The last product and the norm stay in float32: they decide the distances.
        with torch.autocast(features.device.type, enabled=False):
            projected: Tensor = self.projection(features.float())
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
