"""Regions of XMP metadata: every form, every orientation, and where they are read from."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from facecluster.exchange.frames import from_stored, stored_size, to_stored
from facecluster.exchange.packets import embedded
from facecluster.exchange.tree import UnusableFile, parse
from facecluster.exchange.xmp import named_faces, read
from facecluster.images import read as read_picture
from facecluster.library import ListedPhoto
from facecluster.records import Box, Photo

from .conftest import HEIGHT, WIDTH, picture

NAMESPACES = """xmlns:x="adobe:ns:meta/" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
 xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"
 xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#"
 xmlns:MP="http://ns.microsoft.com/photo/1.2/"
 xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
 xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#"
 xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/\""""


def packet(inside: str) -> bytes:
    return (
        f"<x:xmpmeta {NAMESPACES}><rdf:RDF><rdf:Description rdf:about=''>{inside}"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def mwg(items: str, size: str = 'stDim:w="120" stDim:h="80" stDim:unit="pixel"') -> bytes:
    applied = f"<mwg-rs:AppliedToDimensions {size}/>" if size else ""
    return packet(
        f'<mwg-rs:Regions rdf:parseType="Resource">{applied}'
        f"<mwg-rs:RegionList><rdf:Bag>{items}</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
    )


AREA = '<mwg-rs:Area stArea:x="0.5" stArea:y="0.25" stArea:w="0.2" stArea:h="0.1"/>'
RESOURCE = "<mwg-rs:Area rdf:parseType='Resource'><stArea:x>0.5</stArea:x><stArea:y>0.25</stArea:y>"
RESOURCE += "<stArea:w>0.2</stArea:w><stArea:h>0.1</stArea:h></mwg-rs:Area>"
CENTRE = Box(0.4, 0.2, 0.6, 0.3)

FORMS = {
    "elements": f'<rdf:li rdf:parseType="Resource"><mwg-rs:Name>Ann</mwg-rs:Name>'
    f"<mwg-rs:Type>Face</mwg-rs:Type>{RESOURCE}</rdf:li>",
    "attributes": f'<rdf:li><rdf:Description mwg-rs:Name="Ann" mwg-rs:Type="Face">{AREA}'
    "</rdf:Description></rdf:li>",
    "all in elements of a Description": "<rdf:li><rdf:Description><mwg-rs:Name> Ann\n</mwg-rs:Name>"
    "<mwg-rs:Area><rdf:Description stArea:x='0.5' stArea:y='0.25' stArea:w='0.2' stArea:h='0.1'/>"
    "</mwg-rs:Area></rdf:Description></rdf:li>",
    "a name on the item": f'<rdf:li mwg-rs:Name="Ann" mwg-rs:Type="FACE">{AREA}</rdf:li>',
    "pixels": '<rdf:li mwg-rs:Name="Ann"><mwg-rs:Area stArea:x="60" stArea:y="20" stArea:w="24" '
    'stArea:h="8" stArea:unit="pixel"/></rdf:li>',
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_each_form_of_a_region_is_read(form: str) -> None:
    (region,) = read(parse(mwg(form)), (120, 80)).mwg
    assert region.name == "Ann"
    assert sides(region.box) == pytest.approx(sides(CENTRE))


@pytest.mark.parametrize(
    ("area", "box"),
    [
        ('stArea:d="0.5"', (0.5 - 20 / 120, 0.0, 0.5 + 20 / 120, 0.5)),
        ('stArea:d="0.1" stArea:unit="normalized"', (0.5 - 4 / 120, 0.2, 0.5 + 4 / 120, 0.3)),
    ],
)
def test_a_circle_has_its_diameter_as_a_share_of_the_shorter_side(
    area: str, box: tuple[float, ...]
) -> None:
    data = mwg(
        f'<rdf:li mwg-rs:Name="A"><mwg-rs:Area stArea:x=".5" stArea:y=".25" {area}/></rdf:li>'
    )
    (region,) = read(parse(data), (120, 80)).mwg
    assert sides(region.box) == pytest.approx(box)


@pytest.mark.parametrize(
    "item",
    [
        '<rdf:li rdf:parseType="Resource"><MPReg:Rectangle>0.4, 0.2, 0.2, 0.1</MPReg:Rectangle>'
        "<MPReg:PersonDisplayName>Ann</MPReg:PersonDisplayName></rdf:li>",
        '<rdf:li MPReg:Rectangle="0.4,0.2,0.2,0.1" MPReg:PersonDisplayName="Ann"/>',
        '<rdf:li><rdf:Description MPReg:Rectangle="0.4,0.2,0.2,0.1">'
        "<MPReg:PersonDisplayName>Ann</MPReg:PersonDisplayName></rdf:Description></rdf:li>",
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_each_form_of_microsofts_regions_is_read(item: str, nested: bool) -> None:
    regions = f"<MPRI:Regions><rdf:Bag>{item}</rdf:Bag></MPRI:Regions>"
    if nested:
        regions = f"<rdf:Description>{regions}</rdf:Description>"
    kind = "" if nested else " rdf:parseType='Resource'"
    (region,) = read(parse(packet(f"<MP:RegionInfo{kind}>{regions}</MP:RegionInfo>")), (4, 3)).mp
    assert region.name == "Ann"
    assert sides(region.box) == pytest.approx(sides(CENTRE))


@pytest.mark.parametrize(
    ("item", "unusable"),
    [
        (f'<rdf:li mwg-rs:Name="Rex" mwg-rs:Type="Pet">{AREA}</rdf:li>', 0),
        ('<rdf:li mwg-rs:Name="Ann"/>', 1),
        (f'<rdf:li mwg-rs:Name="Ann">{AREA.replace("0.5", "nan")}</rdf:li>', 1),
        (f'<rdf:li mwg-rs:Name="Ann">{AREA.replace("0.5", "half")}</rdf:li>', 1),
        (f'<rdf:li mwg-rs:Name="Ann">{AREA.replace("0.5", "7")}</rdf:li>', 1),
        (f'<rdf:li mwg-rs:Name="Ann">{AREA.replace("0.2", "-0.2")}</rdf:li>', 1),
        ('<rdf:li mwg-rs:Name=""/>', 0),
    ],
)
def test_what_is_no_face_or_has_no_box_is_left_out(item: str, unusable: int) -> None:
    found = read(parse(mwg(item)), (120, 80))
    assert found.mwg == ()
    assert len(found.unusable) == unusable


def test_regions_of_a_picture_of_another_shape_are_not_used() -> None:
    item = FORMS["attributes"]
    shapes: list[tuple[float, float, bool]] = [(60, 40, True), (80, 120, False), (100, 80, False)]
    shapes += [(0, 0, True), (1e-320, 1e308, False), (1e308, 1e-320, False)]
    for width, height, fits in shapes:
        size = f'stDim:w="{width}" stDim:h="{height}"'
        found = read(parse(mwg(item, size)), (120, 80))
        assert (len(found.mwg), found.other_shape) == (int(fits), not fits)
    assert len(read(parse(mwg(item, "")), (120, 80)).mwg) == 1


def test_regions_of_pictures_it_was_made_from_are_not_its_own() -> None:
    inner = (
        mwg(FORMS["elements"])
        .decode()
        .split("about=''>")[1]
        .split("</rdf:Description></rdf:RDF")[0]
    )
    data = packet(
        f"<xmpMM:Pantry><rdf:Bag><rdf:li><rdf:Description>{inner}</rdf:Description></rdf:li></rdf:Bag></xmpMM:Pantry>"
    )
    assert read(parse(data), (120, 80)).named == []


def sides(box: Box) -> tuple[float, float, float, float]:
    return box.x0, box.y0, box.x1, box.y1


def about(orientation: int, width: int = WIDTH, height: int = HEIGHT) -> Photo:
    return Photo("0" * 64, width, height, orientation, None)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_place_in_the_file_is_where_it_is_seen(tmp_path: Path, orientation: int) -> None:
    path = picture(tmp_path, orientation)
    with Image.open(path) as image:
        exif, stored = image.getexif(), image.copy()
    assert stored_size(about(orientation)) == stored.size
    stored.paste((255, 255, 255), (8, 16, 24, 40))
    stored.save(path.with_suffix(".png"), exif=exif)
    upright = read_picture(path.with_suffix(".png"))
    assert (upright.width, upright.height) == (WIDTH, HEIGHT)
    rows, columns = np.nonzero((upright.pixels == 255).all(axis=2))
    seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    share = Box(8 / stored.width, 16 / stored.height, 24 / stored.width, 40 / stored.height)
    assert sides(from_stored(share, about(orientation))) == pytest.approx(seen)


edges = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)


@given(st.integers(1, 8), edges, edges)
def test_there_and_back_is_the_same_box(
    orientation: int, across: list[float], down: list[float]
) -> None:
    photo = about(orientation)
    box = Box(across[0] * WIDTH, down[0] * HEIGHT, across[1] * WIDTH, down[1] * HEIGHT)
    back = from_stored(to_stored(box, photo), photo)
    assert sides(back) == pytest.approx(sides(box), abs=1e-9)


def test_boxes_beyond_the_edge_are_cut() -> None:
    assert sides(to_stored(Box(-5, 40, 60, 99), about(1))) == (0.0, 0.5, 0.5, 1.0)


def jpeg_with(path: Path, data: bytes, kind: bytes = b"http://ns.adobe.com/xap/1.0/\0") -> None:
    whole = picture(path.parent, 1).read_bytes()
    segment = kind + data
    head = b"\xff\xe1" + struct.pack(">H", len(segment) + 2)
    path.write_bytes(whole[:2] + head + segment + whole[2:])


def test_the_packet_inside_a_jpeg_is_found(tmp_path: Path) -> None:
    data = mwg(FORMS["elements"])
    path = tmp_path / "a.jpg"
    jpeg_with(path, data + b"   \n\0")
    assert embedded(path) == data
    with Image.open(path) as image:
        assert image.info["xmp"].startswith(data)


def test_the_packet_behind_fill_bytes_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    jpeg_with(path, mwg(FORMS["elements"]))
    whole = path.read_bytes()
    path.write_bytes(whole[:2] + b"\xff" * 3 + whole[2:])
    assert embedded(path) == mwg(FORMS["elements"])


def test_a_packet_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    jpeg_with(path, mwg(FORMS["elements"]))
    whole = path.read_bytes()
    for damage in (b"\0\0", b"\xff\xe2\0\0"):
        path.write_bytes(whole[:2] + damage + whole[2:])
        with pytest.raises(UnusableFile, match="damaged header with metadata in it"):
            embedded(path)
    plain = tmp_path / "b.jpg"
    jpeg_with(plain, b"else", kind=b"Exif\0\0")
    plain.write_bytes(plain.read_bytes() + whole)  # a second picture behind the first one
    assert embedded(plain) is None


@pytest.mark.parametrize("behind", [False, True], ids=["first", "behind the pixels"])
@pytest.mark.parametrize("packed", [False, True])
def test_the_packet_inside_a_png_is_found_wherever_it_stands(
    tmp_path: Path, behind: bool, packed: bool
) -> None:
    data = mwg(FORMS["elements"])
    text = bytes([packed, 0]) + b"en\0key\0" + (zlib.compress(data) if packed else data)
    path = tmp_path / "a.png"
    Image.new("RGB", (120, 80)).save(path)
    whole = path.read_bytes()
    place = whole.index(b"IEND" if behind else b"IDAT") - 4
    chunks = b""
    for content in (b"Title\0\0\0\0\0x", b"XML:com.adobe.xmp\0" + text):
        checksum = struct.pack(">I", zlib.crc32(b"iTXt" + content))
        chunks += struct.pack(">I", len(content)) + b"iTXt" + content + checksum
    path.write_bytes(whole[:place] + chunks + whole[place:])
    assert embedded(path) == data
    with Image.open(path) as image:
        image.load()
        assert image.info["xmp"] == data
    for cut in range(place, len(path.read_bytes()), 7):
        (tmp_path / "cut.png").write_bytes(path.read_bytes()[:cut])
        embedded(tmp_path / "cut.png")


@pytest.mark.parametrize("kind", [1, 2, 7], ids=["bytes", "text", "undefined"])
def test_the_packet_inside_a_tiff_is_in_utf_8_whatever_it_is_called(
    tmp_path: Path, kind: int
) -> None:
    data = mwg(FORMS["elements"].replace("Ann", "J\u00f6rg"))
    place = "x" * len(data)
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags.tagtype[700] = kind
    tags[700] = place if kind == 2 else place.encode()
    path = tmp_path / "a.tif"
    Image.new("RGB", (120, 80)).save(path, tiffinfo=tags)
    path.write_bytes(path.read_bytes().replace(place.encode(), data))
    assert embedded(path) == data


def test_a_file_without_a_packet_has_none(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    jpeg_with(path, b"else", kind=b"Exif\0\0")
    assert embedded(path) is None
    whole = path.read_bytes()
    for cut in (0, 1, 2, 3, 5, 30):
        path.write_bytes(whole[:cut])
        assert embedded(path) is None
    path.write_bytes(b"\xff\xd8\xff\xe1\x00\x00")
    assert embedded(path) is None
    with pytest.raises(UnusableFile):
        embedded(tmp_path / "none.jpg")


@pytest.mark.parametrize(
    "begin",
    [b"\x89PNG\r\n\x1a\n", b"RIFF\x20\0\0\0WEBPVP8X", b"II*\0\x08\0\0\0", b"\0\0\0\x18ftypheic"],
    ids=["png", "webp", "tiff", "heic"],
)
def test_a_damaged_picture_has_no_packet(tmp_path: Path, begin: bytes) -> None:
    path = tmp_path / "a"
    for rest in (b"", b"\0" * 40, b"\xff" * 400, b"XML:com.adobe.xmp\0" * 20):
        path.write_bytes(begin + rest)
        assert embedded(path) is None


def test_sidecars_come_before_the_file_and_bad_ones_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    jpeg_with(path, mwg(FORMS["elements"]))
    (tmp_path / "a.jpg.xmp").write_bytes(mwg(FORMS["elements"].replace("Ann", "Bea")))
    (tmp_path / "a.xmp").write_bytes(b"<!DOCTYPE x><x/>")
    unusable: list[str] = []
    listed = ListedPhoto(1, about(1), (str(path),))
    found = named_faces(listed, str(path), unusable)
    assert [(one.name, Path(one.source).name) for one in found] == [
        ("Bea", "a.jpg.xmp"),
        ("Ann", "a.jpg"),
    ]
    assert unusable == [
        f"{tmp_path}/a.xmp declares a document type, which no metadata needs: refused."
    ]
