"""The trainer: it learns, it resumes bit for bit, and it says what is wrong."""

from __future__ import annotations

import csv
import dataclasses
import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facecluster.errors import TrainingError
from facecluster.facenet import precision
from facecluster.facenet.augment import centre_crop, mix, vary
from facecluster.facenet.dataset import (
    FaceTable,
    at_most,
    hold_out,
    read_table,
    towards_identities,
    without_doubtful,
)
from facecluster.facenet.offline import are_triplets
from facecluster.facenet.training import (
    Training,
    TrainingConfig,
    embed_mirrored,
    embed_table,
    train,
)

CONFIG = TrainingConfig(
    image_size=32,
    steps=4,
    batch=8,
    P=3,
    K=2,
    triplet_weight=1.0,
    mixing=0.5,
    warmup=1,
    cooldown=1,
    half_precision=False,
)


@pytest.fixture(scope="module")
def table() -> FaceTable:
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(6), 4).astype(np.int64)
    looks = rng.integers(0, 256, (6, 48, 48, 3))
    noise = rng.integers(-20, 20, (24, 48, 48, 3))
    pixels = np.clip(looks[people] + noise, 0, 255).astype(np.uint8)
    targets = rng.standard_normal((6, 128)).astype(np.float32)
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    return FaceTable(pixels, people, people, targets[people], margin=4)


def weights(training: Training) -> dict[str, torch.Tensor]:
    return {
        **training.network.state_dict(),
        **{f"average.{name}": value for name, value in training.average.state_dict().items()},
    }


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"miner": "offline", "offline_every": 3, "P": 4, "K": 3},
        {"optimiser": "adagrad", "miner": "hardest"},
        {"optimiser": "sgd", "miner": "all", "batch": 0},
    ],
    ids=["default", "offline", "adagrad", "sgd"],
)
def test_four_steps_are_two_and_a_resume_and_two(
    table: FaceTable, tmp_path: Path, changes: dict[str, object]
) -> None:
    config = dataclasses.replace(CONFIG, **changes)
    straight = Training(config, device="cpu")
    steps = list(train(straight, table))
    first = Training(config, device="cpu")
    for step in train(first, table):
        if step.number == 2:
            break
    first.save(tmp_path / "state.pt")
    second = Training(config, device="cpu")
    second.resume(tmp_path / "state.pt")
    resumed = list(train(second, table))
    assert [step.number for step in resumed] == [3, 4]
    assert [s.distillation for s in resumed] == [s.distillation for s in steps[2:]]
    for name, tensor in weights(straight).items():
        assert torch.equal(tensor, weights(second)[name]), name


def test_triplets_are_mined_anew_where_those_of_before_are_none(
    table: FaceTable, tmp_path: Path
) -> None:
    offline = dataclasses.replace(CONFIG, miner="offline", offline_every=100, P=4, K=3, steps=3)
    for before in (CONFIG, offline):  # without triplets, and with those of another table
        first = Training(before, device="cpu")
        next(iter(train(first, table)))
        first.save(tmp_path / "state.pt")
        second = Training(offline, device="cpu")
        second.resume(tmp_path / "state.pt")
        changed = table.take(np.arange(3, len(table)))
        for _ in train(second, changed):
            assert are_triplets(second.mined, changed.identities)


def test_it_learns_six_people(table: FaceTable) -> None:
    config = dataclasses.replace(CONFIG, steps=25, batch=24, learning_rate=2e-3, averaging=0.0)
    training = Training(config, device="cpu")
    losses = [step.distillation for step in train(training, table)]
    assert np.mean(losses[-3:]) < 0.75 * losses[0]
    embeddings = embed_table(training.network, table, size=(32, 32))
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1.0, rtol=1e-5)


def test_a_cpu_without_bfloat16_trains_in_float32(
    table: FaceTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: False)
    asked = dataclasses.replace(CONFIG, half_precision=True)
    one, other = (
        [step.distillation for step in train(Training(config, device="cpu"), table)]
        for config in (CONFIG, asked)
    )
    assert one == other


def test_the_learning_rate_rises_stays_and_falls(table: FaceTable) -> None:
    config = dataclasses.replace(CONFIG, steps=6, warmup=2, cooldown=3, learning_rate=0.6)
    rates = [step.learning_rate for step in train(Training(config, device="cpu"), table)]
    np.testing.assert_allclose(rates, [0.3, 0.6, 0.6, 0.6, 0.4, 0.2])


def test_without_teacher_and_triplets_there_is_nothing_to_learn(table: FaceTable) -> None:
    lonely = dataclasses.replace(table, targets=None)
    config = dataclasses.replace(CONFIG, triplet_weight=0.0)
    with pytest.raises(TrainingError, match="teacher"):
        next(train(Training(config, device="cpu"), lonely))


def test_a_teacher_of_another_dimension_is_refused(table: FaceTable) -> None:
    config = dataclasses.replace(CONFIG, dimension=64)
    with pytest.raises(TrainingError, match="128 dimensions, the network 64"):
        next(train(Training(config, device="cpu"), table))


@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "list", "other"])
def test_a_wrong_checkpoint_is_one_clear_sentence(
    damage: str, table: FaceTable, tmp_path: Path
) -> None:
    path = tmp_path / "state.pt"
    if damage in ("empty", "garbage"):
        path.write_bytes(b"" if damage == "empty" else b"not a checkpoint")
    if damage == "list":
        torch.save(torch.zeros(3), path)
    if damage == "other":
        Training(dataclasses.replace(CONFIG, dimension=64), device="cpu").save(path)
    with pytest.raises(TrainingError, match=r"not a training checkpoint|trains dimension 64"):
        Training(CONFIG, device="cpu").resume(path)


def test_variations_are_decided_by_the_generator_and_stay_in_range() -> None:
    pictures = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (16, 48, 48, 3)).astype(np.uint8)
    )

    def once(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return vary(pictures, margin=4, size=(32, 32), generator=generator)

    assert torch.equal(once(1), once(1)) and not torch.equal(once(1), once(2))
    assert once(3).shape == (16, 3, 32, 32)
    assert float(once(3).min()) >= 0.0 and float(once(3).max()) <= 255.0


def test_the_standard_crop_leaves_the_margin_out() -> None:
    pictures = torch.full((1, 20, 20, 3), 255, dtype=torch.uint8)
    pictures[:, 4:16, 4:16] = 10
    assert torch.equal(
        centre_crop(pictures, margin=4, size=(12, 12)), torch.full((1, 3, 12, 12), 10.0)
    )


def test_mirror_images_are_made_a_batch_at_a_time(table: FaceTable) -> None:
    """Of a folder of faces there may be as much as the memory holds: no second one is made."""
    network = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 4), torch.nn.Softmax(dim=1)
    )
    many = table.take(np.arange(1024) % len(table))
    tracemalloc.start()
    rows = embed_mirrored(network, many, size=(8, 8))  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < many.pixels.nbytes / 2
    turned = dataclasses.replace(many, pixels=many.pixels[:, :, ::-1].copy())
    wanted = sum(
        embed_table(network, one, size=(8, 8))  # type: ignore[arg-type]
        for one in (many, turned)
    )
    assert np.allclose(rows, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-5)


def write_faces(folder: Path, people: list[str], *, broken: bool = False) -> None:
    with zipfile.ZipFile(folder / "faces-00.zip", "w") as archive:
        for row in range(len(people)):
            buffer = io.BytesIO()
            Image.new("RGB", (48, 48), (row, 0, 0)).save(buffer, "WebP", lossless=True)
            archive.writestr(f"{row}.webp", b"junk" if broken else buffer.getvalue())
    with (folder / "faces.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "shard", "name", "person"])
        writer.writerows([row, 0, f"{row}.webp", person] for row, person in enumerate(people))


def test_a_folder_of_faces_is_decoded_once(tmp_path: Path) -> None:
    write_faces(tmp_path, ["F1/A", "F1/B", "celebrity/7", "", "F1/A"])
    table = read_table(tmp_path, cache=tmp_path / "cache.npy")
    assert table.pixels[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert table.identities.tolist() == [0, 1, 2, -1, 0]
    assert table.kin[0] == table.kin[1] == table.kin[4] != table.kin[2]
    assert table.kin[3] == -1 and table.targets is None
    (tmp_path / "faces-00.zip").unlink()
    assert len(read_table(tmp_path, cache=tmp_path / "cache.npy")) == 5


def test_an_unreadable_face_is_named(tmp_path: Path) -> None:
    write_faces(tmp_path, ["A"], broken=True)
    with pytest.raises(TrainingError, match=r"0\.webp of .*faces-00\.zip is unreadable"):
        read_table(tmp_path, cache=tmp_path / "cache.npy")


@pytest.mark.parametrize("content", [None, "row,shard,name,person\n"])
def test_an_empty_folder_is_one_clear_sentence(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "faces.csv").write_text(content)
    with pytest.raises(TrainingError, match=r"holds no faces\.csv|lists no faces"):
        read_table(tmp_path, cache=tmp_path / "cache.npy")


def test_relatives_are_held_out_together(table: FaceTable) -> None:
    kin = table.kin // 2
    related = dataclasses.replace(table, kin=kin)
    rows, held = hold_out(related, 0.34, seed=0)
    assert sorted([*rows, *held]) == list(range(24))
    assert not set(kin[rows]) & set(kin[held]) and len(set(kin[held])) == 1


def test_a_face_unlike_its_identity_loses_it() -> None:
    targets = np.eye(4, dtype=np.float32)[[0, 0, 0, 1, 2, 2, 3]]
    identities = np.array([5, 5, 5, 5, 6, 6, 7], dtype=np.int64)
    pixels = np.zeros((7, 8, 8, 3), dtype=np.uint8)
    table = FaceTable(pixels, identities, identities, targets, margin=0)
    found = without_doubtful(table, limit=1.3).identities
    assert found.tolist() == [5, 5, 5, -1, 6, 6, 7]
    unknown = dataclasses.replace(table, targets=None)
    assert without_doubtful(unknown, limit=1.3) is unknown


def test_nobody_is_met_too_often(table: FaceTable) -> None:
    strangers = dataclasses.replace(
        table, identities=np.where(table.identities == 5, -1, table.identities)
    )
    rows = at_most(strangers, np.arange(1, 24), 2, seed=0)
    _, counts = np.unique(strangers.identities[rows], return_counts=True)
    assert counts.tolist() == [4, 2, 2, 2, 2, 2]  # the unknown are all kept
    assert 0 not in rows and len(np.unique(rows)) == len(rows)
    assert not np.array_equal(rows, at_most(strangers, np.arange(1, 24), 2, seed=1))


def test_blends_and_their_targets_go_together() -> None:
    targets = torch.eye(6)
    pictures = torch.eye(6)[:, :, None, None].repeat(1, 1, 2, 2)  # channel i is face i's share
    blended, blends = mix(pictures, targets, share=0.7, generator=torch.Generator().manual_seed(0))
    shares = blended[:, :, 0, 0]
    torch.testing.assert_close(shares.sum(1), torch.ones(6))
    torch.testing.assert_close(blends, torch.nn.functional.normalize(shares, dim=1))
    neighbour = shares[torch.arange(6), torch.arange(6) - 1]
    assert (neighbour <= 0.5).all() and 0 < int((neighbour > 0).sum()) < 6


def test_targets_move_towards_the_mean_of_their_identity() -> None:
    rows = np.random.default_rng(3).normal(size=(9, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    identities = np.array([0, 0, 0, 0, 1, 1, -1, -1, -1])
    table = FaceTable(np.zeros((9, 8, 8, 3), np.uint8), identities, identities, rows, 1)
    for share in (0.0, 0.3, 1.0):
        moved = towards_identities(table, share).targets
        assert moved is not None
        mean = rows[:4].mean(axis=0) / np.linalg.norm(rows[:4].mean(axis=0))
        for row in range(4):
            wanted = (1 - share) * rows[row] + share * mean
            assert moved[row] == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-6)
        assert np.array_equal(moved[4:], rows[4:]), "too few faces, or nobody known"
    assert towards_identities(dataclasses.replace(table, targets=None), 0.5).targets is None
