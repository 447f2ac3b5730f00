"""All groups made anew, bound by what was stated."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from facecluster.counted import counted
from facecluster.errors import FaceclusterError
from facecluster.grouping import Settings, attach, group_steps, renumber, result
from facecluster.library import Library
from facecluster.people.bonds import constraints
from facecluster.people.linking import linkage_kept
from facecluster.people.settings import HowGrouped

__all__ = [
    "Churn",
    "Numbers",
    "Regrouping",
    "check_churn",
    "outcome",
    "regroup",
    "regroup_steps",
    "up_to_date",
]

# The stated faces in a group of their own person, and the people who lead a group.
Home = tuple[set[int], set[int]]


@dataclass(frozen=True, slots=True)
class Regrouping:
    """What a new grouping changed.

    named_faces are those stated to be somebody; named_moved of them have left the groups of their
    person, names_lost people have no group any more. looked_at faces were placed, all of them in a
    full pass; new_faces were in no group and now are, new_groups were founded, and moved_faces were
    in a group and are not in it any more. since_full is the share of the faces that were first
    looked at after the last full pass.
    """

    faces: int
    groups: int
    ungrouped: int
    named_faces: int
    named_moved: int
    names_lost: int
    new_faces: int
    full: bool
    looked_at: int
    new_groups: int
    moved_faces: int
    since_full: float


@dataclass(frozen=True, slots=True)
class Churn:
    """How many named faces left the groups of their person, and how many people lost theirs."""

    named_moved: int
    names_lost: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """The group number (N,) of each of the faces (N,), -1 for none: unused is the first new one,
    next_number the first that is still to be given."""

    faces: NDArray[np.int64]
    numbers: NDArray[np.int64]
    next_number: int
    unused: int


def regroup(
    library: Library,
    model: int,
    *,
    method: str,
    threshold: float | None,
    k: int | None,
    by_centroid: bool = True,
    allow_churn: bool = False,
) -> Regrouping:
    """The same as `regroup_steps`, all at once, with the settings one by one."""
    how = HowGrouped(Settings(method, threshold, k, by_centroid))
    return result(regroup_steps(library, model, how, allow_churn=allow_churn))


def regroup_steps(
    library: Library, model: int, how: HowGrouped, *, allow_churn: bool = False
) -> Generator[float, None, Regrouping]:
    """Group all faces anew with this model's vectors, bound by what was stated, and keep it.

    Yields the share that is done meanwhile, 0 to 1; no group is changed before the last step, and
    then all at once. Groups keep their numbers with most of their faces. Without allow_churn it is
    an error, and nothing is changed, when named faces would leave their person's groups, as those
    unseen do.
    """
    known = library.statements.newest()
    faces, vectors = library.embeddings(model)
    labels = yield from _grouped(library, faces, vectors, how.settings)
    previous, unused = library.groupings.previous(faces)
    made = Numbers(faces, *renumber(labels, previous, unused), unused)
    with library.transaction():
        before = library.groupings.at_home()
        made, spoken_of = up_to_date(library, made, known)
        library.groupings.save(
            model=model,
            method=how.settings.method,
            settings=how.kept(),
            faces=faces,
            numbers=made.numbers,
            next_number=made.next_number,
        )
        library.groupings.look_again(spoken_of)
        churn = check_churn(library, model, before, allowed=allow_churn)
    return outcome(library, made, previous, churn)


def up_to_date(library: Library, made: Numbers, known: int) -> tuple[Numbers, NDArray[np.int64]]:
    """The numbers as they may be written after all that was said meanwhile, after action `known`,
    and the faces that it was said of.

    These stay where the user's word has put them, for the next grouping to look at; and numbers
    that were given away meanwhile are not given again. Within a transaction.
    """
    spoken_of = library.statements.spoken_of_since(known)
    now, unused = library.groupings.previous(made.faces)
    later = unused - made.unused
    numbers = np.where(made.numbers >= made.unused, made.numbers + later, made.numbers)
    numbers = np.where(np.isin(made.faces, spoken_of), now, numbers)
    return Numbers(made.faces, numbers, made.next_number + later, unused), spoken_of


def _grouped(
    library: Library, faces: NDArray[np.int64], vectors: NDArray[np.float32], settings: Settings
) -> Generator[float, None, NDArray[np.int64]]:
    """Labels (N,) of all faces: poor ones join the groups of the others (see library/tiers.py)."""
    bound = constraints(library, faces)
    poor = library.attach_only(faces)
    linked = partial(linkage_kept, library)
    # With k alone nothing says how near is near enough.
    if settings.threshold is None or not poor.any():
        return (yield from group_steps(vectors, settings, bound, linked))
    core = np.flatnonzero(~poor)
    labels = np.full(len(faces), -1, dtype=np.int64)
    labels[core] = yield from group_steps(vectors[core], settings, bound.subset(core), linked)
    return attach(
        vectors,
        labels,
        poor,
        ~poor,
        threshold=settings.threshold,
        constraints=bound,
        by_centroid=settings.by_centroid,
    )


def check_churn(library: Library, model: int, before: Home, *, allowed: bool) -> Churn:
    """How many named faces moved and how many people lost their groups since, in a grouping with
    this model; raises if not allowed."""
    after = library.groupings.at_home()
    moved, lost = (len(was - now) for was, now in zip(before, after, strict=True))
    if (moved or lost) and not allowed:
        name = library.model_name(model)
        raise FaceclusterError(
            f"{counted(moved, 'named face')} would move and {counted(lost, 'name')} be lost, so "
            f"nothing was changed: {name} has not seen those faces. 'facecluster models use {name}'"
            " lets it see them; --allow-churn groups the others without them."
        )
    return Churn(moved, lost)


def outcome(
    library: Library,
    made: Numbers,
    previous: NDArray[np.int64],
    churn: Churn,
    *,
    looked_at: int | None = None,
) -> Regrouping:
    """What the change from the previous numbers (N,) comes to; looked_at is None: a full pass."""
    faces, numbers = made.faces, made.numbers
    looked = library.groupings.looked_at()
    return Regrouping(
        faces=len(faces),
        groups=len(np.unique(numbers[numbers >= 0])),
        ungrouped=int(np.sum(numbers < 0)),
        named_faces=sum(f.kind == "is" for f in library.statements.truth(faces.tolist())),
        named_moved=churn.named_moved,
        names_lost=churn.names_lost,
        new_faces=int(np.sum((previous < 0) & (numbers >= 0))),
        full=looked_at is None,
        looked_at=len(faces) if looked_at is None else looked_at,
        new_groups=made.next_number - made.unused,
        moved_faces=int(np.sum((previous >= 0) & (previous != numbers))),
        since_full=float(looked.later.mean()) if len(looked.faces) else 0.0,
    )
