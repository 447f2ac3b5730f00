"""`backup` and `export db` on the command line."""

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from facecluster.cli.options import ended_tidily
from facecluster.library import copying

Run = Callable[..., Result]


def test_backup_and_restore_say_what_they_did(run: Run, database: Path, tmp_path: Path) -> None:
    copy = tmp_path / "my copy"
    result = run("backup", copy)
    assert f"facecluster backup '{copy}' --restore' puts it back" in result.stderr
    assert result.exit_code == 0, result.stderr
    assert "holds 13 faces, 0 names, 0 statements in its log" in result.stdout
    run("name", "--face", "1", "Ann")
    refused = run("backup", copy)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "--force" in refused.stderr
    restored = json.loads(run("backup", copy, "--restore", "--json").stdout)
    assert (restored["people"], restored["path"]) == (0, str(database))
    back = run("backup", restored["kept_aside"], "--restore")
    assert "1 name," in back.stdout
    assert "The library before is kept" in back.stderr
    assert json.loads(run("people", "--json").stdout)[0]["person"] == "Ann"


@pytest.mark.parametrize("words", [["copy"], ["copy", "--restore"]], ids=str)
def test_without_a_library_or_a_backup_nothing_is_made(
    run: Run, tmp_path: Path, words: list[str]
) -> None:
    result = run("backup", tmp_path / words[0], *words[1:])
    assert (result.exit_code, result.stdout) == (1, "")
    assert list(tmp_path.glob("*")) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is nothing to ask a program to end")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_asked_to_end_a_backup_leaves_no_half_copy(
    run: Run, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    asked = signal.Signals[number]
    monkeypatch.setattr(copying, "_checked", lambda *_: signal.raise_signal(asked))
    folder = tmp_path / "backups"
    folder.mkdir()
    assert run("backup", folder / "copy").exit_code == 128 + asked
    assert list(folder.iterdir()) == []
    assert signal.getsignal(asked) is signal.SIG_DFL


@pytest.mark.skipif(sys.platform == "win32", reason="there is nothing to ask a program to end")
def test_asked_to_end_is_no_interrupt_whatever_is_made_of_it() -> None:
    with pytest.raises(SystemExit) as ended, ended_tidily():
        try:
            signal.raise_signal(signal.SIGTERM)
        except SystemExit as error:  # as watchfiles does
            raise KeyboardInterrupt from error
    assert ended.value.code == 143


def test_export_db_counts_its_rows(run: Run, database: Path, tmp_path: Path) -> None:
    result = run("export", "db", tmp_path / "a plain.db")
    assert f"'datasette '{tmp_path / 'a plain.db'}''" in result.stderr
    assert "0 people, 13 photos, 13 faces, 0 embeddings." in result.stdout
    again = run("export", "db", tmp_path / "a plain.db", "--embeddings", "--force", "--json")
    assert json.loads(again.stdout)["embedding"] == 13
