"""The second teacher of the bundled networks: new faces, joint targets, lessons."""

import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

import label_faces
from second_teacher.hinted import Hints, adopt_heads, hinted_rows, train_by_hints, warped_maps
from second_teacher.made_up import made_up
from second_teacher.targets import first_of_made_up, fit

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


def test_a_face_made_up_of_one_alone_is_that_one_to_the_first_teacher() -> None:
    rng = np.random.default_rng(0)
    first, other_first, second, other_second = (unit(rng.normal(size=(20, 16))) for _ in range(4))
    nobody = np.zeros_like(first)
    parents = np.stack([first, other_first, nobody], axis=1)
    seen = np.stack([second, other_second, nobody], axis=1)
    guessed = first_of_made_up(parents, seen, 0.7 * second)
    np.testing.assert_allclose(guessed, first, atol=1e-2)
    middle = first_of_made_up(parents, seen, second + other_second)
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
    # The less the second counts, the more it is the first alone.
    little = fit(first, second, weight=0.1).embeddings(first, second)
    np.testing.assert_allclose(little @ little.T, first @ first.T, atol=0.05)


class Darkness(torch.nn.Module):
    """A teacher who sees nothing but how bright a face is."""

    def descriptors_and_maps(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        bright = pictures.mean((1, 2, 3))
        maps = torch.nn.functional.adaptive_avg_pool2d(pictures.mean(1, keepdim=True), 4)
        return bright.view(-1, 1).expand(-1, 128), maps.expand(-1, 256, -1, -1)


def test_given_faces_come_first_and_parts_of_the_work_make_the_same_lessons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_faces, "load_dlib_resnet", lambda path: Darkness())
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (100, 128, 128, 3), dtype=np.uint8)
    parents = rng.integers(0, 100, (90, 3))
    parents[::2, 2] = label_faces.NOBODY
    np.save(tmp_path / "given.npy", faces)
    options = Namespace(lessons=tmp_path, teacher=tmp_path / "none.dat")

    def lessons(parts: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        np.save(tmp_path / "faces.npy", np.zeros((190, 128, 128, 3), dtype=np.uint8))
        np.save(tmp_path / "maps.npy", np.zeros((190, *label_faces.MAPS), dtype=np.float16))
        starts = np.array_split(np.arange(0, 190, label_faces.AT_ONCE), parts)
        said = [label_faces.label(options, parents, part) for part in starts]
        written = (np.load(tmp_path / f"{name}.npy") for name in ("faces", "maps"))
        return *written, np.concatenate(said)

    pixels, maps, said = lessons(1)
    np.testing.assert_array_equal(pixels[:100], faces)
    assert said.shape == (190, 128)
    assert all(pixel.any() for pixel in pixels[100:])
    assert maps.reshape(190, -1).any(axis=1).all()
    for mine, other in zip((pixels, maps, said), lessons(2), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_maps_are_seen_where_the_network_looks() -> None:
    across, down = np.meshgrid(33.8 + 21.43 * np.arange(4), 47.5 + 21.43 * np.arange(4))
    # Each map tells where in the picture it is.
    maps = torch.from_numpy(np.stack([across, down], -1)[None].repeat(2, 0)).float()
    inner = torch.tensor([[0.5, 0.0, 0.1], [0.0, 0.5, 0.3]])
    mirrored = torch.tensor([[-0.5, 0.0, 0.1], [0.0, 0.5, 0.3]])
    seen = warped_maps(maps, torch.stack([inner, mirrored]), (3, 3))
    assert seen.shape == (2, 2, 3, 3)
    # The middle of the warp is a little right of and below the picture's middle.
    np.testing.assert_allclose(seen[:, 0, 1, 1], 63.5 + 0.1 * 64, atol=0.01)
    np.testing.assert_allclose(seen[:, 1, 1, 1], 63.5 + 0.3 * 64, atol=0.01)
    np.testing.assert_allclose(seen[0, 0, 1, 2] - seen[0, 0, 1, 1], 0.5 * 64 * 2 / 3, atol=0.01)
    np.testing.assert_allclose(seen[0, 0], seen[1, 0].flip(1), atol=0.01)


def drawn_lessons(count: int) -> tuple[FaceTable, Hints]:
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.integers(0, 256, (count, 3, 8, 8))).float()
    fine = torch.nn.functional.interpolate(coarse, 128, mode="bilinear")
    pixels = fine.permute(0, 2, 3, 1).byte().numpy()
    targets = unit(coarse.flatten(1).numpy()[:, :128] - 127)
    nobody = np.full(count, -1)
    maps = torch.nn.functional.interpolate(coarse, (4, 4)).permute(0, 2, 3, 1).half().numpy()
    hints = Hints(maps, unit(targets[:, ::-1]), torch.full((3,), 127.0), torch.full((3,), 70.0))
    return FaceTable(pixels, nobody, nobody, targets, 8), hints


def test_hints_are_learnt_and_a_training_by_them_goes_on_where_it_stopped(tmp_path: Path) -> None:
    table, hints = drawn_lessons(48)
    config = TrainingConfig(
        "nns2", steps=12, batch=16, warmup=1, cooldown=1, half_precision=False,
        relational_weight=1.0, contrastive_weight=0.5,
    )  # fmt: skip

    def begun() -> Training:
        training = Training(config, device="cpu")
        adopt_heads(training, hints)
        return training

    def steps(training: Training) -> Iterator[Step]:
        return train_by_hints(training, table, np.arange(48), hints, given=20)

    whole, stopped, resumed = begun(), begun(), begun()
    head = whole.network.get_submodule("heads.vector").weight.detach().clone()
    found = [step.distillation for step in steps(whole)]
    assert len(found) == 12 and found[-1] < found[0]
    assert not torch.equal(head, whole.network.get_submodule("heads.vector").weight)
    assert not any("heads" in name for name in whole.average.state_dict())
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
    rows = hinted_rows(10, 30, 64, seed=0, step=3)
    assert rows[0::2].max() < 10 <= rows[1::2].min() and rows.max() < 30
    assert not np.array_equal(rows, hinted_rows(10, 30, 64, seed=0, step=4))


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
