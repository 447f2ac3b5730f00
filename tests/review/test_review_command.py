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
