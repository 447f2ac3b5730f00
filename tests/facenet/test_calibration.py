"""What distances mean: fitted curves against the truth they were drawn from; kept in the header."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecluster.errors import ModelError, UsageError
from facecluster.facenet.architectures import build
from facecluster.facenet.calibration import Calibration, fit
from facecluster.facenet.checkpoint import load, save
from facecluster.facenet.evaluation import threshold_at_far
from facecluster.facenet.header import Header, read_header, rewrite_header

THRESHOLDS = {"verify": 1.1, "identify": 0.9, "group": 0.8}
HEADER = Header("tiny", "nn4", 64, 96, 96, True, 127.5, 128.0, THRESHOLDS, "2026-11-23")


def drawn(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Distances whose true log odds are 36 - 24 d: two normal laws of one width."""
    chance = np.random.default_rng(seed)
    return chance.normal(1.0, 0.204124, count), chance.normal(2.0, 0.204124, count)


def power_law(count: int, power: float) -> np.ndarray:
    """Distances of which a share (d / 2) ** power is within d."""
    return 2.0 * np.random.default_rng(1).random(count) ** (1 / power)


def test_the_probability_is_the_one_the_pairs_were_drawn_from() -> None:
    same, different = drawn(40_000)
    found = fit(same, different[:10_000], source="drawn")
    for distance in (1.2, 1.4, 1.5, 1.6, 1.8):
        true = 1 / (1 + np.exp(-(36 - 24 * distance)))
        assert found.probability(distance) == pytest.approx(true, abs=0.02)
    odds = np.exp(found.log_odds(1.2))
    assert found.probability(1.2) == pytest.approx(odds / (1 + odds))
    assert found.probability(-1e3) == 1.0 and found.probability(1e3) == 0.0


@pytest.mark.parametrize(("nearest", "scale"), [(0.0, 1e-3), (1.0, 1e-2), (0.5, 0.1)])
def test_distances_that_lie_close_together_tell_as_much(nearest: float, scale: float) -> None:
    same, different = drawn(2_000)
    wide = fit(same, different, source="drawn")
    close = fit(nearest + scale * same, nearest + scale * different, source="drawn")
    for distance in (1.2, 1.5, 1.8):
        found = close.probability(nearest + scale * distance)
        assert found == pytest.approx(wide.probability(distance), abs=1e-6)


def test_one_distance_for_all_tells_nobody_apart() -> None:
    with pytest.raises(UsageError, match="tells nobody apart"):
        fit(np.full(20, 0.5), np.full(100, 0.5), source="drawn")


def test_rates_are_counted_where_pairs_are_and_go_on_as_they_fell() -> None:
    different = power_law(1_000_000, 10)
    found = fit(power_law(50, 1) / 4, different, source="drawn")
    assert [one.rate for one in found.rates] == pytest.approx([10.0**-n for n in range(1, 9)])
    assert [one.extrapolated for one in found.rates] == [False] * 5 + [True] * 3
    for one in found.rates:
        true = 2.0 * one.rate**0.1
        assert one.threshold == pytest.approx(true, rel=0.02 if one.rate >= 1e-3 else 0.1)
        counted = threshold_at_far(different, one.rate)
        assert one.extrapolated or one.threshold == pytest.approx(counted, rel=0.02)


@settings(max_examples=30)
@given(
    st.lists(st.floats(0, 4), min_size=20, max_size=60),
    st.lists(st.floats(0, 4), min_size=100, max_size=300),
    st.floats(0, 4),
    st.floats(0, 4),
)
def test_nearer_is_never_less_probable_and_rarer_is_never_farther(
    same: list[float], different: list[float], one: float, other: float
) -> None:
    try:
        found = fit(np.array(same), np.array(different), source="drawn")
    except UsageError:
        return
    near, far = sorted((one, other))
    assert 1 >= found.probability(near) >= found.probability(far) >= 0
    thresholds = [found.threshold(rate).threshold for rate in (1.0, 0.5, 0.1, 1e-3, 1e-7, 1e-12)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert thresholds[-1] >= 0 and thresholds[0] <= 4


def test_a_threshold_has_its_rate() -> None:
    same, different = drawn(5000)
    found = fit(same, different, source="drawn")
    for rate in (0.1, 1e-2, 1e-3, 3e-6, 1e-9):
        there = found.threshold(rate)
        assert there.extrapolated == (rate < 1e-2 / 5)
        if not there.extrapolated:
            assert np.mean(different <= there.threshold) == pytest.approx(rate, rel=0.05)
    for one, rarer in itertools.pairwise(found.rates):
        assert found.threshold(one.rate).threshold == pytest.approx(one.threshold)
        between = found.threshold(math.sqrt(one.rate * rarer.rate)).threshold
        assert between == pytest.approx(math.sqrt(one.threshold * rarer.threshold))
    assert found.threshold(1.0).threshold == pytest.approx(4.0)


@pytest.mark.parametrize(("same", "different"), [(19, 150), (150, 99)])
def test_too_few_pairs_calibrate_nothing(same: int, different: int) -> None:
    one, other = drawn(150)
    with pytest.raises(UsageError, match="too few"):
        fit(one[:same], other[:different], source="drawn")


def test_a_network_that_tells_nobody_apart_is_refused() -> None:
    one, other = drawn(150)
    with pytest.raises(UsageError, match="tells nobody apart"):
        fit(other, one, source="drawn")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save(build("nn4", 64), path, HEADER)
    return path


def test_the_header_carries_it_and_the_weights_stay(written: Path) -> None:
    before = load(written)[1]
    tensors = hashlib.sha256(written.read_bytes()[-1000_000:]).digest()
    assert before.calibration is None
    wanted = dataclasses.replace(before, calibration=fit(*drawn(500), source="drawn"))
    rewrite_header(written, wanted)
    assert load(written)[1] == wanted
    assert hashlib.sha256(written.read_bytes()[-1000_000:]).digest() == tensors
    rewrite_header(written, before)
    assert load(written)[1] == before
    assert [path.name for path in written.parent.iterdir()] == [written.name]


def test_the_header_of_other_weights_is_refused(written: Path) -> None:
    content = written.read_bytes()
    with pytest.raises(ModelError, match="other weights"):
        rewrite_header(written, HEADER.with_fingerprint("0" * 64))
    with pytest.raises(ModelError, match="cannot be read"):
        rewrite_header(written.parent / "none.safetensors", HEADER)
    assert written.read_bytes() == content


def with_metadata(path: Path, **changes: object) -> Path:
    """A file of a header alone, changed."""
    metadata = HEADER.to_metadata()
    metadata["facecluster"] = json.dumps({**json.loads(metadata["facecluster"]), **changes})
    text = json.dumps({"__metadata__": metadata}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    return path


def test_headers_of_other_versions_are_read(tmp_path: Path) -> None:
    newer = with_metadata(tmp_path / "newer.safetensors", invented_later=3)
    assert read_header(newer) == HEADER


@pytest.mark.parametrize("damage", [3, {}, {"rates": []}, {"rates": [{"rate": 1}]}, "nan"])
def test_a_damaged_calibration_is_one_clear_sentence(damage: object, tmp_path: Path) -> None:
    if damage == "nan":
        damage = dataclasses.asdict(fit(*drawn(150), source="drawn")) | {"slope": float("nan")}
    path = with_metadata(tmp_path / "damaged.safetensors", calibration=damage)
    with pytest.raises(ModelError, match="is not a facecluster network"):
        read_header(path)


def test_it_survives_json() -> None:
    found = fit(*drawn(150), source="drawn")
    assert Calibration.from_json(json.loads(json.dumps(dataclasses.asdict(found)))) == found
