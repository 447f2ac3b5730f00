"""Forget a person: the one thing that cannot be undone, because the user asks for just that."""

from __future__ import annotations

from facecluster.library import Erased, Library

__all__ = ["faces_of", "forget"]


def faces_of(library: Library, name: str) -> tuple[list[int], list[int]]:
    """The faces that `forget` erases, rising: those said to be this person, and the rest.

    The former though they be ignored or without a file now. The rest are shown as this person
    because their group is; nobody said so. Faces of the person in groups without a name are
    nobody's, so they are not among them. UsageError when nobody is called that.
    """
    said = library.forgetting.faces_of(library.statements.person(name))
    shown = {face.face for face in library.faces(person=name)}
    return said, sorted(shown - set(said))


def forget(library: Library, name: str) -> Erased:
    """Erase for good the person's name, faces, vectors, and all that was said of them.

    What was said of others stays. A later scan leaves out the places where the faces were; faces on
    new photos it will find, as it cannot know them. UsageError when nobody is called that;
    LibraryError, and nothing is changed, when another program has the library open.
    """
    said, shown = faces_of(library, name)
    erased = library.forgetting.erase(library.statements.person(name), [*said, *shown])
    library.scanned.remove([])  # photos that were kept for these faces only
    return erased
