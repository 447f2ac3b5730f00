"""XML of unknown origin as a small tree that knows where in the text each element stands.

Nothing outside the text is ever read: a document type, and with it every entity, is refused, and
size, depth and the number of elements are bounded. The places allow a file to be changed by
replacing pieces of its text, so that all the rest stays byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from facecluster.errors import FaceclusterError

__all__ = ["MAX_BYTES", "Element", "UnusableFile", "parse"]

MAX_BYTES = 16 << 20  # a sidecar with large masks of an editor has a few million
_MAX_DEPTH = 100
_MAX_ELEMENTS = 200_000


class UnusableFile(FaceclusterError):
    """A file of another tool that cannot be understood, and is therefore left as it is."""


@dataclass(slots=True)
class Element:
    """One element. Names are "namespace local", or "local" alone when there is no namespace.

    start and end are the bytes from "<" to after ">"; inner_end is where the end tag begins, or
    None for an element that is one empty tag. text is all character data directly inside.
    """

    name: str
    attributes: dict[str, str]
    start: int
    end: int = 0
    inner_end: int | None = None
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        """The element and all below it, in the order of the text."""
        yield self
        for child in self.children:
            yield from child.walk()


def parse(data: bytes) -> Element:
    """The root element of an XML text in UTF-8; places count bytes of the text as given.

    UnusableFile, with a reason that can follow a file's name, for whatever is not small, well
    formed and without a document type.
    """
    if len(data) > MAX_BYTES:
        raise UnusableFile(f"is larger than {MAX_BYTES >> 20} MB")
    reader = _Reader(data)
    try:
        # UTF-8 whatever the text declares; expat itself would follow UTF-16's mark all the same.
        if b"\0" in data:
            raise UnusableFile("is no well-formed XML in UTF-8")
        reader.expat.Parse(data, True)
    except expat.ExpatError as error:
        raise UnusableFile(f"is no well-formed XML in UTF-8: {error}") from error
    assert reader.root is not None  # expat accepts no document without a root
    return reader.root


class _Reader:
    """Builds the tree from what expat reports."""

    def __init__(self, data: bytes) -> None:
        self.root: Element | None = None
        self._data = data
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._count = 0
        self.expat = expat.ParserCreate(encoding="utf-8", namespace_separator=" ")
        self.expat.buffer_text = True
        self.expat.StartElementHandler = self._start
        self.expat.EndElementHandler = self._end
        self.expat.CharacterDataHandler = self._text
        self.expat.StartDoctypeDeclHandler = self._refuse
        self.expat.EntityDeclHandler = self._refuse

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) >= _MAX_DEPTH or self._count > _MAX_ELEMENTS:
            raise UnusableFile("is nested too deeply or has too many elements")
        element = Element(name, attributes, self.expat.CurrentByteIndex)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def _end(self, _name: str) -> None:
        element = self._open.pop()
        element.text = "".join(self._texts.pop())
        here = self.expat.CurrentByteIndex
        bare = not element.children and not element.text
        if bare and self._data[here - 2 : here] == b"/>":
            element.end = here
        else:
            element.inner_end = here
            element.end = self._data.index(b">", here) + 1

    def _text(self, text: str) -> None:
        self._texts[-1].append(text)

    def _refuse(self, *_: object) -> None:
        raise UnusableFile("declares a document type, which no metadata needs: refused")
