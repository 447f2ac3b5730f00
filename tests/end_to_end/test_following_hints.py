"""A newcomer who types only what the help and each command's last line say gets everybody named."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

SAMPLES = str(Path(__file__).parent.parent.parent / "examples" / "photos")
NAMES = ("Alice", "Bob", "Carol", "Dan", "Eve", "Frank", "Grace", "Heidi", "Ivan", "Judy")
Run = Callable[..., Result]


def next_commands(result: Result) -> list[list[str]]:
    """What the hint says to do next; what it only offers comes after a semicolon."""
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("Next: ")]
    assert len(lines) == 1, result.stderr
    found = re.findall(r"'facecluster ([^']+)'", lines[0].split(";")[0])
    assert found, lines[0]
    return [shlex.split(command) for command in found]


def test_from_the_help_to_the_photos_of_somebody_named(run: Run, samples: Path) -> None:
    begin = run().output.split("Begin with:")[1].strip()
    assert begin.startswith("facecluster scan ~/Pictures ")
    result, typed = run("scan", SAMPLES), ["scan"]
    names = iter(NAMES)
    while typed[-1] != "find" and len(typed) < 60:
        for words in next_commands(result):
            if words[0] == "name":
                words[-1] = next(names)  # everybody is somebody else
            result = run(*words)
            typed.append(words[0])
    groups = json.loads(run("groups", "--json").stdout)
    assert {group["person"] for group in groups} == set(NAMES[: len(groups)])
    # nothing is new in this library, which is grouped already
    assert typed[:5] == ["scan", "groups", "show", "name", "groups"]
    photos = result.stdout.splitlines()
    assert len(photos) >= 5 and all(Path(path).exists() for path in photos)
