"""dlib's file is read as dlib wrote it, and computed as dlib computes it."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_networks import check_opened_by_name_and_path
from hypothesis import given
from hypothesis import strategies as st

from facecluster import download
from facecluster.embed import find_model, open_model
from facecluster.errors import ModelError
from facecluster.facenet import dlib_resnet, foreign
from facecluster.facenet.dlib_resnet import SIDE, DlibResNet, Layer, _whole, layers, unweighted
from facecluster.facenet.sizes import SIZES


def whole(number: int) -> bytes:
    """As dlib writes a whole number: how many bytes, the highest bit the sign, then the bytes."""
    size = max(1, (abs(number).bit_length() + 7) // 8)
    return bytes([size | (0x80 if number < 0 else 0)]) + abs(number).to_bytes(size, "little")


def tensor(values: np.ndarray) -> bytes:
    sizes = b"".join(whole(size) for size in (values.size, 1, 1, 1))
    return whole(2) + sizes + struct.pack(f"<{values.size}f", *values)


def convolution(values: np.ndarray, shape: tuple[int, ...]) -> bytes:
    filters, height, width, stride, padding = shape
    numbers = (filters, height, width, stride, stride, padding, padding)
    return b"\x05con_4" + tensor(values) + b"".join(map(whole, numbers))


def test_the_layers_of_a_file_are_read_in_order_and_names_by_chance_are_not() -> None:
    rng = np.random.default_rng(0)
    kernel, scale, last = (rng.normal(size=n).astype(np.float32) for n in (304, 8, 512))
    data = (
        b"junk con_4 \x01\x07"
        + convolution(kernel, (4, 5, 5, 2, 0))
        + b"\x07affine_"
        + tensor(scale)
        + b"\x04fc_2"
        + whole(128)
        + whole(300)
        + tensor(last)
    )
    found = list(layers(data))
    assert [layer.kind for layer in found] == ["con", "affine", "fc"]
    assert found[0].shape == (4, 5, 5, 2, 0)
    for layer, values in zip(found, (kernel, scale, last), strict=True):
        np.testing.assert_array_equal(layer.values, values)


@given(st.integers(-(2**40), 2**40))
def test_whole_numbers_of_any_size_are_read(number: int) -> None:
    data = whole(number)
    assert _whole(data + b"rest", 0) == (number, len(data))


def plain_network(parts: list[Layer], picture: torch.Tensor) -> torch.Tensor:
    """The same arithmetic one layer at a time, nothing folded."""
    *pairs, last = parts
    steps = []
    for conv, affine in zip(pairs[::2], pairs[1::2], strict=True):
        filters, height, width, stride, padding = conv.shape
        kernel = torch.from_numpy(conv.values[:-filters].reshape(filters, -1, height, width))
        bias = torch.from_numpy(conv.values[-filters:])
        scale, shift = torch.from_numpy(affine.values).view(2, filters, 1, 1)
        steps.append((kernel, bias, stride, padding, scale, shift))

    def run(number: int, maps: torch.Tensor) -> torch.Tensor:
        kernel, bias, stride, padding, scale, shift = steps[number]
        maps = torch.nn.functional.conv2d(maps, kernel, bias, stride=stride, padding=padding)
        return maps * scale + shift

    mean = torch.tensor([122.782, 117.001, 104.298]).view(1, 3, 1, 1)
    maps = run(0, (picture - mean) / 256).relu()
    maps = torch.nn.functional.max_pool2d(maps, 3, 2)
    same = (run(2, run(1, maps).relu()) + maps).relu()
    down = run(4, run(3, same).relu())
    halved = torch.nn.functional.avg_pool2d(same, 2, 2)
    total = torch.zeros(1, down.shape[1], *halved.shape[2:])
    total[:, : halved.shape[1]] += halved
    total[:, :, : down.shape[2], : down.shape[3]] += down
    return total.relu().mean((2, 3)) @ torch.from_numpy(last.values.reshape(-1, 128))


def test_the_network_pads_what_it_adds_as_dlib_does() -> None:
    rng = np.random.default_rng(1)

    def pair(inputs: int, filters: int, side: int, stride: int) -> list[Layer]:
        padding = side // 2 if stride == 1 else 0
        values = rng.normal(size=filters * inputs * side * side + filters) * 0.2
        affine = rng.normal(size=2 * filters)
        shape = (filters, side, side, stride, padding)
        return [
            Layer("con", values.astype(np.float32), shape),
            Layer("affine", affine.astype(np.float32)),
        ]

    parts = [*pair(3, 4, 7, 2), *pair(4, 4, 3, 1), *pair(4, 4, 3, 1)]
    parts += [*pair(4, 8, 3, 2), *pair(8, 8, 3, 1)]
    parts.append(Layer("fc", rng.normal(size=8 * 128).astype(np.float32)))
    centre = np.zeros(128, np.float32)
    picture = torch.rand(1, 3, 37, 37, generator=torch.Generator().manual_seed(0)) * 255
    expected = plain_network(parts, picture)
    torch.testing.assert_close(
        DlibResNet(parts, centre).descriptors(picture), expected, rtol=1e-4, atol=1e-4
    )


def small_file() -> bytes:
    """As dlib's, but with five layers: the same kinds in the same order."""
    rng = np.random.default_rng(1)
    data = b""
    for inputs, side, stride in ((3, 7, 2), (8, 3, 1), (8, 3, 1), (8, 3, 2), (8, 3, 1)):
        values = rng.normal(size=8 * inputs * side * side + 8).astype(np.float32) * 0.2
        affine = rng.normal(size=16).astype(np.float32)
        shape = (8, side, side, stride, side // 2 if stride == 1 else 0)
        data += convolution(values, shape) + b"\x07affine_" + tensor(affine)
    last = rng.normal(size=8 * 128).astype(np.float32)
    return data + b"\x04fc_2" + whole(128) + whole(8) + tensor(last)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / download.PUBLISHED["dlib"].kept
    path.write_bytes(small_file())
    known = replace(foreign.DLIB, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setitem(foreign.FOREIGN, ".dat", known)
    monkeypatch.setattr(dlib_resnet, "DLIB", known)
    return path


def test_it_is_opened_by_name_once_it_is_there_and_by_path(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_opened_by_name_and_path(file, "dlib", "dlib", monkeypatch, mirrored=1e-5)


def test_the_part_that_is_seen_lies_in_the_middle_and_reaches_the_chin(file: Path) -> None:
    embedder = open_model(str(file), device="cpu", mirror=False)
    side = embedder.crop_size
    crop = np.full((1, side, side, 3), 99, np.uint8)
    framed = crop.copy()
    framed[:, :43], framed[:, 193:], framed[:, :, :22], framed[:, :, 172:] = 0, 0, 0, 0
    np.testing.assert_array_equal(embedder.embed(framed), embedder.embed(crop))
    framed[:, 150:193] = 0
    assert np.abs(embedder.embed(framed) - embedder.embed(crop)).max() > 1e-4


def test_a_file_of_another_kind_named_dlib_is_what_its_kind_says(tmp_path: Path) -> None:
    other = tmp_path / "dlib.pt"
    other.write_bytes(b"")
    assert find_model(str(other)).architecture == "inception_resnet_v1"


def test_its_size_is_as_listed() -> None:
    network, work = unweighted(), [0]

    def count(layer: torch.nn.Conv2d, _: object, output: torch.Tensor) -> None:
        work[0] += output.numel() * layer.weight[0].numel()

    for layer in network.convolutions:
        layer.register_forward_hook(count)
    network(torch.zeros(1, 3, foreign.DLIB.size, foreign.DLIB.size))
    last = 256 * 128
    weights = sum(p.numel() for p in network.parameters() if p.ndim > 1) + last
    size = SIZES[foreign.DLIB.architecture]
    assert (size.parameters, size.multiply_adds) == (weights, work[0] + last)
    assert size.height == size.width == SIDE


def test_the_centre_decides_the_fingerprint(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = json.loads(foreign.DLIB.measured_file.read_text(encoding="utf-8"))
    before = foreign.DLIB.fingerprint()
    monkeypatch.setattr(foreign, "WEIGHTS", tmp_path)
    moved = measured | {"centre": [1.0, *measured["centre"][1:]]}
    (tmp_path / "dlib.json").write_text(json.dumps(moved), encoding="utf-8")
    assert foreign.DLIB.fingerprint() != before


def test_another_file_is_one_sentence(tmp_path: Path) -> None:
    other = tmp_path / "other.dat"
    other.write_bytes(b"not a network")
    with pytest.raises(ModelError, match="models download dlib"):
        open_model(str(other), device="cpu")
    with pytest.raises(ModelError, match="cannot be read"):
        foreign.checked(foreign.DLIB, tmp_path / "none.dat")


def test_the_descriptors_are_dlibs() -> None:
    """Where dlib and its weights are at hand, which no test of ours fetches."""
    dlib = pytest.importorskip("dlib")
    there = download.cached("dlib")
    if there is None:
        pytest.skip("'facecluster models download dlib' was not run")
    data = there.read_bytes()
    crops = np.random.default_rng(0).integers(0, 256, (4, 150, 150, 3), dtype=np.uint8)
    theirs = np.array(
        dlib.face_recognition_model_v1(str(there)).compute_face_descriptor(list(crops))
    )
    network = DlibResNet(list(layers(data)), np.zeros(128, np.float32))
    ours = network.descriptors(torch.from_numpy(crops).permute(0, 3, 1, 2).float())
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5)
