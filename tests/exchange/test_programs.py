"""Whole packets in the forms in which programs write them: Ann is read from each, at her place."""

from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from facecluster.exchange.xmp import named_faces
from facecluster.library import ListedPhoto
from facecluster.records import Box, Photo

RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
MWG = """xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
    xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"
    xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#\""""
MP = """xmlns:MP="http://ns.microsoft.com/photo/1.2/"
    xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
    xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#\""""

LIGHTROOM = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 5.6-c011 79.156380">
 <rdf:RDF {RDF}>
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:lr="http://ns.adobe.com/lightroom/1.0/" {MWG}
   xmp:CreatorTool="Adobe Photoshop Lightroom 6.0 (Windows)" dc:format="image/jpeg">
   <dc:subject><rdf:Bag><rdf:li>Ann</rdf:li></rdf:Bag></dc:subject>
   <lr:hierarchicalSubject><rdf:Bag><rdf:li>People|Ann</rdf:li></rdf:Bag></lr:hierarchicalSubject>
   <mwg-rs:Regions rdf:parseType="Resource">
    <mwg-rs:AppliedToDimensions stDim:w="120" stDim:h="80" stDim:unit="pixel"/>
    <mwg-rs:RegionList>
     <rdf:Bag>
      <rdf:li>
       <rdf:Description mwg-rs:Rotation="0.00000" mwg-rs:Name="Ann" mwg-rs:Type="Face">
       <mwg-rs:Area stArea:h="0.10000" stArea:w="0.20000" stArea:x="0.50000" stArea:y="0.25000"/>
       </rdf:Description>
      </rdf:li>
      <rdf:li>
       <rdf:Description mwg-rs:Rotation="0.00000" mwg-rs:Type="Face">
       <mwg-rs:Area stArea:h="0.10000" stArea:w="0.10000" stArea:x="0.90000" stArea:y="0.90000"/>
       </rdf:Description>
      </rdf:li>
     </rdf:Bag>
    </mwg-rs:RegionList>
   </mwg-rs:Regions>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>"""

DIGIKAM = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF {RDF}>
  <rdf:Description rdf:about=""
    xmlns:digiKam="http://www.digikam.org/ns/1.0/" {MWG} {MP}>
   <digiKam:TagsList><rdf:Seq><rdf:li>People/Ann</rdf:li></rdf:Seq></digiKam:TagsList>
   <MP:RegionInfo rdf:parseType="Resource">
    <MPRI:Regions><rdf:Bag>
     <rdf:li MPReg:Rectangle="0.4, 0.2, 0.2, 0.1" MPReg:PersonDisplayName="Ann"/>
    </rdf:Bag></MPRI:Regions>
   </MP:RegionInfo>
   <mwg-rs:Regions rdf:parseType="Resource">
    <mwg-rs:AppliedToDimensions stDim:w="120" stDim:h="80" stDim:unit="pixel"/>
    <mwg-rs:RegionList><rdf:Bag>
     <rdf:li>
      <rdf:Description mwg-rs:Name="Ann" mwg-rs:Type="Face">
       <mwg-rs:Area stArea:x="0.5" stArea:y="0.25" stArea:w="0.2" stArea:h="0.1"
        stArea:unit="normalized"/>
      </rdf:Description>
     </rdf:li>
    </rdf:Bag></mwg-rs:RegionList>
   </mwg-rs:Regions>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""

PICASA = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 5.1.2">
 <rdf:RDF {RDF}>
  <rdf:Description rdf:about="" {MWG}>
   <mwg-rs:Regions rdf:parseType="Resource">
    <mwg-rs:AppliedToDimensions rdf:parseType="Resource">
     <stDim:w>120</stDim:w><stDim:h>80</stDim:h><stDim:unit>pixel</stDim:unit>
    </mwg-rs:AppliedToDimensions>
    <mwg-rs:RegionList><rdf:Bag>
     <rdf:li rdf:parseType="Resource">
      <mwg-rs:Area rdf:parseType="Resource">
       <stArea:x>0.500000</stArea:x><stArea:y>0.250000</stArea:y>
       <stArea:w>0.200000</stArea:w><stArea:h>0.100000</stArea:h>
       <stArea:unit>normalized</stArea:unit>
      </mwg-rs:Area>
      <mwg-rs:Name>Ann</mwg-rs:Name>
      <mwg-rs:Type>Face</mwg-rs:Type>
     </rdf:li>
    </rdf:Bag></mwg-rs:RegionList>
   </mwg-rs:Regions>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>"""

WINDOWS = f"""<xmp:xmpmeta xmlns:xmp="adobe:ns:meta/"><rdf:RDF {RDF}>
<rdf:Description rdf:about="uuid:faf5bdd5-ba3d-11da-ad31-d33d75182f1b"
 xmlns:MP="http://ns.microsoft.com/photo/1.2/"><MP:RegionInfo>
<rdf:Description xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#"><MPRI:Regions>
<rdf:Bag {RDF}><rdf:li>
<rdf:Description xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#">
<MPReg:Rectangle>0.400000, 0.200000, 0.200000, 0.100000</MPReg:Rectangle>
<MPReg:PersonDisplayName>Ann</MPReg:PersonDisplayName><MPReg:PersonEmailDigest>0A</MPReg:PersonEmailDigest>
</rdf:Description></rdf:li></rdf:Bag></MPRI:Regions></rdf:Description></MP:RegionInfo>
</rdf:Description></rdf:RDF></xmp:xmpmeta>"""

PROGRAMS = {"Lightroom": LIGHTROOM, "digiKam": DIGIKAM, "Picasa": PICASA, "Windows": WINDOWS}


@pytest.mark.parametrize("place", ["a.jpg", "a.png", "a.webp", "a.tif", "a.jpg.xmp", "a.xmp"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_name_is_read_at_its_place(tmp_path: Path, program: str, place: str) -> None:
    packet = PROGRAMS[program].encode()
    photo = tmp_path / (place if "xmp" not in place else "a.jpg")
    image = Image.new("RGB", (120, 80), "teal")
    if place == photo.name:
        SAVE.get(photo.suffix, _save)(image, photo, packet)
    else:
        image.save(photo)
        (tmp_path / place).write_bytes(packet)
    listed = ListedPhoto(1, Photo("0" * 64, 120, 80, 1, None), (str(photo),))
    unusable: list[str] = []
    found = named_faces(listed, str(photo), unusable)
    assert {(one.name, one.source) for one in found} == {("Ann", str(tmp_path / place))}
    assert unusable == []
    for one in found:
        assert one.box.iou(Box(48, 16, 72, 24)) == pytest.approx(1, abs=1e-6)


def _save(image: Image.Image, path: Path, packet: bytes) -> None:
    image.save(path, xmp=packet)


def _save_tiff(image: Image.Image, path: Path, packet: bytes) -> None:
    image.save(path, tiffinfo={700: packet})


def _save_png(image: Image.Image, path: Path, packet: bytes) -> None:
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet.decode())
    image.save(path, pnginfo=info)


SAVE = {".png": _save_png, ".tif": _save_tiff}
