"""Pictures to faces: MTCNN's cascade with facenet-pytorch's weights, and a driver made for speed.

Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks"
(2016): P-Net proposes boxes on a pyramid of sizes, R-Net sorts them out, O-Net decides and places
the five landmarks. The boxes are those of facenet_pytorch.MTCNN; the time is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from facecluster.detect.levels import Level, Memory, Pixels
from facecluster.detect.weights import LEAST_SCORE, digest
from facecluster.images import Picture
from facecluster.once import once
from facecluster.records import Box, Point

if TYPE_CHECKING:
    from facecluster.detect.networks import Cascade, PNet, Refiner

__all__ = ["Detection", "Detector"]

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Sums = NDArray[np.int32] | NDArray[np.float64]

_FACTOR = 0.709  # from level to level of the pyramid, as in facenet_pytorch.MTCNN
_CELL = 12  # the side of what one output of P-Net sees
_COUNTED = 32_000  # the most columns or rows of a picture that cv2.remap works on, about
_LARGE = 1_000_000  # the pixels of a level that is better alone in memory
_ROWS = 24  # of a level made at once, to stay in the processor's own cache: a third of the time


@dataclass(frozen=True, slots=True)
class Detection:
    """A face where it was found, in pixels of the upright full-size photo.

    landmarks: left eye, right eye, nose, left and right mouth corner as seen in the picture.
    """

    box: Box
    landmarks: tuple[Point, Point, Point, Point, Point]
    score: float


class Detector:
    """Finds the faces of pictures.

    min_face is the side of the smallest face looked for, in pixels of the full-size photo, and
    min_share the same as a share of its longer side; the larger of the two counts, and no face
    smaller than 12 pixels of the picture as it was read is looked for. device is what torch calls
    it. name tells the weights and settings apart that can change the result. torch is imported, and
    the networks are opened, when the first picture comes: ModelError then for damaged weights.
    """

    def __init__(
        self, *, min_face: float = 32.0, min_share: float = 0.008, device: str = "cpu"
    ) -> None:
        if not min_face > 0 or not 0 <= min_share < 1:
            raise ValueError("min_face must be > 0 pixels and min_share in [0, 1)")
        self._min_face, self._min_share = min_face, min_share
        self._memory = Memory(np.int32)
        self._cascade = once(partial(_opened, device))
        self.name = f"mtcnn-{digest()} {min_face:g}px {100 * min_share:g}%"

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        """The faces of each picture, best first; one list a picture, possibly empty.

        The last network sees the candidates of all pictures together, so a few pictures at a time
        cost less than one by one; the result does not depend on the company.
        """
        if not pictures:
            return []
        import torch

        cascade = self._cascade()
        candidates, crops = [], []
        with torch.inference_mode():
            for picture in pictures:
                sums = _integral_image(picture.pixels, self._memory)
                boxes = _refine(cascade.rnet, sums, self._propose(cascade.pnet, picture, sums))
                candidates.append(boxes)
                crops.append(_box_crops(sums, boxes, 48))
            answers = cascade.onet(np.concatenate(crops))
        parts = np.split(answers, np.cumsum([len(boxes) for boxes in candidates])[:-1])
        return [_decided(*each) for each in zip(pictures, candidates, parts, strict=True)]

    def _propose(self, pnet: PNet, picture: Picture, sums: Sums) -> Floats:
        """P-Net's candidates, (N, 4) squares in pixels of the picture."""
        height, width = picture.pixels.shape[:2]
        smallest = max(self._min_face, self._min_share * max(picture.width, picture.height))
        scale = min(1.0, _CELL * picture.scale / smallest)
        scales = []
        while min(height, width) * scale >= _CELL:
            scales.append(scale)
            scale *= _FACTOR
        if not scales:
            return np.empty((0, 4), dtype=np.float32)
        sizes = [(min(height, int(height * s + 1)), min(width, int(width * s + 1))) for s in scales]
        found = []
        for scale, (cells, rows) in zip(scales, _cells_found(pnet, sums, sizes), strict=True):
            good = rows[:, 0] >= LEAST_SCORE["pnet"]
            rows, first = rows[good], 2 * cells[good].astype(np.float32)
            corners = np.floor(np.hstack([first + 1, first + _CELL]) / np.float32(scale))
            keep = _nms(corners, rows[:, 0], 0.5)
            found.append(np.hstack([corners, rows])[keep])
        rows = np.vstack(found)
        rows = rows[_nms(rows[:, :4], rows[:, 4], 0.7)]
        sides = np.tile(rows[:, 2:4] - rows[:, :2], 2)
        return _squares(rows[:, :4] + rows[:, 5:] * sides)


def _opened(device: str) -> Cascade:
    from facecluster.detect.networks import Cascade

    return Cascade(device)


def _cells_found(pnet: PNet, sums: Sums, sizes: list[tuple[int, int]]) -> list[tuple[Ints, Floats]]:
    """P-Net's cells of each level, (N, 2), and what it says of them, (N, 5)."""
    if not pnet.looks_twice:
        found = []
        for some in _groups(sizes):
            found += pnet.found([_level(sums, *size, rounded=False) for size in some])
        return found
    cells = pnet.likely([_level(sums, *size, rounded=True) for size in sizes])
    crops = [_cell_crops(sums, *size, some) for size, some in zip(sizes, cells, strict=True)]
    answers = pnet(np.concatenate(crops))
    parts = np.split(answers, np.cumsum([len(c) for c in cells])[:-1])
    return list(zip(cells, parts, strict=True))


def _refine(rnet: Refiner, sums: Sums, boxes: Floats) -> Floats:
    """R-Net's choice of the candidates, moved to fit and square again."""
    answers = rnet(_box_crops(sums, boxes, 24))
    good = answers[:, 0] > LEAST_SCORE["rnet"]
    rows, answers = boxes[good], answers[good]
    keep = _nms(rows, answers[:, 0], 0.7)
    return _squares(_moved(rows[keep], answers[keep, 1:]))


def _decided(picture: Picture, boxes: Floats, answers: Floats) -> list[Detection]:
    """O-Net's choice of the candidates, best first: a score, four shifts and five points each."""
    good = answers[:, 0] > LEAST_SCORE["onet"]
    rows, answers = boxes[good], answers[good]
    scores, sides = answers[:, 0], rows[:, 2:4] - rows[:, :2] + 1
    # O-Net gives five x, then five y, as shares of the square.
    marks = answers[:, 5:].reshape(-1, 2, 5).transpose(0, 2, 1) * sides[:, None]
    marks += rows[:, None, :2] - 1
    rows = _moved(rows, answers[:, 1:5])
    keep = _nms_by_smaller(rows, scores, 0.7)
    return [_detection(rows[i], marks[i], float(scores[i]), picture.scale) for i in keep]


# Pixels. Pictures are shrunk as torch's area interpolation does it: each pixel is the plain mean of
# those that it touches. That is four look-ups in the integral image, whatever the size of the face.


def _integral_image(pixels: Bytes, memory: Memory) -> Sums:
    """The sums of all pixels above and to the left, (H + 1, W + 1, 3), kept in memory."""
    height, width = pixels.shape[:2]
    pixels = np.ascontiguousarray(pixels)
    # 32 bits hold the sum of 8.4 million white pixels.
    if height * width > 8_000_000:
        return np.asarray(cv2.integral(pixels, sdepth=cv2.CV_64F), dtype=np.float64)
    table = memory.array((height + 1, width + 1, 3))
    cv2.integral(pixels, sum=table, sdepth=cv2.CV_32S)
    return table


def _level(sums: Sums, height: int, width: int, *, rounded: bool) -> Level:
    """The whole picture as (height, width, 3), one more where that makes an even number.

    The last row and column are doubled for it: P-Net pools pairs. It is float32, or rounded bytes.
    """
    blocks = _blocks(sums, height, width, rounded)
    return Level(height + height % 2, width + width % 2, blocks)


def _blocks(sums: Sums, height: int, width: int, rounded: bool) -> Iterator[Pixels]:
    """The level's rows, _ROWS at a time, each block good until the next."""
    y0, y1, x0, x1 = _whole(sums, height, width)
    wide, high = np.repeat(_shares(x0, x1), 3), _shares(y0, y1)[:, None]
    room = np.empty((_ROWS + 1, width + width % 2, 3), dtype=np.uint8 if rounded else np.float32)
    for top in range(0, height, _ROWS):
        part = slice(top, min(top + _ROWS, height))
        rows = np.take(sums, y1[part], axis=0) - np.take(sums, y0[part], axis=0)
        total = _columns(rows, x1) - _columns(rows, x0)
        count = len(total)
        # Along whole rows, and multiplied, it takes a third of the time of a division by the areas.
        flat = total.reshape(count, -1).astype(np.float32)
        flat *= wide
        flat *= high[part]
        if rounded:
            flat += 0.5  # so that cutting the fraction off rounds
        room[:count, :width] = flat.reshape(total.shape)
        room[:count, width:] = room[:count, width - 1 : width]
        if part.stop == height and height % 2:
            room[count] = room[count - 1]
            count += 1
        yield cast(Pixels, room[:count])


def _groups(sizes: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """The levels that are in memory together: large ones alone, all others."""
    large = sum(height * width > _LARGE for height, width in sizes)
    return [[size] for size in sizes[:large]] + ([sizes[large:]] if sizes[large:] else [])


def _columns(rows: Sums, x: Ints) -> Sums:
    """np.take(rows, x, axis=1), in half of the time where OpenCV can count the columns."""
    if rows.shape[1] > _COUNTED:
        return cast(Sums, np.take(rows, x, axis=1))
    places = np.empty((len(rows), len(x), 2), dtype=np.int16)
    places[..., 0], places[..., 1] = x, np.arange(len(rows))[:, None]
    return cast(Sums, cv2.remap(rows, places, None, cv2.INTER_NEAREST))  # type: ignore[call-overload]


def _cell_crops(sums: Sums, height: int, width: int, cells: Ints) -> Floats:
    """What these cells of the level of that size see, (N, 12, 12, 3), not rounded."""
    y0, y1, x0, x1 = _whole(sums, height, width)
    places = 2 * cells[:, :, None] + np.arange(_CELL)
    x, y = np.minimum(places[:, 0], width - 1), np.minimum(places[:, 1], height - 1)
    return _area_means(sums, y0[y], y1[y], x0[x], x1[x])


def _box_crops(sums: Sums, boxes: Floats, side: int) -> Floats:
    """What each box shows, (N, side, side, 3): what is inside the picture, stretched square."""
    height, width = sums.shape[0] - 1, sums.shape[1] - 1
    x0, y0, x1, y1 = np.trunc(boxes).astype(np.int64).T
    # facenet-pytorch counts pixels from 1 here. What lies wholly outside becomes one edge pixel.
    x0, y0 = np.clip(x0, 1, width) - 1, np.clip(y0, 1, height) - 1
    y0, y1 = _windows(y0, np.clip(y1, y0 + 1, height) - y0, side)
    x0, x1 = _windows(x0, np.clip(x1, x0 + 1, width) - x0, side)
    return _area_means(sums, y0, y1, x0, x1)


def _area_means(sums: Sums, y0: Ints, y1: Ints, x0: Ints, x1: Ints) -> Floats:
    """(N, h, w, 3): the means of all pixels between rows y0, y1, (N, h), and columns x0, x1."""
    shares = _shares(y0, y1)[:, :, None] * _shares(x0, x1)[:, None]
    table = sums.reshape(-1, 3)
    width = sums.shape[1]
    y0, y1 = y0[:, :, None] * width, y1[:, :, None] * width
    x0, x1 = x0[:, None], x1[:, None]
    # np.take is six times as fast as indexing with arrays.
    total = np.take(table, y1 + x1, axis=0) + np.take(table, y0 + x0, axis=0)
    total -= np.take(table, y0 + x1, axis=0) + np.take(table, y1 + x0, axis=0)
    result: Floats = total.astype(np.float32)
    result *= shares[..., None]
    return result


def _shares(start: Ints, end: Ints) -> Floats:
    """What one pixel counts in the mean of so many."""
    shares: Floats = np.reciprocal((end - start).astype(np.float32))
    return shares


def _whole(sums: Sums, height: int, width: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Where in the picture the rows and columns of that size begin and end: y0, y1, x0, x1."""
    y = _windows(np.zeros(1, np.int64), np.array([sums.shape[0] - 1]), height)
    x = _windows(np.zeros(1, np.int64), np.array([sums.shape[1] - 1]), width)
    return y[0][0], y[1][0], x[0][0], x[1][0]


def _windows(
    start: NDArray[np.integer], length: NDArray[np.integer], count: int
) -> tuple[Ints, Ints]:
    """Where each of count equal parts of each length begins and ends in pixels: (N, count) each."""
    steps = np.arange(count + 1, dtype=np.int64) * length[:, None]
    return start[:, None] + steps[:, :-1] // count, start[:, None] - (-steps[:, 1:] // count)


# Boxes: (N, 4) rows of x0, y0, x1, y1


def _nms(boxes: Floats, scores: Floats, most: float) -> Ints:
    """Non-maximum suppression: indices of the boxes, best first, whose intersection over union with
    every better one kept is at most `most`."""
    sized = np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    # OpenCV's stubs ask for sequences of sequences; arrays are what it likes best.
    kept = cv2.dnn.NMSBoxes(sized, scores, 0.0, most)  # type: ignore[arg-type]
    return np.asarray(kept, dtype=np.int64).reshape(-1)


def _nms_by_smaller(boxes: Floats, scores: Floats, most: float) -> list[int]:
    """As `_nms`, the intersection being taken over the smaller box (facenet-pytorch's "Min")."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2] + 1, 0)
    areas = sides.prod(axis=1)
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        corner = np.minimum(boxes[kept, 2:], boxes[i, 2:]) - np.maximum(
            boxes[kept, :2], boxes[i, :2]
        )
        shared = np.maximum(corner + 1, 0).prod(axis=1)
        if np.all(shared <= most * np.minimum(areas[kept], areas[i])):
            kept.append(int(i))
    return kept


def _moved(boxes: Floats, shifts: Floats) -> Floats:
    """Bounding-box regression: each side moved by its shift, (N, 4), a share of the box."""
    return boxes + shifts * np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)


def _squares(boxes: Floats) -> Floats:
    """Squares of the longer side around the same middles."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longest = sides.max(axis=1, keepdims=True)
    corners = boxes[:, :2] + sides * 0.5 - longest * 0.5
    return np.hstack([corners, corners + longest])


def _detection(box: Floats, marks: Floats, score: float, scale: float) -> Detection:
    x0, y0, x1, y1 = (float(value) * scale for value in box)
    points = [(float(x) * scale, float(y) * scale) for x, y in marks]
    return Detection(
        box=Box(x0, y0, x1, y1),
        landmarks=(points[0], points[1], points[2], points[3], points[4]),
        score=score,
    )
