"""The second teacher of the bundled networks: new faces, joint targets, lessons."""

import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

import label_faces
from second_teacher.made_up import made_up
from second_teacher.targets import first_of_made_up, fit


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


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

    def descriptors(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures.mean((1, 2, 3)).view(-1, 1).expand(-1, 128)


def test_given_faces_come_first_and_parts_of_the_work_make_the_same_lessons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_faces, "load_dlib_resnet", lambda path: Darkness())
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
