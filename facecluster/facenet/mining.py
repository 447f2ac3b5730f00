"""Which triplets to learn from (section 3.2).

Every miner takes embeddings (B, D) with unit rows, identities (B,) integers with -1 for
unknown (neither anchor, positive nor negative), and the margin; it returns (T, 3) rows of the
batch, anchor, positive, negative. T may be 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
    chosen = [torch.empty((0, 3), dtype=torch.int64, device=identities.device)]
    for anchor, positive, reference, to_negative, different in _positives(embeddings, identities):
        qualifies = different & (to_negative > reference) & (to_negative < reference + margin)
        nearest = to_negative.masked_fill(~qualifies, torch.inf).min(dim=1)
        found = nearest.values < torch.inf
        chosen.append(torch.stack([anchor, positive, nearest.indices], dim=1)[found])
    return torch.cat(chosen)


@torch.no_grad()
def all_triplets(embeddings: Tensor, identities: Tensor, margin: float) -> Tensor:
    """Every triplet of the batch that breaks the margin (Eq. 1); O(B^3) comparisons and rows."""
    chosen = [torch.empty((0, 3), dtype=torch.int64, device=identities.device)]
    for anchor, positive, reference, to_negative, different in _positives(embeddings, identities):
        pair, negative = (different & (to_negative < reference + margin)).nonzero(as_tuple=True)
        chosen.append(torch.stack([anchor[pair], positive[pair], negative], dim=1))
    return torch.cat(chosen)


@torch.no_grad()
def hardest(embeddings: Tensor, identities: Tensor, margin: float) -> Tensor:
    """One triplet an anchor: its farthest positive and its nearest negative, if the margin breaks.

    Inside a batch, or offline: every n steps, over the newest network's embeddings of a subset of
    the data, for only a block of the distances is held at a time. O(B^2 D) time.
    The paper warns of it: from a random start such negatives collapse the network to f(x) = 0.
    """
    chosen = [torch.empty((0, 3), dtype=torch.int64, device=identities.device)]
    for start in range(0, len(identities), _BLOCK):
        block = slice(start, start + _BLOCK)
        same, different = _pairs(identities, block)
        distances = (2.0 - 2.0 * embeddings[block] @ embeddings.T).clamp(0.0, 4.0)
        positive = distances.masked_fill(~same, -torch.inf).max(dim=1)
        negative = distances.masked_fill(~different, torch.inf).min(dim=1)
        found = (positive.values > -torch.inf) & (negative.values < positive.values + margin)
        anchor = torch.arange(start, start + len(distances), device=identities.device)
        chosen.append(torch.stack([anchor, positive.indices, negative.indices], dim=1)[found])
    return torch.cat(chosen)


def _positives(
    embeddings: Tensor, identities: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
    """All anchor-positive pairs, a block of T at a time, with what chooses their negatives.

    Anchors and positives (T,), their distances (T, 1), the anchors' distances to all faces (T, B)
    and which of these are somebody else (T, B).
    """
    distances = squared_distances(embeddings)
    same, different = _pairs(identities, slice(None))
    anchors, positives = same.nonzero(as_tuple=True)
    for start in range(0, len(anchors), _BLOCK):
        anchor, positive = anchors[start : start + _BLOCK], positives[start : start + _BLOCK]
        reference = distances[anchor, positive][:, None]
        yield anchor, positive, reference, distances[anchor], different[anchor]


def _pairs(identities: Tensor, block: slice) -> tuple[Tensor, Tensor]:
    """Of a block of faces with all: who is the same person, itself left out, and who another."""
    rows = torch.arange(len(identities), device=identities.device)
    known = (identities[block] >= 0)[:, None] & (identities >= 0)[None, :]
    same = (identities[block][:, None] == identities[None, :]) & known
    itself = rows[block][:, None] == rows[None, :]
    return same & ~itself, ~same & known


Miner = Callable[[Tensor, Tensor, float], Tensor]
MINERS: dict[str, Miner] = {"semi_hard": semi_hard, "all": all_triplets, "hardest": hardest}
