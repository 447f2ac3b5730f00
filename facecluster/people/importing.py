"""Names that come from elsewhere, stated by one action."""

from __future__ import annotations

from collections.abc import Mapping

from facecluster.library import Fact, Library

__all__ = ["name_each"]


def name_each(library: Library, names: Mapping[int, str], *, command: str) -> int:
    """State who each of these faces is, people new or known, by one action; its number.

    UsageError, and nothing is stated, when a name cannot be one or a face does not exist.
    """
    library.statements.require_faces(names)
    with library.transaction():
        people = {
            name: library.statements.person(name, create=True)
            for name in dict.fromkeys(names.values())
        }
        facts = [Fact(face, "is", people[name]) for face, name in names.items()]
        return library.statements.say(facts, command=command)
