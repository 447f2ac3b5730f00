"""The sample photos: complete, small, turned as by cameras, and read rightly by facecluster."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from facecluster.records import Box

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PHOTOS = EXAMPLES / "photos"
TEACHER = EXAMPLES.parent.parent / "shared" / "data" / "faces" / "teacher.npy"
MODEL = "nn4"


@pytest.fixture(scope="module")
def truth() -> dict[str, list[tuple[Box, str]]]:
    faces = defaultdict(list)
    with (EXAMPLES / "photos.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            box = Box(*(float(row[side]) for side in ("x0", "y0", "x1", "y1")))
            faces[row["file"]].append((box, row["person"]))
    return dict(faces)


@pytest.fixture(scope="module")
def found(truth):
    """(matched faces with picture and person, how many were missed, false faces)."""
    pytest.importorskip("facecluster.detect", reason="the detector is not there yet")
    from facecluster import images
    from facecluster.detect import Detector

    detector, matched, missed, false = Detector(), [], 0, []
    for name, faces in truth.items():
        picture, left = images.read(PHOTOS / name), list(faces)
        for face in detector.detect([picture])[0]:
            hits = [entry for entry in left if entry[0].iou(face.box) > 0.4]
            if hits:
                left.remove(hits[0])
                matched.append((picture, face, hits[0][1]))
            else:
                false.append((name, face.score))
        missed += len(left)
    return matched, missed, false


@pytest.fixture(scope="module")
def embeddings(found):
    """(N, D) of the found faces, by the bundled network."""
    embed = pytest.importorskip("facecluster.embed", reason="embedding is not there yet")
    from facecluster import align
    from facecluster.errors import ModelError

    try:
        model = embed.open_model(MODEL)
    except ModelError as error:
        pytest.skip(f"the network {MODEL} is not bundled: {error}")
    crops = [
        align.crop(picture.pixels, np.array(face.landmarks) / picture.scale, model.crop_size)
        for picture, face, _ in found[0]
    ]
    return model.embed(np.stack(crops))


def test_enough_photos_of_enough_people_in_little_space(truth):
    files = {path.name for path in PHOTOS.iterdir()}
    assert files == set(truth)
    assert len(files) >= 45
    assert sum((PHOTOS / name).stat().st_size for name in files) < 6_000_000
    people = Counter(person for faces in truth.values() for _, person in faces)
    assert len(people) >= 8
    assert min(people.values()) >= 4
    shared = Counter(len(faces) for faces in truth.values())
    assert shared[1] and shared[2] and shared[3] and shared[4]


def test_nobody_is_twice_in_a_photo(truth):
    for name, faces in truth.items():
        assert len({person for _, person in faces}) == len(faces), name


def test_boxes_lie_in_the_upright_photo_and_are_large_enough(truth):
    for name, faces in truth.items():
        with Image.open(PHOTOS / name) as image:
            width, height = image.size
            if image.getexif().get(ExifTags.Base.Orientation, 1) >= 5:
                width, height = height, width
        for box, _ in faces:
            assert min(box.x0, box.y0) >= 0 and box.x1 <= width and box.y1 <= height, name
            assert box.width >= 70 and box.height >= 70, name


def test_boxes_of_a_photo_do_not_overlap(truth):
    for name, faces in truth.items():
        for index, (box, _) in enumerate(faces):
            assert all(box.iou(other) < 0.1 for other, _ in faces[:index]), name


def test_photos_are_turned_dated_and_of_several_sizes():
    orientations, years, sizes = set(), set(), set()
    for path in PHOTOS.iterdir():
        with Image.open(path) as image:
            exif = image.getexif()
            orientations.add(exif[ExifTags.Base.Orientation])
            taken = exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal]
            assert path.name.startswith(taken[:10].replace(":", "-"))
            years.add(taken[:4])
            sizes.add(tuple(sorted(image.size)))
    assert orientations >= {1, 3, 6, 8}
    assert orientations & {2, 4, 5, 7}
    assert len(years) >= 4
    assert len(sizes) >= 4


def test_nearly_all_faces_are_found_and_nothing_else(found):
    matched, missed, false = found
    assert len(matched) >= 0.95 * (len(matched) + missed)
    assert [entry for entry in false if entry[1] >= 0.95] == []


def test_groups_hold_one_person_each(found, embeddings):
    grouping = pytest.importorskip("facecluster.grouping", reason="grouping is not there yet")
    from facecluster.embed import find_model

    threshold = find_model(MODEL).thresholds.get("group")
    labels = grouping.group(
        embeddings,
        method="agglomerative",
        threshold=threshold,
        k=None,
        constraints=grouping.Constraints.none(len(embeddings)),
    )
    people = np.array([person for _, _, person in found[0]])
    for label in set(labels.tolist()) - {-1}:
        assert len(set(people[labels == label].tolist())) == 1
    # A grouping of single faces would be pure as well.
    assert (labels >= 0).mean() >= 0.9


def test_people_are_far_from_each_other(truth):
    with np.load(EXAMPLES / "people.npz") as people:
        names, vectors = people["names"].tolist(), people["identities"]
    assert set(names) == {person for faces in truth.values() for _, person in faces}
    distances = 2 - 2 * vectors @ vectors.T
    assert distances[~np.eye(len(vectors), dtype=bool)].min() >= 1.4


def test_no_identity_is_one_of_the_training_data():
    """In the teacher's space: what the drawings were asked to show, not what they look like."""
    if not TEACHER.is_file():
        pytest.skip("../shared/data/faces is not there")
    real = np.load(TEACHER).astype(np.float32)
    real /= np.linalg.norm(real, axis=1, keepdims=True)
    with np.load(EXAMPLES / "people.npz") as people:
        nearest = 2 - 2 * (real @ people["identities"].T).max(axis=0)
    assert nearest.min() >= 1.0
