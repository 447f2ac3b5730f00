"""The second teacher of the bundled networks: new faces, its targets, lessons."""

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

import label_faces
from second_teacher import kept
from second_teacher.asked import batch_of, given_rows, mine, start_hints, train_by_answers
from second_teacher.confused import GROUP, confused_groups, confusion, confusion_loss
from second_teacher.fitted import fit
from second_teacher.hints import Hint, adopt_hints, fit_hints, hint_loss, shown_maps
from second_teacher.kept import ask_for_round, shown_at, train_by_kept_answers
from second_teacher.made_up import NOBODY, made_up, of_parents
from second_teacher.targets import agreeing, directions, whole
from second_teacher.teacher import MAP_WIDTH, SIDE, Answers, asked

from facecluster.embed import BUNDLED, find_model
from facecluster.facenet.checkpoint import load
from facecluster.facenet.dataset import FaceTable
from facecluster.facenet.mobilefacenet import unweighted
from facecluster.facenet.training import Step, Training, TrainingConfig

SHORT = TrainingConfig(
    "nns2", steps=30, batch=16, warmup=1, cooldown=1, learning_rate=5e-4, half_precision=False,
    relational_weight=1.0, contrastive_weight=0.5, contrastive_faces=16, offline_every=8,
)  # fmt: skip


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


def test_what_was_taken_of_the_centre_can_be_given_back() -> None:
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(50, 12)) + 0.5)
    centre = vectors.mean(0)
    found = whole(unit(vectors - centre), centre)
    for share in (0.0, 0.5, 1.0):
        np.testing.assert_allclose(
            unit(found - share * centre), unit(vectors - share * centre), atol=1e-5
        )


def test_directions_lose_nothing_where_there_are_no_more() -> None:
    rng = np.random.default_rng(0)
    rows = unit(rng.normal(size=(300, 6)) @ rng.normal(size=(6, 40)))
    kept = rows @ directions(rows, 6)
    assert kept.shape == (300, 6)
    np.testing.assert_allclose(kept @ kept.T, rows @ rows.T, atol=1e-4)


def test_targets_are_turned_to_where_the_network_is_and_stay_as_far_apart(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    both = (rng.normal(size=(400, 16)) @ rng.normal(size=(16, 320))).astype(np.float32)
    adults, before = both[:, :192], both[:, 192:]
    said = np.concatenate([adults, 1.5 * before], axis=1)
    turn = np.linalg.qr(rng.normal(size=(128, 128)))[0]
    begun = unit(said @ directions(said, 128) @ turn)
    label_faces.write_targets(tmp_path, adults, before, 1.5, begun)
    targets, kept = (np.load(tmp_path / name) for name in ("teacher.npy", "directions.npy"))
    np.testing.assert_allclose(targets, begun, atol=1e-3)
    np.testing.assert_allclose(targets @ targets.T, unit(said) @ unit(said).T, atol=1e-3)
    np.testing.assert_allclose(unit(both @ kept), targets, atol=1e-3)


def test_no_turn_agrees_better() -> None:
    rng = np.random.default_rng(0)
    rows, wanted = (unit(rng.normal(size=(60, 5))) for _ in range(2))
    best = float(np.square(rows @ agreeing(rows, wanted) - wanted).sum())
    for _ in range(200):
        other = np.linalg.qr(rng.normal(size=(5, 5)))[0]
        assert float(np.square(rows @ other - wanted).sum()) >= best - 1e-4


class Brightness:
    """A teacher who sees nothing but how bright a face is, and how much brighter it is above."""

    dimension = 2
    crop_size, margin = 112, 0.0

    def embed(self, crops: np.ndarray) -> np.ndarray:
        assert crops.shape[1:] == (112, 112, 3)
        above, below = (half.mean((1, 2, 3)) for half in (crops[:, :56], crops[:, 56:]))
        return unit(np.stack([above, below], axis=1).astype(np.float32))


def test_each_face_is_labelled_by_its_own_crop() -> None:
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (100, 128, 128, 3), dtype=np.uint8)
    faces[:, :, :, 0] = np.arange(100)[:, None, None]
    nobody = np.full(100, -1)
    teacher = Brightness()
    said = label_faces.label(teacher, FaceTable(faces, nobody, nobody, None, 8))  # type: ignore[arg-type]
    np.testing.assert_allclose(said, teacher.embed(faces[:, 8:120, 8:120]), atol=1e-3)


def test_faces_are_made_up_of_two_parents_or_three() -> None:
    rng = np.random.default_rng(0)
    given = rng.integers(0, 256, (9, 64, 64, 3), dtype=np.uint8)
    given[8] = 255
    parents = np.array([[0, 1, NOBODY], [2, 3, 8], [2, 3, NOBODY]])
    made = of_parents(given, parents, torch.Generator().manual_seed(1))
    assert made.shape == (3, 64, 64, 3) and made.dtype == np.uint8
    again = of_parents(given, parents, torch.Generator().manual_seed(1))
    np.testing.assert_array_equal(made, again)
    two = of_parents(given, np.array([[0, 1, NOBODY]] * 40), torch.Generator().manual_seed(2))
    three = of_parents(given, np.array([[0, 1, 8]] * 40), torch.Generator().manual_seed(2))
    assert three.mean() > two.mean() + 10  # the third is white


def test_the_asked_teacher_says_what_both_networks_do_side_by_side() -> None:
    torch.manual_seed(0)
    adults, before = unweighted(), load(find_model(BUNDLED).path or Path())[0]
    for layer in adults.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
    adults.get_buffer("centre").copy_(torch.nn.functional.normalize(torch.randn(192), dim=0) / 3)
    crops = torch.rand(3, 3, SIDE, SIDE) * 255
    kept = directions(unit(np.random.default_rng(0).normal(size=(300, 320))), 128)
    found = asked(adults, before, kept)(crops)
    assert [maps.shape[1:] for maps in found.maps] == [(MAP_WIDTH, 14, 14), (MAP_WIDTH, 7, 7)]
    small = torch.nn.functional.interpolate(crops, size=(96, 96), mode="bilinear", antialias=True)
    with torch.no_grad():
        one = adults((crops - 127.5) / 128).numpy()
        other = before((small - 127.5) / 128).numpy()
    wanted = unit(np.concatenate([one, other], axis=1) @ kept)
    assert float((found.targets.numpy() * wanted).sum(1).min()) > 0.98  # in less than 32 bits


def plain_teacher(crops: torch.Tensor) -> Answers:
    """One who says how bright a face is where, and sees the same on the way."""
    mix = torch.randn(192, 128, generator=torch.Generator().manual_seed(4))
    coarse = torch.nn.functional.adaptive_avg_pool2d(crops, 8) / 127.5 - 1.0
    rows = torch.nn.functional.normalize(coarse.flatten(1) @ mix, dim=1)
    maps = tuple(
        torch.nn.functional.adaptive_avg_pool2d(crops / 127.5 - 1.0, side).repeat(1, 43, 1, 1)
        for side in (14, 7)
    )
    return Answers(rows, tuple(part[:, :MAP_WIDTH] for part in maps))


def drawn_lessons(count: int) -> tuple[FaceTable, np.ndarray]:
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.integers(0, 256, (count, 3, 8, 8))).float()
    fine = torch.nn.functional.interpolate(coarse, 128, mode="bilinear")
    pixels = fine.permute(0, 2, 3, 1).byte().numpy()
    crops = torch.from_numpy(pixels[:, 8:120, 8:120].copy()).permute(0, 3, 1, 2).float()
    targets = plain_teacher(crops).targets.numpy()
    nobody = np.full(count, -1)
    often = np.where(np.arange(count) % 3, 1.0, 2.0)
    return FaceTable(pixels, nobody, nobody, targets, 8), often


def test_answers_are_learnt_and_a_training_by_them_goes_on_where_it_stopped(tmp_path: Path) -> None:
    table, often = drawn_lessons(48)

    def begun() -> Training:
        training = Training(SHORT, device="cpu")
        adopt_hints(training)
        return training

    def steps(training: Training) -> Iterator[Step]:
        return train_by_answers(training, table, often, plain_teacher)

    complete, stopped, resumed = begun(), begun(), begun()
    found = [step.distillation for step in steps(complete)]
    assert len(found) == 30 and np.mean(found[-5:]) < np.mean(found[:5])
    hints = [
        network.get_submodule("hints.0.layer").weight
        for network in (complete.network, complete.average, begun().network)
    ]
    assert not torch.equal(hints[0], hints[1]) and not torch.equal(hints[1], hints[2])
    for step in steps(stopped):
        if step.number == 5:
            stopped.save(tmp_path / "state.pt")
            break
    resumed.resume(tmp_path / "state.pt")
    assert [step.distillation for step in steps(resumed)] == found[5:]
    for one, other in zip(
        complete.network.state_dict().values(), resumed.network.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)


def test_kept_answers_are_learnt_too_and_go_on_in_the_middle_of_a_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "ROUND", 8)
    table, often = drawn_lessons(48)
    config = dataclasses.replace(SHORT, offline_every=16)

    def steps(training: Training) -> Iterator[Step]:
        return train_by_kept_answers(training, table, often, plain_teacher)

    complete, stopped, resumed = (Training(config, device="cpu") for _ in range(3))
    found = [step.distillation for step in steps(complete)]
    assert len(found) == 30 and np.mean(found[-5:]) < np.mean(found[:5])
    for step in steps(stopped):
        if step.number == 21:
            stopped.save(tmp_path / "state.pt")
            break
    resumed.resume(tmp_path / "state.pt")
    assert [step.distillation for step in steps(resumed)] == found[21:]


def test_each_kept_crop_is_shown_once_a_look_beside_its_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept, "ROUND", 8)
    table, often = drawn_lessons(48)
    training = Training(TrainingConfig("nns2", steps=1, batch=16), device="cpu")
    training.mined = np.arange(40).reshape(10, GROUP)
    crops, targets = ask_for_round(training, table, often, plain_teacher)
    assert crops.shape == (2 * 16, 3, SIDE, SIDE) and crops.dtype == torch.uint8
    known = plain_teacher(crops.float()).targets
    assert float((known * targets).sum(1).min()) > 0.999
    orders = []
    for training.step in range(8):
        shown, said = shown_at(training, (crops, torch.arange(32)))
        assert torch.equal(shown, crops[said])
        groups = said.reshape(2, 8)
        assert torch.equal(groups, groups[:, :1] // 8 * 8 + torch.arange(8))
        orders.append(said.tolist())
    looks = [orders[at] + orders[at + 1] for at in range(0, 8, 2)]
    assert all(sorted(look) == list(range(32)) for look in looks)
    assert len({tuple(look) for look in looks}) > 1


def test_a_fitted_layer_tells_what_its_inputs_can_and_no_noise_is_blown_up() -> None:
    rng = np.random.default_rng(0)
    given = torch.from_numpy(rng.normal(size=(500, 6))).float() + 3
    given[:, 5] *= 1e-4  # hardly varies, and says what is wanted
    wanted = given[:, :5] @ torch.from_numpy(rng.normal(size=(5, 4))).float() + given[:, 5:] * 1e4
    layer = torch.nn.Linear(6, 4)
    fit(layer, given, wanted)
    # What the last feature says is lost, and that is all.
    left = (layer(given) - wanted).var(0)
    np.testing.assert_allclose(left.detach(), np.ones(4), atol=0.1)
    np.testing.assert_allclose(layer(given).mean(0).detach(), wanted.mean(0), rtol=1e-3)


def test_hints_start_from_what_the_network_sees_already() -> None:
    table, _ = drawn_lessons(48)
    training = Training(TrainingConfig("nns2", steps=1, batch=16), device="cpu")
    adopt_hints(training)
    before = training.network.get_submodule("hints.0.layer").weight.detach().clone()
    start_hints(training, table, plain_teacher)
    one, other = (x.get_submodule("hints.0.layer") for x in (training.network, training.average))
    assert not torch.equal(before, one.weight) and torch.equal(one.weight, other.weight)
    spread = training.network.get_submodule("hints.0").get_buffer("spread")
    assert 0.1 < float(spread.mean()) < 0.6  # of what plain_teacher shows, from -1 to 1


def test_of_each_four_faces_two_are_mined_one_is_any_and_one_is_new() -> None:
    table, often = drawn_lessons(48)
    training = Training(TrainingConfig("nns2", steps=1, batch=64), device="cpu")
    training.mined = np.arange(40).reshape(10, GROUP)
    rows = given_rows(training, 48, 0)
    assert rows.shape == (16, 3)
    groups = {tuple(group) for group in training.mined.tolist()}
    assert all(tuple(group) in groups for group in rows[:, :2].reshape(-1, GROUP).tolist())
    assert rows[:, 2].max() < 48
    assert np.array_equal(rows, given_rows(training, 48, 0))
    faces = batch_of(training, table, often, 0).numpy().reshape(16, 4, 128, 128, 3)
    np.testing.assert_array_equal(faces[:, :3], table.pixels[rows])
    assert not any((face == table.pixels).all((1, 2, 3)).any() for face in faces[:, 3])
    assert not np.array_equal(rows, given_rows(training, 48, 1))
    assert not np.array_equal(faces[:, 3], batch_of(training, table, often, 1)[3::4])


def test_hints_are_told_from_the_last_rows_before_a_map_shrinks() -> None:
    network = Training(TrainingConfig("nn4"), device="cpu").network.eval()
    with torch.no_grad(), shown_maps(network) as shown:
        network(torch.zeros(2, 3, 96, 96))
        network(torch.zeros(2, 3, 96, 96))
        assert [tuple(maps.shape) for maps in shown] == [(2, 320, 12, 12), (2, 640, 6, 6)]
    network(torch.zeros(1, 3, 96, 96))
    assert len(shown[0]) == 2, "nothing is kept any more"


def test_fitted_hints_miss_nothing_that_can_be_told_and_errors_count_by_spread() -> None:
    training = Training(TrainingConfig("nns2"), device="cpu")
    adopt_hints(training)
    heads = [head for head in training.network.get_submodule("hints").children()]
    assert all(isinstance(head, Hint) for head in heads)
    widths = [head.get_submodule("layer").weight.shape[1] for head in heads]
    shown = [
        torch.randn(40, width, side, side) for width, side in zip(widths, (14, 7), strict=True)
    ]
    mixes = [torch.randn(MAP_WIDTH, width, 1, 1) for width in widths]
    maps = [torch.nn.functional.conv2d(*both) + 3 for both in zip(shown, mixes, strict=True)]
    fit_hints(training, shown, maps)
    with torch.no_grad():
        assert float(hint_loss(training.network, shown, maps)) < 1e-3
        doubled = [maps[0], maps[1] + 2 * maps[1].std((0, 2, 3), keepdim=True)]
        assert abs(float(hint_loss(training.network, shown, doubled)) - 4.0) < 0.1


def test_confused_are_those_that_the_network_alone_puts_near() -> None:
    rng = np.random.default_rng(0)
    targets = np.zeros((60, 16), np.float32)
    targets[:6, :6], targets[6:, 6:] = np.eye(6), unit(rng.normal(size=(54, 10)))
    embeddings = targets.copy()
    embeddings[:6] = targets[0]  # the network sees six as one
    others, excess = confusion(embeddings, targets)
    assert others.shape == (60, 8) and excess.argsort()[-6:].max() < 6
    for face in range(6):
        assert set(others[face, :5]) == set(range(6)) - {face}
    naive = [2 * (embeddings[9] @ embeddings[j] - targets[9] @ targets[j]) for j in others[9]]
    np.testing.assert_allclose(excess[9], np.mean(naive), atol=1e-5)
    groups = confused_groups(others, excess, 200, rng)
    assert groups.shape == (200, GROUP) and (groups[:, 0] < 6).mean() > 0.5
    assert all(set(group[1:]) <= set(others[group[0]]) for group in groups.tolist())


def test_confusion_costs_where_faces_are_nearer_than_the_teacher_says_and_nowhere_else() -> None:
    rng = np.random.default_rng(0)
    found, said = (torch.from_numpy(unit(rng.normal(size=(8, 5)))) for _ in range(2))
    naive = []
    for start in (0, 4):
        for i in range(start, start + 4):
            for j in range(i + 1, start + 4):
                near, wanted = ((x[i] - x[j]).pow(2).sum().item() for x in (found, said))
                naive.append(max(0.0, wanted - near) ** 2)
    assert abs(confusion_loss(found, said).item() - np.mean(naive)) < 1e-5
    assert confusion_loss(said, said).item() == 0.0


def test_faces_that_are_drawn_often_are_mined() -> None:
    table, often = drawn_lessons(48)
    training = Training(TrainingConfig("nns2", steps=1, batch=16), device="cpu")
    mined = mine(training, table, often)
    assert set(mined.ravel()) <= set(np.flatnonzero(often == 2.0))
    assert np.array_equal(mined, mine(training, table, often))
