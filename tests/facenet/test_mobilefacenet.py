"""MobileFaceNet's file is read as FlatBuffers writes it, and computed as TensorFlow computes it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
import torch
from foreign_networks import check_opened_by_name_and_path

from facecluster import download
from facecluster.embed import find_model, open_model
from facecluster.errors import ModelError
from facecluster.facenet import foreign, mobilefacenet
from facecluster.facenet.mobilefacenet import adopt, unweighted
from facecluster.facenet.sizes import SIZES
from facecluster.facenet.tflite_file import constants

Arrays = list[np.ndarray]


def table(builder: flatbuffers.Builder, fields: dict[int, tuple[str, int]]) -> int:
    """A table with these fields: how each is written, and what."""
    builder.StartObject(5)
    for number, (kind, value) in fields.items():
        if kind == "offset":
            builder.PrependUOffsetTRelativeSlot(number, value, 0)
        elif kind == "byte":
            builder.PrependInt8Slot(number, value, 0)
        else:
            builder.PrependUint32Slot(number, value, 0)
    return int(builder.EndObject())


def offsets(builder: flatbuffers.Builder, tables: list[int]) -> int:
    builder.StartVector(4, len(tables), 4)
    for one in reversed(tables):
        builder.PrependUOffsetTRelative(one)
    return int(builder.EndVector())


def tflite(arrays: Arrays, operators: list[list[int]]) -> bytes:
    """A file with these tensors; of each operator only the numbers of its inputs. Buffer 0 is what
    tensors have that are computed."""
    builder = flatbuffers.Builder(1024)
    buffers = [table(builder, {})]
    buffers += [
        table(builder, {0: ("offset", builder.CreateNumpyVector(a.reshape(-1).view("u1")))})
        if a.size
        else table(builder, {})
        for a in arrays
    ]
    tensors = []
    for number, a in enumerate(arrays):
        shape = builder.CreateNumpyVector(np.array(a.shape, np.int32))
        kind = 2 if a.dtype == np.int32 else 0
        fields = {0: ("offset", shape), 1: ("byte", kind), 2: ("number", number + 1)}
        tensors.append(table(builder, fields))
    used = [
        table(builder, {1: ("offset", builder.CreateNumpyVector(np.array(one, np.int32)))})
        for one in operators
    ]
    inner = {0: offsets(builder, tensors), 3: offsets(builder, used)}
    graph = table(builder, {place: ("offset", at) for place, at in inner.items()})
    outer = {2: offsets(builder, [graph]), 4: offsets(builder, buffers)}
    builder.Finish(table(builder, {place: ("offset", at) for place, at in outer.items()}))
    return bytes(builder.Output())


def test_stored_numbers_come_in_the_order_of_use() -> None:
    rng = np.random.default_rng(0)
    nothing = np.empty(0, np.float32)  # computed when the network runs
    kernel, bias = rng.random((2, 3, 3, 1), np.float32), rng.random(2, np.float32)
    shape = np.array([2, 192], np.int32)
    data = tflite([nothing, bias, kernel, shape], [[0, 2, 1], [0, 3], [1, 0]])
    found = list(constants(data))
    assert len(found) == 3
    for values, expected in zip(found, (kernel, bias, bias), strict=True):
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, expected)


def as_stored(network: torch.nn.Module, rng: np.random.Generator) -> Arrays:
    """Random weights for the network, arranged as TensorFlow arranges them."""
    arrays: Arrays = []
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            outputs, inputs, height, width = layer.weight.shape
            scale = np.float32(1.4 / np.sqrt(inputs * height * width))
            within = layer.groups > 1
            shape = (1, height, width, outputs) if within else (outputs, height, width, inputs)
            arrays.append(rng.standard_normal(shape, np.float32) * scale)
            arrays.append(rng.standard_normal(outputs, np.float32) * np.float32(0.1))
        elif isinstance(layer, torch.nn.PReLU):
            arrays.append(rng.random(layer.weight.shape[0], np.float32) * np.float32(0.2))
    return arrays


def same_padding(maps: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    """TensorFlow's convolution with padding "SAME" (H, W, C), one place at a time; a kernel
    (1, h, w, C) stays within its channel."""
    side = -(-maps.shape[0] // stride)
    size = kernel.shape[1]
    total = max(0, (side - 1) * stride + size - maps.shape[0])
    padded = np.pad(maps, [(total // 2, total - total // 2)] * 2 + [(0, 0)])
    outputs = len(bias)
    found = np.empty((side, side, outputs), np.float32)
    for y, x in np.ndindex(side, side):
        seen = padded[y * stride : y * stride + size, x * stride : x * stride + size]
        if kernel.shape[0] == outputs and kernel.shape[3] == maps.shape[2]:
            found[y, x] = np.tensordot(kernel, seen, 3) + bias
        else:
            found[y, x] = (kernel[0] * seen).sum((0, 1)) + bias
    return found


def slope(maps: np.ndarray, half: np.ndarray) -> np.ndarray:
    """As the file computes it."""
    return np.maximum(maps, 0) + half * (maps - np.abs(maps))


@pytest.mark.parametrize("stride", [1, 2])
def test_a_bottleneck_is_computed_as_tensorflow_computes_it(stride: int) -> None:
    rng = np.random.default_rng(stride)
    block = mobilefacenet._Bottleneck(6, 10, 6, stride).requires_grad_(False).eval()
    stored = as_stored(block, rng)
    adopt(block, iter(stored))
    maps = rng.standard_normal((8, 8, 6), np.float32)
    wide, wide_bias, wide_slope, inner, inner_bias, inner_slope, narrow, narrow_bias = stored
    expected = slope(same_padding(maps, wide, wide_bias, 1), wide_slope)
    expected = slope(same_padding(expected, inner, inner_bias, stride), inner_slope)
    expected = same_padding(expected, narrow, narrow_bias, 1)
    if stride == 1:
        expected = expected + maps
    found = block(torch.from_numpy(maps).permute(2, 0, 1)[None])[0].permute(1, 2, 0)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


@pytest.fixture(scope="module")
def content() -> bytes:
    arrays = as_stored(unweighted(), np.random.default_rng(2))
    return tflite(arrays, [[number] for number in range(len(arrays))])


@pytest.fixture
def file(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / foreign.MOBILEFACENET.file
    path.write_bytes(content)
    known = replace(foreign.MOBILEFACENET, sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(foreign.FOREIGN, ".tflite", known)
    monkeypatch.setattr(mobilefacenet, "MOBILEFACENET", known)
    return path


def test_it_is_opened_by_name_once_it_is_there_and_by_path(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In bfloat16, where the machine has it.
    check_opened_by_name_and_path(
        file, "mobilefacenet", "MobileFaceNet", monkeypatch, mirrored=1e-2
    )
    assert find_model("mobilefacenet").dimension == 192


def test_its_size_is_as_listed() -> None:
    network, work = unweighted(), [0]

    def count(layer: torch.nn.Conv2d, _: object, output: torch.Tensor) -> None:
        work[0] += output.numel() * layer.weight[0].numel()

    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(count)
    side = foreign.MOBILEFACENET.size
    network(torch.zeros(1, 3, side, side))
    weights = sum(p.numel() for p in network.parameters() if p.ndim > 1)
    size = SIZES[foreign.MOBILEFACENET.architecture]
    assert (size.parameters, size.multiply_adds) == (weights, work[0])
    assert size.height == size.width == side


def test_another_file_is_one_sentence(tmp_path: Path) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(b"not a network")
    with pytest.raises(ModelError, match="models download mobilefacenet"):
        open_model(str(other), device="cpu")


def test_the_vectors_are_tensorflow_lites() -> None:
    """Where its interpreter and the weights are at hand, which no test of ours fetches."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    there = download.cached("mobilefacenet")
    if there is None:
        pytest.skip("'facecluster models download mobilefacenet' was not run")
    crops = np.random.default_rng(0).uniform(-1, 1, (2, 112, 112, 3)).astype(np.float32)
    theirs = interpreter.Interpreter(str(there))
    theirs.allocate_tensors()
    theirs.set_tensor(theirs.get_input_details()[0]["index"], crops)
    theirs.invoke()
    expected = theirs.get_tensor(theirs.get_output_details()[0]["index"])
    network = mobilefacenet.load_mobilefacenet(there)
    ours = network.trunk(torch.from_numpy(crops).permute(0, 3, 1, 2)).flatten(1)
    np.testing.assert_allclose(ours.numpy(), expected, atol=1e-3)
