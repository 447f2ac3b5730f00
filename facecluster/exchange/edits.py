"""Changes of an XMP text: pieces of it are replaced where they stand, and properties added."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from facecluster.exchange import xmp
from facecluster.exchange.tree import Element, UnusableFile

__all__ = ["Edits", "declared_prefixes"]

_PREFIXES = {
    "rdf": xmp.RDF,
    "mwg-rs": xmp.MWG,
    "stArea": xmp.AREA,
    "stDim": xmp.SIZE,
    "MP": xmp.MP,
    "MPRI": xmp.MPRI,
    "MPReg": xmp.MPREG,
    "Iptc4xmpExt": xmp.IPTC,
}

_TAG = re.compile(rb"<([^\s/>]+)")
_ATTRIBUTE = re.compile(rb"""\s+([^\s=]+)\s*=\s*("[^"]*"|'[^']*')""")


class Edits:
    """Replacements of pieces of a text, made all at once; and properties to be added."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.added: list[str] = []
        self._pieces: list[tuple[int, int, bytes]] = []

    def replace(self, start: int, end: int, text: str) -> None:
        """Put the text in the place of these bytes."""
        self._pieces.append((start, end, text.encode()))

    def remove(self, element: Element) -> None:
        """Take the element out, with the blanks before it."""
        start = len(self.data[: element.start].rstrip())
        self._pieces.append((start, element.end, b""))

    def set_text(self, element: Element, text: str) -> None:
        """Make this text all that is in the element."""
        if element.inner_end is None:
            self.fill(element, escape(text))
        else:
            self.replace(self._start_tag(element)[1], element.inner_end, escape(text))

    def fill(self, element: Element, xml: str) -> None:
        """Put this behind all else in the element, which may be an empty tag."""
        if element.inner_end is None:
            self.replace(element.end - 2, element.end, f">{xml}</{self._tag(element)}>")
        else:
            place = len(self.data[: element.inner_end].rstrip())
            self.replace(place, place, xml)

    def set_attribute(self, element: Element, name: str, value: str) -> None:
        """Change the value of an attribute that is there."""
        self.replace(*self._start_tag(element)[0][name].span(2), quoteattr(value))

    def add_attribute(self, element: Element, like: str, local: str, value: str) -> None:
        """Put an attribute behind one that is there, in the same namespace."""
        there = self._start_tag(element)[0][like]
        prefix = there[1].decode().rpartition(":")[0]
        self.replace(there.end(), there.end(), f" {prefix}:{local}={quoteattr(value)}")

    def remove_attribute(self, element: Element, name: str) -> None:
        """Take an attribute out, with the blanks before it."""
        self.replace(*self._start_tag(element)[0][name].span(), "")

    def append(self, last: Element, texts: Iterable[str]) -> None:
        """Put list items behind this one, each on a line of its own if it has one."""
        line = self.data.rfind(b"\n", 0, last.start)
        indent = self.data[max(line, 0) : last.start]
        blank = indent.decode() if indent.isspace() else ""
        self.replace(last.end, last.end, "".join(blank + text for text in texts))

    def _tag(self, element: Element) -> str:
        """The element's name as it is written."""
        found = _TAG.match(self.data, element.start)
        assert found is not None  # an element starts with a tag
        return found[1].decode()

    def _start_tag(self, element: Element) -> tuple[dict[str, re.Match[bytes]], int]:
        """Where each attribute stands, and where the tag ends: a value may have a ">" in it."""
        place = element.start + 1 + len(self._tag(element).encode())
        found = []
        while one := _ATTRIBUTE.match(self.data, place):
            place = one.end()
            if one[1] != b"xmlns" and not one[1].startswith(b"xmlns:"):
                found.append(one)
        # The parser tells attributes in the order of the text, without declarations of namespaces.
        places = dict(zip(element.attributes, found, strict=True))
        return places, self.data.index(b">", place) + 1

    def applied(self, root: Element) -> bytes:
        """The text with every replacement and addition."""
        if self.added:
            rdf = next(
                (one for one in (root, *root.children) if one.name == f"{xmp.RDF} RDF"), None
            )
            if rdf is None or rdf.inner_end is None:
                raise UnusableFile("is no XMP that can be added to")
            about = f"{xmp.RDF} about"
            same = next((c.attributes[about] for c in rdf.children if about in c.attributes), "")
            text = f"<rdf:Description{declared_prefixes(_PREFIXES)} rdf:about={quoteattr(same)}>\n"
            text += "".join(f"{one}\n" for one in self.added) + "</rdf:Description>\n"
            # in front of the blanks that indent the end tag, so that its line stays as it is
            place = len(self.data[: rdf.inner_end].rstrip(b" \t"))
            self.replace(place, place, text)
        data = self.data
        for start, end, piece in sorted(self._pieces, reverse=True):
            data = data[:start] + piece + data[end:]
        return data


def declared_prefixes(prefixes: Iterable[str]) -> str:
    """The namespace declarations of these prefixes, so that a piece of text can stand anywhere."""
    return "".join(f' xmlns:{prefix}="{_PREFIXES[prefix]}"' for prefix in prefixes)
