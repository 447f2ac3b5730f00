"""What tests of several parts share: a place that is not the user's, and small libraries."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import settings
from PIL import Image

from facecluster.records import Analysis, Box, Face, FileStamp, Photo, Quality

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "examples" / "photos"
PEOPLE = ("ann", "bob", "cid")  # of the small library; ann has most faces
PHOTOS_OF = (6, 4, 3)

Run = Callable[..., Result]

# No test is timed: on a machine that does something else too, an example may take long.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Processes that run tests side by side compute with a core each: sharing them they wait."""
    if config.getoption("numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _apart_from_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the library, the cache or the settings of whoever runs it."""
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("FACECLUSTER_DB", str(tmp_path / "library.sqlite"))
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def run() -> Run:
    """Run a command line in this process; the result has exit_code, stdout, stderr."""

    def invoke(*words: object) -> Result:
        from facecluster.cli import main

        result = CliRunner().invoke(main, [str(word) for word in words], prog_name="facecluster")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A library of 13 photos of three people and one photo that cannot be read; not grouped.

    Photo i of person p has face vector e_p turned a little towards an axis of its own.
    """
    from facecluster.library import Library

    path = tmp_path / "library.sqlite"
    with Library.open(path) as library:
        model = library.scanned.register_model(fingerprint="f", name="nn4", dimension=32)
        analyses = [
            _photo(tmp_path, person, number)
            for person, count in enumerate(PHOTOS_OF)
            for number in range(count)
        ]
        broken = FileStamp(path=str(tmp_path / "broken.jpg"), size=3, mtime_ns=1)
        analyses.append(Analysis(broken, None, (), None, error="It is not a picture."))
        library.scanned.add(analyses, detector="test", model=model)
        library.scanned.finish()
    return path


def _photo(folder: Path, person: int, number: int) -> Analysis:
    name = f"{PEOPLE[person]}{number}"
    vector = np.zeros(32)
    vector[person], vector[3 + sum(PHOTOS_OF[:person]) + number] = 1.0, 0.3
    box = Box(10.0, 20.0, 110.0, 140.0)
    at = ((40.0, 60.0), (80.0, 60.0), (60.0, 80.0), (45.0, 105.0), (75.0, 105.0))
    face = Face(box, at, score=0.999, quality=Quality(size=45.0, sharpness=300.0, yaw=0.0))
    return Analysis(
        file=FileStamp(path=str(folder / f"{name}.jpg"), size=1000 + number, mtime_ns=1),
        photo=Photo(sha256=f"{name:>064}", width=640, height=480, orientation=1, taken_at=None),
        faces=(face,),
        embeddings=(vector / np.linalg.norm(vector))[None].astype(np.float32),
    )


@pytest.fixture
def grouped(database: Path, run: Run) -> Path:
    """The small library, grouped, with its photos on the disk: red, green or blue by person."""
    from facecluster.library import Library

    assert run("group", "--threshold", 0.5).exit_code == 0
    with Library.open(database) as library:
        for face in library.faces():
            colour = ("red", "lime", "blue")[PEOPLE.index(Path(face.path).name[:3])]
            Image.new("RGB", (640, 480), colour).save(face.path)
    return database


@pytest.fixture(scope="session")
def _scanned_samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from facecluster.cli import main

    path = tmp_path_factory.mktemp("samples") / "samples.sqlite"
    words = ["scan", str(SAMPLES), "--group", "--db", str(path)]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return path


@pytest.fixture
def samples(_scanned_samples: Path, tmp_path: Path) -> Path:
    """A fresh copy of the library of the sample photos, scanned and grouped once for all tests."""
    path = tmp_path / "library.sqlite"
    shutil.copy(_scanned_samples, path)
    return path


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The address of a Dask cluster of two worker processes, each started anew when it is killed.

    A task whose worker dies is given up at once, so that the tests need not kill four.
    """
    pytest.importorskip("distributed")
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "dask_cluster.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate()  # the end of its input ends it
