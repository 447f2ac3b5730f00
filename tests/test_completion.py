"""Completion, asked as the three shells ask, and in real ones where they are installed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from facecluster.library import Library
from facecluster.people import name_group, regroup

Run = Callable[..., Result]
NAMES = ["Mary Ann", 'Mary "Moe" O\'Neil', "Mary, $HOME * \\ of York", "Zoë"]


@pytest.fixture
def named(database: Path) -> Path:
    from facecluster.people import name_faces

    with Library.open(database) as library:
        regroup(library, 1, method="agglomerative", threshold=0.5, k=None)
        for face, name in enumerate(NAMES, start=1):
            name_faces(library, [face], name, command="test")
        name_group(library, 2, "Bob", command="test")
    return database


def complete(shell: str, *words: str) -> "subprocess.CompletedProcess[str]":
    typed = {
        "bash": ("\n".join(words), str(len(words) - 1)),
        "zsh": (" ".join(words), str(len(words) - 1)),
        "fish": (" ".join(words[:-1]) + " ", words[-1]),
    }[shell]
    return subprocess.run(
        [sys.executable, "-m", "facecluster"],
        env={
            **os.environ,
            "_FACECLUSTER_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": typed[0],
            "COMP_CWORD": typed[1],
        },
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_offered_commands_options_names_and_numbers(shell: str, named: Path) -> None:
    assert "groups" in complete(shell, "facecluster", "gr").stdout
    assert "--alone" in complete(shell, "facecluster", "find", "--al").stdout
    offered = complete(shell, "facecluster", "find", "mary").stdout
    assert [name in offered for name in NAMES] == [True, True, True, False]
    numbers = complete(shell, "facecluster", "name", "").stdout
    assert "1" in numbers
    assert "Bob" in complete(shell, "facecluster", "name", "1", "b").stdout
    assert "Bob" in complete(shell, "facecluster", "reject", "1", "--person", "").stdout


@pytest.mark.parametrize("library", ["absent", "text", "locked-up"])
def test_what_cannot_be_read_completes_nothing_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    (tmp_path / "text").write_text("no library at all " * 99)
    (tmp_path / "locked-up").mkdir()
    monkeypatch.setenv("FACECLUSTER_DB", str(tmp_path / library))
    done = complete("bash", "facecluster", "find", "A")
    assert (done.stdout.strip(), done.stderr) == ("", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["locked-up", "text"]


def test_asking_leaves_the_library_and_its_folder_as_they_are(named: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in named.parent.iterdir()}
    assert "Bob" in complete("bash", "facecluster", "find", "B").stdout
    assert {path: path.stat().st_mtime_ns for path in named.parent.iterdir()} == before


def test_a_library_in_use_is_read_with_its_newest_words(named: Path) -> None:
    with Library.open(named) as library:
        name_group(library, 3, "Newest", command="test")
        assert "Newest" in complete("bash", "facecluster", "find", "N").stdout


def test_completing_imports_nothing_slow(named: Path) -> None:
    program = (
        "import sys\nfrom facecluster.cli import main\n"
        "try: main(prog_name='facecluster')\n"
        "except SystemExit: pass\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "_FACECLUSTER_COMPLETE": "bash_complete",
            "COMP_WORDS": "facecluster\nfind\nB",
            "COMP_CWORD": "2",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "name,Bob" in done.stdout
    assert not {"numpy", "sqlite_utils", "torch", "rich", "PIL"} & set(done.stdout.split())


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """`facecluster` as a shell finds it."""
    place = tmp_path / "bin" / "facecluster"
    place.parent.mkdir()
    place.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m facecluster "$@"\n')
    place.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place.parent}:{os.environ['PATH']}")
    yield place


def shell(name: str, script: str) -> str:
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    done = subprocess.run([name, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.usefixtures("program", "named")
def test_bash_is_given_whole_names() -> None:
    script = """
    eval "$(facecluster completion bash)"
    compopt() { :; }  # outside of Tab there is nothing to set
    COMP_WORDS=(facecluster find Mary) COMP_CWORD=2
    _facecluster_completion facecluster
    printf '%s\\n' "${COMPREPLY[@]}"
    """
    assert sorted(shell("bash", script).splitlines()) == sorted(NAMES[:3])


@pytest.mark.usefixtures("program", "named")
def test_fish_offers_names_and_takes_the_script() -> None:
    script = """
    facecluster completion fish | source
    complete -C 'facecluster find Zo'
    complete -C 'facecluster find Mary'
    complete -C 'facecluster find --from'
    """
    zoe, *marys, option = shell("fish", script).splitlines()
    assert (zoe, sorted(marys)) == ("Zoë", sorted(NAMES[:3]))
    assert option == "--from\tTaken on this day or later."


@pytest.mark.usefixtures("program", "named")
def test_zsh_takes_the_script() -> None:
    script = (
        "autoload -U compinit; compinit -D;"
        ' eval "$(facecluster completion zsh)"; whence -w _facecluster_completion'
    )
    assert "function" in shell("zsh", script)


@pytest.mark.usefixtures("program", "named")
def test_zsh_is_given_whole_names() -> None:
    script = """
    compdef() { :; }
    eval "$(facecluster completion zsh)"
    compadd() { print -rl -- $completions }  # outside of Tab there is nobody to offer them to
    words=(facecluster find Mary) CURRENT=3
    _facecluster_completion
    """
    assert sorted(shell("zsh", script).splitlines()) == sorted(NAMES[:3])


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_script_says_how_to_keep_it(run: Run, name: str) -> None:
    result = run("completion", name)
    assert result.exit_code == 0
    assert result.stdout.startswith("# For ever: ")
    assert "_FACECLUSTER_COMPLETE" in result.stdout
