"""Faces of people who do not exist: blends, exchanged parts and bent shapes of aligned faces."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

__all__ = ["NOBODY", "made_up", "of_parents"]

# In the place of a third parent.
NOBODY = -1

# Of the faces: blended with another, given a part of another; the rest are only bent, and more.
_BLENDED, _EXCHANGED = 0.5, 0.3


def made_up(faces: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """A new face of each pair: (B, 3, S, S) twice, 0 to 255 -> (B, 3, S, S) whole numbers.

    The other one is turned to its mirror image by half, and mostly given the first one's light and
    contrast, so that the seam does not show. The generator decides everything.
    """
    count = len(faces)
    others = torch.where(_chance(count, 0.5, generator), others.flip(3), others)
    others = torch.where(_chance(count, 0.7, generator), _lit_like(others, faces), others)
    others = _bent(others, _drawn(count, 0.0, 2.0, generator), generator)
    kind = torch.rand(count, 1, 1, 1, generator=generator)
    blend = _drawn(count, 0.15, 0.5, generator).view(-1, 1, 1, 1)
    part = _parts(faces, generator) * _drawn(count, 0.6, 1.0, generator).view(-1, 1, 1, 1)
    share = torch.where(kind < _BLENDED, blend, part) * (kind < _BLENDED + _EXCHANGED)
    mixed = faces * (1.0 - share) + others * share
    little = _drawn(count, 0.0, 2.0, generator) * _chance(count, 0.5, generator).flatten()
    much = _drawn(count, 1.5, 4.5, generator)
    pixels = torch.where(kind.flatten() < _BLENDED + _EXCHANGED, little, much)
    return _bent(mixed, pixels, generator).clamp(0.0, 255.0).round()


def of_parents(
    given: NDArray[np.uint8], parents: NDArray[np.int64], generator: torch.Generator
) -> NDArray[np.uint8]:
    """A face (B, S, S, 3) of two others each, and of a third where there is one: rows (B, 3) of the
    faces given."""
    faces, others = (_as_maps(given[parents[:, place]]) for place in (0, 1))
    made = made_up(faces, others, generator)
    more = np.flatnonzero(parents[:, 2] != NOBODY)
    if len(more):
        made[more] = made_up(made[more], _as_maps(given[parents[more, 2]]), generator)
    pictures: NDArray[np.uint8] = made.permute(0, 2, 3, 1).byte().numpy()
    return pictures


def _as_maps(pictures: NDArray[np.uint8]) -> Tensor:
    """(B, S, S, 3) bytes -> (B, 3, S, S) in 0 to 255."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float()


def _drawn(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator) * (high - low) + low


def _chance(count: int, share: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, 1, 1, 1, generator=generator) < share


def _lit_like(others: Tensor, faces: Tensor) -> Tensor:
    mean, spread = others.mean((2, 3), keepdim=True), others.std((2, 3), keepdim=True)
    lit = (others - mean) / spread.clamp(min=4.0) * faces.std((2, 3), keepdim=True)
    return (lit + faces.mean((2, 3), keepdim=True)).clamp(0.0, 255.0)


def _bent(faces: Tensor, pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Moved by a smooth field, of 5 x 5 random shifts whose standard deviation is given in
    pixels."""
    count, side = len(faces), faces.shape[2]
    shifts = torch.randn(count, 2, 5, 5, generator=generator) * pixels.view(-1, 1, 1, 1)
    field = functional.interpolate(
        shifts * 2.0 / side, (side, side), mode="bicubic", align_corners=True
    )
    grid = torch.stack(_coordinates(side), dim=-1) + field.permute(0, 2, 3, 1)
    return functional.grid_sample(faces, grid, padding_mode="border", align_corners=True)


def _parts(faces: Tensor, generator: torch.Generator) -> Tensor:
    """Soft masks (B, 1, S, S): below a line, beside one, the eyes, or the oval."""
    count = len(faces)
    across, down = _coordinates(faces.shape[2])
    left = torch.sign(torch.rand(count, 1, 1, generator=generator) - 0.5)
    edges = [
        down - _drawn(count, -0.25, 0.35, generator).view(-1, 1, 1),
        across * left - _drawn(count, -0.1, 0.1, generator).view(-1, 1, 1),
        (0.28 - (down + 0.12).abs()).expand(count, -1, -1),
        _drawn(count, 0.55, 0.75, generator).view(-1, 1, 1)
        - ((across / 0.85) ** 2 + (down - 0.1) ** 2).sqrt(),
    ]
    chosen = torch.randint(0, len(edges), (count,), generator=generator)
    return torch.sigmoid(8.0 * torch.stack(edges)[chosen, torch.arange(count)])[:, None]


def _coordinates(side: int) -> tuple[Tensor, Tensor]:
    """Of each pixel from -1 to 1, across and down."""
    line = torch.linspace(-1.0, 1.0, side)
    down, across = torch.meshgrid(line, line, indexing="ij")
    return across, down
