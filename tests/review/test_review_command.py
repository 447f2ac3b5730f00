"""`facecluster review` in a process of its own: what it prints, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from click.testing import Result

Run = Callable[..., Result]


def test_it_prints_the_address_serves_it_and_ends_on_an_interrupt(grouped: Path) -> None:
    command = [sys.executable, "-m", "facecluster", "review", "--no-open", "--db", str(grouped)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=os.environ) as process:
        try:
            assert process.stdout and process.stderr
            url = process.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{43}/", url)
            with urllib.request.urlopen(url + "state", timeout=20) as answer:
                assert answer.status == 200
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 0
            told = process.stderr.read()
        finally:
            process.kill()
    assert told.splitlines() == [
        "The page is at this address until you press Ctrl+C here.",
        "0 statements made; 0 of 13 faces settled.",
        "Next: 'facecluster people'",
    ]


def test_the_browsers_command_line_tells_nobody_the_address(
    run: Run, grouped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every user of the machine can read it."""
    opened: list[Path] = []
    seen: list[str] = []

    def browse(address: str) -> bool:
        opened.append(Path(url2pathname(urlsplit(address).path)))
        assert urlsplit(address).scheme == "file"
        return True

    def look(*_: object, **__: object) -> None:
        (file,) = opened
        if os.name == "posix":
            assert file.stat().st_mode & 0o777 == 0o600
            assert file.parent.stat().st_mode & 0o777 == 0o700
        seen.append(file.read_text())

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("webbrowser.open", browse)
    monkeypatch.setattr("uvicorn.Server.run", look)
    result = run("review", "--db", grouped)
    assert result.exit_code == 0, result.stderr
    url = result.stdout.strip()
    token = urlsplit(url).path.strip("/")
    assert f'content="0; url={url}"' in seen[0]
    assert token not in str(opened[0])
    assert not opened[0].parent.exists(), "it leads nowhere any more"
    assert "open this address there yourself" in result.stderr


def test_without_a_folder_for_it_no_browser_is_opened(
    run: Run, grouped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    monkeypatch.setattr("webbrowser.open", lambda _: pytest.fail("opened"))
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    result = run("review", "--db", grouped)
    assert (result.exit_code, result.stdout[:17]) == (0, "http://127.0.0.1:")
    assert "yourself" not in result.stderr


def test_there_is_nothing_to_review_before_the_first_grouping(run: Run, database: Path) -> None:
    result = run("review", "--no-open")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "'facecluster group'" in result.stderr


def test_a_missing_package_is_one_sentence(
    run: Run, grouped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("facecluster.review")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.split(".")[0] == "uvicorn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    result = run("review", "--no-open")
    assert result.exit_code == 1
    assert "pip install 'facecluster[review]'" in result.stderr


def test_a_taken_port_is_one_sentence(run: Run, grouped: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("review", "--no-open", "--port", taken.getsockname()[1])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cannot be used" in result.stderr
