"""What can be a name, and which names mean one person."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecluster.errors import UsageError
from facecluster.library.names import clean_name, name_key, new_name, spellings


@given(
    st.lists(st.text(min_size=1).filter(str.isprintable).filter(str.strip), min_size=1).map(
        "e\u200c".join
    )
)
def test_cleaning_a_name_twice_changes_nothing(name: str) -> None:
    assert clean_name(clean_name(name)) == clean_name(name)
    assert name_key(clean_name(name)) == name_key(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (" 12 ", "12 is a number"),
        ("\u0663", "is a number"),
        ("\u200eAnn", "at least one letter"),
        ("Ann" * 1000, "no more than 200 letters, and this one 3000"),
    ],
)
def test_what_is_no_name_is_told(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        new_name(name)


def test_a_name_may_be_long() -> None:
    assert new_name(f" {'a' * 200} ") == "a" * 200


@pytest.mark.parametrize(
    "spelt",
    ["O\u2019Brien-Hall", "o\u02bcbrien\u2011hall", "O`Brien\u2010Hall", "O\u00b4BRIEN-HALL"],
)
def test_apostrophes_and_hyphens_of_all_kinds_mean_one_person(spelt: str) -> None:
    assert name_key(spelt) == "o'brien-hall"
    assert re.fullmatch(spellings("o'brien-hall"), spelt, re.I)
