"""Names of people: what can be one, how it is kept, and which ones mean one person."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from facecluster.errors import UsageError

__all__ = ["alike", "clean_name", "name_key", "new_name", "spellings"]

# Zero-width non-joiner and joiner: ordinary spelling in Persian, Hindi, Sinhala and more, but left
# out as often; and what makes one picture of several emoji.
_JOINERS = "\u200c\u200d"
# What a word processor, a telephone or another keyboard makes of an apostrophe and a hyphen.
_VARIANTS = {"'": "\u2019\u2018\u02bc\u02bb\u2032`\u00b4", "-": "\u2010\u2011"}
_PLAIN = {ord(one): letter for letter, those in _VARIANTS.items() for one in those}
# A damaged file may say a whole book, which every list would then print.
_LONGEST = 200


def new_name(name: str) -> str:
    """The name as it is kept, if somebody may be given it; UsageError with the reason if not."""
    name = clean_name(name)
    if name.isdecimal():  # it would be taken for a group's number
        raise UsageError(
            f"{name} is a number, and numbers are of groups: 'facecluster merge' joins two; a name "
            "needs a letter."
        )
    if len(name) > _LONGEST:
        raise UsageError(f"A name has no more than {_LONGEST} letters, and this one {len(name)}.")
    return name


def clean_name(name: str) -> str:
    """The name as it is kept: composed letters (NFC), single blanks; UsageError for none."""
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if not name or not all(_may_follow(before, letter) for before, letter in pairwise(f" {name}")):
        raise UsageError("A name needs at least one letter and no control characters.")
    return name


def name_key(name: str) -> str:
    """Equal for names that mean one person."""
    bare = clean_name(name).translate(dict.fromkeys(map(ord, _JOINERS)))
    return alike(unicodedata.normalize("NFC", bare.casefold()))


def alike(key: str) -> str:
    """The key of a name as an older version kept it, with plain apostrophes and hyphens."""
    return key.translate(_PLAIN)


def spellings(key: str) -> str:
    """A regular expression for the ways to write a name of this key, but for large letters."""
    letters = (f"[{re.escape(one + _VARIANTS.get(one, ''))}]" for one in key)
    return f"[{_JOINERS}]*".join(letters)


def _may_follow(before: str, letter: str) -> bool:
    """Whether a name may have this letter there; a joiner only after a letter, mark or emoji."""
    if letter in _JOINERS:
        return unicodedata.category(before)[0] in "LMS"
    return letter.isprintable()
