"""What each network costs, readable without torch; the tests count it anew."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OF_THE_PAPER", "SIZES", "Size"]

# The networks that can be trained here.
OF_THE_PAPER = ("nn1", "nn2", "nn3", "nn4", "nns1", "nns2")


@dataclass(frozen=True, slots=True)
class Size:
    """The input's height and width in pixels; weights, and multiply-adds a face, without biases."""

    height: int
    width: int
    parameters: int
    multiply_adds: int


# At 128 dimensions; facenet-pytorch's at 512.
SIZES = {
    "nn1": Size(220, 220, 140_006_592, 1_605_944_064),
    "nn2": Size(224, 224, 7_448_256, 1_596_530_688),
    "nn3": Size(160, 160, 7_448_256, 814_620_672),
    "nn4": Size(96, 96, 6_936_256, 288_870_400),
    "nns1": Size(165, 165, 26_119_392, 222_540_256),
    "nns2": Size(140, 116, 4_291_380, 20_639_248),
    "inception_resnet_v1": Size(160, 160, 23_432_032, 1_417_662_304),
    "dlib_resnet": Size(150, 150, 5_603_936, 270_854_144),
    "mobilefacenet": Size(112, 112, 1_275_008, 234_105_344),
}
