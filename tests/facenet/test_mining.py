"""The miners against naive triple loops (section 3.2)."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from facecluster.facenet.losses import squared_distances
from facecluster.facenet.mining import MINERS

Triplet = tuple[int, int, int]


def naive(
    embeddings: torch.Tensor, identities: torch.Tensor, margin: float
) -> dict[str, list[Triplet]]:
    """What each miner must find, by loops over anchor, positive and negative."""
    distances = squared_distances(embeddings)
    rows = [row for row in range(len(identities)) if identities[row] >= 0]
    found: dict[str, list[Triplet]] = {"semi_hard": [], "all": [], "hardest": []}
    for a in rows:
        positives = [p for p in rows if p != a and identities[p] == identities[a]]
        negatives = [n for n in rows if identities[n] != identities[a]]
        for p in positives:
            inside = [
                n for n in negatives if distances[a, p] < distances[a, n] < distances[a, p] + margin
            ]
            if inside:
                found["semi_hard"].append((a, p, min(inside, key=lambda n: float(distances[a, n]))))
            found["all"] += [
                (a, p, n) for n in negatives if distances[a, n] < distances[a, p] + margin
            ]
        if positives and negatives:
            far = max(positives, key=lambda p: float(distances[a, p]))
            near = min(negatives, key=lambda n: float(distances[a, n]))
            if distances[a, near] < distances[a, far] + margin:
                found["hardest"].append((a, far, near))
    return found


@pytest.mark.parametrize("miner", MINERS)
@pytest.mark.parametrize("margin", [0.05, 0.2, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_naive_loop(miner: str, margin: float, dtype: torch.dtype, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    embeddings = functional.normalize(torch.randn(24, 4, generator=generator), dim=1).to(dtype)
    identities = torch.randint(-1, 6, (24,), generator=generator)
    found = MINERS[miner](embeddings, identities, margin)
    expected = naive(embeddings, identities, margin)[miner]
    assert expected and [tuple(row) for row in found.tolist()] == expected


@pytest.mark.parametrize("miner", MINERS)
@pytest.mark.parametrize("identities", [[], [0], [0, 1, 2], [0, 0, 0], [-1, -1, -1]])
def test_no_valid_triplet_is_an_empty_table(miner: str, identities: list[int]) -> None:
    embeddings = functional.normalize(torch.randn(len(identities), 4), dim=1)
    found = MINERS[miner](embeddings, torch.tensor(identities, dtype=torch.int64), 0.2)
    assert found.shape == (0, 3) and found.dtype == torch.int64


@pytest.mark.parametrize("miner", MINERS)
def test_blocks_do_not_change_the_result(miner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(7)
    embeddings = functional.normalize(torch.randn(20, 4, generator=generator), dim=1)
    identities = torch.arange(20) // 4
    whole = MINERS[miner](embeddings, identities, 0.5)
    monkeypatch.setattr("facecluster.facenet.mining._BLOCK", 7)
    assert torch.equal(MINERS[miner](embeddings, identities, 0.5), whole)


@pytest.mark.parametrize("miner", MINERS)
def test_no_gradient_flows_through_the_choice(miner: str) -> None:
    embeddings = functional.normalize(torch.randn(8, 4), dim=1).requires_grad_()
    found = MINERS[miner](embeddings, torch.arange(8) // 2, 2.0)
    assert len(found) and not found.requires_grad
