"""Crops become unit rows, whatever the model's file, the batch or the machine's precision."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from facecluster import download, embed
from facecluster.embed import (
    BUNDLED,
    GroupThreshold,
    find_model,
    group_threshold,
    list_models,
    open_model,
)
from facecluster.errors import ModelError
from facecluster.facenet.architectures import build
from facecluster.facenet.augment import centre_crop, standardise
from facecluster.facenet.calibration import Calibration, FalseAccepts
from facecluster.facenet.checkpoint import load, save
from facecluster.facenet.header import Header
from facecluster.facenet.int8 import usable_ranges
from facecluster.facenet.precision import Precision

needs_int8 = pytest.mark.skipif(
    usable_ranges() is None, reason="nothing here computes in eight bits"
)

HEADER = Header(
    name="tiny",
    architecture="nns2",
    dimension=64,
    height=140,
    width=116,
    batch_norm=True,
    mean=127.5,
    std=128.0,
    thresholds={"verify": 1.1, "identify": 1.0, "group": 1.2},
    created="2026-11-23",
)


def crops(count: int, side: int) -> NDArray[np.uint8]:
    # Smooth, as faces are: noise would make all embeddings alike.
    coarse = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    fine = torch.nn.functional.interpolate(
        torch.from_numpy(coarse).permute(0, 3, 1, 2).float(), size=side, mode="bicubic"
    )
    return fine.clamp(0, 255).permute(0, 2, 3, 1).to(torch.uint8).numpy()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    save(build("nns2", 64), path, HEADER)
    return str(path)


def test_the_embeddings_are_the_networks_own(tiny: str) -> None:
    embedder = open_model(tiny, device="cpu", precision="float32", mirror=False)
    assert (embedder.name, embedder.dimension, embedder.crop_size) == ("tiny", 64, 112)
    assert (embedder.margin, embedder.thresholds) == (0.0, HEADER.thresholds)
    pictures = crops(5, 112)
    rows = embedder.embed(pictures)
    assert rows.shape == (5, 64) and rows.dtype == np.float32
    assert np.abs(np.linalg.norm(rows, axis=1) - 1).max() < 1e-6
    network, header = load(Path(tiny))
    with torch.inference_mode():
        # As in training, from a picture without margin.
        faces = centre_crop(torch.from_numpy(pictures), margin=0, size=(140, 116))
        expected = network(standardise(faces)).numpy()
    assert np.abs(rows - expected).max() < 3e-6
    assert embedder.fingerprint == header.fingerprint


@pytest.mark.parametrize(
    ("precision", "tolerance"),
    [("float32", 1e-5), ("bfloat16", 1e-3), pytest.param("int8", 1e-5, marks=needs_int8)],
)
def test_a_row_does_not_depend_on_its_company(
    tiny: str, precision: Precision, tolerance: float
) -> None:
    embedder = open_model(tiny, device="cpu", precision=precision)
    pictures = crops(70, 112)
    together = embedder.embed(pictures)
    for part in (slice(0, 1), slice(69, 70), slice(3, 40)):
        alone = embedder.embed(pictures[part])
        shift = np.abs(alone @ together.T - together[part] @ together.T).max() * 2
        assert shift < tolerance
    assert np.array_equal(embedder.embed(pictures), together)


def test_half_the_precision_moves_distances_by_little(tiny: str) -> None:
    pictures = crops(12, 112)
    whole = open_model(tiny, device="cpu", precision="float32").embed(pictures)
    half = open_model(tiny, device="cpu", precision="bfloat16").embed(pictures)
    assert np.abs(np.linalg.norm(half, axis=1) - 1).max() < 1e-6
    assert np.abs(2 * (whole @ whole.T - half @ half.T)).max() < 0.02


@needs_int8
@pytest.mark.parametrize("name", ["nn4", "nns2"])
def test_whole_numbers_move_distances_by_little(name: str) -> None:
    whole, eight = (
        open_model(name, device="cpu", precision=precision) for precision in ("float32", "int8")
    )
    pictures = crops(40, whole.crop_size)
    one, other = whole.embed(pictures), eight.embed(pictures)
    assert np.abs(np.linalg.norm(other, axis=1) - 1).max() < 1e-6
    moved = 2 * (one @ one.T - other @ other.T)
    assert np.abs(moved).max() < 0.25 and 0 < np.sqrt((moved**2).mean()) < 0.04


def test_the_mirror_image_counts_as_much(tiny: str) -> None:
    plain = open_model(tiny, device="cpu", precision="float32", mirror=False)
    both = open_model(tiny, device="cpu", precision="float32")
    pictures = crops(3, 112)
    sums = plain.embed(pictures) + plain.embed(pictures[:, :, ::-1])
    expected = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    assert np.abs(both.embed(pictures) - expected).max() < 1e-6
    assert np.abs(both.embed(pictures[:, :, ::-1]) - expected).max() < 1e-6
    assert both.fingerprint != plain.fingerprint


def test_no_crops_give_no_rows_and_others_are_refused(tiny: str) -> None:
    embedder = open_model(tiny, device="cpu")
    assert embedder.embed(np.empty((0, 112, 112, 3), dtype=np.uint8)).shape == (0, 64)
    for wrong in (
        np.zeros((1, 96, 96, 3), dtype=np.uint8),
        np.zeros((112, 112, 3), dtype=np.uint8),
        np.zeros((1, 112, 112, 3), dtype=np.float32),
    ):
        with pytest.raises(ValueError, match="uint8 of shape"):
            embedder.embed(wrong)


def test_a_square_input_takes_the_crop_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "square.safetensors"
    save(
        build("nn4", 64),
        path,
        dataclasses.replace(HEADER, architecture="nn4", height=64, width=64),
    )
    embedder = open_model(str(path), device="cpu", precision="float32", mirror=False)
    assert embedder.crop_size == 64
    pictures = crops(2, 64)
    network, _ = load(path)
    with torch.inference_mode():
        expected = network(standardise(torch.from_numpy(pictures).permute(0, 3, 1, 2))).numpy()
    assert np.abs(embedder.embed(pictures) - expected).max() < 3e-6


def test_a_published_network_is_opened_once_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facenet_pytorch import InceptionResnetV1

    monkeypatch.setattr(download, "cache_folder", lambda: tmp_path)
    assert find_model("vggface2").state == "not downloaded"
    with pytest.raises(ModelError, match="models download vggface2"):
        open_model("vggface2")
    torch.manual_seed(0)
    file = tmp_path / download.PUBLISHED["vggface2"].filename
    torch.save(InceptionResnetV1(pretrained=None).state_dict(), file)
    assert {model.name: model.state for model in list_models()}["vggface2"] == "downloaded"
    embedder = open_model("vggface2", device="cpu", precision="float32")
    assert (embedder.dimension, embedder.crop_size, embedder.margin) == (512, 160, 8.0)
    rows = embedder.embed(crops(2, 160))
    assert np.abs(np.linalg.norm(rows, axis=1) - 1).max() < 1e-6
    mine = shutil.copy(file, tmp_path / "mine.pt")
    again = open_model(str(mine), device="cpu")
    assert (again.name, again.fingerprint) == ("mine", embedder.fingerprint)


def test_models_are_listed_and_found_without_torch() -> None:
    program = (
        "import sys\nfrom facecluster.embed import BUNDLED, find_model, list_models\n"
        "models = {m.name: m for m in list_models()}\n"
        "assert models[BUNDLED].state == 'bundled' and find_model(BUNDLED) == models[BUNDLED]\n"
        "assert {'vggface2', 'casia-webface'} <= set(models)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_bundled_model_opens() -> None:
    embedder = open_model(BUNDLED, device="cpu")
    assert set(embedder.thresholds) == {"verify", "identify", "group"}
    assert all(0 < threshold < 4 for threshold in embedder.thresholds.values())
    assert embedder.embed(crops(2, embedder.crop_size)).shape == (2, embedder.dimension)


def test_what_is_no_model_is_one_clear_sentence(tiny: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"no model 'nothing'.*one of {BUNDLED}.*vggface2"):
        open_model("nothing")
    other = tmp_path / "weights.onnx"
    other.write_bytes(b"1")
    with pytest.raises(ModelError, match=r"\.safetensors, \.pt or \.dat or \.tflite"):
        open_model(str(other))
    for name in ("broken.safetensors", "broken.pt"):
        broken = tmp_path / name
        broken.write_bytes(b"\xff" * 100)
        with pytest.raises(ModelError, match="broken"):
            open_model(str(broken), device="cpu")
    for device in ("cuda:99", "nothing"):
        with pytest.raises(ModelError, match=f"device '{device}'"):
            open_model(tiny, device=device)


def test_a_name_cannot_leave_the_folder_of_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "WEIGHTS", embed.WEIGHTS / "x")
    with pytest.raises(ModelError, match="no model"):
        find_model(f"../{BUNDLED}")


CALIBRATION = Calibration(
    "drawn", 500, 10**6, 18.0, -12.0,
    tuple(FalseAccepts(10.0**-n, 2.0 * 10.0 ** (-n / 10), n > 5) for n in range(1, 9)),
)  # fmt: skip


def test_more_faces_are_grouped_with_a_smaller_threshold() -> None:
    own = {"verify": 1.5, "identify": 1.2, "group": 0.9}
    model = dataclasses.replace(find_model(BUNDLED), calibration=CALIBRATION, thresholds=own)
    # By the law that the rates were made from, 0.06 / n is reached at 0.9 by 176 faces.
    for faces in (0, 1, 5, 128):
        assert group_threshold(model, faces) == GroupThreshold(0.9)
    found = [group_threshold(model, faces) for faces in (129, 256, 5000, 300_000)]
    assert [one.faces for one in found] == [256, 256, 8192, 1 << 19]
    for one in found:
        assert one.faces and one.false_links and one.rate
        # By the law that the rates were made from: FAR(d) = (d / 2) ** 10.
        assert one.faces * (one.threshold / 2) ** 10 == pytest.approx(one.false_links, rel=0.05)
        assert one.rate == pytest.approx(one.false_links / one.faces)
        assert one.extrapolated == (one.rate < 1e-5)


def test_a_network_without_calibration_has_one_threshold() -> None:
    model = dataclasses.replace(find_model(BUNDLED), calibration=None)
    assert group_threshold(model, 10) == group_threshold(model, 10**6)
    assert group_threshold(model, 10) == GroupThreshold(model.thresholds["group"])


def test_weights_are_read_for_the_first_crops_when_asked_to_wait(tmp_path: Path) -> None:
    file = tmp_path / "mine.safetensors"
    save(build("nns2", 64), file, HEADER)
    waiting = open_model(str(file), at_once=False)
    assert waiting.fingerprint == open_model(str(file)).fingerprint
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelError, match="do not match their fingerprint"):
        waiting.embed(crops(1, waiting.crop_size))
    with pytest.raises(ModelError, match="do not match their fingerprint"):
        open_model(str(file))


def test_a_network_that_gives_no_numbers_is_refused(tmp_path: Path) -> None:
    network = build("nns2", 64)
    with torch.no_grad():
        for weight in network.parameters():
            weight.fill_(float("nan"))
    path = tmp_path / "lost.safetensors"
    save(network, path, HEADER)
    embedder = open_model(str(path))
    with pytest.raises(ModelError, match="gives no numbers: choose another"):
        embedder.embed(crops(2, embedder.crop_size))
