"""Which faces make a batch: pure functions of a seed and a step, so that a stopped training
resumes exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import TrainingError

__all__ = ["identity_batch", "uniform_batch"]

Rows = NDArray[np.int64]


def uniform_batch(count: int, size: int, *, seed: int, step: int) -> Rows:
    """`size` rows of `count`, so that each run of count // size steps meets a row at most once.

    Every epoch has its own shuffle of all rows; the remainder of count / size waits for another
    epoch.
    """
    if size > count:
        raise TrainingError(f"A batch of {size} faces needs as many training faces; {count} given.")
    epoch, position = divmod(step, count // size)
    order = np.random.default_rng((seed, 1, epoch)).permutation(count)
    return order[position * size : (position + 1) * size].astype(np.int64)


def identity_batch(
    identities: NDArray[np.int64],
    kin: NDArray[np.int64],
    *,
    P: int,
    K: int,
    seed: int,
    step: int,
) -> Rows:
    """P identities with K faces each (section 3.2): (P * K,) rows, the faces of an identity side
    by side.

    identities (N,), -1 = unknown; kin (N,) is equal for relatives: a drawn identity brings its
    relatives along while there is room, for they are the hardest negatives. Identities with one
    face are left out; those with fewer than K give faces more than once.
    """
    rng = np.random.default_rng((seed, 2, step))
    members = _faces_by_identity(identities)
    if len(members) < P:
        raise TrainingError(
            f"A batch of {P} identities needs as many with two faces: {len(members)} found."
        )
    families: dict[int, list[int]] = {}
    for identity, rows in members.items():
        families.setdefault(int(kin[rows[0]]), []).append(identity)
    names = np.array(list(members))
    chosen: dict[int, None] = {}
    for identity in rng.permutation(names):
        for relative in rng.permutation(families[int(kin[members[int(identity)][0]])]):
            if len(chosen) < P:
                chosen[int(relative)] = None
        if len(chosen) == P:
            break
    return np.concatenate([_draw(members[identity], K, rng) for identity in chosen])


def _faces_by_identity(identities: NDArray[np.int64]) -> dict[int, Rows]:
    order = np.argsort(identities, kind="stable")
    values, starts = np.unique(identities[order], return_index=True)
    pieces = np.split(order, starts[1:])
    return {
        int(value): rows.astype(np.int64)
        for value, rows in zip(values, pieces, strict=True)
        if value >= 0 and len(rows) > 1
    }


def _draw(rows: Rows, count: int, rng: np.random.Generator) -> Rows:
    return np.asarray(rng.choice(rows, count, replace=len(rows) < count), dtype=np.int64)
