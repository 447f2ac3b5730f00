"""The README is true: its commands run on the sample photos and print what it shows, and it leaves
no command out."""

import os
import re
import shlex
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import Result

from facecluster.cli import main

Run = Callable[..., Result]
ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def session() -> list[tuple[str, list[str]]]:
    """Each command of the README's console blocks, with the lines shown below it."""
    steps: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line[2:], []))
            else:
                steps[-1][1].append(line)
    return steps


def shape(line: str) -> str:
    """The line without what differs between machines and networks: numbers and spacing."""
    line = line.replace(os.getcwd(), "/home/you/facecluster")
    return " ".join(re.sub(r"[\d.,:+T-]*\d+", "#", line).split())


def test_the_session_runs_and_prints_what_the_readme_shows(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "examples").mkdir()
    shutil.copytree(ROOT / "examples" / "photos", tmp_path / "examples" / "photos")
    monkeypatch.chdir(tmp_path)
    steps = session()
    assert len(steps) >= 10
    for command, shown in steps:
        first, *words = shlex.split(command)
        if first == "export":
            name, value = words[0].split("=")
            monkeypatch.setenv(name, value)
            continue
        assert first == "facecluster", command
        result = run(*words)
        assert result.exit_code == 0, f"{command}\n{result.output}"
        printed = {shape(line) for line in result.output.splitlines()}
        for line in shown:
            if line != "...":
                assert shape(line) in printed, f"{command} printed\n{result.output}"


def test_the_two_commands_are_there_and_the_first_is_what_a_user_would_type() -> None:
    commands = re.findall(
        r"^<!-- command: (\S+) -->\n```shell-session\n\$ (.+)\n```$", README, re.MULTILINE
    )
    assert [purpose for purpose, _ in commands] == ["main-job", "tests"]
    assert all(line.startswith("python3 -m venv .venv && ") for _, line in commands)
    assert "facecluster scan examples/photos" in commands[0][1]
    assert commands[1][1].endswith("pytest")


def named(group: click.Group, before: str = "") -> list[tuple[str, click.Command]]:
    found = []
    for name, command in group.commands.items():
        found.append((f"{before}{name}", command))
        if isinstance(command, click.Group):
            found += named(command, f"{before}{name} ")
    return found


@pytest.mark.parametrize(("name", "command"), named(main), ids=[name for name, _ in named(main)])
def test_every_command_is_in_the_readme_and_has_help(name: str, command: click.Command) -> None:
    assert command.help
    assert command.short_help or len(command.get_short_help_str(limit=200)) > 15
    assert f"\n### {name}\n" in README
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name}"


def test_every_figure_is_filled_in() -> None:
    assert "FIGURE" not in README


def test_the_newest_change_is_this_version() -> None:
    changes = README.split("\n## Changes\n")[1]
    newest = re.search(r"^### (\S+)", changes, re.MULTILINE)
    assert newest
    assert newest[1] == version("facecluster")


def test_every_link_into_the_tree_leads_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)]+)\)", README)
    assert targets
    for target in targets:
        assert (ROOT / target).exists(), target
