"""Ask facecluster what it sees in the drawn photos: are the faces found, and are the people told
apart?
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facecluster import align, images
from facecluster.detect import Detection, Detector
from facecluster.errors import FaceclusterError
from facecluster.records import Box

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Truth:
    """One drawn face."""

    file: str
    box: Box
    person: str


def truths(photos: Path) -> list[Truth]:
    """What was drawn, from photos.csv beside the folder."""
    with (photos.parent / "photos.csv").open(newline="") as file:
        return [
            Truth(r["file"], Box(*(float(r[k]) for k in ("x0", "y0", "x1", "y1"))), r["person"])
            for r in csv.DictReader(file)
        ]


def best(
    portraits: dict[str, list[NDArray[np.uint8]]], each: int, model: str
) -> dict[str, NDArray[np.int64]]:
    """For each person, which portraits to keep: the surest faces, nearest to what all of them
    share.

    Without that network, detection alone decides.
    """
    detector = Detector(min_face=60)
    chosen, crops, owners, rows = {}, [], [], []
    for name, pictures in portraits.items():
        found = detector.detect(
            [images.Picture(p, 1.0, p.shape[1], p.shape[0], 1, None) for p in pictures]
        )
        sure = [i for i, faces in enumerate(found) if len(faces) == 1 and faces[0].score > 0.995]
        if len(sure) < each:
            raise SystemExit(f"Only {len(sure)} of {name}'s portraits are surely faces.")
        chosen[name] = np.array(sure[:each])
        for i in sure:
            crops.append((pictures[i], found[i][0]))
            owners.append(name)
            rows.append(i)
    embeddings = embed(crops, model)
    if embeddings is None:
        return chosen
    names = np.array(owners)
    middles = {n: _unit(embeddings[names == n].mean(axis=0)) for n in portraits}
    for name in portraits:
        mine = np.flatnonzero(names == name)
        own = embeddings[mine] @ middles[name]
        other = np.max([embeddings[mine] @ m for n, m in middles.items() if n != name], axis=0)
        order = mine[np.argsort(-(own - other), kind="stable")][:each]
        print(f"{name}: own {own.mean():.2f} next {other.mean():.2f}, of {len(mine)}")
        # In the order they were drawn: the best shall not all be in the first photos.
        chosen[name] = np.sort(np.array(rows)[order])
    return chosen


def embed(faces: list[tuple[NDArray[np.uint8], Detection]], name: str) -> Vectors | None:
    """(N, D) unit embeddings of faces given with their pixels, or None without that network."""
    try:
        from facecluster.embed import open_model

        model = open_model(name)
    except (ImportError, FaceclusterError):
        return None
    crops = [
        align.crop(pixels, np.array(face.landmarks), model.crop_size) for pixels, face in faces
    ]
    return model.embed(np.stack(crops))


def _unit(x: Vectors) -> Vectors:
    unit: Vectors = x / np.linalg.norm(x)
    return unit


def report(photos: Path, model: str) -> None:
    """Print recall, false faces, distances within and between people, and the groups' purity."""
    detector = Detector()
    drawn = truths(photos)
    files = sorted({truth.file for truth in drawn})
    found, labels, missed, false = [], [], [], []
    for file in files:
        shot = images.read(photos / file)
        open_truths = [truth for truth in drawn if truth.file == file]
        for face in detector.detect([shot])[0]:
            match = [t for t in open_truths if t.box.iou(face.box) > 0.4]
            if match:
                open_truths.remove(match[0])
                labels.append(match[0].person)
                small = np.array(face.landmarks) / shot.scale
                found.append((shot.pixels, _moved(face, small)))
            elif face.score >= 0.95:
                false.append(f"{file} {face.score:.3f}")
        missed += [f"{file} {truth.person}" for truth in open_truths]
    size = sum((photos / file).stat().st_size for file in files) / 1e6
    people = len({truth.person for truth in drawn})
    print(f"{len(files)} photos, {size:.2f} MB, {len(drawn)} faces of {people} people")
    print(f"recall {len(found) / len(drawn):.3f}, missed: {missed or 'none'}")
    print(f"false faces of 0.95 or more: {false or 'none'}")
    embeddings = embed(found, model)
    if embeddings is None:
        print(f"No network {model}: groups not checked.")
    else:
        _groups(embeddings, np.array(labels))


def _moved(face: Detection, landmarks: NDArray[np.float64]) -> Detection:
    (a, b, c, d, e) = [(float(x), float(y)) for x, y in landmarks]
    return Detection(face.box, (a, b, c, d, e), face.score)


def _groups(embeddings: Vectors, people: NDArray[np.str_]) -> None:
    from scipy.cluster.hierarchy import fcluster, linkage

    distances = 2 - 2 * embeddings @ embeddings.T
    same = people[:, None] == people[None]
    upper = np.triu(np.ones_like(same), 1)
    within, between = distances[same & upper], distances[~same & upper]
    for name, part in (("within", within), ("between", between)):
        few, mean, most = np.quantile(part, 0.05), part.mean(), np.quantile(part, 0.95)
        print(f"{name} people: 5 % {few:.2f}, mean {mean:.2f}, 95 % {most:.2f}")
    tree = linkage(np.clip(distances[upper], 0, None), "average")
    for threshold in np.arange(0.4, 1.7, 0.1):
        groups = fcluster(tree, threshold, "distance")
        pure = sum(np.unique(people[groups == g], return_counts=True)[1].max() for g in set(groups))
        print(f"d2 {threshold:.1f}: {len(set(groups))} groups, purity {pure / len(people):.3f}")
