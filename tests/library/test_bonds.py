"""What binds the groups, against the rules written out face by face, for any history of words."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecluster.library import Fact, Library
from facecluster.people.bonds import constraints
from facecluster.records import Analysis, Box, Face, FileStamp, Photo, Quality

FACES = 6
WORDS = st.one_of(
    st.tuples(st.just("is"), st.integers(1, FACES), st.integers(1, 2)),
    st.tuples(st.just("is-not"), st.integers(1, FACES), st.integers(1, 2)),
    st.tuples(st.just("ignore"), st.integers(1, FACES)),
    # for each face: the part it is in, or 2: set free, or 3: not spoken of
    st.tuples(st.just("part"), st.lists(st.integers(0, 3), min_size=FACES, max_size=FACES)),
    st.tuples(st.just("undo"), st.integers(0, 9)),
)


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A library of six faces; each example begins with `silent`."""
    library = Library.open(tmp_path_factory.mktemp("six") / "library.sqlite")
    # nothing here need survive a power cut
    library._connection.run("pragma synchronous = off")
    model = library.scanned.register_model(fingerprint="f", name="n", dimension=FACES)
    points = ((3.0, 3.0), (7.0, 3.0), (5.0, 5.0), (3.0, 7.0), (7.0, 7.0))
    face = Face(Box(0, 0, 10, 12), points, 0.99, Quality(40.0, 99.0, 0.0))
    for number in range(FACES):
        photo = Photo(f"{number:064}", 9, 9, 1, None)
        row = np.eye(FACES, dtype=np.float32)[number : number + 1]
        done = Analysis(FileStamp(f"/{number}", 1, 1), photo, (face,), row)
        library.scanned.add([done], detector="d", model=model)
    for name in ("Alice", "Bob"):
        library.statements.person(name, create=True)
    yield library
    library.close()


def silent(library: Library) -> Library:
    """The library before anything was said."""
    for table in ("statement", "action"):
        library._connection.run(f"delete from {table}")
    return library


def say(library: Library, word: tuple) -> None:  # type: ignore[type-arg]
    kind, *what = word
    if kind == "part":
        parts = [[f for f, part in enumerate(what[0], start=1) if part == p] for p in range(3)]
        said = [part for part in parts[:2] if part]
        if said:
            library.statements.part(said, parts[2], command="part")
    elif kind == "undo":
        log = [entry for entry in library.statements.log() if not entry.undone]
        if log:
            library.statements.undo(log[what[0] % len(log)].id, command="undo")
    else:
        fact = Fact(what[0], kind, what[1] if len(what) > 1 else None)
        library.statements.say([fact], command=kind)


class Rules:
    """The rules, face by face, as the module's docstring tells them."""

    def __init__(self, library: Library) -> None:
        truth = library.statements.truth()
        self.name = {fact.face: fact.person for fact in truth if fact.kind == "is"}
        self.denied = {(fact.face, fact.person) for fact in truth if fact.kind == "is-not"}
        self.partings = library.statements.partings()
        self.who = {face: self.person(face) for face in range(1, FACES + 1)}

    def newest(self, face: int) -> tuple[int, int] | None:
        spoken = [one for one in self.partings if face in one.parts]
        part = spoken[-1].parts[face] if spoken else None
        return None if part is None else (spoken[-1].action, part)

    def person(self, face: int) -> int | None:
        mine = self.newest(face)
        if face in self.name or mine is None:
            return self.name.get(face)
        (parts,) = (one.parts for one in self.partings if one.action == mine[0])
        named = {(part, self.name.get(f)) for f, part in parts.items() if f in self.name}
        here = {person for part, person in named if part == mine[1]}
        if len(here) != 1:
            return None
        (person,) = here
        elsewhere = any(p == person and part not in (None, mine[1]) for part, p in named)
        return None if elsewhere or (face, person) in self.denied else person

    def together(self, a: int, b: int) -> bool:
        if self.who[a] or self.who[b]:
            return self.who[a] == self.who[b]
        return a == b or (self.newest(a) is not None and self.newest(a) == self.newest(b))

    def apart(self, a: int, b: int) -> bool:
        if self.together(a, b):
            return False
        mine, yours = (
            [f for f in range(1, FACES + 1) if self.together(f, face)] for face in (a, b)
        )
        if self.who[a] and self.who[b]:
            return True
        if any((f, self.who[b]) in self.denied for f in mine):
            return True
        if any((f, self.who[a]) in self.denied for f in yours):
            return True
        for one in self.partings:
            here = {one.parts.get(f) for f in mine} - {None}
            there = {one.parts.get(f) for f in yours} - {None}
            if here and there and not here & there:
                return True
        return False


@settings(max_examples=150)
@given(words=st.lists(WORDS, max_size=9))
def test_constraints_are_the_rules_and_never_contradict_themselves(
    six: Library,
    words: list[tuple],  # type: ignore[type-arg]
) -> None:
    library = silent(six)
    for word in words:
        say(library, word)
    rules = Rules(library)
    hidden = {f.face for f in library.statements.truth() if f.kind == "ignore"}
    faces = np.array([f for f in range(FACES, 0, -1) if f not in hidden], dtype=np.int64)
    made = constraints(library, faces)
    made.validate(len(faces))
    group = made.people().tolist()
    apart = {(group[a], group[b]) for a, b in made.apart.tolist()}
    named = set(made.together.ravel().tolist())
    for (row, a), (other, b) in product(enumerate(faces.tolist()), repeat=2):
        assert (group[row] == group[other]) == rules.together(a, b), (a, b)
        said = (group[row], group[other])
        assert (said in apart or said[::-1] in apart) == rules.apart(a, b), (a, b)
        if a in rules.name:
            assert row in named, "a named face is a group even alone"


def test_faces_taken_out_one_by_one_are_apart_from_the_others_and_from_each_other(
    six: Library,
) -> None:
    library = silent(six)
    rest = list(range(1, FACES + 1))
    while len(rest) > 2:
        taken = rest.pop()
        library.statements.part([rest, [taken]], command="take out")
    made = constraints(library, np.arange(1, FACES + 1))
    assert made.together.tolist() == [[0, 1]]
    # in the order of the actions, the face of the lower number first
    assert made.apart.tolist() == [
        [one, other] for other in range(FACES - 1, 1, -1) for one in [0, *range(2, other)]
    ]


@settings(max_examples=50)
@given(words=st.lists(WORDS.filter(lambda word: word[0] != "undo"), max_size=6))
def test_undo_gives_exactly_the_earlier_bonds(
    six: Library,
    words: list[tuple],  # type: ignore[type-arg]
) -> None:
    library = silent(six)

    def bonds() -> tuple[list[list[int]], list[list[int]]]:
        made = constraints(library, np.arange(1, FACES + 1))
        return made.together.tolist(), made.apart.tolist()

    seen = [bonds()]
    for word in words:
        before = len(library.statements.log())
        say(library, word)
        if len(library.statements.log()) > before:
            seen.append(bonds())
    for earlier in reversed(seen[:-1]):
        library.statements.undo(command="undo")
        assert bonds() == earlier
    for later in seen[1:]:
        library.statements.redo(command="redo")
        assert bonds() == later
