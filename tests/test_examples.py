"""The example programs that a user may copy run on the sample photos and print what they say."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize(
    ("program", "expected"),
    [("find_people.py", "group 1: "), ("same_person.py", "squared distance")],
)
def test_the_example_runs(program: str, expected: str, tmp_path: Path) -> None:
    text = (EXAMPLES / program).read_text()
    assert text.startswith('"""')
    assert text.count("\n") <= 60
    photos = sorted((EXAMPLES / "photos").glob("*.jpg"))
    folder = tmp_path / "few"
    folder.mkdir()
    for photo in photos[:12]:
        (folder / photo.name).write_bytes(photo.read_bytes())
    words = [str(folder)] if program == "find_people.py" else [str(p) for p in photos[:2]]
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / program), *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout
