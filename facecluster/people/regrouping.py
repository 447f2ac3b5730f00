"""Groups made anew, bound by what was stated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from facecluster.errors import FaceclusterError
from facecluster.grouping import group, renumber
from facecluster.library import Library
from facecluster.people.bonds import constraints

__all__ = ["Regrouping", "regroup"]


@dataclass(frozen=True, slots=True)
class Regrouping:
    """What a new grouping changed.

    named_faces are those stated to be somebody; named_moved of them have left the groups of their
    person, names_lost people have no group any more, new_faces were in no group and now are.
    """

    faces: int
    groups: int
    ungrouped: int
    named_faces: int
    named_moved: int
    names_lost: int
    new_faces: int


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
    """Group all faces anew with this model's vectors, bound by what was stated, and keep it.

    Groups keep their numbers with most of their faces. Without allow_churn it is an error, and
    nothing is changed, when named faces would leave their person's groups, as those unseen do.
    """
    faces, vectors = library.embeddings(model)
    settings: dict[str, Any] = {"threshold": threshold, "k": k, "by_centroid": by_centroid}
    labels = group(vectors, method=method, constraints=constraints(library, faces), **settings)
    previous, next_number = library.groupings.previous(faces)
    numbers, next_number = renumber(labels, previous, next_number)
    with library.transaction():
        before = _at_home(library)
        library.groupings.save(
            model=model,
            method=method,
            settings=settings,
            faces=faces,
            numbers=numbers,
            next_number=next_number,
        )
        moved, lost = _churn(before, _at_home(library), allowed=allow_churn)
    return Regrouping(
        faces=len(faces),
        groups=len(np.unique(numbers[numbers >= 0])),
        ungrouped=int(np.sum(numbers < 0)),
        named_faces=sum(f.kind == "is" for f in library.statements.truth(faces.tolist())),
        named_moved=moved,
        names_lost=lost,
        new_faces=int(np.sum((previous < 0) & (numbers >= 0))),
    )


def _churn(
    before: tuple[set[int], set[int]], after: tuple[set[int], set[int]], *, allowed: bool
) -> tuple[int, int]:
    """How many named faces moved and how many people lost their groups; raises if not allowed."""
    moved, lost = (len(was - now) for was, now in zip(before, after, strict=True))
    if (moved or lost) and not allowed:
        faces = "1 named face" if moved == 1 else f"{moved} named faces"
        names = "1 name" if lost == 1 else f"{lost} names"
        raise FaceclusterError(
            f"{faces} would move and {names} be lost, so nothing was changed: this network has "
            "not seen those faces. Scan their folders again, or allow it with --allow-churn."
        )
    return moved, lost


def _at_home(library: Library) -> tuple[set[int], set[int]]:
    """The stated faces that are in a group of their own person, and the people who lead a group."""
    leaders = library.groupings.leaders()
    home: set[int] = set()
    stated = {fact.face: fact.person for fact in library.statements.truth() if fact.kind == "is"}
    for number, leader in leaders.items():
        home.update(
            face for face in library.groupings.members(number) if stated.get(face) == leader.person
        )
    return home, {leader.person for leader in leaders.values()}
