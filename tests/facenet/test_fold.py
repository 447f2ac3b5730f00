"""Folding changes the layers, not the function."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from facecluster.facenet.architectures import build
from facecluster.facenet.fold import folded


def unsettled(network: nn.Module) -> nn.Module:
    """The network with batch statistics and gains that are not the initial 0 and 1."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            for tensor, low, high in (
                (module.running_mean, -0.5, 0.5),
                (module.running_var, 0.3, 2.0),
                (module.weight, 0.5, 1.5),
                (module.bias, -0.3, 0.3),
            ):
                assert tensor is not None
                tensor.data.uniform_(low, high, generator=generator)
    return network.eval()


@pytest.mark.parametrize("name", ["nn4", "nns2"])
def test_the_embeddings_stay_up_to_float32_rounding(name: str) -> None:
    torch.manual_seed(0)
    network = unsettled(build(name))
    height, width = network.architecture.height, network.architecture.width  # type: ignore[union-attr]
    pictures = torch.randn(3, 3, int(height), int(width))
    result = folded(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in result.modules())
    with torch.inference_mode():
        assert (network(pictures) - result(pictures)).abs().max() < 2e-6


def test_in_double_precision_the_rest_of_the_difference_goes() -> None:
    torch.manual_seed(0)
    network = unsettled(build("nns2")).double()
    pictures = torch.randn(2, 3, 140, 116, dtype=torch.float64)
    with torch.inference_mode():
        assert (network(pictures) - folded(network)(pictures)).abs().max() < 1e-13


def test_a_linear_layer_takes_its_normalisation_in() -> None:
    torch.manual_seed(0)
    network = unsettled(nn.Sequential(nn.Linear(7, 5, bias=False), nn.BatchNorm1d(5, eps=0.001)))
    vectors = torch.randn(4, 7)
    result = folded(network)
    assert isinstance(result[1], nn.Identity)  # type: ignore[index]
    torch.testing.assert_close(result(vectors), network(vectors))


def test_a_normalisation_without_gains_folds_and_the_original_is_left_alone() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False))
    network(torch.randn(8, 3, 6, 6))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    pictures = torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(folded(network)(pictures), network.eval()(pictures))
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert isinstance(network[1], nn.BatchNorm2d)


def test_a_normalisation_that_follows_something_else_stays() -> None:
    network = unsettled(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)))
    pictures = torch.randn(2, 3, 6, 6)
    result = folded(network)
    assert isinstance(result[2], nn.BatchNorm2d)  # type: ignore[index]
    assert torch.equal(result(pictures), network(pictures))
