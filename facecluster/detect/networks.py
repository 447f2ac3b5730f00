"""The three networks of the cascade, with the weights that facenet-pytorch's wheel carries."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
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

# The width of P-Net's sheets in pixels, the rows of cells that it works on at once, and crops for
# the others: few enough for the layers to stay in the processor's own cache, many enough for the
# calls not to count.
_SHEET = 320
_BAND = 88
_BATCH = 32

# The maximum of 3 x 3 or 2 x 2 pixels, every second one, that follows a network's layers.
_POOLS = {"pnet": (2,), "rnet": (3, 3), "onet": (3, 3, 2)}


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
    for name in _POOLS:
        path = folder / f"{name}.pt"
        try:
            digest.update(path.read_bytes())
            weights[name] = torch.load(str(path), map_location="cpu", weights_only=True)
        except (OSError, RuntimeError) as error:
            raise ModelError(f"{path} is damaged: reinstall facenet-pytorch.") from error
    return weights, digest.hexdigest()[:8]


class PNet:
    """P-Net on the levels of a pyramid.

    The levels are laid side by side on one sheet, which is worked off in bands of few sizes: the
    work of a level is often less than what a call costs, and oneDNN prepares itself anew for every
    size it is given.
    """

    def __init__(self, weights: dict[str, Tensor], device: torch.device) -> None:
        self._layers = _Layers(weights, _POOLS["pnet"], device)
        heads = ("conv4_1", "conv4_2")
        self._head = self._layers.placed(torch.cat([weights[f"{n}.weight"] for n in heads]))
        self._bias = self._layers.placed(torch.cat([weights[f"{n}.bias"] for n in heads]))
        self._banded = device.type == "cpu"

    def __call__(self, levels: Sequence[Floats]) -> list[tuple[Floats, Floats, Floats]]:
        """For each level: the cells that may be a face, (N, 2) x and y, scores (N,), shifts (N, 4).

        A level is (H, W, 3), even numbers of 12 or more; cell (x, y) sees its 12 x 12 pixels from
        (2x, 2y) on.
        """
        sheet, pieces = _laid_out(levels)
        outputs = self._outputs(torch.from_numpy(sheet))
        likely = outputs[1] - outputs[0] >= math.log(LEAST_SCORE / (1 - LEAST_SCORE))
        found = []
        for level, mine in zip(levels, pieces, strict=True):
            places, values = [], []
            for left, top, right, shift in mine:
                rows, columns = slice(top, top + len(level) // 2 - 5), slice(left, right)
                y, x = np.nonzero(likely[rows, columns])
                places.append(np.stack([x + left + shift, y], 1))
                values.append(outputs[:, rows, columns][:, y, x].T)
            value = np.concatenate(values)
            scores = 1 / (1 + np.exp(value[:, 0] - value[:, 1]))
            found.append((np.concatenate(places).astype(np.float32), scores, value[:, 2:]))
        return found

    def _outputs(self, sheet: Tensor) -> Floats:
        """Two logits and four shifts for each cell, (6, rows, columns)."""
        rows = len(sheet) // 2 - 5
        step = _BAND if self._banded else rows
        parts = []
        for top in range(0, rows, step):
            band = sheet[2 * top : 2 * min(top + step, rows) + 10]
            x = self._layers(band.permute(2, 0, 1)[None])
            parts.append(_dense(F.conv2d(x, self._head, self._bias))[0])
        result: Floats = torch.cat(parts, dim=1).cpu().numpy()
        return result


def _laid_out(levels: Sequence[Floats]) -> tuple[Floats, list[list[tuple[int, int, int, int]]]]:
    """A sheet, (H, _SHEET, 3), with all levels on it, largest first, and where their cells are.

    Each level comes in one piece or, when too wide, in several, so that every cell is in one: the
    first column of cells on the sheet, the first row, the last column + 1, and what is to be added
    to a column of the sheet to make it one of the level.
    """
    shelves: list[list[int]] = []  # of pieces side by side: the top, and the pixels taken
    bottom = 0
    placed: list[tuple[int, Floats, int, int, int]] = []
    for number, level in enumerate(levels):
        height, width = level.shape[:2]
        for start in range(0, width - 10, _SHEET - 10):
            part = level[:, start : start + _SHEET]
            wide = part.shape[1]
            shelf = next((shelf for shelf in shelves if shelf[1] + wide <= _SHEET), None)
            if shelf is None:
                shelf = [bottom, 0]
                shelves.append(shelf)
                bottom += height
            placed.append((number, part, start, shelf[0], shelf[1]))
            shelf[1] += wide
    # Whole eights of rows of cells, so that few sizes occur.
    sheet = np.zeros((-(-(bottom // 2 - 5) // 8) * 16 + 10, _SHEET, 3), dtype=np.float32)
    pieces: list[list[tuple[int, int, int, int]]] = [[] for _ in levels]
    for number, part, start, top, left in placed:
        height, wide = part.shape[:2]
        sheet[top : top + height, left : left + wide] = part
        x = left // 2
        pieces[number].append((x, top // 2, x + wide // 2 - 5, start // 2 - x))
    return sheet, pieces


class Refiner:
    """R-Net or O-Net, as name says: crops to a score, four shifts and, from O-Net, five points."""

    def __init__(self, name: str, weights: dict[str, Tensor], device: torch.device) -> None:
        self._layers = _Layers(weights, _POOLS[name], device)
        number = len(_POOLS[name]) + 2
        # The first dense layer was trained on (width, height, channels).
        dense = weights[f"dense{number}.weight"]
        channels = len(weights[f"conv{number - 1}.bias"])
        side = math.isqrt(dense.shape[1] // channels)
        dense = dense.view(-1, side, side, channels).permute(0, 3, 2, 1).flatten(1)
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
            batch = torch.from_numpy(crops[start : start + _BATCH])
            outputs.append(self._answer(batch.permute(0, 3, 1, 2)))
        result: Floats = torch.cat(outputs).cpu().numpy()
        return result

    def _answer(self, x: Tensor) -> Tensor:
        x = F.linear(_dense(self._layers(x)).flatten(1), self._dense, self._dense_bias)
        x = F.linear(F.prelu(x, self._dense_slope), self._head, self._head_bias)
        return torch.cat([x[:, :2].softmax(1)[:, 1:], x[:, 2:]], dim=1)


class _Layers:
    """Convolutions with PReLU, and pools after the first ones, on pixels from 0 to 255.

    On a processor all is kept in oneDNN's own layout from the first layer to the last, where torch
    has it. All in single precision: with P-Net in bfloat16, 5 % of the boxes were other ones.
    """

    def __init__(
        self, weights: dict[str, Tensor], pools: tuple[int, ...], device: torch.device
    ) -> None:
        self._device, self._pools = device, pools
        self._packed = device.type == "cpu" and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        self._layers = []
        for number in range(1, len(pools) + 3):
            if f"conv{number}.weight" not in weights:
                break
            kernel, bias = (weights[f"conv{number}.{part}"] for part in ("weight", "bias"))
            if number == 1:
                # The pixels' standardisation, (p - 127.5) / 128, is folded in.
                bias = bias - kernel.sum(dim=(1, 2, 3)) * (127.5 / 128)
                kernel = kernel / 128
            slopes = weights[f"prelu{number}.weight"]
            self._layers.append((self.placed(kernel), self.placed(bias), self.placed(slopes)))

    def placed(self, tensor: Tensor) -> Tensor:
        """The tensor where its layers are, and in their layout."""
        tensor = tensor.to(self._device)
        return tensor.to_mkldnn() if self._packed else tensor

    def __call__(self, pixels: Tensor) -> Tensor:
        x = self.placed(pixels)
        for number, (kernel, bias, slopes) in enumerate(self._layers):
            x = torch.prelu(F.conv2d(x, kernel, bias), slopes)
            if number < len(self._pools):
                x = F.max_pool2d(x, self._pools[number], 2, ceil_mode=True)
        return x


def _dense(x: Tensor) -> Tensor:
    """The tensor in torch's own layout."""
    return x.to_dense() if x.is_mkldnn else x
