"""The losses against sums written out by hand (section 3.1)."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from facecluster.errors import TrainingError
from facecluster.facenet.losses import (
    contrastive_loss,
    distillation_loss,
    relational_loss,
    squared_distances,
    triplet_loss,
)


def unit_rows(count: int, dimension: int = 8, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(count, dimension, generator=generator), dim=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_squared_distances_equal_a_naive_loop(dtype: torch.dtype) -> None:
    embeddings = unit_rows(9).to(dtype)
    distances = squared_distances(embeddings)
    for i in range(9):
        for j in range(9):
            expected = sum((embeddings[i, d] - embeddings[j, d]) ** 2 for d in range(8))
            torch.testing.assert_close(distances[i, j], expected, atol=1e-6, rtol=1e-5)


def test_identical_rows_are_at_distance_zero_not_below() -> None:
    distances = squared_distances(unit_rows(1).repeat(5, 1))
    assert (distances >= 0).all() and (distances < 1e-6).all()


@pytest.mark.parametrize("margin", [0.05, 0.2, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_triplet_loss_equals_a_naive_loop(margin: float, dtype: torch.dtype) -> None:
    embeddings = unit_rows(6).to(dtype)
    triplets = torch.tensor([[0, 1, 2], [3, 4, 5], [1, 0, 5], [2, 3, 4]])
    terms = []
    for a, p, n in triplets.tolist():
        near = float(((embeddings[a] - embeddings[p]) ** 2).sum())
        far = float(((embeddings[a] - embeddings[n]) ** 2).sum())
        terms.append(max(0.0, near - far + margin))
    loss = float(triplet_loss(embeddings, triplets, margin=margin))
    assert loss == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def test_gradient_pulls_the_positive_and_pushes_the_negative() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], requires_grad=True)
    triplet_loss(embeddings, torch.tensor([[0, 1, 2]])).backward()
    assert embeddings.grad is not None
    # d/dp of |a-p|^2 is 2(p-a); d/dn of -|a-n|^2 is 2(a-n).
    torch.testing.assert_close(embeddings.grad[1], torch.tensor([-2.0, 2.0]))
    torch.testing.assert_close(embeddings.grad[2], torch.tensor([0.8, -1.6]))


def test_no_triplets_is_a_zero_with_a_zero_gradient() -> None:
    embeddings = unit_rows(3).requires_grad_()
    loss = triplet_loss(embeddings, torch.empty((0, 3), dtype=torch.int64))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert embeddings.grad is not None and not embeddings.grad.any()


@pytest.mark.parametrize("margin", [0.0, -0.1])
def test_a_margin_that_is_not_positive_is_refused(margin: float) -> None:
    with pytest.raises(TrainingError, match="margin must be greater than 0"):
        triplet_loss(unit_rows(3), torch.tensor([[0, 1, 2]]), margin=margin)


def test_distillation_loss_is_the_mean_squared_distance() -> None:
    first, second = unit_rows(4), unit_rows(4, seed=1)
    expected = sum(float(((a - b) ** 2).sum()) for a, b in zip(first, second, strict=True)) / 4
    assert float(distillation_loss(first, second)) == pytest.approx(expected, rel=1e-5)


def test_relational_loss_equals_a_naive_loop_over_pairs() -> None:
    student, teacher = unit_rows(5), unit_rows(5, seed=1)
    total = 0.0
    for i in range(5):
        for j in range(5):
            if i != j:
                near = float(((student[i] - student[j]) ** 2).sum())
                total += (near - float(((teacher[i] - teacher[j]) ** 2).sum())) ** 2
    assert float(relational_loss(student, teacher)) == pytest.approx(total / 20, rel=1e-4)
    assert float(relational_loss(teacher, teacher)) == 0.0


def test_relational_loss_parts_strangers_that_lie_side_by_side() -> None:
    student = torch.tensor([[1.0, 0.0], [0.8, 0.6]], requires_grad=True)
    relational_loss(student, torch.eye(2)).backward()
    assert student.grad is not None
    apart = student.detach() - 0.1 * student.grad
    assert (apart[0] @ apart[1]) < 0.8


def test_contrastive_loss_equals_a_naive_cross_entropy_over_the_bank() -> None:
    student, teacher, bank = unit_rows(4), unit_rows(4, seed=1), unit_rows(9, seed=2)
    total = 0.0
    for mine, wanted in zip(student, teacher, strict=True):
        shares = [math.exp(8.0 * float(wanted @ other)) for other in bank]
        guesses = [math.exp(8.0 * float(mine @ other)) for other in bank]
        total -= sum(
            share / sum(shares) * math.log(guess / sum(guesses))
            for share, guess in zip(shares, guesses, strict=True)
        )
    found = float(contrastive_loss(student, teacher, bank, scale=8.0))
    assert found == pytest.approx(total / 4, rel=1e-5)


def test_contrastive_loss_is_least_at_the_teachers_embedding() -> None:
    teacher, bank = unit_rows(3, seed=1).requires_grad_(), unit_rows(9, seed=2)
    contrastive_loss(teacher, teacher.detach(), bank).backward()
    assert teacher.grad is not None
    torch.testing.assert_close(teacher.grad, torch.zeros_like(teacher.grad), atol=1e-5, rtol=0)
