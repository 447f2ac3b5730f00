from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecluster.align import TEMPLATE, crop, similarity


def apply(matrix, points):
    return points @ matrix[:, :2].T + matrix[:, 2]


@given(
    angle=st.floats(-3.1, 3.1),
    zoom=st.floats(0.1, 20),
    shift=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
    size=st.sampled_from([96, 112, 160]),
    margin=st.sampled_from([0, 8]),
)
def test_a_moved_template_comes_back_to_the_template(angle, zoom, shift, size, margin):
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    landmarks = TEMPLATE @ turn.T + shift
    found = apply(similarity(landmarks, size, margin), landmarks)
    wanted = (TEMPLATE + margin + 0.5) * size / (112 + 2 * margin) - 0.5
    assert np.allclose(found, wanted, atol=1e-6)


def test_it_is_the_least_squares_fit_of_the_textbook():
    landmarks = TEMPLATE + np.random.default_rng(0).normal(0, 5, TEMPLATE.shape)
    rows, wanted = [], []
    for (x, y), (u, v) in zip(landmarks, TEMPLATE, strict=True):
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
        wanted += [u, v]
    a, b, tx, ty = np.linalg.lstsq(np.array(rows), np.array(wanted), rcond=None)[0]
    assert np.allclose(similarity(landmarks, 112), [[a, -b, tx], [b, a, ty]])


@pytest.mark.parametrize("landmarks", [np.ones((5, 2)), np.full((5, 2), np.nan)])
def test_landmarks_without_a_scale_are_refused(landmarks):
    with pytest.raises(ValueError, match="five finite points"):
        similarity(landmarks, 112)


def gradient(height, width):
    """A picture whose red is x / 2 and green is y / 2, so that a crop tells where it looked."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x / 2, y / 2, np.full_like(x, 7)], axis=2).round().astype(np.uint8)


@pytest.mark.parametrize("zoom", [0.4, 1.0, 1.7, 2.0, 3.3])
def test_each_crop_pixel_shows_the_place_the_matrix_says(zoom):
    landmarks = TEMPLATE * zoom + 20
    pixels = gradient(500, 500)
    face = crop(pixels, landmarks, 112)
    inverse = np.linalg.inv(np.vstack([similarity(landmarks, 112), [0, 0, 1]]))[:2]
    grid = np.stack(np.meshgrid(np.arange(112), np.arange(112)), axis=2).reshape(-1, 2)
    wanted = (apply(inverse, grid) / 2).reshape(112, 112, 2)
    assert np.abs(face[..., :2] - wanted)[2:-2, 2:-2].max() < 1.1


def test_an_upright_face_of_the_crops_own_size_is_copied():
    pixels = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    assert np.abs(crop(pixels, TEMPLATE, 112).astype(int) - pixels).max() <= 1


def test_a_large_face_is_averaged_and_does_not_alias():
    y, x = np.mgrid[:1200, :1200]
    checks = ((x + y) % 2 * 255).astype(np.uint8)
    face = crop(np.stack([checks] * 3, axis=2), TEMPLATE * 9 + 50, 112)
    assert np.abs(face.astype(int) - 127).max() <= 2


def test_beyond_the_picture_is_black():
    white = np.full((60, 60, 3), 255, dtype=np.uint8)
    face = crop(white, TEMPLATE, 112)
    assert face[:50, :50].min() == 255
    assert face[64:].max() == 0


def test_a_face_wholly_outside_is_black():
    white = np.full((60, 60, 3), 255, dtype=np.uint8)
    assert crop(white, TEMPLATE + 1000, 96).max() == 0


def test_margin_shows_more_around_the_same_face():
    pixels = gradient(400, 400)
    landmarks = TEMPLATE * 1.5 + 60
    wide = crop(pixels, landmarks, 128, margin=8)
    narrow = crop(pixels, landmarks, 112)
    assert np.abs(wide[8:120, 8:120].astype(int) - narrow).max() <= 1


@given(
    st.integers(1, 40), st.integers(1, 40), st.lists(st.floats(-80, 80), min_size=10, max_size=10)
)
def test_any_landmarks_give_a_crop_of_the_asked_size(height, width, values):
    landmarks = np.array(values).reshape(5, 2) + TEMPLATE * 0.3
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    assert crop(pixels, landmarks, 48).shape == (48, 48, 3)
