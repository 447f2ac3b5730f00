"""The paper's batch of 1,800 faces on a small machine: one triplet loss, a chunk's memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["replayed_backward"]


def replayed_backward(
    network: nn.Module, pictures: Tensor, loss: Callable[[Tensor], Tensor], *, chunk: int
) -> Tensor:
    """The loss of the whole batch's embeddings, its gradient left in the network's parameters.

    The chunks are embedded without keeping activations, the loss is differentiated at the
    embeddings (B, D), then each chunk is embedded again to carry its rows' gradient back: memory
    for one chunk, time for one more forward pass. Equal to loss(network(pictures)).backward() but
    for batch normalisation in training, whose statistics are then a chunk's.
    """
    # The first pass must not count in the running statistics of batch normalisation.
    buffers = [buffer.clone() for buffer in network.buffers()]
    starts = range(0, len(pictures), chunk)
    with torch.no_grad():
        embeddings = torch.cat([network(pictures[at : at + chunk]) for at in starts])
    for buffer, before in zip(network.buffers(), buffers, strict=True):
        buffer.copy_(before)
    embeddings.requires_grad_()
    value = loss(embeddings)
    (gradient,) = torch.autograd.grad(value, embeddings)
    for at in starts:
        network(pictures[at : at + chunk]).backward(gradient[at : at + chunk])
    return value.detach()
