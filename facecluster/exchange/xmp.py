"""Read the named faces of XMP metadata: MWG regions and Microsoft's, in every form RDF allows.

Both give boxes as shares of the stored picture. MWG (Metadata Working Group 2.0): centre and size,
or a circle, also in pixels; written by digiKam, Lightroom, Picasa and others. MP (Microsoft Photo
1.2): left, top, width, height in one string; written by Windows and digiKam.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from facecluster.exchange.frames import from_stored, stored_size
from facecluster.exchange.matching import Named
from facecluster.exchange.packets import embedded, load
from facecluster.exchange.tree import Element, UnusableFile, parse
from facecluster.library import ListedPhoto
from facecluster.moments import moment_of
from facecluster.records import Box

__all__ = [
    "Metadata",
    "Region",
    "field_of",
    "items",
    "lists",
    "named_faces",
    "nodes",
    "properties",
    "read",
]

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
MWG = "http://www.metadataworkinggroup.com/schemas/regions/"
AREA = "http://ns.adobe.com/xmp/sType/Area#"
SIZE = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
MP = "http://ns.microsoft.com/photo/1.2/"
MPRI = "http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
MPREG = "http://ns.microsoft.com/photo/1.2/t/Region#"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"

# Another shape than the photo's means that it was cropped or turned since: shares no longer fit.
_SAME_SHAPE = 0.02


@dataclass(frozen=True, slots=True)
class Region:
    """A face of a metadata packet: its box in shares of the stored picture, and where it stands.

    name may be empty. element is the list item it was read from.
    """

    name: str
    box: Box
    element: Element


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a packet says of faces: MWG's and Microsoft's regions, PersonInImage.

    unusable is what of it could not be used, as ends of sentences; other_shape says that the
    regions are of a picture of another shape.
    """

    mwg: tuple[Region, ...]
    mp: tuple[Region, ...]
    people: tuple[str, ...]
    unusable: tuple[str, ...]
    other_shape: bool

    @property
    def named(self) -> list[Region]:
        """The regions with a name; one face may be there twice."""
        return [region for region in (*self.mwg, *self.mp) if region.name]


def named_faces(photo: ListedPhoto, path: str, unusable: list[str]) -> list[Named]:
    """The named faces in the sidecars of one of a photo's files (IMG.jpg.xmp, IMG.xmp) and in it.

    What cannot be used is noted, as sentences. A frame of a clip has neither.
    """
    if moment_of(path) is not None:
        return []
    file = Path(path)
    sidecars = (file.with_name(file.name + ".xmp"), file.with_suffix(".xmp"))
    found: list[Named] = []
    # os.path, as Path.is_file raises an error for a name too long, which a sidecar's easily is
    for source in (*(one for one in sidecars if os.path.isfile(one)), file):
        try:
            packet = embedded(source) if source == file else load(source)
            if packet is None:
                continue
            there = read(parse(packet), stored_size(photo.about))
        except UnusableFile as error:
            unusable.append(f"{source} {error}.")
            continue
        unusable += [f"{source}: {reason}." for reason in there.unusable]
        found += [
            Named(one.name, from_stored(one.box, photo.about), str(source)) for one in there.named
        ]
    return found


def read(root: Element, stored: tuple[int, int]) -> Metadata:
    """What the packet says of the faces of a picture whose stored size is (width, height)."""
    unusable: list[str] = []
    mwg: list[Region] = []
    other_shape = False
    for regions in properties(root, f"{MWG} Regions"):
        size = _applied_to(regions) or stored
        if not _same_shape(size, stored):
            other_shape = True
            unusable.append(
                f"its regions are of a picture of {size[0]:g} x {size[1]:g}, this one is "
                f"{stored[0]} x {stored[1]}"
            )
            continue
        for item in items(field_of(regions, f"{MWG} RegionList")):
            if value_of(item, f"{MWG} Type").lower() in ("", "face"):
                _take(item, f"{MWG} Name", _mwg_box(item, size), mwg, unusable)
    mp: list[Region] = []
    for info in properties(root, f"{MP} RegionInfo"):
        for item in items(field_of(info, f"{MPRI} Regions")):
            box = _mp_box(value_of(item, f"{MPREG} Rectangle"))
            _take(item, f"{MPREG} PersonDisplayName", box, mp, unusable)
    people = [
        " ".join(item.text.split())
        for bag in properties(root, f"{IPTC} PersonInImage")
        for item in items(bag)
    ]
    return Metadata(
        tuple(mwg), tuple(mp), tuple(filter(None, people)), tuple(unusable), other_shape
    )


def properties(root: Element, name: str) -> Iterator[Element]:
    """The elements of one property of the picture itself, not of pictures it was made from."""
    for rdf in (one for one in (root, *root.children) if one.name == f"{RDF} RDF"):
        for node in rdf.children:
            yield from (child for child in node.children if child.name == name)


def field_of(struct: Element, name: str) -> Element | None:
    """The element of one field of a structure, which may be inside a nested rdf:Description."""
    for node in nodes(struct):
        for child in node.children:
            if child.name == name:
                return child
    return None


def value_of(struct: Element, name: str) -> str:
    """The text of one field, written as an element or as an attribute; "" when there is none."""
    for node in nodes(struct):
        if name in node.attributes:
            return node.attributes[name].strip()
    found = field_of(struct, name)
    return found.text.strip() if found else ""


def items(bag: Element | None) -> list[Element]:
    """The list items of a property that is a bag, a sequence or an alternative."""
    return [item for one in lists(bag) for item in one.children if item.name == f"{RDF} li"]


def lists(bag: Element | None) -> list[Element]:
    """The bag, sequence or alternative in a property, which has one at most if it is well made."""
    kinds = {f"{RDF} Bag", f"{RDF} Seq", f"{RDF} Alt"}
    return [child for child in (bag.children if bag else ()) if child.name in kinds]


def nodes(struct: Element) -> list[Element]:
    """Where the fields of a structure may stand: on the element, or on a Description in it."""
    inner = [child for child in struct.children if child.name == f"{RDF} Description"]
    return [struct, *inner]


def _take(
    item: Element, name: str, box: Box | None, taken: list[Region], unusable: list[str]
) -> None:
    text = " ".join(value_of(item, name).split())
    if box is not None:
        taken.append(Region(text, box, item))
    elif text:
        unusable.append(f"the region of {text} has no usable box")


def _applied_to(regions: Element) -> tuple[float, float] | None:
    dimensions = field_of(regions, f"{MWG} AppliedToDimensions")
    if dimensions is None:
        return None
    size = _numbers(value_of(dimensions, f"{SIZE} {side}") for side in "wh")
    return (size[0], size[1]) if size and min(size) > 0 else None


def _same_shape(one: tuple[float, float], other: tuple[float, float]) -> bool:
    # by logarithms, as a quotient of far too large and small sides is nothing or endless
    ratio, same = (math.log(size[0]) - math.log(size[1]) for size in (one, other))
    return abs(ratio - same) <= _SAME_SHAPE


def _mwg_box(item: Element, size: tuple[float, float]) -> Box | None:
    area = field_of(item, f"{MWG} Area")
    if area is None:
        return None
    centre = _numbers(value_of(area, f"{AREA} {name}") for name in "xy")
    sides = _numbers(value_of(area, f"{AREA} {name}") for name in "wh")
    if centre is None:
        return None
    in_pixels = value_of(area, f"{AREA} unit").lower() in ("pixel", "pixels")
    if sides is None:
        across = _numbers([value_of(area, f"{AREA} d")])
        if across is None:
            return None
        # A circle's diameter is a share of the shorter side.
        pixels = across[0] if in_pixels else across[0] * min(size)
        sides = [pixels, pixels] if in_pixels else [pixels / size[0], pixels / size[1]]
    if in_pixels:
        centre = [centre[0] / size[0], centre[1] / size[1]]
        sides = [sides[0] / size[0], sides[1] / size[1]]
    return _box(centre[0] - sides[0] / 2, centre[1] - sides[1] / 2, *sides)


def _mp_box(rectangle: str) -> Box | None:
    numbers = _numbers(rectangle.split(","))
    return _box(*numbers) if numbers and len(numbers) == 4 else None


def _box(left: float, top: float, width: float, height: float) -> Box | None:
    """The part inside the picture; None when there is none, or a side is not positive."""
    x0, y0 = max(left, 0.0), max(top, 0.0)
    x1, y1 = min(left + width, 1.0), min(top + height, 1.0)
    return Box(x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _numbers(texts: Iterable[str]) -> list[float] | None:
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return None
    return numbers if all(math.isfinite(number) for number in numbers) else None
