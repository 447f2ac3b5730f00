"""Random variations of aligned faces, a batch at a time on the network's own device."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["MEAN", "STD", "centre_crop", "mix", "spoil", "standardise", "vary", "warp"]

# Maps bytes to about [-1, 1]; stored in each checkpoint's header.
MEAN = 127.5
STD = 128.0
_GREY = (0.299, 0.587, 0.114)


def standardise(pictures: Tensor) -> Tensor:
    """(pictures - 127.5) / 128 in float32, the scale that every bundled network expects."""
    return (pictures.float() - MEAN) / STD


def centre_crop(pictures: Tensor, *, margin: int, size: tuple[int, int]) -> Tensor:
    """The standard crop without variation: (B, S, S, 3) bytes -> (B, 3, height, width) in 0 to
    255.

    margin pixels on each side of the stored picture lie outside of the crop.
    """
    side = pictures.shape[1]
    inner = pictures[:, margin : side - margin, margin : side - margin].permute(0, 3, 1, 2).float()
    return functional.interpolate(
        inner, size=size, mode="bilinear", align_corners=False, antialias=True
    )


def vary(
    pictures: Tensor, *, margin: int, size: tuple[int, int], generator: torch.Generator
) -> Tensor:
    """Varied crops: (B, S, S, 3) bytes -> (B, 3, height, width) float32 in 0 to 255.

    Mirror, turn, scale and shift as a detector's landmarks wobble; light, colour and grey as
    photos differ; blur, low resolution, noise and occlusion as family pictures have them. The
    generator decides everything.
    """
    return spoil(warp(pictures, margin=margin, size=size, generator=generator), generator)


def warp(
    pictures: Tensor, *, margin: int, size: tuple[int, int], generator: torch.Generator
) -> Tensor:
    """Crops mirrored, turned, scaled and shifted: (B, S, S, 3) -> (B, 3, height, width) float32."""
    warps = _warps(pictures, margin, generator)
    grid = functional.affine_grid(warps, [len(pictures), 3, *size], align_corners=False)
    return functional.grid_sample(
        pictures.permute(0, 3, 1, 2).float(), grid, padding_mode="border", align_corners=False
    )


def spoil(crops: Tensor, generator: torch.Generator) -> Tensor:
    """Crops (B, 3, height, width) in other light and colours, some of them blurred, noisy or partly
    hidden; 0 to 255 as they were."""
    varied = _degrade(_recolour(crops, generator), generator)
    return _occlude(varied, generator).clamp_(0.0, 255.0)


def _warps(pictures: Tensor, margin: int, generator: torch.Generator) -> Tensor:
    """Where to look in each of the pictures (B, S, S, 3): (B, 2, 3), from places in the crop to
    places in the picture, both from -1 to 1."""
    count, side = pictures.shape[:2]
    inner = (side - 2 * margin) / side
    angle = _uniform(count, -0.13, 0.13, pictures, generator)
    scale = _uniform(count, 0.91, 1.08, pictures, generator) * inner
    stretch = _uniform(count, 0.95, 1.05, pictures, generator)
    mirror = 1.0 - 2.0 * _chance(count, 0.5, generator).float().to(pictures.device)
    shift = 2.0 / side * 4.0
    across = _uniform(count, -shift, shift, pictures, generator)
    down = _uniform(count, -shift, shift, pictures, generator)
    cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
    rows = torch.stack(
        [cos * mirror * stretch, -sin, across, sin * mirror * stretch, cos, down], dim=1
    )
    return rows.view(count, 2, 3)


def mix(
    pictures: Tensor, targets: Tensor, *, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The batch with a share of its faces blended with their neighbour's, and its embedding too.

    Of a blend (B, 3, H, W) up to half is the neighbour; its target is the like blend of the
    targets (B, D), put back on the sphere. Aligned faces blend into faces of people who do not
    exist, so that a few people seen often cannot be learnt by heart.
    """
    count = len(pictures)
    weight = 0.5 * torch.rand(count, generator=generator) * _chance(count, share, generator)
    weight = weight.to(pictures.device)
    picture_weight = weight.view(-1, 1, 1, 1)
    blended = pictures * (1.0 - picture_weight) + pictures.roll(1, 0) * picture_weight
    middle = targets * (1.0 - weight[:, None]) + targets.roll(1, 0) * weight[:, None]
    return blended, functional.normalize(middle, dim=1)


def _uniform(
    count: int, low: float, high: float, like: Tensor, generator: torch.Generator
) -> Tensor:
    # Drawn on the CPU so that a GPU and a CPU see the same variations.
    return (torch.rand(count, generator=generator) * (high - low) + low).to(like.device)


def _chance(count: int, share: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator) < share


def _recolour(pictures: Tensor, generator: torch.Generator) -> Tensor:
    count = len(pictures)

    def factor(low: float, high: float) -> Tensor:
        return _uniform(count, low, high, pictures, generator).view(-1, 1, 1, 1)

    weights = torch.tensor(_GREY, device=pictures.device).view(1, 3, 1, 1)
    grey = (pictures * weights).sum(1, keepdim=True)
    saturation = factor(0.6, 1.4)
    saturation[_chance(count, 0.08, generator).to(pictures.device)] = 0.0
    pictures = grey + (pictures - grey) * saturation
    tint = torch.stack([_uniform(count, 0.92, 1.08, pictures, generator) for _ in range(3)], dim=1)
    mean = pictures.mean(dim=(1, 2, 3), keepdim=True)
    pictures = (pictures - mean) * factor(0.7, 1.3) + mean * factor(0.7, 1.3)
    pictures = (pictures * tint.view(-1, 3, 1, 1)).clamp_(0.0, 255.0)
    return 255.0 * (pictures / 255.0).pow(factor(0.75, 1.3))


def _degrade(pictures: Tensor, generator: torch.Generator) -> Tensor:
    height, width = pictures.shape[2:]
    chosen = _chance(len(pictures), 0.15, generator).nonzero().squeeze(1).to(pictures.device)
    if len(chosen):
        # One resolution a batch: cheap, and over the batches every one from a fifth to four
        # fifths comes up.
        share = 0.2 + 0.6 * float(torch.rand(1, generator=generator))
        low = (math.ceil(height * share), math.ceil(width * share))
        small = functional.interpolate(pictures[chosen], size=low, mode="area")
        pictures[chosen] = functional.interpolate(
            small, size=(height, width), mode="bilinear", align_corners=False
        )
    noisy = _chance(len(pictures), 0.1, generator).nonzero().squeeze(1)
    if len(noisy):
        strength = 2.0 + 12.0 * torch.rand(len(noisy), 1, 1, 1, generator=generator)
        noise = torch.randn(len(noisy), 3, height, width, generator=generator) * strength
        pictures[noisy.to(pictures.device)] += noise.to(pictures.device)
    return pictures


def _occlude(pictures: Tensor, generator: torch.Generator) -> Tensor:
    height, width = pictures.shape[2:]
    for index in _chance(len(pictures), 0.1, generator).nonzero().squeeze(1).tolist():
        y, x, h, w, level = torch.rand(5, generator=generator).tolist()
        tall, wide = int(height * (0.1 + 0.3 * h)), int(width * (0.1 + 0.4 * w))
        top, left = int((height - tall) * y), int((width - wide) * x)
        pictures[index, :, top : top + tall, left : left + wide] = 255.0 * level
    return pictures
