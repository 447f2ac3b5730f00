"""Which triplets to learn from (section 3.2).

Every miner takes embeddings (B, D) with unit rows, identities (B,) integers with -1 for
unknown (neither anchor, positive nor negative), and the margin; it returns (T, 3) rows of the
batch, anchor, positive, negative. T may be 0.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from facecluster.facenet.losses import squared_distances

__all__ = ["MINERS", "all_triplets", "hardest", "semi_hard"]

_BLOCK = 4096  # rows compared at once: bounds the memory to 4096 x B


@torch.no_grad()
def semi_hard(embeddings: Tensor, identities: Tensor, margin: float) -> Tensor:
    """Triplets whose negative is farther than the positive, but by less than the margin (Eq. 4).

    All anchor-positive pairs are used; each is given the nearest negative that qualifies.
    O(B^3) comparisons when the identities are few.
    """
    distances = squared_distances(embeddings)
    same, different = _pairs(identities)
    anchors, positives = same.nonzero(as_tuple=True)
    chosen = [anchors.new_empty((0, 3))]
    for start in range(0, len(anchors), _BLOCK):
        anchor, positive = anchors[start : start + _BLOCK], positives[start : start + _BLOCK]
        reference = distances[anchor, positive][:, None]
        to_negative = distances[anchor]
        qualifies = (
            different[anchor] & (to_negative > reference) & (to_negative < reference + margin)
        )
        nearest = to_negative.masked_fill(~qualifies, torch.inf).min(dim=1)
        found = nearest.values < torch.inf
        chosen.append(torch.stack([anchor, positive, nearest.indices], dim=1)[found])
    return torch.cat(chosen)


@torch.no_grad()
def all_triplets(embeddings: Tensor, identities: Tensor, margin: float) -> Tensor:
    """Every triplet of the batch that breaks the margin (Eq. 1); O(B^3) comparisons and rows."""
    distances = squared_distances(embeddings)
    same, different = _pairs(identities)
    anchors, positives = same.nonzero(as_tuple=True)
    chosen = [anchors.new_empty((0, 3))]
    for start in range(0, len(anchors), _BLOCK):
        anchor, positive = anchors[start : start + _BLOCK], positives[start : start + _BLOCK]
        reference = distances[anchor, positive][:, None]
        breaks = different[anchor] & (distances[anchor] < reference + margin)
        pair, negative = breaks.nonzero(as_tuple=True)
        chosen.append(torch.stack([anchor[pair], positive[pair], negative], dim=1))
    return torch.cat(chosen)


@torch.no_grad()
def hardest(embeddings: Tensor, identities: Tensor, margin: float) -> Tensor:
    """One triplet an anchor: its farthest positive and its nearest negative, if the margin breaks.

    Inside a batch, or offline: every n steps, over the newest network's embeddings of a subset of
    the data, for only a block of the distances is held at a time. O(B^2 D) time.
    The paper warns of it: from a random start such negatives collapse the network to f(x) = 0.
    """
    same, different = _pairs(identities)
    chosen = [torch.empty((0, 3), dtype=torch.int64, device=identities.device)]
    for start in range(0, len(identities), _BLOCK):
        block = slice(start, start + _BLOCK)
        distances = (2.0 - 2.0 * embeddings[block] @ embeddings.T).clamp(0.0, 4.0)
        positive = distances.masked_fill(~same[block], -torch.inf).max(dim=1)
        negative = distances.masked_fill(~different[block], torch.inf).min(dim=1)
        found = (positive.values > -torch.inf) & (negative.values < positive.values + margin)
        anchor = torch.arange(start, start + len(distances), device=identities.device)
        chosen.append(torch.stack([anchor, positive.indices, negative.indices], dim=1)[found])
    return torch.cat(chosen)


def _pairs(identities: Tensor) -> tuple[Tensor, Tensor]:
    """Which pairs (B, B) are of one identity, itself left out, and which of two."""
    known = (identities >= 0)[:, None] & (identities >= 0)[None, :]
    same = (identities[:, None] == identities[None, :]) & known
    itself = torch.eye(len(identities), dtype=torch.bool, device=identities.device)
    return same & ~itself, ~same & known


Miner = Callable[[Tensor, Tensor, float], Tensor]
MINERS: dict[str, Miner] = {"semi_hard": semi_hard, "all": all_triplets, "hardest": hardest}
