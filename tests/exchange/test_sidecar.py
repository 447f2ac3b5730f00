"""Sidecars: what goes in, what stays, and that other programs read it as we do."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecluster.exchange import sidecar
from facecluster.exchange.frames import to_stored
from facecluster.exchange.matching import Named, Rejected
from facecluster.exchange.sidecar import _EMPTY, Change, change_for, merged, unified_diff, write
from facecluster.exchange.tree import UnusableFile, parse
from facecluster.exchange.xmp import Metadata, read
from facecluster.records import Box, Photo

from .conftest import BOXES, HEIGHT, WIDTH, picture
from .test_xmp import AREA, FORMS, mwg, packet, sides

STORED = (120, 80)
NAMED = [(name, box) for name, box in BOXES.items() if name]
DIGIKAM = b"""<?xpacket begin='\xef\xbb\xbf' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <!-- kept -->
  <rdf:Description rdf:about="uuid:1"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
    xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:my="urn:my"
    my:odd="a&#xA;b &lt; c">
   <dc:subject><rdf:Bag><rdf:li>holiday</rdf:li></rdf:Bag></dc:subject>
   <mwg-rs:Regions rdf:parseType="Resource">
    <mwg-rs:RegionList>
     <rdf:Bag>
      <rdf:li>
       <rdf:Description mwg-rs:Name="Rex" mwg-rs:Type="Pet">
        <mwg-rs:Area stArea:x="0.9" stArea:y="0.9" stArea:w="0.1" stArea:h="0.1"/>
       </rdf:Description>
      </rdf:li>
      <rdf:li rdf:parseType="Resource">
       <mwg-rs:Name>Alcie</mwg-rs:Name>
       <mwg-rs:Type>Face</mwg-rs:Type>
       <mwg-rs:Area stArea:x="0.2" stArea:y="0.3" stArea:w="0.2" stArea:h="0.2"/>
       <my:mood>glad</my:mood>
      </rdf:li>
     </rdf:Bag>
    </mwg-rs:RegionList>
   </mwg-rs:Regions>
   <Iptc4xmpExt:PersonInImage><rdf:Bag><rdf:li>Alcie</rdf:li><rdf:li>Uncle</rdf:li></rdf:Bag></Iptc4xmpExt:PersonInImage>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end='w'?>
"""
ALCIE = Box(0.1, 0.2, 0.3, 0.4)
NEW = Box(0.6, 0.6, 0.7, 0.7)


def said(data: bytes) -> Metadata:
    return read(parse(data), STORED)


def names(data: bytes) -> list[str]:
    return [one.name for one in said(data).mwg]


def about(orientation: int) -> Photo:
    return Photo("0" * 64, WIDTH, HEIGHT, orientation, None)


letters = st.text(st.characters(blacklist_categories=("C", "Z")), min_size=1, max_size=12)
places = st.permutations(range(9)).map(
    lambda cells: [
        Box(cell % 3 / 3 + 0.02, cell // 3 / 3 + 0.03, cell % 3 / 3 + 0.3, cell // 3 / 3 + 0.31)
        for cell in cells[:3]
    ]
)


@given(st.lists(letters, min_size=3, max_size=3), places)
def test_what_is_written_is_read_back(people: list[str], boxes: list[Box]) -> None:
    wanted = list(zip(people, boxes, strict=True))
    found = said(merged(_EMPTY, wanted, [], STORED))
    for regions in (found.mwg, found.mp):
        assert [one.name for one in regions] == people
        for one, box in zip(regions, boxes, strict=True):
            assert sides(one.box) == pytest.approx(sides(box), abs=1e-6)
    assert set(found.people) <= set(people)
    assert found.unusable == ()


@given(st.lists(st.tuples(letters, places.map(lambda p: p[0])), max_size=1), places)
def test_writing_twice_changes_nothing_more(one: list[tuple[str, Box]], boxes: list[Box]) -> None:
    once = merged(DIGIKAM, one, [], STORED)
    assert merged(once, one, [], STORED) == once


def test_an_existing_sidecar_loses_nothing_and_keeps_its_bytes() -> None:
    after = merged(DIGIKAM, [("Bea", NEW)], [], STORED)
    before_lines, after_lines = DIGIKAM.splitlines(), after.splitlines()
    changed = [line for line in before_lines if line not in after_lines]
    # lines that got something added, in which all that was there still is
    for line in changed:
        assert line.strip().startswith((b"<mwg-rs:RegionList>", b"<Iptc4xmpExt"))
    found = said(after)
    assert [one.name for one in found.mwg] == ["Alcie", "Bea"]
    assert [one.name for one in found.mp] == ["Bea"]
    assert found.people == ("Alcie", "Uncle", "Bea")
    assert b"Rex" in after
    assert b'rdf:about="uuid:1"' in after.split(b"</rdf:Description>\n  <rdf:Description")[-1]
    assert after.count(b"AppliedToDimensions") == 1


def test_a_corrected_name_is_corrected_in_place() -> None:
    after = merged(DIGIKAM, [("Alice", ALCIE)], [], STORED)
    assert names(after) == ["Alice"]
    assert said(after).people == ("Uncle", "Alice")
    assert b"<my:mood>glad</my:mood>" in after
    for form in FORMS.values():
        changed = merged(mwg(form), [("Alice", Box(0.4, 0.2, 0.6, 0.3))], [], STORED)
        assert names(changed) == ["Alice"]


NOTE = '<mwg-rs:Extensions><rdf:Description odd="1"/></mwg-rs:Extensions>'
RECTANGLE = 'MPReg:Rectangle="0.4,0.2,0.2,0.1"'


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            '<rdf:li><rdf:Description mwg-rs:Rotation="0.1" mwg-rs:Description="a>b Name=\'Ann\'"'
            f" mwg-rs:Name = 'Ann' xmlns:n='urn:n' n:Name=\"Ann\" mwg-rs:Type='Face'>{AREA}{NOTE}"
            "</rdf:Description></rdf:li>",
            ("'Ann' xmlns", '"A&amp;B" xmlns'),
        ),
        (
            f'<rdf:li rdf:parseType="Resource"><mwg-rs:Name mwg-rs:x="a>b">Ann</mwg-rs:Name>{AREA}'
            f"{NOTE}</rdf:li>",
            (">Ann<", ">A&amp;B<"),
        ),
        (
            f'<rdf:li rdf:parseType="Resource"><mwg-rs:Name />{AREA}{NOTE}</rdf:li>',
            ("<mwg-rs:Name />", "<mwg-rs:Name >A&amp;B</mwg-rs:Name>"),
        ),
        (
            f'<rdf:li><rdf:Description mwg-rs:Rotation="0.1">{AREA}{NOTE}\n </rdf:Description>'
            "</rdf:li>",
            (
                f"{NOTE}\n",
                f'{NOTE}<mwg-rs:Name xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
                ' xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"'
                ' xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"'
                ' xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#">A&amp;B'
                "</mwg-rs:Name>\n",
            ),
        ),
    ],
    ids=["attributes", "elements", "an empty name", "no name"],
)
def test_a_new_name_leaves_all_else_of_the_region(item: str, expected: tuple[str, str]) -> None:
    before = mwg(item)
    after = merged(before, [("A&B", Box(0.4, 0.2, 0.6, 0.3))], [], STORED)
    assert names(after) == ["A&B"]
    assert mwg(item.replace(*expected)).split(b"</rdf:Description></rdf:RDF>")[0] in after


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            f'<rdf:li my:x="1" {RECTANGLE} MPReg:PersonEmailDigest="0A" '
            'MPReg:PersonDisplayName="Ann"/>',
            f'<rdf:li my:x="1" {RECTANGLE} MPReg:PersonDisplayName="Bob"/>',
        ),
        (
            f'<rdf:li {RECTANGLE} my:x="1" MPReg:PersonSourceID="1"></rdf:li>',
            f'<rdf:li {RECTANGLE} MPReg:PersonDisplayName="Bob" my:x="1"></rdf:li>',
        ),
        (
            f"<rdf:li><rdf:Description {RECTANGLE}>\n<MPReg:PersonEmailDigest>0A"
            "</MPReg:PersonEmailDigest>\n<MPReg:PersonDisplayName>Ann</MPReg:PersonDisplayName>\n"
            "<MPReg:PersonLiveIdCID>-1</MPReg:PersonLiveIdCID><MPReg:PersonSourceID/>\n"
            "<my:x/></rdf:Description></rdf:li>",
            f"<rdf:li><rdf:Description {RECTANGLE}>\n<MPReg:PersonDisplayName>Bob"
            "</MPReg:PersonDisplayName>\n<my:x/></rdf:Description></rdf:li>",
        ),
    ],
    ids=["attributes", "no name", "elements"],
)
def test_a_new_name_of_microsofts_is_no_longer_the_contact_of_before(
    item: str, expected: str
) -> None:
    form = "<MP:RegionInfo xmlns:my='urn:my' rdf:parseType='Resource'><MPRI:Regions><rdf:Bag>{}"
    form += "</rdf:Bag></MPRI:Regions></MP:RegionInfo>"
    wanted = [("Bob", Box(0.4, 0.2, 0.6, 0.3))]
    after = merged(packet(form.format(item)), wanted, [], STORED)
    assert packet(form.format(expected)).split(b"</rdf:Description></rdf:RDF>")[0] in after
    same = [("Ann", Box(0.4, 0.2, 0.6, 0.3))]
    if "Ann" in item:
        assert item.encode() in merged(packet(form.format(item)), same, [], STORED)


def test_a_name_written_another_way_is_written_so_everywhere_once() -> None:
    once = merged(DIGIKAM, [("ALCIE", ALCIE)], [], STORED)
    assert names(once) == ["ALCIE"] and said(once).people == ("Uncle", "ALCIE")
    assert merged(once, [("ALCIE", ALCIE)], [], STORED) == once
    beside = merged(once, [("ALCIE", ALCIE), ("alcie", NEW)], [], STORED)
    assert said(beside).people == ("Uncle", "ALCIE")


def test_a_rejected_name_is_taken_out_only_at_its_place() -> None:
    after = merged(DIGIKAM, [], [("alcie", ALCIE), ("Uncle", ALCIE), ("Rex", NEW)], STORED)
    assert names(after) == []
    assert said(after).people == ("Uncle",)
    assert merged(DIGIKAM, [], [("Alcie", NEW)], STORED) == DIGIKAM
    both = merged(DIGIKAM, [("Bea", NEW)], [("Alcie", ALCIE)], STORED)
    assert names(both) == ["Bea"]
    assert said(both).people == ("Uncle", "Bea")


def test_a_wide_box_is_of_the_face_that_it_fits_best() -> None:
    beside = Box(0.22, 0.2, 0.42, 0.4)  # overlaps Alcie's box with an IoU of 0.25
    between = Box(0.13, 0.2, 0.37, 0.4)  # each of the two with more than 0.3
    data = DIGIKAM.replace(
        b'x="0.2" stArea:y="0.3" stArea:w="0.2"', b'x="0.25" stArea:y="0.3" stArea:w="0.24"'
    )
    assert sides(said(data).mwg[0].box) == pytest.approx(sides(between))
    both = merged(data, [("Alice", ALCIE), ("Bea", beside)], [], STORED)
    assert sorted(names(both)) == ["Alice", "Bea"]
    # not Zoe there, but maybe Alcie: no box for Bea, who is beside
    near = Box(0.12, 0.2, 0.36, 0.4)
    assert names(merged(data, [("Bea", beside)], [("Zoe", near)], STORED)) == ["Alcie", "Bea"]


@pytest.mark.parametrize(
    "data",
    [
        b"<x/>",
        b"",
        b"<!DOCTYPE x><x/>",
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>',
        mwg(FORMS["elements"], 'stDim:w="80" stDim:h="120"'),
    ],
    ids=range(5),
)
def test_what_is_not_understood_is_not_written_to(data: bytes) -> None:
    with pytest.raises(UnusableFile):
        merged(data, [("Bea", NEW)], [], STORED)


def test_empty_lists_are_filled() -> None:
    empty = packet(
        '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag/>'
        "</mwg-rs:RegionList></mwg-rs:Regions><Iptc4xmpExt:PersonInImage/>"
        "<MP:RegionInfo rdf:parseType='Resource'/>"
    )
    found = said(merged(empty, [("Bea", NEW)], [], STORED))
    assert [one.name for one in (*found.mwg, *found.mp)] == ["Bea", "Bea"]
    assert found.people == ("Bea",)


DATE = "<MPRI:DateRegionsValid>2019-01-01T00:00:00Z</MPRI:DateRegionsValid>"


@pytest.mark.parametrize(
    "inside",
    [
        f"{DATE}<MPRI:Regions><rdf:Bag/></MPRI:Regions>",
        f"<MPRI:Regions><rdf:Seq>\n</rdf:Seq></MPRI:Regions>{DATE}",
        f"{DATE}<MPRI:Regions/>",
        DATE,
        f"<rdf:Description>{DATE}</rdf:Description>",
        "<rdf:Description MPRI:DateRegionsValid='2019'/>",
    ],
    ids=range(6),
)
def test_what_is_beside_an_empty_list_stays(inside: str) -> None:
    empty = packet(f"<MP:RegionInfo rdf:parseType='Resource'>{inside}</MP:RegionInfo>")
    once = merged(empty, [("Bea", NEW)], [], STORED)
    assert once.count(b"DateRegionsValid") == empty.count(b"DateRegionsValid")
    assert once.count(b"<MP:RegionInfo") == 1
    twice = merged(once, [("Bea", NEW), ("Ann", ALCIE)], [], STORED)
    assert [one.name for one in said(twice).mp] == ["Bea", "Ann"]
    assert [one.name for one in said(twice).mwg] == ["Bea", "Ann"]


def test_an_empty_list_of_regions_is_filled_and_gets_the_size_once() -> None:
    for size in ("", 'stDim:w="120" stDim:h="80" stDim:unit="pixel"'):
        after = merged(mwg("", size), [("Bea", NEW)], [], STORED)
        assert names(after) == ["Bea"]
        assert after.count(b"<mwg-rs:Regions") == after.count(b"AppliedToDimensions") == 1


def test_a_change_is_told_as_a_diff_and_written_whole(tmp_path: Path) -> None:
    path = picture(tmp_path, 1)
    target = tmp_path / "1.jpg.xmp"
    target.write_bytes(DIGIKAM)
    target.chmod(0o640)
    change = change_for(about(1), path, [Named("Bea", Box(72, 48, 84, 56), "")], [])
    assert change is not None
    diff = unified_diff(change).splitlines()
    assert diff[:2] == [f"--- {target}", f"+++ {target}"]
    assert any(line.startswith("+") and "Bea" in line for line in diff)
    assert target.read_bytes() == DIGIKAM
    write(change)
    assert target.read_bytes() == change.after
    assert target.stat().st_mode & 0o777 == 0o640
    assert sorted(one.name for one in tmp_path.iterdir()) == ["1.jpg", "1.jpg.xmp"]
    assert change_for(about(1), path, [Named("Bea", Box(72, 48, 84, 56), "")], []) is None


def test_nothing_to_say_makes_no_sidecar(tmp_path: Path) -> None:
    path = picture(tmp_path, 1)
    assert change_for(about(1), path, [], [Rejected("Bea", Box(1, 1, 9, 9))]) is None
    assert change_for(about(1), path, [Named("Bea", Box(-9, -9, -1, -1), "")], []) is None


def test_a_sidecar_that_changed_meanwhile_or_cannot_be_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.xmp"
    path.write_bytes(b"newer")
    with pytest.raises(UnusableFile, match="meanwhile"):
        write(Change(path, b"older", b"ours"))

    def full(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(sidecar.os, "replace", full)
    with pytest.raises(UnusableFile, match="full"):
        write(Change(path, b"newer", b"ours"))
    assert [one.name for one in tmp_path.iterdir()] == ["a.xmp"]
    assert path.read_bytes() == b"newer"


def test_a_linked_sidecar_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.xmp", tmp_path / "a.jpg.xmp"
    real.write_bytes(b"old")
    os.symlink(real, link)
    write(Change(link, b"old", b"new"))
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def exported(folder: Path, orientation: int, existing: bytes | None) -> Path:
    path = picture(folder, orientation)
    target = path.with_name(path.name + ".xmp")
    if existing:
        target.write_bytes(existing)
    change = change_for(about(orientation), path, [Named(n, b, "") for n, b in NAMED], [])
    assert change is not None
    write(change)
    return target


@pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")
@pytest.mark.parametrize("existing", [None, packet("")], ids=["new", "merged"])
def test_exiftool_reads_what_we_wrote(tmp_path: Path, existing: bytes | None) -> None:
    targets = [exported(tmp_path, orientation, existing) for orientation in range(1, 9)]
    words = ["exiftool", "-j", "-struct", "-XMP:all", "-charset", "utf8", *map(str, targets)]
    done = subprocess.run(words, capture_output=True, check=True)
    for orientation, tags in enumerate(json.loads(done.stdout), start=1):
        width, height = (HEIGHT, WIDTH) if orientation >= 5 else (WIDTH, HEIGHT)
        info = tags["RegionInfo"]
        assert info["AppliedToDimensions"] == {"W": width, "H": height, "Unit": "pixel"}
        assert tags["PersonInImage"] == [name for name, _ in NAMED]
        assert [one["Name"] for one in info["RegionList"]] == [name for name, _ in NAMED]
        for region, (_, box) in zip(info["RegionList"], NAMED, strict=True):
            share = to_stored(box, about(orientation))
            area = [float(region["Area"][key]) for key in "XYWH"]
            middle = ((share.x0 + share.x1) / 2, (share.y0 + share.y1) / 2)
            assert area == pytest.approx([*middle, share.width, share.height], abs=1e-4)
            assert (region["Type"], region["Area"]["Unit"]) == ("Face", "normalized")
        for region, (name, box) in zip(tags["RegionInfoMP"]["Regions"], NAMED, strict=True):
            share = to_stored(box, about(orientation))
            numbers = [float(number) for number in region["Rectangle"].split(",")]
            expected = [share.x0, share.y0, share.width, share.height]
            assert numbers == pytest.approx(expected, abs=1e-4)
            assert region["PersonDisplayName"] == name


@pytest.mark.skipif(not shutil.which("exiv2"), reason="exiv2 is not installed")
@pytest.mark.parametrize("existing", [None, DIGIKAM], ids=["new", "merged"])
def test_exiv2_reads_what_we_wrote(tmp_path: Path, existing: bytes | None) -> None:
    # a photo of digiKam's has the stored shape of orientations 1 to 4 only
    for orientation in range(1, 5 if existing else 9):
        target = exported(tmp_path, orientation, existing)
        words = ["exiv2", "-PXkv", str(target)]
        text = subprocess.run(words, capture_output=True, check=True).stdout.decode()
        values = dict(line.split(maxsplit=1) for line in text.splitlines() if len(line.split()) > 1)
        regions = {
            value: key.removesuffix("mwg-rs:Name")
            for key, value in values.items()
            if key.endswith("mwg-rs:Name")
        }
        for name, box in NAMED:
            share = to_stored(box, about(orientation))
            area = [values[f"{regions[name]}mwg-rs:Area/stArea:{key}"] for key in "xywh"]
            middle = ((share.x0 + share.x1) / 2, (share.y0 + share.y1) / 2)
            expected = [*middle, share.width, share.height]
            assert [float(x) for x in area] == pytest.approx(expected, abs=1e-4)
        assert ("Rex" in regions) == bool(existing)
        assert values["Xmp.mwg-rs.Regions/mwg-rs:AppliedToDimensions/stDim:unit"] == "pixel"
        assert sum("MPReg:Rectangle" in key for key in values) == len(NAMED)
