from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facecluster import detect
from facecluster.detect import Detection, Detector, levels, networks
from facecluster.images import Picture, read
from facecluster.records import Box

DATA = Path(__file__).parents[2] / "shared" / "data"
NEEDS_DATA = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not here")


@pytest.fixture(scope="module")
def detector():
    return Detector()


def picture(pixels, scale=1.0):
    height, width = pixels.shape[:2]
    return Picture(pixels, scale, int(width * scale), int(height * scale), 1, None)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


# Odd pictures


@pytest.mark.parametrize("size", [(1, 1), (11, 300), (12, 12), (13, 12), (5, 1), (12, 3000)])
def test_tiny_and_narrow_pictures_have_no_faces_and_no_errors(detector, size):
    assert detector.detect([picture(noise(*size))]) == [[]]


@pytest.mark.parametrize("value", [0, 127, 255])
def test_blank_pictures_have_no_faces(detector, value):
    assert detector.detect([picture(np.full((200, 300, 3), value, dtype=np.uint8))]) == [[]]


def test_no_pictures_give_no_lists(detector):
    assert detector.detect([]) == []


SMALLEST = Detector(min_face=12, min_share=0)


@settings(max_examples=25)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([1.0, 2.0, 7.0]))
def test_any_size_and_scale_gives_one_sound_list(height, width, scale):
    (faces,) = SMALLEST.detect([picture(noise(height, width), scale)])
    assert all(isinstance(face, Detection) and 0.7 < face.score <= 1 for face in faces)


def test_settings_that_mean_nothing_are_refused():
    for settings_ in ({"min_face": 0}, {"min_face": float("nan")}, {"min_share": 1}):
        with pytest.raises(ValueError, match="min_face"):
            Detector(**settings_)


def test_the_name_tells_settings_apart():
    names = {Detector().name, Detector(min_face=40).name, Detector(min_share=0.02).name}
    assert len(names) == 3
    assert all(name.startswith("mtcnn-") for name in names)


# Parts against plain loops


def sums_of(pixels):
    return detect._integral_image(pixels, levels.Memory(np.int32))


def area_mean(pixels, height, width):
    """Area interpolation as torch does it."""
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    x = torch.nn.functional.interpolate(x, size=(height, width), mode="area")
    return x[0].permute(1, 2, 0).numpy()


def whole(level):
    """The level as one array."""
    pixels = np.concatenate([block.copy() for block in level.blocks])
    assert pixels.shape == (level.height, level.width, 3)
    return pixels


@settings(max_examples=50)
@given(st.integers(1, 90), st.integers(1, 60), st.integers(1, 60), st.integers(1, 30))
def test_a_level_is_the_area_mean(height, width, new_height, new_width):
    pixels = noise(height, width)
    wanted = area_mean(pixels, new_height, new_width)
    wanted = np.pad(wanted, ((0, new_height % 2), (0, new_width % 2), (0, 0)), mode="edge")
    for rounded, kind, tolerance in ((True, np.uint8, 0.501), (False, np.float32, 1e-3)):
        level = whole(detect._level(sums_of(pixels), new_height, new_width, rounded=rounded))
        assert level.dtype == kind
        assert level.shape == wanted.shape
        assert np.allclose(level, wanted, atol=tolerance)


def test_a_level_of_a_picture_too_wide_for_opencv_is_made_all_the_same(monkeypatch):
    wide = whole(detect._level(sums_of(noise(13, 33_000)), 12, 30_000, rounded=True))
    assert np.abs(wide.astype(float) - area_mean(noise(13, 33_000), 12, 30_000)).max() < 0.501
    sums = sums_of(noise(30, 50))
    wanted = whole(detect._level(sums, 20, 30, rounded=False))
    monkeypatch.setattr(detect, "_COUNTED", 40)
    assert np.array_equal(whole(detect._level(sums, 20, 30, rounded=False)), wanted)


def test_large_levels_are_in_memory_one_by_one():
    sizes = [(1500, 2000), (1100, 1400), (800, 1000), (20, 30)]
    assert detect._groups(sizes) == [sizes[:1], sizes[1:2], sizes[2:]]
    assert detect._groups(sizes[:2]) == [sizes[:1], sizes[1:2]]


@settings(max_examples=25)
@given(st.integers(24, 70), st.integers(24, 70), st.integers(12, 23), st.integers(12, 23))
def test_what_a_cell_sees_is_a_part_of_the_level_not_rounded(height, width, small_h, small_w):
    pixels = noise(height, width)
    level = area_mean(pixels, small_h, small_w)
    level = np.pad(level, ((0, small_h % 2), (0, small_w % 2), (0, 0)), mode="edge")
    rows, columns = level.shape[0] // 2 - 5, level.shape[1] // 2 - 5
    cells = np.array([(x, y) for y in range(rows) for x in range(columns)])
    seen = detect._cell_crops(sums_of(pixels), small_h, small_w, cells)
    for (x, y), crop in zip(cells, seen, strict=True):
        assert np.allclose(crop, level[2 * y : 2 * y + 12, 2 * x : 2 * x + 12], atol=1e-3)


@settings(max_examples=50)
@given(
    st.lists(st.floats(-30, 80), min_size=2, max_size=2),
    st.floats(0.6, 90),
    st.sampled_from([24, 48]),
)
def test_a_cut_is_the_area_mean_of_what_is_inside(corner, side, out):
    pixels = noise(60, 50)
    box = np.array([[*corner, corner[0] + side, corner[1] + side]], dtype=np.float32)
    cut = detect._box_crops(sums_of(pixels), box, out)
    x0, y0, x1, y1 = box[0].astype(int)
    x0, y0, x1, y1 = max(x0, 1) - 1, max(y0, 1) - 1, min(x1, 50), min(y1, 60)
    assert cut.shape == (1, out, out, 3)
    if x1 > x0 and y1 > y0:
        assert np.allclose(cut[0], area_mean(pixels[y0:y1, x0:x1], out, out), atol=1e-3)


def test_sums_of_a_huge_white_picture_do_not_overflow():
    sums = sums_of(np.full((2900, 2900, 3), 255, dtype=np.uint8))
    assert sums[-1, -1, 0] == 255 * 2900 * 2900


def test_sums_use_their_memory_again_and_each_thread_has_its_own():
    memory = levels.Memory(np.int32)
    first = detect._integral_image(noise(20, 30), memory)
    smaller = noise(9, 8, seed=1)
    again = detect._integral_image(smaller, memory)
    assert np.shares_memory(first, again)
    assert np.array_equal(np.diff(np.diff(again, axis=0), axis=1), smaller)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(detect._integral_image, smaller, memory).result()
    assert not np.shares_memory(again, other)


def test_memory_does_not_keep_what_is_huge(monkeypatch):
    memory = levels.Memory(np.uint8)
    monkeypatch.setattr(levels, "_KEPT", 100)
    assert not np.shares_memory(memory.array((5, 7, 3)), memory.array((5, 7, 3)))
    assert np.shares_memory(memory.array((5, 6, 3)), memory.array((5, 5, 3)))


def overlap(a, b, of_smaller):
    width = min(a[2], b[2]) - max(a[0], b[0]) + of_smaller
    height = min(a[3], b[3]) - max(a[1], b[1]) + of_smaller
    shared = max(width, 0) * max(height, 0)
    areas = [(c[2] - c[0] + of_smaller) * (c[3] - c[1] + of_smaller) for c in (a, b)]
    return shared / (min(areas) if of_smaller else sum(areas) - shared)


@settings(max_examples=50)
@given(st.integers(0, 40), st.integers(0, 10_000), st.sampled_from([0.5, 0.7]))
def test_suppression_equals_the_plain_loop(count, seed, most):
    generator = np.random.default_rng(seed)
    corners = generator.integers(0, 40, (count, 2))
    boxes = np.hstack([corners, corners + generator.integers(1, 40, (count, 2))]).astype("f4")
    scores = generator.permutation(count).astype("f4") / 50 + 0.1
    for of_smaller, function in ((0, detect._nms), (1, detect._nms_by_smaller)):
        kept: list[int] = []
        for i in np.argsort(-scores):
            if all(overlap(boxes[i], boxes[j], of_smaller) <= most for j in kept):
                kept.append(int(i))
        assert list(function(boxes, scores, most)) == kept


def test_the_networks_are_those_of_facenet_pytorch():
    from facenet_pytorch.models.mtcnn import ONet, PNet, RNet

    weights = networks.load()
    cpu = torch.device("cpu")
    with torch.inference_mode():
        for name, theirs, side in (
            ("pnet", PNet(), 12),
            ("rnet", RNet(), 24),
            ("onet", ONet(), 48),
        ):
            crops = np.stack([noise(side, side, seed) for seed in range(70)]).astype("f4")
            layers = networks._Layers(name, weights[name], cpu)
            ours = networks._answers(layers, crops, 32)
            x = (torch.from_numpy(crops).permute(0, 3, 1, 2) - 127.5) / 128
            shifts, *points, scores = (output.flatten(1).numpy() for output in theirs.eval()(x))
            assert np.allclose(ours, np.hstack([scores[:, 1:], shifts, *points]), atol=1e-5)


@given(st.integers(0, 70))
def test_few_sizes_reach_a_network_and_every_crop_has_its_own_answer(count):
    sizes = set()

    class Network:
        outputs = 3

        def __call__(self, pixels):
            sizes.add(len(pixels))
            return pixels[:, :, :1, :1]

    crops = np.random.default_rng(count).random((count, 2, 2, 3)).astype("f4")
    answers = networks._answers(Network(), crops, 32)
    assert np.array_equal(answers[:, 1], crops[:, 0, 0, 2])
    assert sizes <= set(range(4, 33, 4))


def blocks():
    """Noise in large pixels: P-Net takes a good part of it for faces."""
    return np.repeat(np.repeat(noise(40, 200), 4, 0), 4, 1)[:, :640]


def as_level(pixels):
    return levels.Level(*pixels.shape[:2], np.array_split(pixels, 3))


def p_net(*, reduced):
    return networks.PNet(networks.load()["pnet"], torch.device("cpu"), reduced=reduced)


def plain_p_net(level):
    """Scores (h, w) and shifts (h, w, 4) of facenet-pytorch's P-Net."""
    from facenet_pytorch.models.mtcnn import PNet

    x = (torch.from_numpy(level).permute(2, 0, 1)[None] - 127.5) / 128
    shifts, scores = PNet().eval()(x)
    return scores[0, 1].numpy(), shifts[0].permute(1, 2, 0).numpy()


def test_p_net_finds_the_cells_of_facenet_pytorch_on_each_level():
    levels = [blocks().astype("f4"), blocks()[:80, 100:500].astype("f4") * 0.9 + 0.25]
    with torch.inference_mode():
        found = p_net(reduced=False).found([as_level(level) for level in levels])
        for level, (cells, rows) in zip(levels, found, strict=True):
            scores, shifts = plain_p_net(level)
            y, x = np.nonzero(scores >= 0.6)
            assert len(x) > 10
            order = np.lexsort(cells.T)
            assert np.array_equal(cells[order], np.stack([x, y], 1))
            wanted = np.hstack([scores[y, x, None], shifts[y, x]])
            assert np.allclose(rows[order], wanted, atol=1e-4)


def test_the_first_look_of_p_net_misses_no_cell_that_the_second_takes():
    level = blocks()[:, :320]
    with torch.inference_mode():
        (cells,) = p_net(reduced=networks.reduces(torch.device("cpu"))).likely([as_level(level)])
        scores, _ = plain_p_net(level)
    wanted = {(x, y) for y, x in zip(*np.nonzero(scores >= 0.6), strict=True)}
    assert len(wanted) > 30
    assert wanted <= set(map(tuple, cells.tolist()))
    assert len(cells) < 3 * len(wanted)


def test_the_first_look_of_r_net_changes_no_score_above_it():
    weights = networks.load()
    cells = blocks().reshape(8, 20, 32, 20, 3)[:, :, :, :, :].swapaxes(1, 2).reshape(-1, 20, 20, 3)
    crops = np.pad(cells, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge").astype("f4")
    cpu = torch.device("cpu")
    with torch.inference_mode():
        network = networks.Refiner("rnet", weights["rnet"], cpu)
        answers = network(crops)
        exact = networks._answers(networks._Layers("rnet", weights["rnet"], cpu), crops, 32)
    asked = answers[:, 0] > 0
    assert np.allclose(answers[asked], exact[asked], atol=1e-5)
    assert exact[~asked, 0].max(initial=0) < 0.6


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(6, 60), st.integers(6, 400)), min_size=1, max_size=5))
def test_every_cell_of_every_level_is_once_on_the_sheet(sizes):
    sizes.sort(reverse=True)  # as in a pyramid
    levels = [noise(2 * h, 2 * w, i) for i, (h, w) in enumerate(sizes)]
    height, pieces = networks._laid_out([level.shape[:2] for level in levels])
    sheet = np.zeros((height, networks._SHEET, 3), dtype=np.uint8)
    taken = np.zeros(sheet.shape[:2], dtype=int)
    for level, mine in zip(levels, pieces, strict=True):
        networks._draw(as_level(level), mine, sheet)
        columns = []
        for start, left, top, width in mine:
            assert left % 2 == top % 2 == start % 2 == 0
            part = slice(top, top + len(level)), slice(left, left + width)
            assert np.array_equal(sheet[part], level[:, start : start + width])
            taken[part] += 1
            columns += range(start // 2, (start + width) // 2 - 5)
        assert columns == list(range(level.shape[1] // 2 - 5))
    assert taken.max() == 1


# Real faces


def some(folder, count):
    paths = sorted((DATA / folder / "photos").iterdir())
    return random.Random(0).sample(paths, count)


@NEEDS_DATA
def test_boxes_are_those_of_facenet_pytorch():
    from facenet_pytorch import MTCNN
    from PIL import Image

    theirs, ours = MTCNN(keep_all=True), Detector(min_face=20, min_share=0)
    found = total = 0
    for path in some("detection", 2) + some("library", 9):
        shown = read(path, longest=640)
        boxes, scores = theirs.detect(Image.fromarray(shown.pixels))
        flat = Picture(shown.pixels, 1.0, *shown.pixels.shape[1::-1], 1, None)
        (faces,) = ours.detect([flat])
        for box, score in zip(boxes if boxes is not None else (), scores, strict=False):
            if score >= 0.95:
                total += 1
                found += any(face.box.iou(Box(*map(float, box))) >= 0.9 for face in faces)
    assert total > 10
    assert found >= 0.99 * total


@NEEDS_DATA
def test_faces_are_in_full_size_pixels_best_first_and_alike_in_any_company(detector):
    pictures = [read(path) for path in some("library", 6)]
    together = detector.detect(pictures)
    assert sum(map(len, together)) >= 6
    assert detector.detect(pictures) == together
    for shown, faces in zip(pictures, together, strict=True):
        scores = [face.score for face in faces]
        assert scores == sorted(scores, reverse=True)
        for face, alone in zip(faces, detector.detect([shown])[0], strict=True):
            assert face.box.iou(alone.box) > 0.99
            xs, ys = zip(*face.landmarks, strict=True)
            assert face.box.x0 - 5 < min(xs) and max(xs) < face.box.x1 + 5
            assert min(ys[:2]) < ys[2] < max(ys[3:])
            assert max(xs) < shown.width and max(ys) < shown.height


@NEEDS_DATA
def test_a_reduced_picture_gives_the_same_places_in_the_full_photo(detector):
    path = DATA / "groups" / "bbt1.jpg"
    whole, half = read(path, longest=5000), read(path, longest=600)
    assert half.scale >= 2 or whole.width < 1200
    (full,), (small,) = detector.detect([whole]), detector.detect([half])
    large = [face for face in full if face.box.width >= 60 and face.score > 0.99]
    assert large
    for face in large:
        assert max(face.box.iou(other.box) for other in small) > 0.6
