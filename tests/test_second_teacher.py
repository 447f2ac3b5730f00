"""The second teacher of the bundled networks: new faces, joint targets, lessons."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

import label_faces
from second_teacher.asked import Answers, adopt_head, asked_rows, train_by_answers
from second_teacher.made_up import made_up
from second_teacher.targets import fit, joint

from facecluster.facenet.dataset import FaceTable
from facecluster.facenet.training import Step, Training, TrainingConfig


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


def test_the_joint_embedding_keeps_what_both_say_and_stays_near_the_first() -> None:
    rng = np.random.default_rng(0)
    people = rng.normal(size=(300, 6))
    first = unit(people @ rng.normal(size=(6, 32)))
    second = unit(people @ rng.normal(size=(6, 40)))
    both = np.concatenate([first, second], axis=1) / np.sqrt(2)
    found = joint(first, second, fit(first, second))
    assert found.shape == first.shape
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    # Twelve directions hold all that both can say of these; none is lost in 32.
    np.testing.assert_allclose(found @ found.T, both @ both.T, atol=1e-4)
    assert float((found * first).sum(1).mean()) > 0.6


class Brightness:
    """A teacher who sees nothing but how bright a face is, and how much brighter it is above."""

    dimension = 2

    def embed(self, crops: np.ndarray) -> np.ndarray:
        assert crops.shape[1:] == (112, 112, 3)
        above, below = (half.mean((1, 2, 3)) for half in (crops[:, :56], crops[:, 56:]))
        return unit(np.stack([above, below], axis=1).astype(np.float32))


def test_given_faces_come_first_and_each_is_labelled_by_its_own_crop(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (100, 128, 128, 3), dtype=np.uint8)
    faces[:, :, :, 0] = np.arange(100)[:, None, None]
    parents = rng.integers(0, 100, (90, 3))
    parents[::2, 2] = label_faces.NOBODY
    np.save(tmp_path / "given.npy", faces)
    teacher = Brightness()
    said = label_faces.label(teacher, tmp_path, 8, parents)  # type: ignore[arg-type]
    pixels = np.load(tmp_path / "faces.npy")
    np.testing.assert_array_equal(pixels[:100], faces)
    assert said.shape == (190, 2) and pixels.shape[0] == 190
    assert all(pixel.any() for pixel in pixels[100:])
    np.testing.assert_allclose(said, teacher.embed(pixels[:, 8:120, 8:120]), atol=1e-6)
    again = label_faces.label(teacher, tmp_path, 8, parents)  # type: ignore[arg-type]
    np.testing.assert_array_equal(again, said)


def drawn_lessons(count: int) -> tuple[FaceTable, Answers]:
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.integers(0, 256, (count, 3, 8, 8))).float()
    fine = torch.nn.functional.interpolate(coarse, 128, mode="bilinear")
    pixels = fine.permute(0, 2, 3, 1).byte().numpy()
    targets = unit(coarse.flatten(1).numpy()[:, :128] - 127)
    nobody = np.full(count, -1)
    answers = Answers(unit(targets[:, :40]), np.arange(count), given=20)
    # The first teacher says nothing of made-up faces, and nobody may ask what it says.
    targets[20:] = np.nan
    return FaceTable(pixels, nobody, nobody, targets, 8), answers


def test_answers_are_learnt_and_a_training_by_them_goes_on_where_it_stopped(tmp_path: Path) -> None:
    table, answers = drawn_lessons(48)
    config = TrainingConfig(
        "nns2", steps=12, batch=16, warmup=1, cooldown=1, half_precision=False,
        relational_weight=1.0, contrastive_weight=0.5, contrastive_faces=16,
    )  # fmt: skip

    def begun() -> Training:
        training = Training(config, device="cpu")
        adopt_head(training, 40)
        return training

    def steps(training: Training) -> Iterator[Step]:
        return train_by_answers(training, table, answers)

    whole, stopped, resumed = begun(), begun(), begun()
    head = whole.network.get_submodule("second").weight.detach().clone()
    found = [step.distillation for step in steps(whole)]
    assert len(found) == 12 and found[-1] < found[0]
    assert not torch.equal(head, whole.network.get_submodule("second").weight)
    assert not any("second" in name for name in whole.average.state_dict())
    for step in steps(stopped):
        if step.number == 5:
            stopped.save(tmp_path / "state.pt")
            break
    resumed.resume(tmp_path / "state.pt")
    assert [step.distillation for step in steps(resumed)] == found[5:]
    for mine, other in zip(
        whole.network.state_dict().values(), resumed.network.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, other)


def test_a_batch_has_given_and_made_up_faces_in_turn() -> None:
    rows = asked_rows(10, 30, 64, seed=0, step=3)
    assert rows[0::2].max() < 10 <= rows[1::2].min() and rows.max() < 30
    assert not np.array_equal(rows, asked_rows(10, 30, 64, seed=0, step=4))


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
