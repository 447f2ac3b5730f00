"""A header is what a network needs, or one sentence."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from facecluster.embed import BUNDLED, find_model
from facecluster.errors import ModelError
from facecluster.facenet.header import FORMAT, read_header

DEEP = "[" * 100_000
NEVER = {"rate": 0.1, "threshold": 1.0, "extrapolated": True}


def write(path: Path, header: str) -> None:
    text = json.dumps({"__metadata__": {"format": FORMAT, "facecluster": header}}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)


@pytest.fixture
def said() -> dict[str, object]:
    """What the bundled network says of itself."""
    bundled = find_model(BUNDLED).path
    assert bundled is not None
    values: dict[str, object] = json.loads(read_header(bundled).to_metadata()["facecluster"])
    return values


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dimension", -1),
        ("dimension", 1e13),
        ("dimension", 10**13),
        ("dimension", "x"),
        ("dimension", True),
        ("height", 0),
        ("architecture", ["nn4"]),
        ("architecture", "nn9"),
        ("architecture", "dlib_resnet"),
        ("batch_norm", None),
        ("thresholds", None),
        ("thresholds", {"verify": 1.0}),
        ("thresholds", {"verify": 1.0, "identify": 1.0, "group": "x"}),
        ("thresholds", {"verify": 1.0, "identify": 1.0, "group": 10**400}),
        ("thresholds", {"verify": 1.0, "identify": -1.0, "group": 1.0}),
        ("thresholds", {"verify": 1.0, "identify": 1.0, "group": 4.5}),
        ("thresholds", {"verify": 1.0, "identify": 1.0, "group": float("nan")}),
        ("mean", float("nan")),
        ("mean", 1e30),
        ("std", 0),
        ("std", float("inf")),
        ("calibration", 3),
        ("calibration", {"rates": [NEVER, NEVER]}),
    ],
)
def test_what_no_network_says_is_refused(
    said: dict[str, object], name: str, value: object, tmp_path: Path
) -> None:
    path = tmp_path / "m.safetensors"
    write(path, json.dumps(said))
    assert read_header(path).name == BUNDLED
    write(path, json.dumps({**said, name: value}))
    with pytest.raises(ModelError, match="is not a facecluster network"):
        read_header(path)


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": 0.0},
        {"rate": -0.1},
        {"rate": None},
        {"threshold": 10**400},
        {"extrapolated": True},
    ],
)
def test_a_calibration_without_a_curve_is_refused(
    said: dict[str, object], change: dict[str, object], tmp_path: Path
) -> None:
    calibration = said["calibration"]
    assert isinstance(calibration, dict)
    calibration["rates"] = [{**rate, **change} for rate in calibration["rates"]]
    write(tmp_path / "m.safetensors", json.dumps(said))
    with pytest.raises(ModelError, match="is not a facecluster network"):
        read_header(tmp_path / "m.safetensors")


def test_what_a_later_version_says_is_left_out(said: dict[str, object], tmp_path: Path) -> None:
    thresholds = said["thresholds"]
    assert isinstance(thresholds, dict)
    write(tmp_path / "m.safetensors", json.dumps(said))
    before = read_header(tmp_path / "m.safetensors")
    later = {**said, "thresholds": {**thresholds, "suggest": None}, "moods": [1]}
    write(tmp_path / "m.safetensors", json.dumps(later))
    assert read_header(tmp_path / "m.safetensors") == before


def test_deeply_nested_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    write(path, DEEP)
    with pytest.raises(ModelError, match="is not a facecluster network"):
        read_header(path)
    path.write_bytes(struct.pack("<Q", len(DEEP)) + DEEP.encode())
    with pytest.raises(ModelError, match="is not a facecluster network"):
        read_header(path)
