"""Which face is which after a photo was looked at again, or after its file was edited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.records import Box

__all__ = ["SAME_FACE_IOU", "SeenFace", "match_faces", "same_faces", "same_picture"]

SAME_FACE_IOU = 0.5

# An edit (crop, light, compression) moves a face far less; two people are about 2 apart. Keeps a
# name from passing to a stranger who sits at the same place of another picture of the same name.
_SAME_FACE_DISTANCE = 1.0
# Of 66 real faces whose photos were cropped, shrunk or turned and compressed anew nine in ten are
# within this of what they were; others on the same photo were beyond 1.7.
_SAME_PICTURE = 0.2


@dataclass(frozen=True, slots=True)
class SeenFace:
    """A face with its box as shares of the photo's sides and its vector in each model."""

    face: int
    box: Box
    vectors: Mapping[int, NDArray[np.float32]]


def match_faces(
    old: Sequence[Box], new: Sequence[Box], *, least: float = SAME_FACE_IOU
) -> list[tuple[int, int]]:
    """Pairs (place in old, place in new) of boxes that overlap with IoU >= least, best first.

    Each box is in one pair at most. Costs one comparison for each pair of boxes.
    """
    overlaps = [
        (-before.iou(after), i, j) for i, before in enumerate(old) for j, after in enumerate(new)
    ]
    pairs: list[tuple[int, int]] = []
    taken: tuple[set[int], set[int]] = (set(), set())
    for overlap, i, j in sorted(overlaps):
        if -overlap < least:
            break
        if i not in taken[0] and j not in taken[1]:
            pairs.append((i, j))
            taken[0].add(i)
            taken[1].add(j)
    return pairs


def same_faces(old: Sequence[SeenFace], new: Sequence[SeenFace]) -> list[tuple[int, int]]:
    """Pairs (old face, new face) at the same place of both pictures that also look alike; then
    those elsewhere that can only be the same picture of a face, as after a crop or a turn."""
    places = match_faces([face.box for face in old], [face.box for face in new])
    pairs = [(i, j) for i, j in places if _look_alike(old[i], new[j])]
    taken = {i for i, _ in pairs}, {j for _, j in pairs}
    elsewhere = sorted(
        (_distance(one, other), i, j) for i, one in enumerate(old) for j, other in enumerate(new)
    )
    for distance, i, j in elsewhere:
        if distance > _SAME_PICTURE:
            break
        if i not in taken[0] and j not in taken[1]:
            pairs.append((i, j))
            taken[0].add(i)
            taken[1].add(j)
    return [(old[i].face, new[j].face) for i, j in pairs]


def same_picture(old: Sequence[SeenFace], new: Sequence[SeenFace]) -> bool:
    """Whether both photos have the same faces at the same places, with the same vectors."""
    places = match_faces([face.box for face in old], [face.box for face in new], least=0.95)
    return len(old) == len(places) == len(new) and all(
        _distance(old[i], new[j]) <= _SAME_PICTURE for i, j in places
    )


def _distance(one: SeenFace, other: SeenFace) -> float:
    """The largest that a model puts between them; infinite where none has seen both."""
    distances = [
        float(np.sum((one.vectors[model] - other.vectors[model]) ** 2))
        for model in one.vectors.keys() & other.vectors.keys()
    ]
    return max(distances, default=float("inf"))


def _look_alike(one: SeenFace, other: SeenFace) -> bool:
    """No model that has seen both puts them far apart."""
    distance = _distance(one, other)
    return distance <= _SAME_FACE_DISTANCE or distance == float("inf")
