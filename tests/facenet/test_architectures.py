"""The networks against the paper's own counts (section 3.3, Tables 1 and 2)."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from facecluster.errors import ModelError
from facecluster.facenet.architectures import ARCHITECTURES, Architecture, FaceNet, build
from facecluster.facenet.layers import L2Pool, Maxout
from facecluster.facenet.sizes import SIZES

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


# Table 1: parameters and multiply-adds of each layer, both in thousands, as printed.
TABLE_1 = [
    (9, 115_000),
    (4, 13_000),
    (111, 335_000),
    (37, 29_000),
    (664, 521_000),
    (148, 29_000),
    (885, 173_000),
    (66, 13_000),
    (590, 116_000),
    (66, 13_000),
    (590, 116_000),
    (103_000, 103_000),
    (34_000, 34_000),
    (524, 500),
]


def paper(name: str) -> FaceNet:
    """The network as in the paper, without batch normalisation; its tensors take no memory."""
    with torch.device("meta"):
        return build(name, batch_norm=False).eval()


def counts(network: FaceNet) -> dict[nn.Module, tuple[int, int]]:
    """Weights and multiply-adds of each layer, counted as a picture runs through."""
    found: dict[nn.Module, tuple[int, int]] = {}

    def count(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        positions = output.shape[2] * output.shape[3] if output.ndim == 4 else 1
        found[layer] = (layer.weight.numel(), positions * layer.weight.numel())

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    architecture = network.architecture
    picture = torch.zeros(1, 3, architecture.height, architecture.width, device="meta")
    network.projection(network.trunk(picture))
    return found


def total(found: dict[nn.Module, tuple[int, int]], module: nn.Module) -> tuple[int, int]:
    layers = [found[layer] for layer in module.modules() if layer in found]
    return sum(weights for weights, _ in layers), sum(operations for _, operations in layers)


def test_nn1_layers_are_those_of_table_1() -> None:
    for (weights, operations), row in zip(counts(paper("nn1")).values(), TABLE_1, strict=True):
        assert weights / 1000 == pytest.approx(row[0], rel=0.014, abs=0.6)
        assert operations / 1000 == pytest.approx(row[1], rel=0.05)


def test_nn2_rows_are_those_of_table_2() -> None:
    network = paper("nn2")
    found = counts(network)
    architecture = network.architecture
    assert isinstance(architecture, Architecture)
    inceptions = network.trunk.get_submodule("inceptions").children()
    for row, module in zip(architecture.rows, inceptions, strict=True):
        weights, operations = total(found, module)
        # The paper rounds rows of a million and more to one digit behind the point.
        rounding = 0.035 if TABLE_2[row.name][0] > 999 else 0.01
        assert weights / 1000 == pytest.approx(TABLE_2[row.name][0], rel=rounding)
        assert operations / 1000 == pytest.approx(TABLE_2[row.name][1], rel=0.06)


@pytest.mark.parametrize(
    ("name", "millions", "operations", "tolerance"),
    [
        ("nn1", 140, 1600, 0.01),
        ("nn2", 7.448, 1600, 0.01),
        ("nn3", 7.448, 800, 0.05),
        ("nn4", 6.95, 285, 0.05),
        ("nns1", 26, 220, 0.05),
        ("nns2", 4.3, 20, 0.05),
    ],
)
def test_totals_are_the_papers(
    name: str, millions: float, operations: float, tolerance: float
) -> None:
    network = paper(name)
    weights, work = total(counts(network), network)
    assert weights / 1e6 == pytest.approx(millions, rel=tolerance)
    assert work / 1e6 == pytest.approx(operations, rel=tolerance)
    size = SIZES[name]
    assert (size.parameters, size.multiply_adds) == (weights, work)
    assert (size.height, size.width) == (network.architecture.height, network.architecture.width)


@pytest.mark.parametrize("name", ["nn4", "nns1", "nns2"])
@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("dimension", [64, 512])
def test_embeddings_lie_on_the_unit_sphere(name: str, dimension: int, batch_norm: bool) -> None:
    network = build(name, dimension, batch_norm=batch_norm).eval()
    architecture = network.architecture
    with torch.inference_mode():
        embeddings = network(torch.randn(2, 3, architecture.height, architecture.width))
    assert embeddings.shape == (2, dimension) and embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(2))


def test_a_column_of_width_zero_is_absent() -> None:
    three_c = build("nn2").trunk.get_submodule("inceptions.2.columns")
    assert [type(column).__name__ for column in three_c.children()] == [
        "Sequential",
        "Sequential",
        "MaxPool2d",
    ]


def test_l2_pooling_is_the_root_of_the_mean_square() -> None:
    pictures = torch.arange(25.0).reshape(1, 1, 5, 5)
    window = pictures[0, 0, 1:4, 2:5]
    expected = (window**2).mean().sqrt()
    torch.testing.assert_close(L2Pool()(pictures)[0, 0, 2, 3], expected)


def test_maxout_is_the_larger_of_two() -> None:
    layer = Maxout(4, 3)
    vectors = torch.randn(5, 4)
    both = vectors @ layer.linear.weight.T + layer.linear.bias
    torch.testing.assert_close(layer(vectors), torch.maximum(both[:, :3], both[:, 3:]))


def test_unknown_network_is_named_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"nn9.*nn1, nn2, nn3, nn4, nns1, nns2"):
        build("nn9")


def test_names_are_the_keys() -> None:
    assert all(name == architecture.name for name, architecture in ARCHITECTURES.items())
