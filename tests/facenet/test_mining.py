"""Semi-hard mining against a naive triple loop (section 3.2, Eq. 4)."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from facecluster.facenet.losses import squared_distances
from facecluster.facenet.mining import semi_hard


def naive_semi_hard(
    embeddings: torch.Tensor, identities: torch.Tensor, margin: float
) -> list[tuple[int, int, int]]:
    distances = squared_distances(embeddings)
    triplets = []
    for a in range(len(identities)):
        for p in range(len(identities)):
            if p == a or identities[a] < 0 or identities[p] != identities[a]:
                continue
            best = None
            for n in range(len(identities)):
                if identities[n] < 0 or identities[n] == identities[a]:
                    continue
                inside = distances[a, p] < distances[a, n] < distances[a, p] + margin
                if inside and (best is None or distances[a, n] < distances[a, best]):
                    best = n
            if best is not None:
                triplets.append((a, p, best))
    return triplets


@pytest.mark.parametrize("margin", [0.05, 0.2, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(4))
def test_equals_the_naive_loop(margin: float, dtype: torch.dtype, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    embeddings = functional.normalize(torch.randn(24, 4, generator=generator), dim=1).to(dtype)
    identities = torch.randint(-1, 6, (24,), generator=generator)
    found = semi_hard(embeddings, identities, margin)
    assert [tuple(row) for row in found.tolist()] == naive_semi_hard(embeddings, identities, margin)


@pytest.mark.parametrize("identities", [[], [0], [0, 1, 2], [0, 0, 0], [-1, -1, -1]])
def test_no_valid_triplet_is_an_empty_table(identities: list[int]) -> None:
    embeddings = functional.normalize(torch.randn(len(identities), 4), dim=1)
    found = semi_hard(embeddings, torch.tensor(identities, dtype=torch.int64), 0.2)
    assert found.shape == (0, 3) and found.dtype == torch.int64


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings = functional.normalize(torch.randn(20, 4), dim=1)
    identities = torch.arange(20) // 4
    whole = semi_hard(embeddings, identities, 0.5)
    monkeypatch.setattr("facecluster.facenet.mining._BLOCK", 7)
    assert torch.equal(semi_hard(embeddings, identities, 0.5), whole)
