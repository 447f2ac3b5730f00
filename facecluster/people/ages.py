"""Who was not born yet when a photo was taken, by its EXIF date."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import UsageError
from facecluster.library import Library

__all__ = ["state_birth", "unborn"]


def state_birth(library: Library, name: str, born: str, *, command: str) -> int:
    """State that a person was born on this day, or in this month or year (ISO 8601); the action,
    0 where that was said already.

    From then on nothing puts a face of an older photo with the person, but your own word of that
    face. UsageError for an unknown person, somebody who no face is said to be any more, what is no
    date, and one that is still to come.
    """
    person = library.statements.person(name)
    written = library.statements.name_of(person)
    if written not in library.overview.names():
        raise UsageError(f"No face is stated to be {written} any more.")
    first = born + "-01" * (2 - born.count("-"))
    try:
        if (
            not re.fullmatch(r"\d{4}(-\d{2}){0,2}", born)
            or date.fromisoformat(first) > date.today()
        ):
            raise ValueError
    except ValueError:
        raise UsageError(
            f"{born!r} is no date of birth: write 2015-03-21, 2015-03 or 2015, not in the future."
        ) from None
    if library.statements.births().get(person) == born:
        return 0
    return library.statements.say([], births={person: born}, command=command)


def unborn(
    library: Library, taken: Sequence[str | None], people: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which of the people (P,) were not born yet at these times (N,): (N, P).

    Times are ISO 8601; a photo without one tells nothing. In the month or year of a birth that is
    said no closer, somebody may be on a photo.
    """
    births = library.statements.births()
    found = np.zeros((len(taken), len(people)), dtype=np.bool_)
    for place, person in enumerate(people.tolist()):
        born = births.get(person)
        if born is not None:
            # ISO dates compare as text, and a longer one comes after its own beginning.
            found[:, place] = [time is not None and time < born for time in taken]
    return found
