"""`forget` on the command line: asks first, erases, and hands out a receipt."""

import json
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from facecluster.cli import main
from facecluster.library import Library

Run = Callable[..., Result]


@pytest.fixture
def named(run: Run, grouped: Path) -> Path:
    assert run("name", 1, "Ann").exit_code == 0
    assert run("name", 2, "Bob").exit_code == 0
    return grouped


def test_it_asks_first_and_no_changes_nothing(run: Run, named: Path) -> None:
    before = run("faces", "--json").stdout, run("log", "--json").stdout
    for answer in ("n\n", "\n", ""):
        result = CliRunner().invoke(main, ["forget", "ann"], input=answer)
        assert result.exit_code == 1
        assert "Ann: 6 faces, with embeddings" in result.stderr
        assert "cannot be undone" in result.stderr
        assert result.stdout == ""
    assert (run("faces", "--json").stdout, run("log", "--json").stdout) == before


def test_nobody_is_kept_by_a_network_that_is_gone(run: Run, named: Path) -> None:
    with Library.open(named) as library:
        library._connection.run("update model set name = 'gone'")
    result = run("forget", "Ann", "--yes")
    assert result.exit_code == 0, result.stderr
    with Library.open(named) as library:
        assert [person.name for person in library.people()] == ["Bob"]


def test_no_answer_is_told_and_ctrl_c_is_an_interruption(
    run: Run, named: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run("log", "--json").stdout
    result = CliRunner().invoke(main, ["forget", "ann"], input="")
    assert result.exit_code == 1
    assert result.stderr.endswith("Error: Nothing was forgotten: nobody answered; say --yes.\n")

    def interrupted(*_: object, **__: object) -> bool:  # as click tells Ctrl+C at a question
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise click.Abort from None

    monkeypatch.setattr(click, "confirm", interrupted)
    result = run("forget", "ann")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (130, "Stopped.")
    assert run("log", "--json").stdout == before


def test_the_receipt_says_what_went_and_what_stays(run: Run, named: Path) -> None:
    assert run("export", "xmp").exit_code == 0
    run("backup", named.with_name("copy"))
    assert run("backup", named.with_name("copy"), "--restore").exit_code == 0
    result = CliRunner().invoke(main, ["forget", "Ann"], input="y\n")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == (
        "Forgotten  Ann\n"
        "Erased     6 faces on 6 photos, 6 embeddings, 6 statements, "
        "the name in 1 line of the log\n"
        "Kept       6 places on photos, as hashes without a name, that scans leave out\n"
        "Log        says that somebody was forgotten, not who\n"
        "The library's file was written anew, so that nothing of the rest is left in it.\n"
    )
    assert "1 older library, put aside by 'backup --restore', still has them: " in result.stderr
    assert "6 photos and sidecars still say the name: " in result.stderr
    assert b"Ann" not in named.read_bytes()
    assert [one["person"] for one in json.loads(run("people", "--json").stdout)] == ["Bob"]
    assert json.loads(run("log", "--json").stdout)[-1]["command"] == "name 1 forgotten"
    assert run("undo").exit_code == 2


def test_sidecars_that_say_an_older_name_are_told_too(run: Run, named: Path) -> None:
    run("export", "xmp")
    run("rename", "Ann", "Ann Lee")
    assert "6 photos and sidecars still say the name: " in run("forget", "Ann Lee", "--yes").stderr


def test_a_receipt_for_scripts(run: Run, named: Path) -> None:
    receipt = json.loads(run("forget", "Ann", "--yes", "--json").stdout)
    assert receipt == {
        "faces": 6,
        "photos": 6,
        "vectors": 6,
        "statements": 6,
        "names": ["Ann"],
        "lines": 1,
        "places": 6,
        "person": "Ann",
        "copies": [],
        "files_with_the_name": [],
    }


def test_groups_that_may_be_the_same_person_are_told_before(run: Run, database: Path) -> None:
    with Library.open(database) as library:  # one person in two groups
        library.groupings.save(
            model=1,
            method="by hand",
            settings={},
            faces=np.arange(1, 7),
            numbers=np.array([7, 7, 7, 8, 8, 8]),
            next_number=9,
        )
    assert run("name", 7, "Ann").exit_code == 0
    result = run("forget", "Ann", "--yes")
    assert result.exit_code == 0, result.stderr
    assert "Group 8 may be Ann too, and will stay: 'facecluster show 8'." in result.stderr
    assert [one["group"] for one in json.loads(run("groups", "--json").stdout)] == [8]


def test_faces_that_nobody_named_are_told_apart(run: Run, grouped: Path) -> None:
    run("name", "--face", 1, "Ann Lee")
    result = CliRunner().invoke(main, ["forget", "Ann Lee"], input="n\n")
    assert "Ann Lee: 6 faces" in result.stderr
    assert "5 of them you did not name: their group is Ann Lee." in result.stderr
    assert "'facecluster show \"Ann Lee\"'" in result.stderr


def test_nobody_is_forgotten_by_a_misspelt_name(run: Run, named: Path) -> None:
    result = run("forget", "Anne", "--yes")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Did you mean Ann?" in result.stderr
