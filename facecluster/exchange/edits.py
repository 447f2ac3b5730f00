"""Changes of an XMP text: pieces of it are replaced where they stand, and properties added."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

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

    def append(self, last: Element, texts: Iterable[str]) -> None:
        """Put list items behind this one, each on a line of its own if it has one."""
        line = self.data.rfind(b"\n", 0, last.start)
        indent = self.data[max(line, 0) : last.start]
        blank = indent.decode() if indent.isspace() else ""
        self.replace(last.end, last.end, "".join(blank + text for text in texts))

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
