"""Write names into XMP sidecars, changing of an existing one only what it says of these faces.

Regions go in twice, as MWG's and as Microsoft's, and the names into PersonInImage. Pieces of the
text are replaced where they stand; all the rest stays byte for byte. Never written: faces without
a name, at which old versions of digiKam stop reading.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from facecluster.exchange import xmp
from facecluster.exchange.edits import Edits, declared_prefixes
from facecluster.exchange.frames import stored_size, to_stored
from facecluster.exchange.matching import SAME_PLACE_IOU, Named, Rejected, same_name
from facecluster.exchange.packets import load_if_there
from facecluster.exchange.tree import Element, UnusableFile, parse
from facecluster.library.matching import match_faces
from facecluster.records import Box, Photo

__all__ = ["Change", "change_for", "change_of", "merged", "unified_diff", "write"]

_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    f'  <rdf:RDF xmlns:rdf="{xmp.RDF}">\n'
    "  </rdf:RDF>\n"
    "</x:xmpmeta>\n"
    '<?xpacket end="w"?>\n'
).encode()


@dataclass(frozen=True, slots=True)
class Change:
    """The packet that a file holds (None: there is none) and the one that it shall hold."""

    path: Path
    before: bytes | None
    after: bytes


@dataclass(frozen=True, slots=True)
class _Form:
    """How one of the two standards names its property, the list in it, and a region's name.

    The last two also as they are written.
    """

    property: str
    list: str
    label: str
    prefixes: tuple[str, ...]
    list_tag: str
    label_tag: str

    def field(self, name: str, declared: str = "") -> str:
        """A region's name as an element."""
        return f"<{self.label_tag}{declared}>{escape(name)}</{self.label_tag}>"

    def item(self, name: str, box: Box, declared: str = "") -> str:
        """One region as a list item."""
        if self.property.startswith(xmp.MP):
            shares = ", ".join(_number(x) for x in (box.x0, box.y0, box.width, box.height))
            inner = f"<MPReg:Rectangle>{shares}</MPReg:Rectangle>{self.field(name)}"
        else:
            middle = ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, box.width, box.height)
            area = " ".join(
                f'stArea:{key}="{_number(x)}"' for key, x in zip("xywh", middle, strict=True)
            )
            inner = f"{self.field(name)}<mwg-rs:Type>Face</mwg-rs:Type>"
            inner += f'<mwg-rs:Area {area} stArea:unit="normalized"/>'
        return f'<rdf:li{declared} rdf:parseType="Resource">{inner}</rdf:li>'


_MWG = _Form(
    f"{xmp.MWG} Regions",
    f"{xmp.MWG} RegionList",
    f"{xmp.MWG} Name",
    ("rdf", "mwg-rs", "stArea", "stDim"),
    "mwg-rs:RegionList",
    "mwg-rs:Name",
)
_MP = _Form(
    f"{xmp.MP} RegionInfo",
    f"{xmp.MPRI} Regions",
    f"{xmp.MPREG} PersonDisplayName",
    ("rdf", "MPRI", "MPReg"),
    "MPRI:Regions",
    "MPReg:PersonDisplayName",
)
# Which contact of the user's a region of Microsoft's is: no longer true with another name.
_CONTACT = {
    f"{xmp.MPREG} {key}" for key in ("PersonEmailDigest", "PersonLiveIdCID", "PersonSourceID")
}


def change_for(
    photo: Photo, path: Path, named: Sequence[Named], rejected: Sequence[Rejected]
) -> Change | None:
    """How the sidecar of the photo's file at `path` must change to say what the user said.

    Boxes are in pixels of the upright photo. None when it says so already, or there is nothing to
    say. UnusableFile when there is a sidecar that cannot be understood. Writes nothing.
    """
    sidecar = path.with_name(path.name + ".xmp")
    return change_of(photo, sidecar, load_if_there(sidecar), named, rejected)


def change_of(
    photo: Photo,
    path: Path,
    before: bytes | None,
    named: Sequence[Named],
    rejected: Sequence[Rejected],
) -> Change | None:
    """The same for a file that holds this packet before, None for none, whatever file it is."""
    if before is None and not named:
        return None
    wanted = [(one.name, to_stored(one.box, photo)) for one in named]
    wanted = [(name, box) for name, box in wanted if box.width > 0 and box.height > 0]
    denied = [(one.name, to_stored(one.box, photo)) for one in rejected]
    after = merged(_EMPTY if before is None else before, wanted, denied, stored_size(photo))
    return None if after in (before, _EMPTY) else Change(path, before, after)


def merged(
    data: bytes,
    wanted: Sequence[tuple[str, Box]],
    denied: Sequence[tuple[str, Box]],
    stored: tuple[int, int],
) -> bytes:
    """The sidecar's text with these names at these shares of the stored picture.

    A region that stands at the same place gets the name and keeps its box; a region that carries a
    denied name at its place is taken out. UnusableFile when the text cannot be understood.
    """
    root = parse(data)
    there = xmp.read(root, stored)
    if there.other_shape:
        raise UnusableFile(f"is left as it is: {there.unusable[0]}")
    edits = Edits(data)
    changed: list[xmp.Region] = []
    for form, old in ((_MWG, there.mwg), (_MP, there.mp)):
        pairs = _pairs(old, wanted, denied)
        changed += _merge_regions(edits, form, old, wanted, denied, pairs)
        new = [one for place, one in enumerate(wanted) if place not in pairs.values()]
        if new:
            _add_regions(edits, root, form, new, stored)
    _merge_people(edits, root, there, [name for name, _ in wanted], changed)
    after = edits.applied(root)
    _verify(there, xmp.read(parse(after), stored), wanted, denied)
    return after


def unified_diff(change: Change) -> str:
    """The change as a unified diff, with control characters of names made visible."""
    before, after = (
        [] if text is None else text.decode("utf-8", "replace").splitlines()
        for text in (change.before, change.after)
    )
    old = "/dev/null" if change.before is None else str(change.path)
    return "\n".join(difflib.unified_diff(before, after, old, str(change.path), lineterm=""))


def write(change: Change) -> None:
    """Put the new text in the place of the old one, whole or not at all, and read it back.

    UnusableFile when somebody else has changed the file meanwhile, or it cannot be written; the old
    text stays then.
    """
    target = Path(os.path.realpath(change.path))
    if load_if_there(target) != change.before:
        raise UnusableFile("was changed by another program meanwhile: try again")
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".facecluster-", suffix=".xmp")
        try:
            with open(handle, "wb") as file:
                file.write(change.after)
                file.flush()
                os.fsync(file.fileno())
            mode = target.stat().st_mode & 0o777 if change.before is not None else 0o666 & ~_umask()
            os.chmod(name, mode)
            if Path(name).read_bytes() != change.after:
                raise OSError("what was read back is not what was written")
            os.replace(name, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        if not target.parent.is_dir():
            raise UnusableFile("is in a folder that is not there: plug its disk in") from error
        raise UnusableFile(f"cannot be written: {error.strerror or error}") from error


def _pairs(
    regions: Sequence[xmp.Region],
    wanted: Sequence[tuple[str, Box]],
    denied: Sequence[tuple[str, Box]],
) -> dict[int, int]:
    """By a region's place which of the wanted it is the box of, as an import would find it."""
    boxes = [box for _, box in wanted]
    # A region of a face that is only said not to be somebody is none of the face beside it.
    others = [box for box in dict.fromkeys(box for _, box in denied) if box not in boxes]
    pairs = match_faces([one.box for one in regions], boxes + others, least=SAME_PLACE_IOU)
    return {place: other for place, other in pairs if other < len(boxes)}


def _merge_regions(
    edits: Edits,
    form: _Form,
    old: Sequence[xmp.Region],
    wanted: Sequence[tuple[str, Box]],
    denied: Sequence[tuple[str, Box]],
    pairs: Mapping[int, int],
) -> list[xmp.Region]:
    """Note the edits of regions that are there already; those that lose their name."""
    changed = []
    for place, region in enumerate(old):
        if place in pairs:
            name = wanted[pairs[place]][0]
            if region.name != name:  # also another way of writing it: to others that is somebody
                changed.append(region)
                _rename(edits, form, region, name)
        elif _is_denied(region, denied):
            changed.append(region)
            edits.remove(region.element)
    return changed


def _rename(edits: Edits, form: _Form, region: xmp.Region, name: str) -> None:
    """Change only the name, however it is written, and what else said who the face is."""
    nodes = xmp.nodes(region.element)
    for node in nodes:
        for key in _CONTACT & node.attributes.keys():
            edits.remove_attribute(node, key)
        for child in node.children:
            if child.name in _CONTACT:
                edits.remove(child)
    for node in nodes:
        if form.label in node.attributes:
            edits.set_attribute(node, form.label, name)
            return
    field = xmp.field_of(region.element, form.label)
    declared = declared_prefixes(form.prefixes)
    if field is not None and not field.children:
        edits.set_text(field, name)
    elif field is not None:
        edits.replace(field.start, field.end, form.field(name, declared))
    elif nodes[-1] is region.element and not region.element.children:
        # An item that is all attributes may hold no element; of MWG's there is none such.
        edits.add_attribute(region.element, f"{xmp.MPREG} Rectangle", "PersonDisplayName", name)
    else:
        edits.fill(nodes[-1], form.field(name, declared))


def _add_regions(
    edits: Edits,
    root: Element,
    form: _Form,
    new: Sequence[tuple[str, Box]],
    stored: tuple[int, int],
) -> None:
    size = f'stDim:w="{stored[0]}" stDim:h="{stored[1]}" stDim:unit="pixel"'
    there = list(xmp.properties(root, form.property))
    there.sort(key=lambda one: not xmp.items(xmp.field_of(one, form.list)))
    if there:
        if _fill_regions(edits, form, there[0], new, size):
            return
        # Nothing is in it that could be lost.
        edits.replace(there[0].start, there[0].end, "")
    lines = "".join(f"\n        {form.item(name, box)}" for name, box in new)
    bag_text = f"<rdf:Bag>{lines}\n      </rdf:Bag>"
    if form is _MWG:
        edits.added.append(
            '    <mwg-rs:Regions rdf:parseType="Resource">\n'
            f"      <mwg-rs:AppliedToDimensions {size}/>\n"
            f"      <mwg-rs:RegionList>{bag_text}</mwg-rs:RegionList>\n"
            "    </mwg-rs:Regions>"
        )
    else:
        edits.added.append(
            '    <MP:RegionInfo rdf:parseType="Resource">\n'
            f"      <MPRI:Regions>{bag_text}</MPRI:Regions>\n"
            "    </MP:RegionInfo>"
        )


def _fill_regions(
    edits: Edits, form: _Form, regions: Element, new: Sequence[tuple[str, Box]], size: str
) -> bool:
    """Note that the regions get into this property; whether it can hold them."""
    declared = declared_prefixes(form.prefixes)
    texts = [form.item(name, box, declared) for name, box in new]
    bag, node = xmp.field_of(regions, form.list), xmp.nodes(regions)[-1]
    whole = f"<rdf:Bag{declared}>{''.join(texts)}</rdf:Bag>"
    dimensions = ""
    if form is _MWG and xmp.field_of(regions, f"{xmp.MWG} AppliedToDimensions") is None:
        dimensions = f"<mwg-rs:AppliedToDimensions{declared} {size}/>"
    if bag is None:
        # An element without any field in it may be of a form that takes none.
        if node is not regions or node.children:
            inner = f"<{form.list_tag}{declared}>{whole}</{form.list_tag}>"
            edits.fill(node, dimensions + inner)
            return True
        return False
    edits.replace(bag.start, bag.start, dimensions)
    if items := xmp.items(bag):
        edits.append(items[-1], texts)
    elif lists := xmp.lists(bag):
        edits.fill(lists[0], "".join(texts))
    else:
        edits.fill(bag, whole)
    return True


def _merge_people(
    edits: Edits,
    root: Element,
    there: xmp.Metadata,
    names: Sequence[str],
    changed: Sequence[xmp.Region],
) -> None:
    """Add the names to PersonInImage; take out those that no region has any more."""
    bags = list(xmp.properties(root, f"{xmp.IPTC} PersonInImage"))
    items = [item for bag in bags for item in xmp.items(bag)]
    still = [one.name for one in there.named if all(one is not other for other in changed)]
    lost = [one.name for one in changed if not any(same_name(one.name, other) for other in still)]
    kept: list[str] = []
    for item in items:
        name = " ".join(item.text.split())
        if name not in names and any(same_name(name, other) for other in lost):
            edits.remove(item)
        else:
            kept.append(name)
    new: list[str] = []
    for name in names:
        if not any(same_name(name, other) for other in (*kept, *new)):
            new.append(name)
    if new and items:
        declared = declared_prefixes(("rdf",))
        edits.append(items[-1], [f"<rdf:li{declared}>{escape(name)}</rdf:li>" for name in new])
    elif new:
        for bag in bags:
            edits.replace(bag.start, bag.end, "")
        lines = "".join(f"\n      <rdf:li>{escape(name)}</rdf:li>" for name in new)
        edits.added.append(
            f"    <Iptc4xmpExt:PersonInImage><rdf:Bag>{lines}\n"
            "    </rdf:Bag></Iptc4xmpExt:PersonInImage>"
        )


def _verify(
    before: xmp.Metadata,
    after: xmp.Metadata,
    wanted: Sequence[tuple[str, Box]],
    denied: Sequence[tuple[str, Box]],
) -> None:
    """UnusableFile unless the new text, read back, has all that was asked for and all there was."""
    for old, new in ((before.mwg, after.mwg), (before.mp, after.mp)):
        pairs = _pairs(new, wanted, denied)
        named = {i for place, i in pairs.items() if same_name(new[place].name, wanted[i][0])}
        kept = [
            _is_denied(one, denied) or any(_near(one.box, other.box) for other in new)
            for one in old
        ]
        people = [any(same_name(name, one) for one in after.people) for name, _ in wanted]
        if len(named) < len(wanted) or not all((*kept, *people)):
            raise UnusableFile("has a form to which names cannot be added safely")


def _is_denied(region: xmp.Region, denied: Sequence[tuple[str, Box]]) -> bool:
    return any(
        same_name(region.name, name) and region.box.iou(box) >= SAME_PLACE_IOU
        for name, box in denied
    )


def _near(one: Box, other: Box) -> bool:
    sides = ("x0", "y0", "x1", "y1")
    return all(abs(getattr(one, side) - getattr(other, side)) <= 1e-6 for side in sides)


def _number(share: float) -> str:
    """A share with as many digits as a picture of a million pixels a side can need."""
    return f"{share:.7f}"


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
