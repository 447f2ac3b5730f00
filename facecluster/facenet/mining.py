"""Which triplets of a batch to learn from (section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from facecluster.facenet.losses import squared_distances

__all__ = ["semi_hard"]

_BLOCK = 4096  # anchor-positive pairs compared at once: bounds the memory to 4096 x B


@torch.no_grad()
def semi_hard(embeddings: Tensor, identities: Tensor, margin: float) -> Tensor:
    """Triplets whose negative is farther than the positive, but by less than the margin (Eq. 4).

    All anchor-positive pairs are used; each is given the nearest negative that qualifies.
    embeddings (B, D) unit rows, identities (B,) integers, -1 = unknown: never anchor or positive,
    nor negative. Returns (T, 3) rows of the batch, in the order of (anchor, positive); T may be
    0. O(B^3) comparisons, done a block of anchors at a time.
    """
    distances = squared_distances(embeddings)
    known = identities >= 0
    same = (identities[:, None] == identities[None, :]) & known[:, None]
    different = ~same & known[:, None] & known[None, :]
    same = same & ~torch.eye(len(identities), dtype=torch.bool, device=identities.device)
    anchors, positives = same.nonzero(as_tuple=True)
    chosen = []
    for start in range(0, len(anchors), _BLOCK):
        anchor, positive = anchors[start : start + _BLOCK], positives[start : start + _BLOCK]
        reference = distances[anchor, positive][:, None]
        to_negative = distances[anchor]
        qualifies = (
            different[anchor] & (to_negative > reference) & (to_negative < reference + margin)
        )
        nearest = to_negative.masked_fill(~qualifies, torch.inf).min(dim=1)
        found = nearest.values < torch.inf
        chosen.append(torch.stack([anchor[found], positive[found], nearest.indices[found]], dim=1))
    return torch.cat(chosen) if chosen else anchors.new_empty((0, 3))
