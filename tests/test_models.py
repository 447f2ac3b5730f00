"""`models list`: all six architectures, what they cost, and what was trained."""

from __future__ import annotations

import json

import pytest

from facecluster.facenet import timing

from .conftest import Run


def test_every_architecture_is_listed_with_its_cost(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []

    def milliseconds(architecture: str) -> float:
        measured.append(architecture)
        return 1.5

    monkeypatch.setattr(timing, "milliseconds", milliseconds)
    rows = json.loads(run("models", "list", "--json").stdout)
    assert measured == []
    assert {row["architecture"] for row in rows} == {
        *("nn1", "nn2", "nn3", "nn4", "nns1", "nns2"),
        *("inception_resnet_v1", "dlib_resnet", "mobilefacenet"),
    }
    (nn4,) = [row for row in rows if row["architecture"] == "nn4"]
    assert (nn4["model"], nn4["state"], nn4["input"]) == ("nn4", "bundled", "96x96")
    assert (nn4["parameters"], nn4["MACs"]) == (6.94, 288.87)
    (nn1,) = [row for row in rows if row["architecture"] == "nn1"]
    assert (nn1["model"], nn1["state"], nn1["verify"]) == (None, "untrained", None)
    rows = json.loads(run("models", "list", "--measure", "--json").stdout)
    assert len(measured) == 9
    assert {row["ms"] for row in rows} == {1.5}


def test_a_face_takes_a_time() -> None:
    assert 0 < timing.milliseconds("nns2") < 10_000
