"""What the table of sub-groups is made of: skin tones, pairs within a group, rates, intervals."""

from itertools import combinations

import numpy as np
import pytest
from benchmarks.skin_tone import LEAST_YELLOW, lab, skin_angle, typology_angle
from benchmarks.subgroups import grouped, interval, pairs_within, rates, share_between
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from facecluster.facenet import evaluation

THRESHOLDS = (0.8, 1.6)
byte = st.integers(0, 255)


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
    ],
)
def test_lab_is_that_of_the_colours_whose_values_are_published(
    colour: tuple[int, int, int], expected: tuple[float, float, float]
) -> None:
    np.testing.assert_allclose(
        lab(np.array(colour, dtype=np.uint8)), expected, atol=0.05
    )  # of another rounding


@given(byte, byte)
def test_grey_has_no_colour_and_brighter_grey_is_lighter(one: int, other: int) -> None:
    first, second = lab(np.array([[one] * 3, [other] * 3], dtype=np.uint8))
    assert np.abs([first[1:], second[1:]]).max() < 0.02
    assert np.sign(first[0] - second[0]) == np.sign(one - other)


@pytest.mark.parametrize(
    ("colour", "expected"),  # ITA of the L* and b* that the maker of the ColorChecker gives
    [
        ((194, 150, 130), typology_angle(65.71, 17.81)),
        ((115, 82, 68), typology_angle(37.99, 14.06)),
    ],
    ids=["light skin", "dark skin"],
)
def test_the_skins_of_the_colour_chart_have_their_angle(
    colour: tuple[int, int, int], expected: float
) -> None:
    lightness, _, yellowness = lab(np.array(colour, dtype=np.uint8)).tolist()
    assert typology_angle(lightness, yellowness) == pytest.approx(expected, abs=3)


def test_the_angle_is_arctan_of_lightness_over_yellowness() -> None:
    assert typology_angle(65, 15) == pytest.approx(45)
    assert typology_angle(50, 15) == 0
    assert typology_angle(50 - 3**0.5, 1) == pytest.approx(-60)


def face(colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A crop of all colours with skin of one colour between the eyes and the mouth."""
    crop = np.random.default_rng(0).integers(0, 256, (112, 112, 3)).astype(np.uint8)
    crop[52:82, 26:86] = colour
    return crop


@given(st.tuples(byte, byte, byte))
def test_the_angle_of_a_face_is_that_of_its_skin(colour: tuple[int, int, int]) -> None:
    lightness, _, yellowness = lab(np.array(colour, dtype=np.uint8)).tolist()
    angle = skin_angle(face(colour))
    if yellowness <= LEAST_YELLOW:
        assert np.isnan(angle)
    else:
        assert angle == pytest.approx(typology_angle(lightness, yellowness))


def test_grey_and_sepia_pictures_have_no_angle() -> None:
    grey = face((200, 150, 120)).mean(axis=2, keepdims=True)
    for tint in ((1.0, 1.0, 1.0), (1.0, 0.9, 0.7)):
        assert np.isnan(skin_angle((grey * tint).astype(np.uint8)))


def test_groups_begin_at_their_least_value_and_leave_out_what_has_none() -> None:
    values = np.array([12.9, 13.0, np.nan, 70.0, 0.0])
    found = dict(grouped(values, (("old", 60), ("young", 13), ("children", -np.inf))))
    rows = {name: here.tolist() for name, here in found.items()}
    assert rows == {"all": [0, 1, 3, 4], "old": [3], "young": [1], "children": [0, 4]}


def people(seed: int, families: int) -> tuple[NDArray[np.float32], ...]:
    """Unit rows, people and families: two people a family, three noisy faces of each."""
    chance = np.random.default_rng(seed)
    who = np.repeat(np.arange(2 * families), 3)
    rows = chance.normal(size=(2 * families, 8))[who] + 0.7 * chance.normal(size=(len(who), 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32), who, who // 2


def brute_rates(
    faces: tuple[NDArray[np.float32], ...], times: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances of all same and stranger pairs, repeated as often as the families are drawn."""
    rows, who, kin = faces
    same, different = [], []
    for i, j in combinations(range(len(rows)), 2):
        distance = float(((rows[i].astype(float) - rows[j]) ** 2).sum())
        if who[i] == who[j]:
            same += [distance] * int(times[kin[i]])
        elif kin[i] != kin[j]:
            different += [distance] * int(times[kin[i]] * times[kin[j]])
    return np.array(same), np.array(different)


@given(
    st.lists(st.integers(0, 3), min_size=5, max_size=5).filter(lambda n: np.count_nonzero(n) > 1)
)
def test_rates_are_those_of_all_pairs_as_often_as_families_are_drawn(drawn: list[int]) -> None:
    faces, times = people(1, 5), np.array(drawn)
    same, different = brute_rates(faces, times)
    expected = [
        rate(distances, threshold)
        for threshold in THRESHOLDS
        for rate, distances in (
            (evaluation.validation_rate, same),
            (evaluation.false_accept_rate, different),
        )
    ]
    *found, equal = rates(pairs_within(*faces), THRESHOLDS, times).tolist()
    assert found == pytest.approx(expected)
    # Weighted pairs come one by one, not in the steps that copies of one distance make together.
    assert equal == pytest.approx(evaluation.equal_error_rate(same, different)[0], abs=0.03)


def test_rates_of_one_family_are_unknown() -> None:
    assert np.isnan(rates(pairs_within(*people(1, 1)), THRESHOLDS, np.ones(1, dtype=int))).all()


def test_the_interval_holds_the_rate_and_is_narrower_with_more_people() -> None:
    widths = []
    for families in (10, 60):
        pairs = pairs_within(*people(2, families))
        low, high = interval(pairs, THRESHOLDS, rounds=100, seed=0)
        found = rates(pairs, THRESHOLDS, np.ones(families, dtype=int))
        assert (low <= found).all() and (found <= high).all()
        widths.append(high - low)
    assert (widths[1] < widths[0]).all()


def test_share_between_is_the_published_example() -> None:
    """Shrout and Fleiss (1979), table 2: ICC(1, 1) = .17."""
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    values = np.array(ratings, dtype=float).ravel()
    assert share_between(values, np.repeat(np.arange(6), 4)) == pytest.approx(0.17, abs=0.005)
    assert share_between(np.array([1.0, 1, 5, 5]), np.array([0, 0, 1, 1])) == 1
