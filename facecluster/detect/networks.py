"""The three networks of the cascade, with the weights that facenet-pytorch's wheel carries."""

from __future__ import annotations

import hashlib
import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from facecluster.errors import ModelError

__all__ = ["PNet", "Refiner", "load"]

Floats = NDArray[np.float32]

# The probability of a face from which P-Net proposes a box, as in facenet_pytorch.MTCNN.
LEAST_SCORE = 0.6

# Pixels of the pyramid that P-Net works on at once, and crops for the others: few enough for the
# layers to stay in the processor's own cache, many enough for the calls not to count.
_BAND = 60_000
_BATCH = 64


def load() -> tuple[dict[str, dict[str, Tensor]], str]:
    """The three state dicts of facenet-pytorch's wheel, and the first digits of their SHA-256.

    Read as files, because importing that package takes two seconds.
    """
    spec = find_spec("facenet_pytorch")
    if spec is None or spec.origin is None:
        raise ModelError(
            "The face detector needs facenet-pytorch: run pip install facenet-pytorch."
        )
    folder = Path(spec.origin).parent / "data"
    weights, digest = {}, hashlib.sha256()
    for name in ("pnet", "rnet", "onet"):
        path = folder / f"{name}.pt"
        try:
            digest.update(path.read_bytes())
            weights[name] = torch.load(str(path), map_location="cpu", weights_only=True)
        except (OSError, RuntimeError) as error:
            raise ModelError(f"{path} is damaged: reinstall facenet-pytorch.") from error
    return weights, digest.hexdigest()[:8]


class PNet:
    """P-Net on a level of the pyramid, its first layer rewritten so that nothing large is moved.

    Convolution, PReLU and 2 x 2 maximum become one convolution and one maximum: the convolution,
    with stride 2, gives for each pooled pixel the four values x that are pooled and their a x,
    because PReLU(x) = max(x, a x) for slopes a <= 1, and a maximum of maxima is a maximum. The one
    channel with a > 1 is PReLU(x) = (1 - a) max(x, 0) + a x: two channels, of slopes 0 and 1.
    """

    def __init__(self, weights: dict[str, Tensor], device: torch.device) -> None:
        slopes = weights["prelu1.weight"]
        steep = torch.nonzero(slopes > 1).flatten()
        kernels, bias = weights["conv1.weight"], weights["conv1.bias"]
        kernels = torch.cat([kernels, kernels[steep]])
        bias = torch.cat([bias, bias[steep]])
        then = weights["conv2.weight"].clone()
        then[:, steep] *= 1 - slopes[steep, None, None]
        then = torch.cat([then, weights["conv2.weight"][:, steep] * slopes[steep, None, None]], 1)
        slopes = torch.cat([torch.where(slopes > 1, 0.0, slopes), torch.ones(len(steep))])
        # The pixels' standardisation, (p - 127.5) / 128, is folded in.
        bias = bias - kernels.sum(dim=(1, 2, 3)) * (127.5 / 128)
        kernels = kernels / 128
        phases = torch.zeros(4, 2, len(slopes), 3, 4, 4)
        for phase, (y, x) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
            phases[phase, 0, :, :, y : y + 3, x : x + 3] = kernels
            phases[phase, 1, :, :, y : y + 3, x : x + 3] = kernels * slopes[:, None, None, None]
        self._pooled = len(slopes)
        self._device = device
        self._first = self._placed(phases.flatten(0, 2))
        self._first_bias = self._placed(torch.cat([bias, bias * slopes]).repeat(4))
        self._second = self._placed(then)
        self._second_bias = self._placed(weights["conv2.bias"])
        self._third = self._placed(weights["conv3.weight"])
        self._third_bias = self._placed(weights["conv3.bias"])
        self._slopes = [self._placed(weights[f"prelu{i}.weight"]) for i in (2, 3)]
        self._last = self._placed(torch.cat([weights["conv4_1.weight"], weights["conv4_2.weight"]]))
        self._last_bias = self._placed(
            torch.cat([weights["conv4_1.bias"], weights["conv4_2.bias"]])
        )

    def __call__(self, level: Floats) -> tuple[Floats, Floats, Floats]:
        """The cells that may be a face: (N, 2) x and y, their scores (N,) and shifts (N, 4).

        level is (H, W, 3) with even sides; cell (x, y) sees its 12 x 12 pixels from (2x, 2y) on.
        """
        height, width = level.shape[:2]
        cells = height // 2 - 5
        rows = max(1, _BAND // (2 * width)) if self._device.type == "cpu" else cells
        pixels = torch.from_numpy(level)
        least = math.log(LEAST_SCORE / (1 - LEAST_SCORE))
        places, values = [], []
        for top in range(0, cells, rows):
            outputs = self._band(pixels[2 * top : 2 * min(top + rows, cells) + 10])
            y, x = torch.nonzero(outputs[..., 1] - outputs[..., 0] >= least, as_tuple=True)
            places.append(torch.stack([x, y + top], 1))
            values.append(outputs[y, x])
        place = torch.cat(places).float().cpu().numpy()
        value = torch.cat(values).float()
        return place, value[:, :2].softmax(1)[:, 1].cpu().numpy(), value[:, 2:].cpu().numpy()

    def _band(self, pixels: Tensor) -> Tensor:
        """Two logits and four shifts for each cell, (rows, columns, 6)."""
        x = pixels.to(self._device).permute(2, 0, 1)[None]
        x = F.conv2d(x, self._first, self._first_bias, stride=2)[0].permute(1, 2, 0)
        while (half := x.shape[2] // 2) >= self._pooled:
            x = torch.maximum(x[..., :half], x[..., half:])
        x = F.conv2d(x.permute(2, 0, 1)[None], self._second, self._second_bias)
        x = F.conv2d(F.prelu(x, self._slopes[0]), self._third, self._third_bias)
        x = F.conv2d(F.prelu(x, self._slopes[1]), self._last, self._last_bias)
        return x[0].permute(1, 2, 0)

    def _placed(self, tensor: Tensor) -> Tensor:
        tensor = tensor.to(self._device)
        return tensor.contiguous(
            memory_format=torch.channels_last if tensor.ndim == 4 else torch.contiguous_format
        )


class Refiner:
    """R-Net or O-Net: crops to a score, four shifts and, from O-Net, five points."""

    def __init__(self, weights: dict[str, Tensor], device: torch.device) -> None:
        self._device = device
        self._convolutions = []
        number = 1
        while f"conv{number}.weight" in weights:
            self._convolutions.append(
                tuple(
                    weights[f"{part}{number}.{kind}"].to(device)
                    for part, kind in (("conv", "weight"), ("conv", "bias"), ("prelu", "weight"))
                )
            )
            number += 1
        kernel, bias, slope = self._convolutions[0]
        # The pixels' standardisation, (p - 127.5) / 128, is folded in.
        bias = bias - kernel.sum(dim=(1, 2, 3)) * (127.5 / 128)
        self._convolutions[0] = (kernel / 128, bias, slope)
        # The first dense layer was trained on (width, height, channels); ours is fed (height,
        # width, channels), which is how channels-last tensors lie in memory.
        dense = weights[f"dense{number}.weight"]
        channels = self._convolutions[-1][0].shape[0]
        side = math.isqrt(dense.shape[1] // channels)
        dense = dense.view(-1, side, side, channels).transpose(1, 2).flatten(1)
        self._dense = dense.to(device)
        self._dense_bias = weights[f"dense{number}.bias"].to(device)
        self._dense_slope = weights[f"prelu{number}.weight"].to(device)
        heads = sorted(name for name in weights if name.startswith(f"dense{number + 1}_"))
        self._head = torch.cat([weights[n] for n in heads if n.endswith("weight")]).to(device)
        self._head_bias = torch.cat([weights[n] for n in heads if n.endswith("bias")]).to(device)

    def __call__(self, crops: Floats) -> Floats:
        """(N, side, side, 3) pixels to (N, 1 + 4 [+ 10]): the score, the shifts, the points."""
        outputs = []
        for start in range(0, len(crops), _BATCH):
            batch = torch.from_numpy(crops[start : start + _BATCH]).to(self._device)
            outputs.append(self._answer(batch.permute(0, 3, 1, 2)))
        result: Floats = torch.cat(outputs).cpu().numpy()
        return result

    def _answer(self, x: Tensor) -> Tensor:
        for number, (kernel, bias, slope) in enumerate(self._convolutions):
            x = F.prelu(F.conv2d(x, kernel, bias), slope)
            # All but the last layer are pooled: 3 x 3, then 2 x 2 in O-Net's third.
            if number + 1 < len(self._convolutions):
                x = F.max_pool2d(x, 3 if number < 2 else 2, 2, ceil_mode=True)
        x = F.linear(x.permute(0, 2, 3, 1).flatten(1), self._dense, self._dense_bias)
        x = F.linear(F.prelu(x, self._dense_slope), self._head, self._head_bias)
        return torch.cat([x[:, :2].softmax(1)[:, 1:], x[:, 2:]], dim=1)
