"""Paths that name a moment of a clip."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecluster.moments import CLIP_SUFFIXES, content_of, file_of, fragment, is_clip, moment_of

SECONDS = st.floats(min_value=0, max_value=1e6)


@given(st.text(), st.sampled_from(sorted(CLIP_SUFFIXES)), SECONDS)
def test_a_moment_leads_back_to_its_clip(folder: str, suffix: str, seconds: float) -> None:
    clip = f"{folder}a{suffix}"
    moment = clip + fragment(seconds)
    assert file_of(moment) == clip and file_of(clip) == clip
    assert moment_of(moment) == pytest.approx(seconds, abs=0.00051) and moment_of(clip) is None
    assert is_clip(clip) and not is_clip(moment)
    assert content_of("ab12" + fragment(seconds)) == "ab12" == content_of("ab12")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "#t=0"), (12.5, "#t=12.5"), (100.0, "#t=100"), (1.0016, "#t=1.002")]
)
def test_seconds_are_told_to_the_millisecond(seconds: float, text: str) -> None:
    assert fragment(seconds) == text


@pytest.mark.parametrize(
    "path",
    ["a.jpg", "a.jpg#t=1", "a.mp4#t=1.jpg", "a.mp4#t=", "a.mp4#t=-1", "a.mp4#t=1:30", "#t=1", ""],
)
def test_other_names_are_files(path: str) -> None:
    assert moment_of(path) is None
    assert file_of(path) == path
