"""HDBSCAN on a sparse graph of near faces."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facecluster.grouping.agglomerative import identical_pairs
from facecluster.grouping.candidates import HELD, LEAST_HELD, near_pairs, seed_radius
from facecluster.grouping.constraints import Constraints
from facecluster.grouping.repair import obey
from facecluster.grouping.steps import part

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["hdbscan_steps"]

# Groups that part at less than this share of the threshold stay one: HDBSCAN alone breaks one
# person into many.
JOINED = 0.5
# The smallest distance in the graph: a sparse matrix has no place for 0, and single precision knows
# no less.
NEAREST = 1e-3
# About the share of the time that the search for near pairs takes.
SEARCH = 0.5


def hdbscan_steps(
    embeddings: NDArray[np.float32], threshold: float, constraints: Constraints, minimum: int
) -> Generator[float, None, NDArray[np.int64]]:
    """Labels (N,), -1 for noise, of HDBSCAN made to obey the statements; yields the share done.

    Two faces are linked when nearer than the threshold (squared): all such pairs while there are at
    most 16 a face on average (65,536 in a small library), else the 8 nearest of each face in a
    crowd, which makes the result approximate. Costs one symmetric n x n x d product, and memory for
    those pairs.
    """
    n = len(embeddings)
    limit = min(float(threshold), 4.0)
    held = max(HELD * n, LEAST_HELD)
    # A hair more than the limit: two faces exactly as far as the threshold are linked, as in
    # average linkage.
    radius = seed_radius(embeddings.__getitem__, n, n, limit + 1e-6, held)
    none = np.empty(0, dtype=np.int64)
    pairs = near_pairs(embeddings.__getitem__, radius, scanned=n, barred=none, held=held)
    found = yield from part(pairs, 0.0, SEARCH)
    twins = identical_pairs(embeddings, np.arange(n))
    a = np.concatenate([found.a, twins[:, 0]])
    b = np.concatenate([found.b, twins[:, 1]])
    distance = np.concatenate([found.distance, np.zeros(len(twins))])
    labels = np.full(n, -1, dtype=np.int64)
    linked, place = np.unique(np.concatenate([a, b]), return_inverse=True)
    if len(linked):
        length = np.maximum(np.sqrt(np.maximum(distance, 0.0)), NEAREST)
        far = max(np.sqrt(limit), NEAREST) * 1.001
        graph = _connected(place[: len(a)], place[len(a) :], length, far, len(linked))
        labels[linked] = _hdbscan(graph, np.sqrt(JOINED * limit), max(2, minimum))
    return obey(labels, embeddings, constraints)


def _connected(
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    length: NDArray[np.float64],
    far: float,
    m: int,
) -> csr_matrix:
    """The graph, with bridges between its parts and to two extra rows, `far` long.

    No pair that is not listed is nearer than far. HDBSCAN never selects the root, which is the
    whole graph: the extra rows make sure that a library of one person is not the root.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links = coo_matrix((np.ones(len(a)), (a, b)), shape=(m, m))
    _, part = connected_components(links, directed=False)
    _, entry = np.unique(part, return_index=True)
    a = np.concatenate([a, entry, [m]])
    b = np.concatenate([b, np.full(len(entry), m), [m + 1]])
    length = np.concatenate([length, np.full(len(entry), far), [NEAREST]])
    key, first = np.unique(np.minimum(a, b) * (m + 2) + np.maximum(a, b), return_index=True)
    low, high = np.divmod(key, m + 2)
    value = length[first]
    both = (np.concatenate([low, high]), np.concatenate([high, low]))
    return coo_matrix((np.concatenate([value, value]), both), shape=(m + 2, m + 2)).tocsr()


def _hdbscan(graph: csr_matrix, joined: float, minimum: int) -> NDArray[np.int64]:
    """Labels of all rows of the graph but the two extra ones."""
    from hdbscan import HDBSCAN

    model = HDBSCAN(
        metric="precomputed",
        min_cluster_size=minimum,
        min_samples=1,
        cluster_selection_epsilon=float(joined),
    )
    labels = np.asarray(model.fit(graph).labels_, dtype=np.int64)[:-2]
    return labels
