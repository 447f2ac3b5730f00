"""A large batch in chunks gives the gradients of one pass (section 3.2's 1,800 faces)."""

from __future__ import annotations

import copy

import pytest
import torch

from facecluster.facenet.architectures import build
from facecluster.facenet.losses import triplet_loss
from facecluster.facenet.mining import semi_hard
from facecluster.facenet.replay import replayed_backward

IDENTITIES = torch.arange(12) // 3


def loss(embeddings: torch.Tensor) -> torch.Tensor:
    return triplet_loss(embeddings, semi_hard(embeddings, IDENTITIES, 0.5), margin=0.5)


@pytest.mark.parametrize("chunk", [1, 5, 12, 100])
def test_gradients_equal_those_of_one_pass(chunk: int) -> None:
    torch.manual_seed(0)
    whole = build("nn4", 64, batch_norm=False).double()
    pieces = copy.deepcopy(whole)
    pictures = torch.randn(12, 3, 32, 32, dtype=torch.float64)
    expected = loss(whole(pictures))
    expected.backward()
    found = replayed_backward(pieces, pictures, loss, chunk=chunk)
    torch.testing.assert_close(found, expected.detach())
    for ours, theirs in zip(pieces.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-9, rtol=1e-6)


def test_running_statistics_count_each_face_once() -> None:
    torch.manual_seed(0)
    once = build("nn4", 64)
    twice = copy.deepcopy(once)
    pictures = torch.randn(12, 3, 32, 32)
    once(pictures)
    replayed_backward(twice, pictures, loss, chunk=12)
    for ours, theirs in zip(twice.buffers(), once.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs)
