"""The triplet loss (section 3.1) and the regression on a teacher's embeddings."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from facecluster.errors import TrainingError

__all__ = [
    "contrastive_loss",
    "distillation_loss",
    "relational_loss",
    "squared_distances",
    "triplet_loss",
]


def squared_distances(embeddings: Tensor) -> Tensor:
    """All pairwise squared L2 distances of unit rows: (B, D) -> (B, B) in [0, 4], zero diagonal.

    By the Gram matrix, so O(B^2 D); rounding is clamped away at both ends.
    """
    distances = (2.0 - 2.0 * embeddings @ embeddings.T).clamp(0.0, 4.0)
    itself = torch.eye(len(embeddings), dtype=torch.bool, device=embeddings.device)
    return distances.masked_fill(itself, 0.0)


def triplet_loss(embeddings: Tensor, triplets: Tensor, *, margin: float = 0.2) -> Tensor:
    """Mean over the triplets of max(0, ||a - p||^2 - ||a - n||^2 + margin) (Eq. 3).

    embeddings (B, D) unit rows, triplets (T, 3) rows of the batch. With no triplet the loss is a
    zero that still has a gradient (of zero). margin 0.2: alpha in section 3.1.
    # Differs from the paper: the mean, not the sum, so that the learning rate does not depend on
    # T.
    """
    if margin <= 0:
        raise TrainingError(f"margin must be greater than 0, got {margin}.")
    if len(triplets) == 0:
        return 0.0 * embeddings.sum()
    anchor, positive, negative = (embeddings[column] for column in triplets.unbind(1))
    excess = (anchor - positive).pow(2).sum(1) - (anchor - negative).pow(2).sum(1) + margin
    return excess.clamp(min=0.0).mean()


def distillation_loss(embeddings: Tensor, targets: Tensor) -> Tensor:
    """Mean squared distance of each embedding to its teacher's, both (B, D) unit rows; 0 to 4."""
    return (embeddings - targets).pow(2).sum(1).mean()


def relational_loss(embeddings: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error of the squared distances within the batch, against the teacher's.

    Both (B, D) unit rows, B >= 2. The regression alone lets a network that is unsure of a face
    answer with the middle of all it might be, which puts strangers side by side: just what a low
    FAR forbids. This loss sees the pairs (Park et al., "Relational Knowledge Distillation", 2019).
    """
    errors = squared_distances(embeddings) - squared_distances(targets)
    count = len(embeddings)
    return errors.pow(2).sum() / (count * (count - 1))


def contrastive_loss(
    embeddings: Tensor, targets: Tensor, bank: Tensor, *, scale: float = 16.0
) -> Tensor:
    """Cross-entropy between whom the teacher and whom the network find near, among all of `bank`.

    embeddings and targets (B, D), bank (N, D), unit rows; near is the softmax of scale times the
    cosine. Each face is told apart from N others at every step, most from those it is mistaken for;
    least where embeddings equal targets (Fang et al., "SEED", 2021). O(B N D).
    """
    wanted = functional.softmax(scale * targets @ bank.T, dim=1)
    return functional.cross_entropy(scale * embeddings.float() @ bank.T, wanted)
