"""How well groups of faces agree with who they show: BCubed, pairs, purity.

labels and truth are (N,) integers. A label of -1 is in no group, so it counts as a group of one.
All figures are from the table of counts of (group, person): O(N log N).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import UsageError

__all__ = ["Agreement", "bcubed", "grouping", "pairwise", "purity"]

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Precision: what is together belongs together. Recall: what belongs together is together."""

    precision: float
    recall: float

    @property
    def f(self) -> float:
        """The harmonic mean of both, 0 when both are 0."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def bcubed(labels: Labels, truth: Labels) -> Agreement:
    """The mean over the faces of the share of its group, or person (recall), that is right.

    Bagga and Baldwin 1998, as Amigo et al. 2009 recommend; a face counts as in its own company.
    """
    table = _table(labels, truth)
    right = (table.count**2).astype(np.float64)
    return Agreement(
        float((right / table.groups[table.group]).sum() / len(labels)),
        float((right / table.people[table.person]).sum() / len(labels)),
    )


def pairwise(labels: Labels, truth: Labels) -> Agreement:
    """Over all pairs of faces: grouped pairs that are one person, pairs of one person grouped.

    No pair at all counts as 1.
    """
    table = _table(labels, truth)
    both = _pairs(table.count)
    grouped, one_person = _pairs(table.groups), _pairs(table.people)
    return Agreement(both / grouped if grouped else 1.0, both / one_person if one_person else 1.0)


def purity(labels: Labels, truth: Labels) -> float:
    """The share of the faces that show who their group shows most; groups of one are pure."""
    table = _table(labels, truth)
    most = np.zeros_like(table.groups)
    np.maximum.at(most, table.group, table.count)
    return float(most.sum() / len(labels))


def grouping(labels: Labels, truth: Labels) -> Iterator[tuple[str, float]]:
    """All figures of a labelling: BCubed, pairs, purity, groups, and the share of faces in one."""
    for name, agreement in (
        ("BCubed", bcubed(labels, truth)),
        ("pairwise", pairwise(labels, truth)),
    ):
        yield f"{name} precision", agreement.precision
        yield f"{name} recall", agreement.recall
        yield f"{name} F", agreement.f
    yield "purity", purity(labels, truth)
    yield "groups", float(len(np.unique(labels[labels >= 0])))
    yield "people", float(len(np.unique(truth)))
    yield "share in a group", float(np.mean(labels >= 0))


@dataclass(frozen=True, slots=True)
class _Table:
    """How many faces each pair of a group and a person has that occurs: group, person and count are
    (C,), groups and people the sizes of all groups and people, by their number there."""

    group: Labels
    person: Labels
    count: Labels
    groups: Labels
    people: Labels


def _table(labels: Labels, truth: Labels) -> _Table:
    if labels.shape != truth.shape or labels.ndim != 1:
        raise ValueError(f"labels and truth must be as many, got {labels.shape} and {truth.shape}")
    if len(labels) == 0:
        raise UsageError("There are no faces of known people to compare groups with.")
    # A face in no group is a group of its own.
    alone = labels.max() + 1 + np.arange(len(labels))
    _, groups = np.unique(np.where(labels < 0, alone, labels), return_inverse=True)
    _, people = np.unique(truth, return_inverse=True)
    (group, person), count = np.unique(np.stack([groups, people]), axis=1, return_counts=True)
    return _Table(group, person, count, np.bincount(groups), np.bincount(people))


def _pairs(sizes: Labels) -> int:
    return int((sizes * (sizes - 1) // 2).sum())
