from __future__ import annotations

import os
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from facecluster.analyzer import Analyzer, Found
from facecluster.cli import main
from facecluster.cli.detection import DetectionSettings, detection_settings
from facecluster.images import LONGEST
from facecluster.library import Library
from facecluster.scan import scan

PHOTO = 4000  # pixels of the longer side of 12 megapixels


@pytest.fixture
def asked(monkeypatch):
    """Runs `scan` with these options; the settings that the analyzer would be opened with."""

    class Enough(Exception):
        pass

    def run(tmp_path, *options):
        opened = []

        def open_analyzer(network, settings):
            opened.append(settings)
            raise Enough

        monkeypatch.setattr("facecluster.cli.scan.open_analyzer", open_analyzer)
        database = str(tmp_path / "library.sqlite")
        result = CliRunner().invoke(main, ["--db", database, "scan", str(tmp_path), *options])
        return opened[0] if isinstance(result.exception, Enough) else result

    return run


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ([], None),
        (["--min-face", "40"], DetectionSettings(40, 0, LONGEST)),
        (["--min-face", "40px"], DetectionSettings(40, 0, LONGEST)),
        (["--min-face", "2%"], DetectionSettings(1, 0.02, LONGEST)),
        (["--min-face", " 2.5 % "], DetectionSettings(1, 0.025, LONGEST)),
        (["--min-face", "20"], DetectionSettings(20, 0, 2 * LONGEST)),
        (["--min-face", "0.5%"], DetectionSettings(1, 0.005, 2400)),
        (["--thorough"], DetectionSettings(16, 0.004, 3000)),
        (["--thorough", "--min-face", "40"], DetectionSettings(40, 0, 2 * LONGEST)),
    ],
)
def test_the_options_say_how_closely_to_look(tmp_path, asked, options, settings):
    assert asked(tmp_path, *options) == settings


@pytest.mark.parametrize("size", ["0", "0.5", "0%", "100%", "-3", "two", "4 cm", "", "1e3", "nan"])
def test_what_is_no_size_is_refused_in_a_sentence(tmp_path, asked, size):
    result = asked(tmp_path, "--min-face", size)
    assert result.exit_code == 2
    assert f"{size!r} is no size: give pixels, like 40, or a share, like 2%." in result.stderr


@pytest.mark.parametrize("size", [(24.0, 0.0), (1.0, 0.008), (1.0, 0.003), (1.0, 0.5)])
@pytest.mark.parametrize("thorough", [False, True])
def test_the_smallest_face_of_12_megapixels_is_large_enough_as_read(size, thorough):
    found = detection_settings(size, thorough)
    scale = max(factor for factor in (1, 2, 4, 8) if factor == 1 or factor * found.longest <= PHOTO)
    assert max(found.min_face, found.min_share * PHOTO) / scale >= 12


class Blind(Analyzer):
    """Finds nothing, and counts the photos it was shown."""

    def __init__(self, name, **options):
        embedder = SimpleNamespace(fingerprint="f", name="n", dimension=4)
        super().__init__(SimpleNamespace(name=name), embedder, **options)
        self.shown = 0

    def analyze(self, pictures):
        self.shown += len(pictures)
        return [Found((), np.empty((0, 4), dtype=np.float32)) for _ in pictures]


def test_photos_looked_at_otherwise_stay_unless_one_insists(tmp_path):
    photo = tmp_path / "photos" / "a.png"
    photo.parent.mkdir()
    Image.new("RGB", (30, 20)).save(photo)

    def shown(library, name, **options):
        analyzer = Blind(name, **options)
        for _ in scan(library, [photo.parent], analyzer):
            pass
        return analyzer.shown

    with Library.open(tmp_path / "library.sqlite") as library:
        assert shown(library, "mtcnn-1 32px 0.8%") == 1
        assert shown(library, "mtcnn-1 32px 0.8%") == 0
        assert shown(library, "mtcnn-1 16px 0.4%", longest=3000, insists=True) == 1
        assert shown(library, "mtcnn-1 16px 0.4%", longest=3000, insists=True) == 0
        assert shown(library, "mtcnn-1 32px 0.8%") == 0
        os.rename(photo, photo.with_name("b.png"))
        assert shown(library, "mtcnn-1 32px 0.8%") == 0
        assert shown(library, "mtcnn-1 32px 0.8%", insists=True) == 1
        assert shown(library, "mtcnn-2 32px 0.8%") == 1
