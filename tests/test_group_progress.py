"""A long `group` shows how far it is, and one that is stopped leaves the groups as they were."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from facecluster.library import Library

Run = Callable[..., Result]


def test_a_group_that_is_stopped_changes_nothing(
    run: Run, grouped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def members() -> dict[int, list[int]]:
        with Library.open(grouped) as library:
            return {one.number: library.groupings.members(one.number) for one in library.groups()}

    def stopped(*_: object, **__: object) -> Iterator[float]:
        yield 0.5
        raise KeyboardInterrupt

    before = members()
    monkeypatch.setattr("facecluster.people.regrouping.group_steps", stopped)
    assert run("group", "--full", "--threshold", "0").exit_code == 130
    assert before and members() == before


def test_shares_are_shown_as_faces(
    run: Run, grouped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[float, float]] = []
    monkeypatch.setattr(
        "facecluster.cli.output.Progress.show", lambda _, done, total: shown.append((done, total))
    )
    assert run("group", "--full").exit_code == 0
    assert grouped and shown == sorted(shown)
    assert shown[-1][0] <= shown[-1][1] == 13
