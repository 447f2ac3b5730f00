"""Names from Picasa's files, which are seldom in order."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from facecluster.exchange.frames import to_stored
from facecluster.exchange.picasa import contacts_of, sections_of
from facecluster.exchange.tree import UnusableFile
from facecluster.records import Box, Photo

from .conftest import BOXES, HEIGHT, WIDTH, Fill

Run = Callable[..., Result]
ANN, ZOE = (box for name, box in BOXES.items() if name)


def rect64(box: Box, orientation: int) -> str:
    """As Picasa writes it: shares of the stored picture, leading zeros left out."""
    share = to_stored(box, Photo("0" * 64, WIDTH, HEIGHT, orientation, None))
    numbers = (round(65535 * x) for x in (share.x0, share.y0, share.x1, share.y1))
    return "".join(f"{number:04x}" for number in numbers).lstrip("0")


def who(run: Run) -> dict[str, list[str | None]]:
    people: dict[str, list[str | None]] = {}
    for one in json.loads(run("faces", "--json").stdout):
        people.setdefault(Path(one["path"]).name, []).append(one["person"])
    return people


def write_ini(
    album: Path, *, contacts: str = "[Contacts2]\n0a1=Ann;;\nb2=Zoë Ω;z@example.org;\n"
) -> None:
    text = "[Picasa]\nname=album\n" + contacts
    for orientation in range(1, 9):
        faces = f"rect64({rect64(ANN, orientation)}),a1;rect64({rect64(ZOE, orientation)}),b2"
        text += f"[{orientation}.JPG]\nstar=yes\nfaces={faces};\n"
    (album / ".picasa.ini").write_text(text, encoding="utf-8")


def test_names_come_over_in_every_orientation(run: Run, fill: Fill, album: Path) -> None:
    fill(named=False)
    write_ini(album)
    before = (album / ".picasa.ini").read_bytes()
    assert run("import", "picasa", "--dry-run").stdout.startswith("16 faces would be named")
    result = run("import", "picasa")
    assert (result.exit_code, result.stdout.split(",")[0]) == (0, "16 faces named")
    assert who(run) == {f"{number}.jpg": ["Ann", "Zoë Ω", None] for number in range(1, 9)}
    assert run("import", "picasa").stdout.startswith("0 faces named, 16 had that name already")
    (action,) = json.loads(run("log", "--json").stdout)
    assert action["command"] == f"import picasa (from {album}/.picasa.ini)"
    run("undo")
    assert set(map(tuple, who(run).values())) == {(None, None, None)}
    assert (album / ".picasa.ini").read_bytes() == before


def test_names_that_a_folder_lacks_come_from_contacts(
    run: Run, fill: Fill, album: Path, tmp_path: Path
) -> None:
    fill(named=False)
    write_ini(album, contacts="[Contacts]\na1=ann_lh,f00d\n")
    result = run("import", "picasa")
    assert result.exit_code == 3
    assert result.stdout.startswith("0 faces named")
    assert result.stderr.count("contact a1 has no name") == 1
    contacts = tmp_path / "contacts.xml"
    contacts.write_text(
        '<?xml version="1.0" encoding="utf-8"?><contacts><contact id="00A1" name="Ann"/>'
        '<contact id="b2" name="" display="Zoë"/><contact id="c3"/></contacts>',
        encoding="utf-8",
    )
    result = run("import", "picasa", "--contacts", contacts, album / "7.jpg")
    assert result.exit_code == 0
    assert who(run)["7.jpg"] == ["Ann", "Zoë", None]
    assert who(run)["6.jpg"] == [None, None, None]


def test_what_is_broken_is_told_and_the_rest_is_taken(run: Run, fill: Fill, album: Path) -> None:
    fill(named=False)
    ann = f"rect64({rect64(ANN, 1)}),a1"
    (album / ".picasa.ini").write_text(
        "stray=line\n[Contacts2]\na1=Ann;;\n=;\n[1.jpg\nfaces=rect64(1),a1\n"
        f"[1.jpg]\nfaces=rect64(xyz),a1;rect64(0000ffff0000ffff),a1;;{ann};{ann}\n"
        f"[1.jpg]\nfaces=rect64({rect64(ZOE, 1)}),ffffffffffffffff;rect64(ffff)\n"
        "[gone.jpg]\nfaces=rect64(1),99\n[2.jpg]\nfaces=\n",
    )
    result = run("import", "picasa", "--json")
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert found["named"] == [{"face": 1, "person": "Ann"}]
    assert [text.split(": ")[-1] for text in found["unusable"]] == [
        "rect64(xyz),a1.",
        "rect64(0000ffff0000ffff),a1.",
        "rect64(ffff).",
    ]


def test_a_hostile_contacts_file_is_one_sentence(
    run: Run, fill: Fill, album: Path, tmp_path: Path
) -> None:
    fill(named=False)
    contacts = tmp_path / "contacts.xml"
    contacts.write_text('<!DOCTYPE c [<!ENTITY a "b">]><contacts>&a;</contacts>')
    result = run("import", "picasa", "--contacts", contacts)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "document type" in result.stderr
    with pytest.raises(UnusableFile):
        contacts_of(b"not xml")


def test_folders_without_picasa_say_nothing(run: Run, fill: Fill, album: Path) -> None:
    fill(named=False)
    result = run("import", "picasa")
    assert result.exit_code == 0
    assert result.stdout.startswith("0 faces named")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    for lines in sections_of(data).values():
        assert all(key == key.strip() for key, _ in lines)


def test_old_encodings_and_marks_are_understood() -> None:
    assert sections_of("\ufeff[Ä.jpg]\nfaces=x".encode()) == {"ä.jpg": [("faces", "x")]}
    assert sections_of("[Ä.jpg]\nfaces=x".encode("cp1252")) == {"ä.jpg": [("faces", "x")]}
