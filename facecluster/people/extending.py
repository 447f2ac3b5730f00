"""New faces put into the groups there are, which else stay as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import UsageError
from facecluster.grouping import Constraints, attach, attach_lone, grow, settle
from facecluster.library import Grouping, Library
from facecluster.people.bonds import constraints
from facecluster.people.regrouping import (
    Numbers,
    Regrouping,
    check_churn,
    outcome,
    up_to_date,
)
from facecluster.people.settings import HowGrouped, how_grouped

__all__ = ["extend", "may_extend"]


def may_extend(library: Library, model: int, how: HowGrouped) -> bool:
    """Whether the newest grouping was made just so, of at least half of the faces there are now.

    Groups of fewer tell too little of who is new. Only agglomerative ones are extended: k-means and
    HDBSCAN have no rule of their own for a single new face. Two default thresholds are the same.
    """
    newest = library.groupings.newest()
    if newest is None or newest.model != model:
        return False
    if not newest.method == how.settings.method == "agglomerative":
        return False
    before = how_grouped(newest)
    wanted = how.settings
    if before.rule is not None and how.rule is not None:
        wanted = replace(wanted, threshold=before.settings.threshold)
    if before.settings != wanted:
        return False
    seen = next((one.faces for one in library.models() if one.id == model), 0)
    return 2 * len(library.groupings.looked_at().faces) >= seen


def extend(library: Library, *, allow_churn: bool = False) -> Regrouping:
    """Put what is new since the newest grouping into its groups, by its settings, and keep it.

    New are faces that it has not looked at, and those of which something was said or taken back, or
    that got another vector. They join a group, or found one with each other and with faces in none
    (see `grow`). A face in a group moves only by the user's word (see `settle`): all other groups
    stay as they are. Raises as `regroup` does, and UsageError where nothing was grouped. Costs one
    look at all vectors, and for the rest what is new.
    """
    newest = library.groupings.newest()
    if newest is None:
        raise UsageError("Nothing is grouped yet: run 'facecluster group' first.")
    heard = library.statements.newest()
    faces, vectors = library.embeddings(newest.model)
    known = library.groupings.looked_at()
    changed = ~np.isin(faces, known.faces[~known.changed])
    previous, unused = library.groupings.previous(faces)
    settled, new, labels = _placed(library, newest, faces, vectors, previous, changed)
    made = Numbers(faces, *_numbered(labels, settled, unused), unused)
    with library.transaction():
        if library.groupings.newest() != newest:  # all groups were made anew meanwhile
            return extend(library, allow_churn=allow_churn)
        before = library.groupings.at_home()
        made, spoken_of = up_to_date(library, made, heard)
        write = (changed | (made.numbers != previous)) & ~np.isin(faces, spoken_of)
        library.groupings.extend(faces[write], made.numbers[write], made.next_number)
        churn = check_churn(library, newest.model, before, allowed=allow_churn)
    return outcome(library, made, previous, churn, looked_at=int(new.sum()))


def _placed(
    library: Library,
    grouping: Grouping,
    faces: NDArray[np.int64],
    vectors: NDArray[np.float32],
    previous: NDArray[np.int64],
    changed: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """The groups once they obey what was said, which faces are then new, and where those go."""
    settings = how_grouped(grouping).settings
    threshold, by_centroid = settings.reach, settings.by_centroid
    bound = constraints(library, faces)
    released = _released(library, faces, changed, bound)
    settled = settle(vectors, previous, released, threshold=threshold, constraints=bound)
    new = (settled < 0) & (changed | (previous >= 0))
    poor = library.attach_only(faces)
    core = np.flatnonzero(~poor)
    grown = grow(
        vectors[core],
        settled[core],
        new[core],
        threshold=threshold,
        constraints=bound.subset(core),
        by_centroid=by_centroid,
    )
    # Above all labels, also those of poor faces, which grow has not seen.
    grown[grown > settled[core].max(initial=-1)] += int(settled.max(initial=-1)) + 1
    labels = settled.copy()
    labels[core] = grown
    rest: dict[str, Any] = {"threshold": threshold, "constraints": bound}
    if by_centroid:
        lone = new & ~poor & (labels < 0)
        labels = attach_lone(vectors, labels, lone, ~poor, **rest)
    labels = attach(vectors, labels, poor & new, ~poor, by_centroid=by_centroid, **rest)
    return settled, new, labels


def _released(
    library: Library, faces: NDArray[np.int64], changed: NDArray[np.bool_], bound: Constraints
) -> NDArray[np.bool_]:
    """The faces that were put where they are by a word that the user has taken back."""
    bonded = np.isin(np.arange(len(faces)), bound.together)
    rows = np.flatnonzero(changed & ~bonded)
    taken_back = library.statements.taken_back(faces[rows].tolist())
    released = np.zeros(len(faces), dtype=np.bool_)
    released[rows] = np.isin(faces[rows], list(taken_back))
    return released


def _numbered(
    labels: NDArray[np.int64], settled: NDArray[np.int64], unused: int
) -> tuple[NDArray[np.int64], int]:
    """The number of each face's group, fresh ones for new groups, and the next unused number."""
    fresh, place = np.unique(labels[labels > settled.max(initial=-1)], return_inverse=True)
    numbers = labels.copy()
    numbers[labels > settled.max(initial=-1)] = unused + place
    return numbers, unused + len(fresh)
