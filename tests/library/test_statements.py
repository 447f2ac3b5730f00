"""What the user says: the newest word counts, nothing is deleted, undo gives the earlier truth."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest

from facecluster.errors import UsageError
from facecluster.library import Fact, Library
from facecluster.people import rename

Put = Callable[..., list[int]]
Save = Callable[[dict[int, int]], None]
Steps = Callable[[Callable[[], object]], int]


@pytest.fixture
def faces(put: Put) -> list[int]:
    return put("/a.jpg", 1, 2, 3)


@pytest.fixture
def people(library: Library) -> tuple[int, int]:
    return (
        library.statements.person("Alice", create=True),
        library.statements.person("Bob", create=True),
    )


def say(library: Library, face: int, *words: tuple[str, int | None]) -> None:
    for kind, person in words:
        library.statements.say([Fact(face, kind, person)], command=kind)  # type: ignore[arg-type]


def truth(library: Library) -> list[tuple[int, str, int | None]]:
    return [(fact.face, fact.kind, fact.person) for fact in library.statements.truth()]


IS_A, IS_B, NOT_A, NOT_B = ("is", 1), ("is", 2), ("is-not", 1), ("is-not", 2)
IGNORE, NO_FACE = ("ignore", None), ("not-a-face", None)


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        ([IS_A], {IS_A}),
        ([IS_A, IS_A], {IS_A}),
        ([IS_A, IS_B], {IS_B}),
        ([IS_A, NOT_A], {NOT_A}),
        ([NOT_A, IS_A], {IS_A}),
        ([IS_A, NOT_B], {IS_A, NOT_B}),
        ([IS_B, IS_A, NOT_A], {NOT_A}),
        ([NOT_A, NOT_B, NOT_A], {NOT_A, NOT_B}),
        ([NOT_A, IS_A, NOT_A], {NOT_A}),
        ([IS_A, IGNORE], {IGNORE}),
        ([IGNORE, IS_A], {IS_A}),
        ([NOT_A, IGNORE], {NOT_A, IGNORE}),
        ([IGNORE, NO_FACE], {NO_FACE}),
        ([NO_FACE, NOT_A, IS_B], {NOT_A, IS_B}),
    ],
)
def test_the_newest_word_counts(
    library: Library,
    faces: list[int],
    people: tuple[int, int],
    words: list[tuple[str, int | None]],
    holds: set[tuple[str, int | None]],
) -> None:
    assert people == (1, 2)
    say(library, faces[0], *words)
    say(library, faces[1], IS_B)
    assert {(kind, who) for face, kind, who in truth(library) if face == faces[0]} == holds
    assert [f.kind for f in library.statements.truth([faces[1]])] == ["is"]
    assert library.statements.truth([]) == []


def test_nothing_stated_can_be_deleted(
    library: Library, faces: list[int], people: tuple[int, int]
) -> None:
    say(library, faces[0], IS_A)
    for table in ("face", "photo", "person", "action"):
        with pytest.raises(sqlite3.IntegrityError):
            library._connection.run(f"delete from {table}")


def test_undo_walks_back_and_redo_walks_forth(
    library: Library, faces: list[int], people: tuple[int, int]
) -> None:
    seen = [truth(library)]
    for word in (IS_A, IS_B, IGNORE):
        say(library, faces[0], word)
        seen.append(truth(library))
    for earlier in reversed(seen[:-1]):
        library.statements.undo(command="undo")
        assert truth(library) == earlier
    with pytest.raises(UsageError, match="nothing to undo"):
        library.statements.undo(command="undo")
    for later in seen[1:]:
        library.statements.redo(command="redo")
        assert truth(library) == later
    with pytest.raises(UsageError, match="nothing to redo"):
        library.statements.redo(command="redo")


def test_redo_is_over_when_something_else_was_said(
    library: Library, faces: list[int], people: tuple[int, int]
) -> None:
    say(library, faces[0], IS_A)
    library.statements.undo(command="undo")
    say(library, faces[0], IS_B)
    with pytest.raises(UsageError, match="nothing to redo"):
        library.statements.redo(command="redo")


def test_an_older_action_can_be_undone_by_its_number(
    library: Library, faces: list[int], people: tuple[int, int]
) -> None:
    say(library, faces[0], IS_A)
    say(library, faces[1], IS_B)
    assert library.statements.undo(1, command="undo 1").command == "is"
    assert truth(library) == [(faces[1], "is", 2)]
    with pytest.raises(UsageError, match="undone already, by action 3"):
        library.statements.undo(1, command="undo 1")
    library.statements.undo(3, command="undo 3")
    assert truth(library) == [(faces[0], "is", 1), (faces[1], "is", 2)]
    library.statements.undo(4, command="undo 4")
    assert truth(library) == [(faces[1], "is", 2)]
    with pytest.raises(UsageError, match="no action 99"):
        library.statements.undo(99, command="undo 99")
    log = library.statements.log()
    assert [(entry.id, entry.undone) for entry in log] == [
        (5, False),
        (4, True),
        (3, False),
        (2, False),
        (1, True),
    ]
    assert [entry.command for entry in library.statements.log(2)] == ["undo 4", "undo 3"]
    assert {entry.faces for entry in log} == {1}


def test_the_newest_line_of_the_log_is_read_without_the_others(
    library: Library, faces: list[int], people: tuple[int, int], steps: Steps
) -> None:
    say(library, faces[0], IS_A)
    few = steps(lambda: library.statements.log(1))
    say(library, faces[0], *[IS_B] * 30)
    # each of them is only asked whether it is an undo
    assert steps(lambda: library.statements.log(1)) < few + 5 * 30


def test_words_are_found_without_a_look_at_the_partings(
    library: Library, faces: list[int], save: Save, steps: Steps
) -> None:
    def look() -> None:
        library.statements.truth(faces)
        library.groupings.members(1)
        library.groupings.leaders([1])

    save(dict.fromkeys(faces, 1))
    say(library, faces[0], ("is", library.statements.person("Alice", create=True)))
    library.statements.part([faces], command="merge")
    few = steps(look)
    for _ in range(20):
        library.statements.part([faces], command="merge")
    assert steps(look) == few > 0


def test_an_action_must_say_something(library: Library) -> None:
    with pytest.raises(ValueError, match="must state something"):
        library.statements.say([], command="name")
    assert library.statements.log() == []


@pytest.mark.parametrize(
    "same", ["alice", " Alice ", "ALICE", "Al\u200bice".replace("\u200b", ""), "Alice\t"]
)
def test_the_same_name_is_one_person(library: Library, same: str) -> None:
    first = library.statements.person("Alice", create=True)
    assert library.statements.person(same, create=True) == first
    assert library.statements.name_of(first) == "Alice"


def test_another_apostrophe_is_no_other_person(library: Library, faces: list[int]) -> None:
    first = library.statements.person("O\u2019Brien", create=True)
    assert library.statements.person("O'Brien", create=True) == first
    assert library.statements.name_of(first) == "O\u2019Brien"


def test_two_people_of_an_older_version_keep_their_names_until_they_are_one(
    library: Library, faces: list[int]
) -> None:
    """To it they were two: each is found as it is written, and renaming makes them one."""
    for number, name in enumerate(("O'Brien", "O\u2019Brien"), 1):
        library._connection.run("insert into person values (?, ?, ?)", (number, name, name.lower()))
        library.statements.say([Fact(faces[number], "is", number)], command="name")
    assert [library.statements.person(name) for name in ("O'Brien", "O\u2019Brien")] == [1, 2]
    assert rename(library, "O\u2019Brien", "O'Brien", command="rename").faces == 1
    assert {fact.person for fact in library.statements.truth()} == {1}


def test_letters_are_compared_composed(library: Library) -> None:
    one = library.statements.person("Zoe\u0308 Stra\u00dfe", create=True)
    assert library.statements.person("ZO\u00cb   STRASSE") == one
    assert library.statements.name_of(one) == "Zo\u00eb Stra\u00dfe"


@pytest.mark.parametrize(
    "spelt",
    [
        "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627",  # Persian
        "\u0936\u0930\u094d\u200d\u092e\u093e",  # Hindi
        "\u0dc1\u0dca\u200d\u0dbb\u0dd3",  # Sinhala
        "\u0cb0\u200d\u0ccd\u0caf",  # Kannada: before the mark
        "\u0d2e\u0d4b\u0d39\u0d28\u0d4d\u200d",  # Malayalam: at the end
        "\U0001f469\U0001f3fd\u200d\U0001f9b0 Mia",  # emoji: a woman, her skin, her red hair
        "\u2764\ufe0f\u200d\U0001f525",  # a heart on fire
    ],
)
def test_a_name_with_joiners_is_kept_and_is_that_without(library: Library, spelt: str) -> None:
    person = library.statements.person(spelt, create=True)
    assert library.statements.name_of(person) == spelt
    plain = spelt.replace("\u200c", "").replace("\u200d", "")
    assert library.statements.person(plain) == person
    library.statements.respell(person, plain)
    assert library.statements.name_of(person) == plain
    assert library.statements.person(spelt) == person


@pytest.mark.parametrize(
    "bad",
    ["", "  ", "\n", "a\x00b", "a\x1b[31m", "\u200d", "\u200cAnn", "Ann \u200c", "a\u200d\u200db"],
)
def test_a_name_that_is_none_is_refused(library: Library, bad: str) -> None:
    with pytest.raises(UsageError, match="at least one letter"):
        library.statements.person(bad, create=True)


def test_an_unknown_name_is_refused(library: Library) -> None:
    with pytest.raises(UsageError, match="Nobody is named Zoe"):
        library.statements.person("Zoe")
