"""Whom a network learns from: MobileFaceNet, who knows adults, beside nn4 as it is, who knows
children better. Both can be asked about any picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from facecluster.facenet.architectures import FaceNet
from facecluster.facenet.augment import MEAN, STD, standardise
from facecluster.facenet.inference import Inference
from facecluster.facenet.mobilefacenet import MobileFaceNet
from facecluster.facenet.precision import half_precision

__all__ = ["MAP_WIDTH", "SIDE", "Answers", "Teacher", "asked", "resized"]

# Pixels of its square crops.
SIDE = 112
# Channels of the maps that MobileFaceNet shows.
MAP_WIDTH = 128
# The last layers of MobileFaceNet's trunk at 14 x 14 and at 7 x 7.
_SHOWN = (16, 19)
# Of the crops that nn4 sees.
_BEFORE = (96, 96)


@dataclass(frozen=True, slots=True)
class Answers:
    """What a teacher says of B crops: unit rows (B, D), and maps (B, MAP_WIDTH, side, side), the
    larger ones first."""

    targets: Tensor
    maps: tuple[Tensor, ...]


# Of crops (B, 3, SIDE, SIDE) in 0 to 255.
Teacher: TypeAlias = Callable[[Tensor], Answers]


def asked(network: MobileFaceNet, before: FaceNet, directions: NDArray[np.float32]) -> Teacher:
    """Both networks as one teacher, whose vectors are told in the directions (192 + 128, D), which
    weigh them too."""
    known = Inference(before, mean=MEAN, std=STD, device=str(network.get_buffer("centre").device))
    kept = torch.from_numpy(directions).to(network.get_buffer("centre").device)

    @torch.no_grad()
    def answers(crops: Tensor) -> Answers:
        maps, seen = standardise(crops).contiguous(memory_format=torch.channels_last), []
        with half_precision(crops.device.type, True):
            for number, layer in enumerate(network.trunk.children()):
                maps = layer(maps)
                if number in _SHOWN:
                    seen.append(maps)
        vectors = functional.normalize(maps.flatten(1).float(), dim=1)
        adults = functional.normalize(vectors - network.get_buffer("centre"), dim=1)
        both = torch.cat([adults, known(resized(crops, _BEFORE))], dim=1)
        return Answers(functional.normalize(both @ kept, dim=1), tuple(seen))

    return answers


def resized(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """Crops, or maps of them, (B, C, H, W) as a network of another size sees them."""
    return functional.interpolate(maps, size=size, mode="bilinear", antialias=True)
