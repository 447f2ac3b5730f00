"""Whole numbers of eight bits give nearly the embeddings of the network they were made of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from facenet_pytorch import InceptionResnetV1
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from facecluster.facenet import inference, int8
from facecluster.facenet.architectures import build
from facecluster.facenet.augment import MEAN, STD
from facecluster.facenet.checkpoint import load
from facecluster.facenet.inference import Inference
from facecluster.facenet.layers import ConvUnit, L2Pool
from facecluster.facenet.precision import multiplies_bfloat16, multiplies_int8

WEIGHTS = Path(int8.__file__).parents[1] / "weights"
needs_int8 = pytest.mark.skipif(
    int8.usable_ranges() is None, reason="nothing here computes in eight bits"
)
WIDE, NARROW = int8._RANGES


def maps(*shape: int, seed: int = 0) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    drawn = torch.randint(0, 256, shape, dtype=torch.uint8, generator=chance)
    return drawn.contiguous(memory_format=torch.channels_last)


def pictures(count: int, height: int, width: int) -> Tensor:
    # Smooth, as faces are.
    fine = functional.interpolate(maps(count, 3, 6, 6).float(), (height, width), mode="bicubic")
    return fine.clamp(0, 255).round()


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from((1, 2)), st.integers(0, 99))
def test_pooling_of_bytes_is_torchs_own(height: int, width: int, stride: int, seed: int) -> None:
    drawn = maps(2, 5, height, width, seed=seed)
    largest = functional.max_pool2d(drawn.float(), 3, stride, 1)
    assert torch.equal(int8._MaxPool(stride)(drawn).float(), largest)
    middle = L2Pool(stride)(drawn.float())
    assert (int8._L2Pool(stride)(drawn).float() - middle).abs().max() <= 0.5 + 1e-3


def here(ranges: int8.Ranges) -> int8.Ranges:
    """The ranges, if this machine has them."""
    if ranges is WIDE and int8.usable_ranges() is not WIDE:
        pytest.skip("this CPU has no VNNI")
    return ranges


@needs_int8
@pytest.mark.parametrize("ranges", [WIDE, NARROW])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (7, 2)])
def test_a_unit_of_bytes_rounds_what_it_is_made_of(
    kernel: int, stride: int, ranges: int8.Ranges
) -> None:
    torch.manual_seed(0)
    unit = ConvUnit(6, 16, kernel, stride=stride, batch_norm=True).eval()
    unit.normalisation.running_mean.normal_()
    unit.normalisation.running_var.uniform_(5, 20)
    scales = torch.rand(6, dtype=torch.float64) / 50
    made = int8._Unit(unit, scales, here(ranges))
    drawn = (maps(3, 6, 9, 8) * (ranges.activations / 255)).to(torch.uint8)
    with torch.inference_mode():
        wanted = unit(drawn * scales.view(1, -1, 1, 1).float())
        found = made(drawn)
    assert found.dtype == torch.uint8 and found.is_contiguous(memory_format=torch.channels_last)
    counted = wanted / made.scales.view(1, -1, 1, 1).float()
    # Half a step of rounding, and what the weights' own rounding adds up to.
    assert (found - counted.clamp(max=255)).abs().max() < 3
    assert (found - counted.clamp(max=255)).abs().mean() < 0.5


@needs_int8
@pytest.mark.parametrize("ranges", [WIDE, NARROW])
def test_the_first_unit_sees_standardised_pictures(ranges: int8.Ranges) -> None:
    torch.manual_seed(0)
    unit = ConvUnit(3, 8, 3, batch_norm=True).eval()
    scales = torch.full((3,), 1 / STD, dtype=torch.float64)
    made = int8._Unit(unit, scales, here(ranges), zero_point=128, offset=(128 - MEAN) / STD)
    drawn = maps(2, 3, 12, 12)
    with torch.inference_mode():
        wanted = unit((drawn.float() - MEAN) / STD)
        found = made(drawn) * made.scales.view(1, -1, 1, 1)
    assert (found - wanted).abs().max() < 0.1


@needs_int8
@pytest.mark.parametrize(("name", "most"), [("nn4", 0.12), ("nns2", 0.25)])
def test_the_bundled_networks_keep_their_distances(name: str, most: float) -> None:
    network, header = load(WEIGHTS / f"{name}.safetensors")
    drawn = pictures(40, header.height, header.width)
    whole = Inference(network, mean=header.mean, std=header.std, precision="float32")(drawn)
    eight = Inference(network, mean=header.mean, std=header.std, precision="int8")(drawn)
    assert (eight.norm(dim=1) - 1).abs().max() < 1e-6
    moved = 2 * (whole @ whole.T - eight @ eight.T)
    assert moved.abs().max() < most
    assert 0 < moved.pow(2).mean().sqrt() < most / 4


@needs_int8
def test_a_face_is_the_same_in_any_company() -> None:
    network, header = load(WEIGHTS / "nns2.safetensors")
    embed = Inference(network, mean=header.mean, std=header.std, precision="int8")
    drawn = pictures(9, header.height, header.width).to(torch.uint8)
    together = embed(drawn)
    for at in range(9):
        np.testing.assert_allclose(embed(drawn[at : at + 1]), together[at : at + 1], atol=1e-6)
    assert torch.equal(embed(drawn.float()), together)


def test_what_does_not_fit_is_computed_otherwise() -> None:
    plain = build("nns2", batch_norm=False)
    lost = build("nns2")
    next(iter(lost.parameters())).data.fill_(float("nan"))
    foreign = InceptionResnetV1()
    assert int8.fits(build("nns2")) and not any(map(int8.fits, (plain, lost, foreign)))
    other = "bfloat16" if multiplies_bfloat16() else "float32"
    assert Inference(plain, mean=MEAN, std=STD, device="cpu", precision="int8").precision == other


def test_the_fastest_precision_of_the_machine_is_taken() -> None:
    made = Inference(build("nns2"), mean=MEAN, std=STD, device="cpu")
    other = "bfloat16" if multiplies_bfloat16() else "float32"
    assert made.precision == ("int8" if multiplies_int8() and int8.usable_ranges() else other)
    told = Inference(build("nns2"), mean=MEAN, std=STD, device="cpu", precision="float32")
    assert told.precision == "float32"


def test_a_machine_without_vnni_computes_in_narrower_ranges() -> None:
    program = (
        "from facecluster.facenet.int8 import _RANGES, usable_ranges\n"
        "assert usable_ranges() == _RANGES[1], usable_ranges()\n"
    )
    without = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    if not multiplies_int8():
        pytest.skip("this CPU has no AVX2")
    subprocess.run([sys.executable, "-c", program], env=without, check=True)


def test_operators_that_are_not_there_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert int8.usable_ranges() in (None, *int8._RANGES)

    def gone(*_: object) -> Tensor:
        raise NotImplementedError("qconv2d_pointwise")

    monkeypatch.setattr(int8._Unit, "forward", gone)
    assert int8.usable_ranges.__wrapped__() is None
    monkeypatch.setattr(int8._Unit, "forward", lambda _, maps: torch.zeros_like(maps))
    assert int8.usable_ranges.__wrapped__() is None
    monkeypatch.setattr(inference, "usable_ranges", lambda: None)
    made = Inference(build("nns2"), mean=MEAN, std=STD, device="cpu", precision="int8")
    assert made.precision == ("bfloat16" if multiplies_bfloat16() else "float32")
