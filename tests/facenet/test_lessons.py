"""A training in sittings: what ends one, what a crash leaves, and files from elsewhere."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from facecluster.errors import TrainingError
from facecluster.facenet import lessons
from facecluster.facenet.dataset import FaceTable
from facecluster.facenet.evaluation import all_pairs, threshold_at_far
from facecluster.facenet.lessons import Lesson, Verdict, begin, learn, publish
from facecluster.facenet.training import Training, TrainingConfig, embed_mirrored

CONFIG = TrainingConfig(
    image_size=32, steps=50, batch=0, P=2, K=2, triplet_weight=1.0, half_precision=False
)


def made_table(seed: int) -> FaceTable:
    chance = np.random.default_rng(seed)
    who = np.repeat(np.arange(4), 3).astype(np.int64)
    looks = chance.integers(0, 256, (4, 48, 48, 3))
    pixels = np.clip(looks[who] + chance.integers(-9, 9, (12, 48, 48, 3)), 0, 255)
    return FaceTable(pixels.astype(np.uint8), who, who, None, 8)


def sitting(
    lesson: Lesson, *, steps: int = 50, patience: int = 0, every: int = 1
) -> tuple[Training, list[Verdict]]:
    """The training as it ended, and the verdicts of this sitting alone."""
    training = Training(dataclasses.replace(CONFIG, steps=steps), device="cpu")
    begin(training, lesson, start=None)
    said = learn(
        training,
        made_table(0),
        made_table(1),
        lesson,
        seconds=1e9,
        every=every,
        patience=patience,
    )
    return training, [one for one in said if isinstance(one, Verdict)]


@pytest.fixture
def lesson(tmp_path: Path) -> Lesson:
    return Lesson(tmp_path / "lesson")


def say(monkeypatch: pytest.MonkeyPatch, *figures: float) -> Iterator[float]:
    """Let the verdicts be these."""
    left = iter(figures)
    monkeypatch.setattr(
        lessons, "judge", lambda training, held, number: Verdict(number, next(left), 0.1)
    )
    return left


def test_patience_ends_it_and_the_best_is_kept(
    lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, 0.2, 0.5, 0.4, 0.3, 0.9)
    _, verdicts = sitting(lesson, patience=2)
    assert [one.val for one in verdicts] == [0.2, 0.5, 0.4, 0.3]
    assert lesson.verdicts() == verdicts
    again = Training(CONFIG, device="cpu")
    assert begin(again, lesson, start=None) is True
    assert again.step == 4
    assert lesson.best.stat().st_mtime_ns < lesson.state.stat().st_mtime_ns


def test_patience_counts_the_verdicts_of_earlier_sittings(
    lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = say(monkeypatch, 0.5, 0.4, 0.3, 0.2, 0.9)
    sitting(lesson, steps=3)
    assert lesson.since_best() == 2
    _, verdicts = sitting(lesson, patience=3)
    assert [one.val for one in verdicts] == [0.2]
    assert list(left) == [0.9]


def test_a_crash_before_the_state_is_saved_loses_and_doubles_no_verdict(
    lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(training: Training, path: Path) -> None:
        raise KeyboardInterrupt

    say(monkeypatch, 0.2, 0.5, 0.5, 0.4)
    sitting(lesson, steps=1)
    with monkeypatch.context() as broken:
        broken.setattr(Training, "save", crash)
        with pytest.raises(KeyboardInterrupt):
            sitting(lesson, steps=2)
    assert [one.val for one in lesson.verdicts()] == [0.2, 0.5]
    training, _ = sitting(lesson, steps=3)
    assert training.step == 3
    assert [(one.number, one.val) for one in lesson.verdicts()] == [(1, 0.2), (2, 0.5), (3, 0.4)]


def test_a_line_cut_off_by_a_crash_is_left_out(
    lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, 0.2, 0.5)
    sitting(lesson, steps=1)
    with lesson.log.open("a") as file:
        file.write('{"number": 2, "va')
    sitting(lesson, steps=2)
    assert [one.val for one in lesson.verdicts()] == [0.2, 0.5]
    lesson.log.write_text('{"val": 0.3, "strange": 1}\n')
    with pytest.raises(TrainingError, match=r"train\.jsonl is damaged"):
        sitting(lesson, steps=3)


def test_a_training_that_is_over_is_judged_again_when_its_log_is_lost(
    lesson: Lesson, tmp_path: Path
) -> None:
    _, verdicts = sitting(lesson, steps=2, every=2)
    lesson.log.unlink()
    training, again = sitting(lesson, steps=2)
    assert again == verdicts == lesson.verdicts()
    assert publish(training, made_table(1), lesson, tmp_path / "m.safetensors").name == "m"
    assert sitting(lesson, steps=2)[1] == []
    lesson.best.write_bytes(b"")
    with pytest.raises(TrainingError, match=r"best\.pt is damaged"):
        publish(training, made_table(1), lesson, tmp_path / "m.safetensors")


def test_thresholds_are_of_vectors_as_a_library_keeps_them(lesson: Lesson, tmp_path: Path) -> None:
    training, _ = sitting(lesson, steps=1)
    held = made_table(1)
    header = publish(training, held, lesson, tmp_path / "m.safetensors")
    vectors = embed_mirrored(training.average, held, size=(32, 32))
    _, different = all_pairs(held.identities, vectors)
    for use, rate in (("identify", 1e-3), ("group", 1e-4)):
        wanted = threshold_at_far(different, rate)
        assert header.thresholds[use] == pytest.approx(wanted, rel=1e-4)


def test_no_more_pairs_of_a_kind_are_compared_than_are_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    who = made_table(0).identities
    vectors = np.random.default_rng(0).normal(size=(len(who), 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    whole = lessons._distances(who, vectors)
    assert [len(kind) for kind in whole] == [12, 54]
    monkeypatch.setattr(lessons, "_PAIRS", 7)
    for kind, every in zip(lessons._distances(who, vectors), whole, strict=True):
        assert len(kind) == 7 and len(np.unique(kind)) == 7 and np.isin(kind, every).all()


def as_if_from_a_gpu(path: Path) -> None:
    """Let all tensors in a file of torch say that they were on a GPU."""
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for name, content in parts.items():
            if name.endswith("data.pkl"):
                assert b"X\x03\x00\x00\x00cpu" in content
                content = content.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            file.writestr(name, content)


def test_what_a_gpu_trained_is_finished_without_one(lesson: Lesson, tmp_path: Path) -> None:
    sitting(lesson, steps=1)
    for path in (lesson.state, lesson.best):
        as_if_from_a_gpu(path)
    training, _ = sitting(lesson, steps=1)
    assert publish(training, made_table(1), lesson, tmp_path / "m.safetensors").dimension == 128


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("name", ["best", "state", "log"])
def test_a_full_disk_is_one_sentence(name: str, lesson: Lesson) -> None:
    sitting(lesson, steps=1)
    path: Path = getattr(lesson, name)
    path.unlink()
    (path if name == "log" else path.with_suffix(".part")).symlink_to("/dev/full")
    with pytest.raises(TrainingError, match=f"{path.name} cannot be written: No space left"):
        sitting(lesson, steps=2)
    assert not list(lesson.folder.glob("*.part"))
