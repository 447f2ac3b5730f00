"""The example programs that a user may copy run on the sample photos and print what they say."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

import calibrate

from facecluster.embed import BUNDLED, find_model
from facecluster.facenet.calibration import fit
from facecluster.facenet.header import read_header

EXAMPLES = Path(calibrate.__file__).parent


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


def test_who_shares_a_folder_is_one_person() -> None:
    """Of families' data sets the folders are FAMILY/MEMBER: the members' names are no people."""
    names = ("F1/child/0.jpg", "F1/child/1.jpg", "F2/child/0.jpg", "F2/mother/0.jpg")
    rows = dict(zip(names, np.eye(4, dtype=np.float32), strict=True))
    same, different = calibrate.all_pairs(rows)
    assert same.tolist() == [2.0] and different.tolist() == [2.0] * 5


def test_what_was_measured_is_written_and_the_weights_stay(tmp_path: Path) -> None:
    bundled = find_model(BUNDLED).path
    assert bundled is not None
    model = Path(shutil.copy(bundled, tmp_path / "m.safetensors"))
    before, chance = read_header(model), np.random.default_rng(0)
    measured = fit(chance.normal(1, 0.2, 500), chance.normal(2, 0.2, 5000), source="drawn")
    calibrate.write(model, measured, 1.5, None)
    assert read_header(model).calibration == measured
    assert read_header(model).thresholds == before.thresholds
    calibrate.write(model, measured, 1.5, 0.7)
    after = read_header(model)
    assert after.fingerprint == before.fingerprint
    assert (after.thresholds["verify"], after.thresholds["group"]) == (1.5, 0.7)
    assert after.thresholds["identify"] == pytest.approx(
        measured.threshold(1e-3).threshold, abs=1e-3
    )
