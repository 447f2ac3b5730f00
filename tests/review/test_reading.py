"""The page for those who read it by ear, or with weak eyes."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from .conftest import Client


def text(still: Client, path: str) -> str:
    status, _, found = still.ask(path)
    assert status == 200
    return found.decode()


class Fields(HTMLParser):
    """The fields of a page by id, and what its labels are for."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: list[str | None] = []
        self.labelled: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("name") != "name":  # that one says whose group it is
            self.fields.append(given.get("id"))
        if tag == "label":
            self.labelled.append(given.get("for"))


def test_the_field_of_the_dialog_has_a_name(still: Client) -> None:
    page = Fields()
    page.feed(text(still, ""))
    assert page.fields == page.labelled == ["to"]


def light(colour: str) -> float:
    """Relative luminance, as WCAG 2 has it."""
    digits = colour.strip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_what_went_wrong_can_be_read_by_day_and_by_night(still: Client) -> None:
    style = text(still, "page/style.css")
    assert "#toast.bad { background: var(--bad); color: var(--on-bad); }" in style
    backs, words = (re.findall(rf"{name}: (#\w+);", style) for name in ("--bad", "--on-bad"))
    assert len(backs) == len(words) == 2
    for back, word in zip(backs, words, strict=True):
        bright, dark = sorted((light(back), light(word)), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5
