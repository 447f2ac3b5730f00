"""How well embeddings tell people apart (section 4): VAL and FAR, ROC, EER, and the LFW protocol.

`same` and `different` are the squared distances of pairs of one person (P_same) and of two
(P_diff), (S,) and (T,). A pair is accepted when its distance D <= d. UsageError where there are no
pairs to measure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import UsageError

__all__ = [
    "FoldedAccuracy",
    "FoldedValidation",
    "Roc",
    "all_pairs",
    "area_under_curve",
    "best_threshold",
    "equal_error_rate",
    "even_folds",
    "false_accept_rate",
    "folded_accuracy",
    "folded_validation",
    "roc",
    "squared_distances",
    "threshold_at_far",
    "validation_at_far",
    "validation_rate",
]

Floats = NDArray[np.float64]
_FOLDS = 10  # as LFW has them


def squared_distances(
    left: NDArray[np.floating], right: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Squared L2 distance of row i of left to row i of right, both (N, D): (N,), float64."""
    difference = np.asarray(left, dtype=np.float64) - right
    distances: Floats = np.einsum("ij,ij->i", difference, difference)
    return distances


def all_pairs(
    identities: NDArray[np.int64],
    one: NDArray[np.float32],
    other: NDArray[np.float32] | None = None,
) -> tuple[Floats, Floats]:
    """Squared distances of all same and of all different pairs of N faces, (S,) and (T,).

    identities (N,), unit rows (N, D). With `other`, a second network's rows of the same faces, the
    pairs are of one's row and other's, of two different faces: both ways round. By the Gram matrix.
    """
    across = one if other is None else other
    distances = np.clip(2.0 - 2.0 * (one @ across.T).astype(np.float64), 0.0, 4.0)
    every = np.ones(distances.shape, dtype=np.bool_)
    pairs = np.triu(every, 1) if other is None else every & ~np.eye(len(one), dtype=np.bool_)
    same = identities[:, None] == identities[None, :]
    return distances[pairs & same], distances[pairs & ~same]


def validation_rate(same: Floats, threshold: float) -> float:
    """VAL(d) = |TA(d)| / |P_same|: the share of same pairs accepted."""
    return float(np.mean(_some(same, "same") <= threshold))


def false_accept_rate(different: Floats, threshold: float) -> float:
    """FAR(d) = |FA(d)| / |P_diff|: the share of different pairs accepted."""
    return float(np.mean(_some(different, "different") <= threshold))


@dataclass(frozen=True, slots=True)
class Roc:
    """FAR and VAL at each threshold, all (T,) and none falling.

    The first threshold accepts nothing, the last everything; those between are the distances met.
    """

    thresholds: Floats
    far: Floats
    val: Floats


def roc(same: Floats, different: Floats) -> Roc:
    """The whole curve, one point for each different distance; O(n log n)."""
    same, different = np.sort(_some(same, "same")), np.sort(_some(different, "different"))
    thresholds = np.unique(np.concatenate([same, different]))
    thresholds = np.concatenate([[np.nextafter(thresholds[0], -np.inf)], thresholds])
    far = np.searchsorted(different, thresholds, side="right") / len(different)
    val = np.searchsorted(same, thresholds, side="right") / len(same)
    return Roc(thresholds, far, val)


def area_under_curve(same: Floats, different: Floats) -> float:
    """The probability that a same pair is nearer than a different one, a tie counting half."""
    same, different = _some(same, "same"), np.sort(_some(different, "different"))
    nearer = len(different) - np.searchsorted(different, same, side="right")
    not_farther = len(different) - np.searchsorted(different, same, side="left")
    return float((nearer + not_farther).sum() / (2 * len(same) * len(different)))


def equal_error_rate(same: Floats, different: Floats) -> tuple[float, float]:
    """The rate at which as many same pairs are refused as different ones accepted; its threshold.

    Where the steps do not meet exactly, the mean of both at the threshold that brings them nearest
    to each other (the lowest such).
    """
    curve = roc(same, different)
    refused = 1.0 - curve.val
    at = int(np.argmin(np.abs(curve.far - refused)))
    return float((curve.far[at] + refused[at]) / 2), float(curve.thresholds[at])


def threshold_at_far(different: Floats, far: float) -> float:
    """The largest threshold whose FAR on these pairs is at most far (0 <= far <= 1).

    It lies just below the first different pair too many; 4.0 when there is none. Fewer than 1 / far
    pairs cannot show such a rate: then none of them is accepted.
    """
    if not 0 <= far <= 1:
        raise ValueError(f"far must be from 0 to 1, got {far}")
    ordered = np.sort(_some(different, "different"))
    # A wish such as 0.29 x 100 must not lose a pair to rounding.
    allowed = math.floor(far * len(ordered) + 1e-9)
    return 4.0 if allowed >= len(ordered) else float(np.nextafter(ordered[allowed], -np.inf))


def validation_at_far(same: Floats, different: Floats, far: float) -> float:
    """VAL at the largest threshold whose FAR on these pairs is at most far (0 <= far <= 1)."""
    return validation_rate(same, threshold_at_far(different, far))


def best_threshold(distances: Floats, same: NDArray[np.bool_]) -> tuple[float, float]:
    """The threshold with the highest accuracy on pairs (N,), and that accuracy.

    Among equally good ones the middle of the widest gap between two distances, so that it is as
    far as possible from both.
    """
    order = np.argsort(_some(distances, "any"), kind="stable")
    ordered, accepted = distances[order], same[order].astype(np.int64)
    # right[i]: pairs judged rightly when the i nearest are accepted.
    right = np.concatenate([[0], np.cumsum(2 * accepted - 1)]) + int((~same).sum())
    # The lowest edge is below every distance, so that accepting none is a choice, too.
    edges = np.concatenate([[min(0.0, ordered[0] - 1e-9)], ordered, [max(4.0, ordered[-1])]])
    gaps = np.diff(edges)
    # Distances equal but for rounding cannot be parted: only a real gap, or either end, is a
    # threshold.
    possible = gaps > 1e-12
    possible[-1] = True
    right = np.where(possible, right, -1)
    best = np.flatnonzero(right == right.max())
    at = int(best[np.argmax(gaps[best])])
    return float((edges[at] + edges[at + 1]) / 2), float(right[at] / len(distances))


@dataclass(frozen=True, slots=True)
class FoldedAccuracy:
    """The LFW figure: mean over the folds, its standard error, and both of each fold (F,)."""

    mean: float
    standard_error: float
    accuracies: Floats
    thresholds: Floats


def folded_accuracy(
    distances: Floats, same: NDArray[np.bool_], folds: NDArray[np.int64]
) -> FoldedAccuracy:
    """Accuracy on each fold with the best threshold of all others (section 5.6).

    distances, same, folds are (N,); folds are any numbers, at least two of them. The standard error
    is s / sqrt(F), s with F - 1 degrees of freedom.
    """
    numbers = np.unique(folds)
    if len(numbers) < 2:
        raise UsageError("Accuracy over folds needs pairs in at least two folds.")
    accuracies, thresholds = [], []
    for number in numbers:
        here = folds == number
        threshold, _ = best_threshold(distances[~here], same[~here])
        accuracies.append(float(np.mean((distances[here] <= threshold) == same[here])))
        thresholds.append(threshold)
    error = float(np.std(accuracies, ddof=1) / math.sqrt(len(numbers)))
    return FoldedAccuracy(
        float(np.mean(accuracies)), error, np.array(accuracies), np.array(thresholds)
    )


@dataclass(frozen=True, slots=True)
class FoldedValidation:
    """VAL at a wished FAR as the paper gives it: means over the folds and VAL's standard error.

    far is the rate that the folds really had, at the thresholds that the others set.
    """

    wished: float
    val: float
    standard_error: float
    far: float
    threshold: float


def folded_validation(
    distances: Floats, same: NDArray[np.bool_], folds: NDArray[np.int64], far: float
) -> FoldedValidation:
    """VAL and FAR on each fold at the threshold that has this FAR on all others (section 5.6).

    distances, same, folds are (N,); every fold needs pairs of both kinds.
    """
    numbers = np.unique(folds)
    if len(numbers) < 2:
        raise UsageError("VAL over folds needs pairs in at least two folds.")
    values, rates, thresholds = [], [], []
    for number in numbers:
        here = folds == number
        threshold = threshold_at_far(distances[~here & ~same], far)
        values.append(validation_rate(distances[here & same], threshold))
        rates.append(false_accept_rate(distances[here & ~same], threshold))
        thresholds.append(threshold)
    error = float(np.std(values, ddof=1) / math.sqrt(len(numbers)))
    return FoldedValidation(
        far, float(np.mean(values)), error, float(np.mean(rates)), float(np.mean(thresholds))
    )


def even_folds(same: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Folds 0 ... 9 for pairs that come without: runs of each kind, as LFW's are.

    (N,) -> (N,). Runs, not turns, because lists are ordered by name: fewer people are in two folds.
    """
    folds = np.empty(len(same), dtype=np.int64)
    for kind in (True, False):
        rows = np.flatnonzero(same == kind)
        folds[rows] = np.arange(len(rows)) * _FOLDS // max(1, len(rows))
    return folds


def _some(distances: Floats, kind: str) -> Floats:
    if len(distances) == 0:
        raise UsageError(f"There are no {kind} pairs to measure.")
    return distances
