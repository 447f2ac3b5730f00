from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from facecluster.align import TEMPLATE
from facecluster.quality import measure

BLANK = np.zeros((112, 112, 3), dtype=np.uint8)


def test_size_is_from_the_eyes_line_to_the_mouths():
    face = np.array([[10, 10], [30, 10], [20, 20], [12, 40], [28, 40]])
    assert measure(face, BLANK).size == 30
    assert measure(face * 3 + 7, BLANK).size == 90


def test_a_frontal_face_has_no_yaw_and_its_mirror_image_the_opposite():
    face = np.array([[10, 10], [30, 10], [20, 20], [12, 40], [28, 40]], dtype=float)
    assert measure(face, BLANK).yaw == 0
    face[2, 0] = 24
    mirrored = (face * [-1, 1])[[1, 0, 2, 4, 3]]
    assert measure(face, BLANK).yaw == pytest.approx(0.4)
    assert measure(mirrored, BLANK).yaw == pytest.approx(-0.4)


def test_a_profile_is_at_the_end_of_the_scale():
    face = np.array([[10, 10], [14, 10], [30, 25], [12, 40], [16, 40]])
    assert measure(face, BLANK).yaw == 1


@given(st.floats(-3.1, 3.1), st.floats(0.1, 9))
def test_turning_or_enlarging_the_photo_changes_no_yaw(angle, zoom):
    face = TEMPLATE.copy()
    face[2, 0] += 6
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert measure(face @ turn.T, BLANK).yaw == pytest.approx(measure(face, BLANK).yaw)


@given(st.lists(st.floats(-1e4, 1e4), min_size=10, max_size=10))
def test_any_landmarks_stay_in_range(values):
    quality = measure(np.array(values).reshape(5, 2), BLANK)
    assert quality.size >= 0 and -1 <= quality.yaw <= 1


def test_sharpness_is_the_variance_of_the_laplacian():
    crop = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    grey = crop @ np.array([0.299, 0.587, 0.114])
    values = [
        grey[y - 1, x] + grey[y + 1, x] + grey[y, x - 1] + grey[y, x + 1] - 4 * grey[y, x]
        for y in range(1, 8)
        for x in range(1, 8)
    ]
    assert measure(TEMPLATE, crop).sharpness == pytest.approx(np.var(values), rel=1e-4)


def test_blurring_lowers_sharpness_and_a_blank_has_none():
    crop = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    blurred = np.asarray(Image.fromarray(crop).filter(ImageFilter.GaussianBlur(1)))
    assert measure(TEMPLATE, BLANK).sharpness == 0
    assert measure(TEMPLATE, blurred).sharpness < measure(TEMPLATE, crop).sharpness / 10
    assert measure(TEMPLATE, BLANK[:2]).sharpness == 0
