"""Groups made anew, bound by what was stated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from facecluster.grouping import Constraints, group, renumber
from facecluster.library import Library

__all__ = ["Regrouping", "constraints", "regroup"]


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
    seed: int = 0,
) -> Regrouping:
    """Group all faces anew with this model's vectors, bound by what was stated, and keep it.

    Groups keep their numbers as long as they keep most of their faces.
    """
    faces, vectors = library.embeddings(model)
    bound = constraints(library, faces)
    labels = group(vectors, method=method, threshold=threshold, k=k, constraints=bound, seed=seed)
    previous, next_number = library.groupings.previous(faces)
    numbers, next_number = renumber(labels, previous, next_number)
    home_before, led_before = _at_home(library)
    library.groupings.save(
        model=model,
        method=method,
        settings={"threshold": threshold, "k": k, "seed": seed},
        faces=faces,
        numbers=numbers,
        next_number=next_number,
    )
    home, led = _at_home(library)
    facts = library.statements.truth(faces.tolist())
    return Regrouping(
        faces=len(faces),
        groups=len(np.unique(numbers[numbers >= 0])),
        ungrouped=int(np.sum(numbers < 0)),
        named_faces=sum(fact.kind == "is" for fact in facts),
        named_moved=len(home_before - home),
        names_lost=len(led_before - led),
        new_faces=int(np.sum((previous < 0) & (numbers >= 0))),
    )


def constraints(library: Library, faces: NDArray[np.int64]) -> Constraints:
    """What the user stated about these faces, as rows 0..N-1 for `group`.

    Faces of one person are chained together; one face of each person stands for all of them when
    two people, or a face and a person it is not, are kept apart: P people make P (P - 1) / 2 pairs.
    """
    row = {face: place for place, face in enumerate(faces.tolist())}
    together, apart, chief, last = [], [], dict[int, int](), dict[int, int]()
    facts = [fact for fact in library.statements.truth() if fact.face in row]
    for fact in facts:
        if fact.kind != "is" or fact.person is None:
            continue
        here = row[fact.face]
        # The first is together with itself, which tells `group` that it is somebody's.
        together.append((last.get(fact.person, here), here))
        chief.setdefault(fact.person, here)
        last[fact.person] = here
    for fact in facts:
        if fact.kind == "is-not" and fact.person in chief:
            apart.append((row[fact.face], chief[fact.person]))
    apart += combinations(chief.values(), 2)
    return Constraints(
        together=_pairs(together), apart=_pairs(apart), photos=library.photos_of(faces)
    )


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


def _pairs(pairs: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    return np.array(pairs, dtype=np.int64).reshape(len(pairs), 2)
