"""The networks against the paper's own counts (section 3.3, Tables 1 and 2)."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from facecluster.errors import ModelError
from facecluster.facenet.architectures import ARCHITECTURES, FaceNet, build

# Table 2: parameters and multiply-adds, both in thousands, as printed.
TABLE_2 = {
    "3a": (164, 128_000),
    "3b": (228, 179_000),
    "3c": (398, 108_000),
    "4a": (545, 107_000),
    "4b": (595, 117_000),
    "4c": (654, 128_000),
    "4d": (722, 142_000),
    "4e": (717, 56_000),
    "5a": (1_600, 78_000),
    "5b": (1_600, 78_000),
}


def multiply_adds(network: FaceNet, module: nn.Module) -> int:
    """Counted by running a picture through: output positions x weights of each output."""
    total = 0

    def count(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        positions = output.shape[2] * output.shape[3] if output.ndim == 4 else 1
        total += positions * layer.weight.numel()

    hooks = [
        layer.register_forward_hook(count)
        for layer in module.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    architecture = network.architecture
    with torch.inference_mode():
        network(torch.zeros(1, 3, architecture.height, architecture.width))
    for hook in hooks:
        hook.remove()
    return total


def weights(module: nn.Module) -> int:
    return sum(
        layer.weight.numel()
        for layer in module.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    )


def test_nn2_rows_are_those_of_table_2() -> None:
    network = build("nn2", batch_norm=False).eval()
    for row, module in zip(network.architecture.rows, network.inceptions, strict=True):
        parameters, operations = TABLE_2[row.name]
        # The paper rounds rows of a million and more to one digit behind the point.
        rounding = 0.035 if parameters > 999 else 0.01
        assert weights(module) / 1000 == pytest.approx(parameters, rel=rounding)
        assert multiply_adds(network, module) / 1000 == pytest.approx(operations, rel=0.06)


def test_nn2_total_is_the_papers() -> None:
    network = build("nn2", batch_norm=False).eval()
    assert weights(network) / 1e6 == pytest.approx(7.448, abs=0.001)
    assert multiply_adds(network, network) / 1e9 == pytest.approx(1.6, rel=0.02)


def test_nn3_is_nn2_at_160_pixels_and_half_the_work() -> None:
    network = build("nn3", batch_norm=False).eval()
    assert weights(network) == weights(build("nn2", batch_norm=False))
    assert multiply_adds(network, network) / 1e9 == pytest.approx(0.8, rel=0.05)


def test_nn4_does_the_papers_285_million_multiply_adds() -> None:
    network = build("nn4", batch_norm=False).eval()
    assert multiply_adds(network, network) / 1e6 == pytest.approx(285, rel=0.05)


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("dimension", [64, 128, 256])
def test_embeddings_lie_on_the_unit_sphere(dimension: int, batch_norm: bool) -> None:
    network = build("nn4", dimension, batch_norm=batch_norm).eval()
    with torch.inference_mode():
        embeddings = network(torch.randn(3, 3, 96, 96))
    assert embeddings.shape == (3, dimension) and embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))


def test_a_column_of_width_zero_is_absent() -> None:
    three_c = build("nn2").inceptions[2]
    assert [type(column).__name__ for column in three_c.columns] == [
        "Sequential",
        "Sequential",
        "MaxPool2d",
    ]


def test_unknown_network_is_named_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"nn9.*nn2, nn3, nn4"):
        build("nn9")


def test_names_are_the_keys() -> None:
    assert all(name == architecture.name for name, architecture in ARCHITECTURES.items())
