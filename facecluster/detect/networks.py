"""The three networks of the cascade, with the weights that facenet-pytorch's wheel carries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from facecluster.detect.levels import Level, Memory
from facecluster.detect.weights import LEAST_SCORE, damaged, files
from facecluster.facenet.precision import multiplies_bfloat16

__all__ = ["Cascade", "PNet", "Refiner", "load", "reduces"]

Pixels = NDArray[np.uint8] | NDArray[np.float32]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

# What a first look in bfloat16 must give for a second one in single precision. Of what the second
# look takes, the first gave all of P-Net's 35,000 cells of 75 photos 0.53 and more, though it sees
# whole numbers, and all of R-Net's 3,500 crops of 160 photos 0.68 and more.
_FIRST_LOOK = 0.5

# The width of P-Net's sheets in pixels, the rows of cells that it works on at once, and crops for
# each network and its first look: few enough for the layers to stay in the processor's own cache,
# many enough for the calls not to count.
_SHEET = 320
_BAND = 88
_BATCH = {"pnet": 160, "rnet": 32, "onet": 16}
_FIRST_BATCH = 128

# A smaller number of crops is filled up to one of so many sizes: oneDNN keeps what it prepared for
# each size, 30 MB for all that P-Net may be given.
_SIZES = 8

# The maximum of 3 x 3 or 2 x 2 pixels, every second one, that follows a network's layers.
_POOLS = {"pnet": (2,), "rnet": (3, 3), "onet": (3, 3, 2)}


def load() -> dict[str, dict[str, Tensor]]:
    """The three state dicts; ModelError when one cannot be read."""
    weights = {}
    for name, path in files().items():
        try:
            weights[name] = torch.load(str(path), map_location="cpu", weights_only=True)
        except (OSError, RuntimeError) as error:
            raise damaged(path) from error
    return weights


class Cascade:
    """The three networks on a device, as torch calls it; ModelError for damaged weights."""

    def __init__(self, device: str) -> None:
        where, weights = torch.device(device), load()
        self.pnet = PNet(weights["pnet"], where, reduced=reduces(where))
        self.rnet = Refiner("rnet", weights["rnet"], where)
        self.onet = Refiner("onet", weights["onet"], where)


class PNet:
    """P-Net over the levels of a pyramid, which are laid side by side on one sheet.

    The sheet is worked off in bands of few sizes: the work of a level is often less than what a
    call costs, and oneDNN prepares itself anew for every size it is given. Where looks_twice, a
    first look at rounded pixels in bfloat16 says which cells are worth a second one.
    """

    def __init__(self, weights: dict[str, Tensor], device: torch.device, *, reduced: bool) -> None:
        self.looks_twice = reduced
        self._first = _Layers("pnet", weights, device, reduced=reduced)
        self._second = _Layers("pnet", weights, device) if reduced else self._first
        self._banded = device.type == "cpu"
        self._memory = Memory(np.uint8 if reduced else np.float32)

    def found(self, levels: Sequence[Level]) -> list[tuple[Ints, Floats]]:
        """For each level its N faces: the cells, (N, 2) x and y, and the answers, (N, 5).

        Cell (x, y) sees the level's 12 x 12 pixels from (2x, 2y) on. The answers are the score,
        LEAST_SCORE or more, and four shifts.
        """
        return self._over(levels, LEAST_SCORE["pnet"])

    def likely(self, levels: Sequence[Level]) -> list[Ints]:
        """For each level the cells worth a second look, (N, 2) x and y."""
        return [cells for cells, _ in self._over(levels, _FIRST_LOOK)]

    def __call__(self, crops: Floats) -> Floats:
        """(N, 12, 12, 3) pixels of cells to (N, 5): the score and four shifts."""
        return _answers(self._second, crops, _BATCH["pnet"])

    def _over(self, levels: Sequence[Level], least: float) -> list[tuple[Ints, Floats]]:
        """What `found` tells, of the cells whose score is at least that."""
        height, pieces = _laid_out([(level.height, level.width) for level in levels])
        sheet = self._memory.array((height, _SHEET, 3))
        for level, mine in zip(levels, pieces, strict=True):
            _draw(level, mine, sheet)
        cells, rows = self._worked_off(torch.from_numpy(sheet), math.log(least / (1 - least)))
        found = []
        for level, mine in zip(levels, pieces, strict=True):
            parts = []
            for piece in mine:
                first = piece.left // 2, piece.top // 2
                last = first[0] + piece.width // 2 - 5, first[1] + level.height // 2 - 5
                inside = np.flatnonzero(np.all((cells >= first) & (cells < last), axis=1))
                shift = piece.start // 2 - first[0], -first[1]
                parts.append((cells[inside] + shift, rows[inside]))
            places, answers = zip(*parts, strict=True)
            found.append((np.concatenate(places), np.concatenate(answers)))
        return found

    def _worked_off(self, sheet: Tensor, least: float) -> tuple[Ints, Floats]:
        """The sheet's cells whose logits differ by at least that, (N, 2), and their answers."""
        rows = len(sheet) // 2 - 5
        step = _BAND if self._banded else rows
        cells, outputs = [], []
        for top in range(0, rows, step):
            band = sheet[2 * top : 2 * min(top + step, rows) + 10]
            output = self._first(band.permute(2, 0, 1)[None])[0].cpu().numpy()
            width = output.shape[2]
            output = output.reshape(len(output), -1)
            places = np.flatnonzero(output[1] - output[0] >= least)
            cells.append(np.stack([places % width, places // width + top], 1))
            outputs.append(output[:, places].T)
        return np.concatenate(cells), _scored(torch.from_numpy(np.concatenate(outputs)))


class _Piece(NamedTuple):
    """A strip of a level, from its column start on, and where it is on the sheet."""

    start: int
    left: int
    top: int
    width: int


def _laid_out(sizes: Sequence[tuple[int, int]]) -> tuple[int, list[list[_Piece]]]:
    """The height of a sheet for levels of these sizes, largest first, and where each is on it.

    Each level comes in one piece or, when too wide, in several, so that every cell is in one.
    """
    shelves: list[list[int]] = []  # of pieces side by side: the top, and the pixels taken
    bottom = 0
    pieces: list[list[_Piece]] = [[] for _ in sizes]
    for mine, (height, width) in zip(pieces, sizes, strict=True):
        for start in range(0, width - 10, _SHEET - 10):
            wide = min(_SHEET, width - start)
            shelf = next((shelf for shelf in shelves if shelf[1] + wide <= _SHEET), None)
            if shelf is None:
                shelf = [bottom, 0]
                shelves.append(shelf)
                bottom += height
            mine.append(_Piece(start, left=shelf[1], top=shelf[0], width=wide))
            shelf[1] += wide
    # Whole eights of rows of cells, so that few sizes occur.
    return -(-(bottom // 2 - 5) // 8) * 16 + 10, pieces


def _draw(level: Level, pieces: Sequence[_Piece], sheet: Pixels) -> None:
    """Put the level's pieces where they belong on the sheet."""
    row = 0
    for block in level.blocks:
        for start, left, top, width in pieces:
            part = slice(top + row, top + row + len(block))
            sheet[part, left : left + width] = block[:, start : start + width]
        row += len(block)


class Refiner:
    """R-Net or O-Net, as name says: crops to a score, four shifts and, from O-Net, five points.

    R-Net turns down most of what it sees: that costs it a first look only. O-Net takes most.
    """

    def __init__(self, name: str, weights: dict[str, Tensor], device: torch.device) -> None:
        self._batch = _BATCH[name]
        self._layers = _Layers(name, weights, device)
        self._first = None
        if name == "rnet" and reduces(device):
            self._first = _Layers(name, weights, device, reduced=True)

    def __call__(self, crops: Floats) -> Floats:
        """(N, side, side, 3) pixels to (N, 1 + 4 [+ 10]): the score, the shifts, the points.

        Where the score is under _FIRST_LOOK all may be zeros.
        """
        if self._first is None:
            return _answers(self._layers, crops, self._batch)
        rows = np.flatnonzero(_answers(self._first, crops, _FIRST_BATCH)[:, 0] >= _FIRST_LOOK)
        result = np.zeros((len(crops), 5), dtype=np.float32)
        result[rows] = _answers(self._layers, crops[rows], self._batch)
        return result


def _answers(network: _Layers, crops: Floats, batch: int) -> Floats:
    """The network's outputs for (N, side, side, 3) pixels, the two logits made one score.

    It sees batch at a time, the last of them filled up with blank ones to a whole share of that.
    """
    outputs = [torch.empty((0, network.outputs))]
    few = batch // _SIZES
    for start in range(0, len(crops), batch):
        part = crops[start : start + batch]
        blank = np.zeros((-len(part) % few, *part.shape[1:]), dtype=np.float32)
        pixels = torch.from_numpy(np.concatenate([part, blank]) if len(blank) else part)
        rows = network(pixels.permute(0, 3, 1, 2)).flatten(1).cpu()
        outputs.append(rows[: len(part)])
    return _scored(torch.cat(outputs))


def _scored(outputs: Tensor) -> Floats:
    """(N, 2 + M) outputs, their two logits made one score: (N, 1 + M)."""
    score = outputs[:, :2].softmax(1)[:, 1:]
    result: Floats = torch.cat([score, outputs[:, 2:]], dim=1).numpy()
    return result


class _Layers:
    """One of the networks: pixels from 0 to 255, (N, 3, H, W), to two logits and the rest.

    On a processor all is kept in oneDNN's own layout from the first layer to the last convolution,
    where torch has it. reduced computes in bfloat16: a third of the time where the processor
    multiplies it in hardware, but alone it moves 5 % of the boxes, by other choices among equals.
    """

    def __init__(
        self,
        name: str,
        weights: dict[str, Tensor],
        device: torch.device,
        *,
        reduced: bool = False,
    ) -> None:
        self._device, self._pools = device, _POOLS[name]
        self._kind = torch.bfloat16 if reduced else torch.float32
        self._packed = device.type == "cpu" and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        self._convolutions = []
        for number in range(1, len(self._pools) + 3):
            if f"conv{number}.weight" not in weights:
                break
            kernel, bias = (weights[f"conv{number}.{part}"] for part in ("weight", "bias"))
            if number == 1:
                # The pixels' standardisation, (p - 127.5) / 128, is folded in, with the kernel as
                # it will be rounded.
                kernel = (kernel / 128).to(self._kind).float()
                bias = bias - kernel.sum(dim=(1, 2, 3)) * 127.5
            slopes = weights[f"prelu{number}.weight"]
            self._convolutions.append(tuple(map(self._placed, (kernel, bias, slopes))))
        heads = sorted(name for name in weights if "_" in name)
        head = torch.cat([weights[n] for n in heads if n.endswith("weight")])
        head_bias = torch.cat([weights[n] for n in heads if n.endswith("bias")])
        self.outputs = len(head_bias)
        self._dense = None
        if head.ndim == 2:
            self._dense = self._dense_layer(weights, number)
            self._head = head.to(device, self._kind), head_bias.to(device, self._kind)
        else:
            self._head = self._placed(head), self._placed(head_bias)

    def _dense_layer(self, weights: dict[str, Tensor], number: int) -> tuple[Tensor, ...]:
        """Weights, bias and slopes of the layer after the last convolution."""
        dense, bias = (weights[f"dense{number}.{part}"] for part in ("weight", "bias"))
        # It was trained on (width, height, channels).
        channels = len(weights[f"conv{number - 1}.bias"])
        side = math.isqrt(dense.shape[1] // channels)
        dense = dense.view(-1, side, side, channels).permute(0, 3, 2, 1).flatten(1)
        slopes = weights[f"prelu{number}.weight"]
        return tuple(x.to(self._device, self._kind) for x in (dense, bias, slopes))

    def _placed(self, tensor: Tensor) -> Tensor:
        """The tensor where its layers are, and in their layout and precision."""
        tensor = tensor.to(self._device, self._kind)
        return tensor.to_mkldnn() if self._packed else tensor

    def __call__(self, pixels: Tensor) -> Tensor:
        x = self._placed(pixels)
        for number, (kernel, bias, slopes) in enumerate(self._convolutions):
            x = torch.prelu(F.conv2d(x, kernel, bias), slopes)
            if number < len(self._pools):
                x = F.max_pool2d(x, self._pools[number], 2, ceil_mode=True)
        if self._dense is None:
            return _unpacked(F.conv2d(x, *self._head)).float()
        kernel, bias, slopes = self._dense
        x = F.prelu(F.linear(_unpacked(x).flatten(1), kernel, bias), slopes)
        return F.linear(x, *self._head).float()


def reduces(device: torch.device) -> bool:
    """Whether a first look in bfloat16 pays: not measured on GPUs."""
    return device.type == "cpu" and multiplies_bfloat16()


def _unpacked(x: Tensor) -> Tensor:
    """The tensor in torch's own layout."""
    return x.to_dense() if x.is_mkldnn else x
