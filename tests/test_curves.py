import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from facecluster.curves import roc_svg


def corners(svg: str) -> list[list[tuple[float, float]]]:
    """The points of each curve as (FAR, VAL), read back from the axes' own labels."""
    root = ElementTree.fromstring(svg)
    words = [
        (float(one.get("x")), float(one.get("y")), one.text)
        for one in root.iter("{http://www.w3.org/2000/svg}text")
    ]
    far = {float(text): x for x, _, text in words if re.fullmatch(r"1e-\d+|1", text) and x > 60}
    least = min(far)
    val = {float(text): y for x, y, text in words if re.fullmatch(r"0|0\.\d|1", text) and x < 60}
    per_decade = (far[1] - far[least]) / -math.log10(least)

    def back(x: float, y: float) -> tuple[float, float]:
        return 10 ** ((x - far[1]) / per_decade), (val[0] - 4 - y) / (val[0] - val[1])

    return [
        [back(*map(float, point.split(","))) for point in line.get("points").split()]
        for line in root.iter("{http://www.w3.org/2000/svg}polyline")
    ]


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_the_curve_goes_through_its_points(seed: int, count: int) -> None:
    chance = np.random.default_rng(seed)
    far, val = (np.sort(chance.random(count)) for _ in range(2))
    (points,) = corners(roc_svg("t", {"a": (far, val)}, least=1e-3))
    for x, y in zip(np.maximum(far, 1e-3), val, strict=True):
        assert min(abs(math.log10(x / px)) + abs(y - py) for px, py in points) < 0.02
    for (x0, y0), (x1, y1) in pairwise(points):
        assert x1 >= x0 * 0.99 and y1 >= y0 - 0.01


def test_names_are_text_and_curves_have_their_own_colours() -> None:
    curve = (np.array([0.0, 1.0]), np.array([0.5, 1.0]))
    svg = roc_svg("<script>", {"a & b": curve, "c": curve}, least=1e-2)
    root = ElementTree.fromstring(svg)
    texts = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"<script>", "a & b", "c"} <= set(texts)
    strokes = [one.get("stroke") for one in root.iter("{http://www.w3.org/2000/svg}polyline")]
    assert len(set(strokes)) == 2
