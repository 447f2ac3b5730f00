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
    cells, groups, people = _counts(labels, truth)
    right = (cells**2).astype(np.float64)
    return Agreement(
        float((right / groups).sum() / len(labels)), float((right / people).sum() / len(labels))
    )


def pairwise(labels: Labels, truth: Labels) -> Agreement:
    """Over all pairs of faces: grouped pairs that are one person, pairs of one person grouped.

    No pair at all counts as 1.
    """
    cells, _, _ = _counts(labels, truth)
    both = int((cells * (cells - 1)).sum())

    def share(sizes: NDArray[np.int64]) -> float:
        pairs = int((sizes * (sizes - 1)).sum())
        return both / pairs if pairs else 1.0

    return Agreement(share(_sizes(_apart(labels))), share(_sizes(truth)))


def purity(labels: Labels, truth: Labels) -> float:
    """The share of the faces that show who their group shows most; groups of one are pure."""
    _counts(labels, truth)
    groups = _apart(labels)
    most: dict[int, int] = {}
    keys, counts = np.unique(np.stack([groups, truth]), axis=1, return_counts=True)
    for group, count in zip(keys[0].tolist(), counts.tolist(), strict=True):
        most[group] = max(most.get(group, 0), count)
    return sum(most.values()) / len(labels)


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


def _counts(
    labels: Labels, truth: Labels
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """For each (group, person) that occurs: its faces, its group's and its person's."""
    if labels.shape != truth.shape or labels.ndim != 1:
        raise ValueError(f"labels and truth must be as many, got {labels.shape} and {truth.shape}")
    if len(labels) == 0:
        raise UsageError("There are no faces of known people to compare groups with.")
    pairs, cells = np.unique(np.stack([_apart(labels), truth]), axis=1, return_counts=True)
    _, group, group_sizes = np.unique(_apart(labels), return_inverse=True, return_counts=True)
    _, person, person_sizes = np.unique(truth, return_inverse=True, return_counts=True)
    size_of_group = dict(zip(_apart(labels).tolist(), group_sizes[group].tolist(), strict=True))
    size_of_person = dict(zip(truth.tolist(), person_sizes[person].tolist(), strict=True))
    groups = np.array([size_of_group[g] for g in pairs[0].tolist()], dtype=np.int64)
    people = np.array([size_of_person[p] for p in pairs[1].tolist()], dtype=np.int64)
    return cells.astype(np.int64), groups, people


def _apart(labels: Labels) -> Labels:
    """The labels with a number of its own for each face that is in no group."""
    alone = labels < 0
    apart: Labels = labels.copy()
    apart[alone] = labels.max() + 1 + np.arange(int(alone.sum()))
    return apart


def _sizes(labels: Labels) -> NDArray[np.int64]:
    sizes: Labels = np.unique(labels, return_counts=True)[1].astype(np.int64)
    return sizes
