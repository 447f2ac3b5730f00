"""XML of unknown origin: what is refused, and where elements stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecluster.exchange.tree import MAX_BYTES, UnusableFile, parse

BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {"b" * n} "{("&" + ("b" * (n - 1) or "a") + ";") * 10}">' for n in range(1, 12)
    )
    + f"]><x>&{'b' * 11};</x>"
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "document type"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', "document type"),
        ('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>', "document type"),
        ('<!DOCTYPE x [<!ENTITY % p SYSTEM "http://localhost/x.dtd">%p;]><x/>', "document type"),
        ("<!DOCTYPE x><x/>", "document type"),
        ("<x>&unknown;</x>", "well-formed"),
        ("<x>" * 101 + "</x>" * 101, "deeply"),
        ("<x>" + "<y/>" * 200_000 + "</x>", "too many"),
        ("<x>" + " " * MAX_BYTES + "</x>", "larger"),
        ("", "well-formed"),
        ("<x><y></x>", "well-formed"),
        ("<x/><y/>", "well-formed"),
        ("<a:x/>", "well-formed"),
        ("<x>\x00</x>", "well-formed"),
    ],
    ids=range(14),
)
def test_what_is_hostile_or_broken_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UnusableFile, match=reason):
        parse(text.encode())


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(UnusableFile, match="well-formed"):
        parse(f'<?xml version="1.0" encoding="{encoding}"?><x>é</x>'.encode(encoding))


def test_the_deepest_and_a_byte_order_mark_are_read() -> None:
    root = parse(("\ufeff" + "<x>" * 100 + "</x>" * 100).encode())
    assert len(list(root.walk())) == 100
    assert root.start == 3


names = st.sampled_from(["a", "b", "p:c"])
texts = st.text(st.sampled_from("x é/>\"'"), max_size=5).map(lambda text: text.replace("]]>", ""))
trees = st.recursive(
    st.tuples(names, texts, st.just([])),
    lambda inner: st.tuples(names, texts, st.lists(inner, max_size=3)),
    max_leaves=8,
)


def written(tree: tuple, empty: bool) -> str:
    name, text, children = tree
    inner = text + "".join(written(child, empty) for child in children)
    head = f"<{name} xmlns:p='u' at='/&gt;{len(text)}'"
    return f"{head}/>" if empty and not inner else f"{head}>{inner}</{name}>"


@given(trees, st.booleans())
def test_places_cut_out_exactly_the_element(tree: tuple, empty: bool) -> None:
    data = ("<!-- é -->" + written(tree, empty)).encode()
    expected = [written(one, empty).encode() for one in walk(tree)]
    found = list(parse(data).walk())
    assert [data[one.start : one.end] for one in found] == expected
    for one in found:
        assert (one.inner_end is None) == data[one.start : one.end].endswith(b"/>")
        assert one.inner_end is None or data[one.inner_end :].startswith(b"</")


def walk(tree: tuple) -> list[tuple]:
    return [tree, *(below for child in tree[2] for below in walk(child))]
