"""Faces made worse on purpose; test_evaluate_videos.py runs the command, on the same photos."""

import numpy as np
from PIL import Image

from facecluster.evaluate.degraded import SETTINGS, _versions


def test_faces_are_made_worse_as_far_as_said() -> None:
    chance = np.random.default_rng(0)
    pixels = chance.integers(0, 256, (300, 300, 3)).astype(np.uint8)
    pixels = np.asarray(Image.fromarray(pixels).resize((600, 600)))
    marks = np.array([[230, 250], [370, 250], [300, 330], [245, 410], [360, 410]], dtype=float)
    versions = dict(zip(SETTINGS, _versions(pixels, marks, 96, 0.0), strict=True))
    assert {crop.shape for crop in versions.values()} == {(96, 96, 3)}

    def loss(name: str) -> float:
        return float(np.abs(versions[name].astype(float) - versions["as it is"]).mean())

    qualities = [loss(f"JPEG quality {quality}") for quality in (10, 20, 30, 50, 70, 90)]
    assert qualities == sorted(qualities, reverse=True) and qualities[-1] > 0
    assert loss("1,600 pixels") > loss("6,400 pixels") > loss("14,400 pixels")
