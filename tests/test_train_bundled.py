"""The trainer of the bundled networks: where its sittings end, and what of it is shipped."""

import dataclasses
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

import export_bundled
from second_teacher.hints import adopt_hints
from train_bundled import COMMON, STAGES, sitting

from facecluster.facenet.checkpoint import load
from facecluster.facenet.optimisers import learning_rate
from facecluster.facenet.training import Training, TrainingConfig


def test_a_last_sitting_that_was_killed_ends_where_it_was_to(tmp_path: Path) -> None:
    def begun(step: int, steps: int) -> TrainingConfig:
        return sitting(COMMON, tmp_path, step, steps)

    assert begun(1000, 0) == COMMON
    first = begun(1000, 600)
    assert (first.steps, first.cooldown) == (1600, 600)
    killed = begun(1400, 600)
    assert killed == first
    assert learning_rate(killed, 1400) == COMMON.learning_rate / 3
    assert begun(1000, 600) == first, "killed before its state was kept"
    assert begun(1600, 600).steps == 2200, "the first one was over"
    assert begun(1700, 300).steps == 2000
    assert begun(0, 300).steps == 300, "the state was taken away"
    assert begun(100, 0) == COMMON
    assert begun(150, 300).steps == 450, "between them was another sitting"


def test_the_averaged_weights_are_written_without_hints_or_their_mean_with_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exported(name: str, *words: object) -> dict[str, torch.Tensor]:
        limits = ("--verify", 1.2, "--identify", 1.0, "--group", 0.5)
        told = map(
            str, (tmp_path / "state.pt", tmp_path / name, "--stage", "tiny", *limits, *words)
        )
        monkeypatch.setattr("sys.argv", ["export_bundled.py", *told])
        export_bundled.main()
        return load(tmp_path / name)[0].state_dict()

    models = []
    for name in ("first.safetensors", "second.safetensors"):
        config = dataclasses.replace(STAGES["tiny"], seed=len(models))
        training = Training(config, device="cpu")
        adopt_hints(training)
        training.save(tmp_path / "state.pt")
        models.append(exported(name))
    mean = exported(
        "mean.safetensors", "--mean-with", tmp_path / "first.safetensors", "--share", 0.25
    )
    for name, part in mean.items():
        one, other = (model[name].float() for model in models)
        torch.testing.assert_close(part.float(), 0.25 * one + 0.75 * other, atol=2e-3, rtol=2e-3)
    weight = next(name for name, part in mean.items() if part.std() > 0.01)
    assert not torch.allclose(models[0][weight], models[1][weight], atol=1e-3)
