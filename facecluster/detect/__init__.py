"""Pictures to faces: MTCNN's cascade with facenet-pytorch's weights, and a driver made for speed.

Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks"
(2016): P-Net proposes boxes on a pyramid of sizes, R-Net sorts them out, O-Net decides and places
the five landmarks. The boxes are those of facenet_pytorch.MTCNN; the time is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from facecluster.detect.networks import PNet, Refiner, load
from facecluster.images import Picture
from facecluster.records import Box, Point

__all__ = ["Detection", "Detector"]

Floats = NDArray[np.float32]
Sums = NDArray[np.int32] | NDArray[np.float64]

# The settings of facenet_pytorch.MTCNN: share of the size between two levels of the pyramid, and
# the probability that R-Net and O-Net must give a face; P-Net's is in networks.py.
_FACTOR = 0.709
_LEAST_SCORE = 0.7
_CELL = 12  # the side of what one output of P-Net sees


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
    it. name tells the weights and settings apart that can change the result.
    """

    def __init__(
        self, *, min_face: float = 32.0, min_share: float = 0.008, device: str = "cpu"
    ) -> None:
        if not min_face > 0 or not 0 <= min_share < 1:
            raise ValueError("min_face must be > 0 pixels and min_share in [0, 1)")
        self._min_face, self._min_share = min_face, min_share
        self._device = torch.device(device)
        weights, digest = load()
        self.name = f"mtcnn-{digest} {min_face:g}px {100 * min_share:g}%"
        self._pnet = PNet(weights["pnet"], self._device)
        self._rnet = Refiner("rnet", weights["rnet"], self._device)
        self._onet = Refiner("onet", weights["onet"], self._device)

    def detect(self, pictures: Sequence[Picture]) -> list[list[Detection]]:
        """The faces of each picture, best first; one list a picture, possibly empty.

        The last two networks see the candidates of all pictures together, so a few pictures at a
        time cost less than one by one; the result does not depend on the company.
        """
        if not pictures:
            return []
        with torch.inference_mode():
            sums = [_sums(picture.pixels) for picture in pictures]
            boxes = [self._propose(*pair) for pair in zip(pictures, sums, strict=True)]
            boxes = self._refine(sums, boxes)
            return self._decide(pictures, sums, boxes)

    def _propose(self, picture: Picture, sums: Sums) -> Floats:
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
        levels = [
            _shrunk(sums, min(height, int(height * s + 1)), min(width, int(width * s + 1)))
            for s in scales
        ]
        found = []
        for scale, (cells, scores, shifts) in zip(scales, self._pnet(levels), strict=True):
            corners = np.floor(np.hstack([2 * cells + 1, 2 * cells + _CELL]) / np.float32(scale))
            keep = _overlapping_least(corners, scores, 0.5)
            found.append(np.hstack([corners, scores[:, None], shifts])[keep])
        rows = np.vstack(found)
        rows = rows[_overlapping_least(rows[:, :4], rows[:, 4], 0.7)]
        sides = np.tile(rows[:, 2:4] - rows[:, :2], 2)
        return _squares(rows[:, :4] + rows[:, 5:] * sides)

    def _refine(self, sums: list[Sums], boxes: list[Floats]) -> list[Floats]:
        """R-Net's choice of the candidates, moved to fit and square again."""
        results = self._ask(self._rnet, 24, sums, boxes)
        refined = []
        for candidates, (scores, shifts, _) in zip(boxes, results, strict=True):
            good = scores > _LEAST_SCORE
            rows, scores, shifts = candidates[good], scores[good], shifts[good]
            keep = _overlapping_least(rows, scores, 0.7)
            refined.append(_squares(_moved(rows[keep], shifts[keep])))
        return refined

    def _decide(
        self,
        pictures: Sequence[Picture],
        sums: list[Sums],
        boxes: list[Floats],
    ) -> list[list[Detection]]:
        results = self._ask(self._onet, 48, sums, boxes)
        found = []
        for picture, candidates, (scores, shifts, points) in zip(
            pictures, boxes, results, strict=True
        ):
            good = scores > _LEAST_SCORE
            rows, scores = candidates[good], scores[good]
            sides = rows[:, 2:4] - rows[:, :2] + 1
            # O-Net gives five x, then five y, as shares of the square.
            marks = points[good].reshape(-1, 2, 5).transpose(0, 2, 1) * sides[:, None]
            marks += rows[:, None, :2] - 1
            rows = _moved(rows, shifts[good])
            keep = _inside_least(rows, scores, 0.7)
            found.append(
                [_detection(rows[i], marks[i], float(scores[i]), picture.scale) for i in keep]
            )
        return found

    def _ask(
        self,
        network: Refiner,
        side: int,
        sums: list[Sums],
        boxes: list[Floats],
    ) -> list[tuple[Floats, Floats, Floats]]:
        """For the boxes of each picture: scores (N,), shifts (N, 4) and points (N, 10 or 0)."""
        crops = [_cut(table, rows, side) for table, rows in zip(sums, boxes, strict=True)]
        asked = sum(map(len, crops)) > 0
        answers = network(np.concatenate(crops)) if asked else np.empty((0, 15), dtype=np.float32)
        ends = np.cumsum([len(rows) for rows in boxes])[:-1]
        return [(rows[:, 0], rows[:, 1:5], rows[:, 5:]) for rows in np.split(answers, ends)]


# Pixels. Pictures are shrunk as torch's area interpolation does it: each pixel is the plain mean of
# those that it touches. That is four look-ups in a table of sums, whatever the size of the face.


def _sums(pixels: NDArray[np.uint8]) -> Sums:
    """The sums of all pixels above and to the left, (H + 1, W + 1, 3)."""
    # 32 bits hold the sum of 8.4 million white pixels.
    depth = cv2.CV_32S if pixels.shape[0] * pixels.shape[1] <= 8_000_000 else cv2.CV_64F
    table: Sums = cv2.integral(np.ascontiguousarray(pixels), sdepth=depth)  # type: ignore[assignment]
    return table


def _shrunk(sums: Sums, height: int, width: int) -> Floats:
    """The whole picture as (height, width, 3), one more where that makes an even number.

    The last row and column are doubled for it: P-Net pools pairs.
    """
    y0, y1 = _windows(np.zeros(1, np.int64), np.array([sums.shape[0] - 1]), height)
    x0, x1 = _windows(np.zeros(1, np.int64), np.array([sums.shape[1] - 1]), width)
    rows = sums[y1[0]] - sums[y0[0]]
    total = np.take(rows, x1[0], axis=1) - np.take(rows, x0[0], axis=1)
    level = np.empty((height + height % 2, width + width % 2, 3), dtype=np.float32)
    # Along whole rows, and multiplied, it takes a third of the time of a division by the areas.
    flat = total.reshape(height, 3 * width) * np.repeat(_shares(x0, x1), 3)
    level[:height, :width] = (flat * _shares(y0, y1).T).reshape(height, width, 3)
    level[height:] = level[height - 1]
    level[:, width:] = level[:, width - 1 : width]
    return level


def _cut(sums: Sums, boxes: Floats, side: int) -> Floats:
    """What each box shows, (N, side, side, 3): what is inside the picture, stretched square."""
    height, width = sums.shape[0] - 1, sums.shape[1] - 1
    x0, y0, x1, y1 = np.trunc(boxes).astype(np.int64).T
    # facenet-pytorch counts pixels from 1 here. What lies wholly outside becomes one edge pixel.
    x0, y0 = np.clip(x0, 1, width) - 1, np.clip(y0, 1, height) - 1
    y0, y1 = _windows(y0, np.clip(y1, y0 + 1, height) - y0, side)
    x0, x1 = _windows(x0, np.clip(x1, x0 + 1, width) - x0, side)
    shares = _shares(y0, y1)[:, :, None] * _shares(x0, x1)[:, None]
    table = sums.reshape(-1, 3)
    y0, y1 = y0[:, :, None] * (width + 1), y1[:, :, None] * (width + 1)
    x0, x1 = x0[:, None], x1[:, None]
    # np.take is six times as fast as indexing with arrays.
    total = np.take(table, y1 + x1, axis=0)
    total += np.take(table, y0 + x0, axis=0)
    total -= np.take(table, y0 + x1, axis=0)
    total -= np.take(table, y1 + x0, axis=0)
    result: Floats = total.astype(np.float32)
    result *= shares[..., None]
    return result


def _shares(start: NDArray[np.int64], end: NDArray[np.int64]) -> Floats:
    """What one pixel counts in the mean of so many."""
    shares: Floats = np.reciprocal((end - start).astype(np.float32))
    return shares


def _windows(
    start: NDArray[np.integer], length: NDArray[np.integer], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each of count equal parts of each length begins and ends in pixels: (N, count) each."""
    steps = np.arange(count + 1, dtype=np.int64) * length[:, None]
    return start[:, None] + steps[:, :-1] // count, start[:, None] - (-steps[:, 1:] // count)


# Boxes: (N, 4) rows of x0, y0, x1, y1


def _overlapping_least(boxes: Floats, scores: Floats, most: float) -> NDArray[np.int64]:
    """Indices of the boxes, best first, that overlap no better one by more than most (IoU)."""
    sized = np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    # OpenCV's stubs ask for sequences of sequences; arrays are what it likes best.
    kept = cv2.dnn.NMSBoxes(sized, scores, 0.0, most)  # type: ignore[arg-type]
    return np.asarray(kept, dtype=np.int64).reshape(-1)


def _inside_least(boxes: Floats, scores: Floats, most: float) -> list[int]:
    """Indices, best first, of boxes that share with no better one more than most of the smaller."""
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
    """The boxes with each side moved by its shift, a share of the box."""
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
