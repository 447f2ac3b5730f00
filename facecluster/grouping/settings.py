"""How to group: the method and what it needs to know."""

from __future__ import annotations

from dataclasses import dataclass

from facecluster.errors import UsageError

__all__ = ["METHODS", "Settings"]

METHODS = ("agglomerative", "kmeans", "hdbscan")
# No two points of the sphere are farther apart, squared.
FARTHEST = 4.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How to group; raises UsageError when made of what does not fit together.

    threshold is a squared distance (0 to 4) that agglomerative and hdbscan need, and kmeans when k
    is None; k is for kmeans alone. With by_centroid groups are joined by their centroids once
    agglomerative or hdbscan has made them. A group has at least `minimum` faces.
    """

    method: str
    threshold: float | None
    k: int | None = None
    by_centroid: bool = True
    minimum: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"Unknown method {self.method!r}: choose one of {', '.join(METHODS)}.")
        if self.k is not None and self.method != "kmeans":
            raise UsageError(f"The number of groups is for kmeans, not {self.method}: leave out k.")
        if self.k is not None and self.k < 1:
            raise UsageError(f"The number of groups must be at least 1, got {self.k}.")
        if self.threshold is None and self.k is None:
            raise UsageError(f"{self.method} needs a threshold, a squared distance of 0 to 4.")
        if self.threshold is not None and not self.threshold >= 0.0:
            raise UsageError(f"The threshold is a squared distance, 0 to 4; got {self.threshold}.")
        if self.minimum < 1:
            raise UsageError(f"The smallest group must have at least 1 face, got {self.minimum}.")

    @property
    def reach(self) -> float:
        """The squared distance up to which faces belong together: all there are where k decides."""
        return FARTHEST if self.threshold is None or self.k is not None else self.threshold
