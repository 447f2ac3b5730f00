"""Bundled weights: what is written is read, and a damaged file is never used."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from facecluster.errors import ModelError
from facecluster.facenet.architectures import build
from facecluster.facenet.checkpoint import load, save
from facecluster.facenet.header import Header, read_header

HEADER = Header(
    name="tiny",
    architecture="nn4",
    dimension=64,
    height=96,
    width=96,
    batch_norm=True,
    mean=127.5,
    std=128.0,
    thresholds={"verify": 1.1, "identify": 0.9, "group": 0.8},
    created="2026-11-23",
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save(build("nn4", 64), path, HEADER)
    return path


def test_a_network_comes_back_as_it_was_in_half_precision(saved: Path) -> None:
    network, header = load(saved)
    again, _ = load(saved)
    assert header == HEADER.with_fingerprint(header.fingerprint) and len(header.fingerprint) == 64
    assert not network.training
    pictures = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        assert torch.equal(network(pictures), again(pictures))
    assert saved.stat().st_size < 2.1 * sum(p.numel() for p in network.parameters()) + 100_000


def test_the_fingerprint_is_of_the_tensors_alone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build("nn4", 64)
    one = save(network, tmp_path / "one.safetensors", HEADER)
    two = save(
        network,
        tmp_path / "two.safetensors",
        Header(
            **{**{field: getattr(HEADER, field) for field in HEADER.__slots__}, "name": "other"}
        ),
    )
    torch.manual_seed(1)
    three = save(build("nn4", 64), tmp_path / "three.safetensors", HEADER)
    assert one.fingerprint == two.fingerprint != three.fingerprint


def test_a_flipped_byte_is_noticed(saved: Path, tmp_path: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[-1] ^= 1
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(content)
    with pytest.raises(ModelError, match="do not match their fingerprint"):
        load(damaged)


@pytest.mark.parametrize("size", [0, 4, 100, 5000])
def test_a_truncated_file_is_one_clear_sentence(size: int, saved: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(saved.read_bytes()[:size])
    with pytest.raises(ModelError, match=r"not a facecluster network|damaged"):
        load(cut)


def test_numbers_that_are_no_half_precision_are_refused(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    tensors = {name: part.bfloat16() for name, part in load_file(saved).items()}
    save_file(tensors, path, metadata=read_header(saved).to_metadata())
    with pytest.raises(ModelError, match="are damaged: Got unsupported"):
        load(path)


def test_a_training_that_ran_away_is_not_written(tmp_path: Path) -> None:
    network = build("nn4", 64)
    buffers = dict(network.named_buffers())
    buffers["trunk.stem.0.normalisation.running_var"][3] = 70_000.0
    with pytest.raises(ModelError, match=r"stem\.0\.normalisation\.running_var is too large"):
        save(network, tmp_path / "m.safetensors", HEADER)
    assert not list(tmp_path.iterdir())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.safetensors cannot be read"):
        read_header(tmp_path / "none.safetensors")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    wrong = Header(
        **{**{field: getattr(HEADER, field) for field in HEADER.__slots__}, "architecture": "nn2"}
    )
    save(build("nn4", 64), path, wrong)
    with pytest.raises(ModelError, match=r"do not fit nn2"):
        load(path)
