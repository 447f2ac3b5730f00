"""A training in sittings: full disks and files from elsewhere."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

import numpy as np
import pytest

from facecluster.errors import TrainingError
from facecluster.facenet.dataset import FaceTable
from facecluster.facenet.lessons import Lesson, Verdict, begin, learn, publish
from facecluster.facenet.training import Training, TrainingConfig

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
@pytest.mark.parametrize("name", ["best", "state"])
def test_a_full_disk_is_one_sentence(name: str, lesson: Lesson) -> None:
    sitting(lesson, steps=1)
    path: Path = getattr(lesson, name)
    path.unlink()
    path.with_suffix(".part").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match=f"{path.name} cannot be written: No space left"):
        sitting(lesson, steps=2)
    assert not list(lesson.folder.glob("*.part"))
