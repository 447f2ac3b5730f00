"""The second teacher of the bundled networks: dlib's file read right, new faces, joint targets."""

import struct
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

import label_faces
from second_teacher.made_up import made_up
from second_teacher.network import Layer, SecondTeacher, layers, open_teacher
from second_teacher.targets import first_of_made_up, fit


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


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


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
    from second_teacher.network import _whole

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
    picture = torch.rand(1, 3, 37, 37, generator=torch.Generator().manual_seed(0)) * 255
    expected = plain_network(parts, picture)
    torch.testing.assert_close(SecondTeacher(parts)(picture), expected, rtol=1e-4, atol=1e-4)


def test_another_file_is_not_taken_for_the_teacher(tmp_path: Path) -> None:
    other = tmp_path / "other.dat"
    other.write_bytes(b"not a network")
    with pytest.raises(ValueError, match="pip download face_recognition_models"):
        open_teacher(other)


def test_made_up_faces_are_new_and_the_seed_decides_them() -> None:
    faces = torch.rand(64, 3, 128, 128, generator=torch.Generator().manual_seed(1)) * 255
    others = faces.roll(1, 0)
    made = made_up(faces, others, torch.Generator().manual_seed(2))
    assert made.shape == faces.shape
    assert 0 <= float(made.min()) <= float(made.max()) <= 255
    assert torch.equal(made, made.round())
    assert bool(((made - faces).abs().mean((1, 2, 3)) > 1).any())
    assert torch.equal(made, made_up(faces, others, torch.Generator().manual_seed(2)))
    assert not torch.equal(made, made_up(faces, others, torch.Generator().manual_seed(3)))


def test_a_face_made_up_of_one_alone_is_that_one_to_the_first_teacher() -> None:
    rng = np.random.default_rng(0)
    first, other_first, second, other_second = (unit(rng.normal(size=(20, 16))) for _ in range(4))
    guessed = first_of_made_up((first, other_first), (second, other_second), 0.7 * second)
    np.testing.assert_allclose(guessed, first, atol=1e-2)
    middle = first_of_made_up((first, other_first), (second, other_second), second + other_second)
    np.testing.assert_allclose(middle, unit(first + other_first), atol=1e-2)


def test_the_joint_embedding_keeps_what_both_say_and_stays_near_the_first() -> None:
    rng = np.random.default_rng(0)
    people = rng.normal(size=(300, 6))
    first = unit(people @ rng.normal(size=(6, 32)))
    second = (people @ rng.normal(size=(6, 32)) + 5).astype(np.float32)
    joint = fit(first, second)
    both = np.concatenate([first, unit(second - joint.mean)], axis=1) / np.sqrt(2)
    found = joint.embeddings(first, second)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    # Twelve directions hold all that both can say of these; none is lost in 32.
    np.testing.assert_allclose(found @ found.T, both @ both.T, atol=1e-4)
    assert float((found * first).sum(1).mean()) > 0.6


class Darkness(torch.nn.Module):
    """A teacher who sees nothing but how bright a face is."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures.mean((1, 2, 3)).view(-1, 1).expand(-1, 128)


def test_given_faces_come_first_and_parts_of_the_work_make_the_same_lessons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_faces, "open_teacher", lambda path: Darkness())
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (100, 128, 128, 3), dtype=np.uint8)
    pairs = rng.integers(0, 100, (90, 2))
    np.save(tmp_path / "given.npy", faces)
    options = Namespace(lessons=tmp_path, teacher=tmp_path / "none.dat")

    def lessons(parts: int) -> tuple[np.ndarray, np.ndarray]:
        np.save(tmp_path / "faces.npy", np.zeros((190, 128, 128, 3), dtype=np.uint8))
        starts = np.array_split(np.arange(0, 190, label_faces.AT_ONCE), parts)
        said = [label_faces.label(options, pairs, part) for part in starts]
        return np.load(tmp_path / "faces.npy"), np.concatenate(said)

    pixels, said = lessons(1)
    np.testing.assert_array_equal(pixels[:100], faces)
    assert said.shape == (190, 128)
    assert all(pixel.any() for pixel in pixels[100:])
    other_pixels, other_said = lessons(2)
    np.testing.assert_array_equal(pixels, other_pixels)
    np.testing.assert_array_equal(said, other_said)


def test_the_index_names_the_given_faces_and_nobody_made_up(tmp_path: Path) -> None:
    data, written = tmp_path / "data", tmp_path / "lessons"
    data.mkdir()
    written.mkdir()
    index = "row,shard,name,source,person,score,scale\n0,0,a.webp,families,F1/M1,0.9,1.0\n"
    (data / "faces.csv").write_text(index)
    label_faces.write_index(data, written, 2)
    assert (written / "faces.csv").read_text().splitlines() == [
        *index.splitlines(),
        "1,,,made-up,,,",
        "2,,,made-up,,,",
    ]
