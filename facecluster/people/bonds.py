"""What was stated of faces, as what binds every grouping of them.

Three kinds of words meet. Names come first: faces stated to be one person are together, those of
two people, or of one and stated not to be it, are apart. Then the newest `split` or `merge` that
spoke of a face tells with whom it is: all of its part of that action are together, and with the
person in whom one of them was named, if there is just one. At last, what any split has kept apart
stays apart, also when it is split further, until names or a later merge bring it together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from facecluster.grouping import Constraints
from facecluster.library import Library, Parting
from facecluster.people.ages import unborn

__all__ = ["constraints"]

# Who a face is with: (0, a person), (an action, its part) or, when nothing is said, (-1, the face).
Company = tuple[int, int]


def constraints(
    library: Library,
    faces: NDArray[np.int64],
    *,
    parts_hold: bool = True,
    births_hold: bool = True,
) -> Constraints:
    """What the user stated about these faces, as rows 0..N-1 for `group`.

    Faces that are together are chained; one of them stands for all where two of these chains are
    kept apart: P people make P (P - 1) / 2 pairs. Never contradicts itself. Without parts_hold the
    faces of one part of a split or merge may come apart again, as a further split wants it. With
    births_hold a face is apart from everybody who was born after its photo was taken, unless it is
    stated to be them.
    """
    facts = library.statements.truth()
    people = {fact.face: fact.person for fact in facts if fact.kind == "is" and fact.person}
    denied = {(fact.face, fact.person) for fact in facts if fact.kind == "is-not" and fact.person}
    partings = library.statements.partings()
    company: dict[int, Company] = {face: (0, person) for face, person in people.items()}
    if parts_hold:
        company = {**_company_of_parts(partings, people, denied), **company}
    together, chief = _chains(faces.tolist(), company)
    apart = [
        (chief[-1, face] if face not in company else chief[company[face]], chief[0, person])
        for face, person in sorted(denied)
        if (0, person) in chief and company.get(face, (-1, face)) in chief
    ]
    if births_hold:
        apart += _before_birth(library, faces, company, chief)
    named = [who for who in chief if who[0] == 0]
    apart += [(chief[one], chief[other]) for one, other in combinations(named, 2)]
    for parting in partings:
        apart += [(chief[one], chief[other]) for one, other in _kept_apart(parting, company, chief)]
    return Constraints(
        together=_pairs(together), apart=_pairs(apart), photos=library.photos_of(faces)
    )


def _before_birth(
    library: Library,
    faces: NDArray[np.int64],
    company: Mapping[int, Company],
    chief: Mapping[Company, int],
) -> list[tuple[int, int]]:
    """Faces of photos from before somebody's birth, each with the first row of that person."""
    born = sorted(person for person in library.statements.births() if (0, person) in chief)
    if not born:
        return []
    people = np.array(born, dtype=np.int64)
    rows, places = np.nonzero(unborn(library, library.taken(faces), people))
    found = zip(rows.tolist(), faces[rows].tolist(), people[places].tolist(), strict=True)
    return [
        (chief.get(company.get(face, (-1, face)), row), chief[0, person])
        for row, face, person in found
        if company.get(face) != (0, person)
    ]


def _company_of_parts(
    partings: Sequence[Parting],
    people: Mapping[int, int],
    denied: Collection[tuple[int, int]],
) -> dict[int, Company]:
    """Who the faces of which nobody said a name are with, by the newest parting of each."""
    newest: dict[int, Company] = {}
    person_of: dict[Company, int] = {}
    for parting in partings:
        for face, part in parting.parts.items():
            newest[face] = (-1, face) if part is None else (parting.action, part)
        person_of |= _people_of_parts(parting, people)
    company = {}
    for face, who in newest.items():
        named = who in person_of and (face, person_of[who]) not in denied
        company[face] = (0, person_of[who]) if named else who
    return company


def _people_of_parts(parting: Parting, people: Mapping[int, int]) -> dict[Company, int]:
    """The one person named in a part, where that person is named in no other part of it."""
    places: dict[int, set[int]] = {}
    named: dict[int, set[int]] = {}
    for face, part in parting.parts.items():
        if part is not None and face in people:
            places.setdefault(people[face], set()).add(part)
            named.setdefault(part, set()).add(people[face])
    return {
        (parting.action, part): person
        for part, found in named.items()
        for person in found
        if len(found) == 1 and len(places[person]) == 1
    }


def _chains(
    faces: Sequence[int], company: Mapping[int, Company]
) -> tuple[list[tuple[int, int]], dict[Company, int]]:
    """Pairs of rows that chain the faces of one company, and the first row of each company."""
    together, chief, last = [], dict[Company, int](), dict[Company, int]()
    for row, face in enumerate(faces):
        who = company.get(face, (-1, face))
        # The first named one is together with itself, which tells `group` that it is somebody's.
        if who in last or who[0] == 0:
            together.append((last.get(who, row), row))
        chief.setdefault(who, row)
        last[who] = row
    return together, chief


def _kept_apart(
    parting: Parting, company: Mapping[int, Company], chief: Mapping[Company, int]
) -> list[tuple[Company, Company]]:
    """The pairs of companies that this parting keeps apart: those it never puts into one part."""
    parts: dict[Company, set[int]] = {}
    for face, part in parting.parts.items():
        who = company.get(face, (-1, face))
        if part is not None and who in chief:
            parts.setdefault(who, set()).add(part)
    # Companies of the same parts are never apart: nearly all of them, where single faces were taken
    # out of a large group.
    alike: dict[frozenset[int], list[int]] = {}
    for place, found in enumerate(parts.values()):
        alike.setdefault(frozenset(found), []).append(place)
    apart = [
        (min(pair), max(pair))
        for one, other in combinations(alike, 2)
        if not one & other
        for pair in product(alike[one], alike[other])
    ]
    companies = list(parts)
    return [(companies[one], companies[other]) for one, other in sorted(apart)]


def _pairs(pairs: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    return np.array(pairs, dtype=np.int64).reshape(len(pairs), 2)
