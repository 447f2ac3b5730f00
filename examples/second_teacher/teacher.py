"""The asked teacher, MobileFaceNet: what it says of a face, and what it sees on the way there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from facecluster.facenet.augment import standardise
from facecluster.facenet.mobilefacenet import MobileFaceNet
from facecluster.facenet.precision import half_precision

__all__ = ["CENTRE_TAKEN", "MAP_WIDTH", "SIDE", "Answers", "Teacher", "asked"]

# Pixels of its square crops.
SIDE = 112
# Channels of the maps that it shows.
MAP_WIDTH = 128
# Of the centre of all faces. Children are near it: less of it taken off sets adults further apart,
# more of it children.
CENTRE_TAKEN = 0.5
# The last layers of its trunk at 14 x 14 and at 7 x 7.
_SHOWN = (16, 19)


@dataclass(frozen=True, slots=True)
class Answers:
    """What a teacher says of B crops: unit rows (B, D), and maps (B, MAP_WIDTH, side, side), the
    larger ones first."""

    targets: Tensor
    maps: tuple[Tensor, ...]


# Of crops (B, 3, SIDE, SIDE) in 0 to 255.
Teacher: TypeAlias = Callable[[Tensor], Answers]


def asked(network: MobileFaceNet, directions: NDArray[np.float32]) -> Teacher:
    """The network as a teacher whose vectors are told in the directions (192, D)."""
    taken = CENTRE_TAKEN * network.get_buffer("centre")
    kept = torch.from_numpy(directions)

    @torch.no_grad()
    def answers(crops: Tensor) -> Answers:
        maps, seen = standardise(crops).contiguous(memory_format=torch.channels_last), []
        with half_precision(crops.device.type, True):
            for number, layer in enumerate(network.trunk.children()):
                maps = layer(maps)
                if number in _SHOWN:
                    seen.append(maps)
        vectors = functional.normalize(maps.flatten(1).float(), dim=1)
        rows = functional.normalize((vectors - taken) @ kept, dim=1)
        return Answers(rows, tuple(seen))

    return answers
