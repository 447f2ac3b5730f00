from __future__ import annotations

import pytest
from made_up_networks import FakeDetector, FakeEmbedder, draw, fake_analyzer

from facecluster.align import TEMPLATE_SIZE


class LargeCrops(FakeEmbedder):
    """Takes the very crop in which sharpness is measured, or one with a margin."""

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.crop_size, self.margin = TEMPLATE_SIZE, margin


@pytest.mark.parametrize("margin", [0.0, 8.0])
def test_sharpness_does_not_depend_on_the_networks_crop(tmp_path, margin):
    small, large = fake_analyzer(), fake_analyzer(FakeDetector(), LargeCrops(margin))
    picture = small.read(draw(tmp_path / "photo.png", (20, 30, 9), (50, 8, 3)))
    (mine,), (theirs,) = small.analyze([picture]), large.analyze([picture])
    assert [face.quality.sharpness for face in mine.faces] == [
        face.quality.sharpness for face in theirs.faces
    ]
    assert all(face.quality.sharpness > 0 for face in mine.faces)
