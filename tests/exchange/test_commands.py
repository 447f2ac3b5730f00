"""Names leave the library and come back: the commands, on real files in all eight orientations."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from facecluster.exchange.tree import parse
from facecluster.exchange.xmp import read
from facecluster.records import Box

from .conftest import BOXES, HEIGHT, WIDTH, Fill
from .test_xmp import packet

Run = Callable[..., Result]
NAMES = sorted(name for name in BOXES if name)


def shown(run: Run) -> dict[tuple[str, tuple[float, ...]], str | None]:
    """Who each face is, by photo and box."""
    return {
        (Path(one["path"]).name, tuple(one["box"])): one["person"]
        for one in json.loads(run("faces", "--json").stdout)
    }


def test_every_name_survives_a_new_library(run: Run, fill: Fill, album: Path) -> None:
    fill(named=True)
    before = shown(run)
    done = run("export", "xmp")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == (
        "8 sidecars written.\n"
        "Next: 'facecluster import xmp' takes in what other programs change there\n"
    )
    fill(named=False)
    assert set(shown(run).values()) == {None}
    result = run("import", "xmp", album)
    assert result.exit_code == 0
    assert result.stdout == (
        "16 faces named, 0 had that name already, 0 are somebody else by your word, 0 not found.\n"
    )
    assert shown(run) == before
    assert [one["person"] for one in json.loads(run("people", "--json").stdout)] == NAMES


def test_running_twice_changes_nothing_and_undo_takes_all_back(
    run: Run, fill: Fill, album: Path
) -> None:
    fill(named=True)
    run("export", "xmp")
    texts = {path: path.stat().st_mtime_ns for path in album.glob("*.xmp")}
    assert run("export", "xmp").stderr == "0 sidecars written: nothing new to say.\n"
    assert {path: path.stat().st_mtime_ns for path in album.glob("*.xmp")} == texts
    fill(named=False)
    run("import", "xmp", album)
    again = run("import", "xmp", album)
    assert again.stdout.startswith("0 faces named, 16 had that name already")
    (action,) = json.loads(run("log", "--json").stdout)
    assert action["faces"] == 16
    assert action["command"] == f"import xmp {album} (from {album}/1.jpg.xmp and 7 more files)"
    run("undo")
    assert set(shown(run).values()) == {None}


def test_dry_runs_print_and_write_nothing(run: Run, fill: Fill, album: Path) -> None:
    fill(named=True)
    done = run("export", "xmp", album / "6.jpg", "--dry-run")
    assert done.stdout.startswith(f"--- /dev/null\n+++ {album}/6.jpg.xmp\n@@")
    assert "+        <rdf:li" in done.stdout
    assert done.stderr == "1 sidecar would be written.\n"
    assert json.loads(run("export", "xmp", album, "--dry-run", "--json").stdout) == {
        "changed": [f"{album}/{number}.jpg.xmp" for number in range(1, 9)],
        "unusable": [],
    }
    assert list(album.glob("*.xmp")) == []
    run("export", "xmp")
    fill(named=False)
    assert run("import", "xmp", "--dry-run").stdout.startswith("16 faces would be named")
    assert set(shown(run).values()) == {None}


def test_only_photos_below_the_paths_are_touched(run: Run, fill: Fill, album: Path) -> None:
    fill(named=True)
    run("export", "xmp", album / "3.jpg", album / "5.jpg")
    assert sorted(path.name for path in album.glob("*.xmp")) == ["3.jpg.xmp", "5.jpg.xmp"]
    for words in (["export", "xmp"], ["import", "xmp"]):
        result = run(*words, album / "elsewhere")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "facecluster scan" in result.stderr


def test_what_the_user_said_stays_and_conflicts_are_listed(
    run: Run, fill: Fill, album: Path
) -> None:
    fill(named=True)
    run("export", "xmp", album / "1.jpg")
    fill(named=False)
    run("name", "--face", 1, "Eve")
    run("name", "--face", 2, NAMES[1])
    run("reject", 2)
    result = run("import", "xmp")
    assert result.stdout.startswith(
        "0 faces named, 0 had that name already, 2 are somebody else by your word"
    )
    assert "face 1 is Eve, but Ann by" in result.stderr
    assert f"face 2 is not to be {NAMES[1]}, but {NAMES[1]} by" in result.stderr
    conflicts = json.loads(run("import", "xmp", "--json").stdout)["conflicts"]
    assert conflicts[0] == {
        "path": f"{album}/1.jpg",
        "face": 1,
        "name": "Ann",
        "stated": "Eve",
        "source": f"{album}/1.jpg.xmp",
    }


def test_a_face_left_out_stays_so_and_is_told_as_your_word(
    run: Run, fill: Fill, album: Path
) -> None:
    fill(named=True)
    run("export", "xmp", album / "1.jpg")
    fill(named=False)
    run("ignore", "--face", 1)
    result = run("import", "xmp")
    assert result.stdout.startswith("1 face named, 0 had that name already, 1 is somebody else")
    assert "face 1 is not to be Ann, but Ann by" in result.stderr
    assert "no face was found" not in result.stderr


def test_an_export_puts_corrections_right_in_the_files(run: Run, fill: Fill, album: Path) -> None:
    fill(named=True)
    run("export", "xmp", album / "8.jpg")
    faces = [one for one in json.loads(run("faces", "--json").stdout) if "8.jpg" in one["path"]]
    run("name", "--face", faces[0]["face"], "Annabel")
    run("reject", faces[1]["face"])
    run("export", "xmp", album / "8.jpg")
    text = (album / "8.jpg.xmp").read_text(encoding="utf-8")
    assert text.count("Annabel") == 3
    assert ">Ann<" not in text
    assert "Zo" not in text


def test_guesses_are_not_exported(run: Run, fill: Fill, album: Path) -> None:
    fill(named=False)
    run("group", "--threshold", "0.1")
    run("name", "--face", 1, "Ann")
    assert set(shown(run).values()) == {None, "Ann"}
    run("export", "xmp")
    assert [path.name for path in album.glob("*.xmp")] == ["1.jpg.xmp"]


def test_bad_sidecars_are_told_left_alone_and_make_the_exit_code_3(
    run: Run, fill: Fill, album: Path
) -> None:
    fill(named=True)
    bad = album / "2.jpg.xmp"
    bad.write_bytes(b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>')
    before = bad.read_bytes()
    result = run("export", "xmp")
    assert result.exit_code == 3
    assert f"{bad} declares a document type" in result.stderr
    assert "7 sidecars written, 1 could not be." in result.stderr
    assert bad.read_bytes() == before
    fill(named=False)
    result = run("import", "xmp")
    assert result.exit_code == 3
    assert result.stdout.startswith("14 faces named")
    assert "document type" in result.stderr


def test_a_photo_whose_name_leaves_no_room_for_a_sidecars_holds_up_no_other(
    run: Run, fill: Fill, album: Path
) -> None:
    longest = album / f"2{'x' * 250}.jpg"
    (album / "2.jpg").rename(longest)
    fill(named=True)
    result = run("export", "xmp")
    assert result.exit_code == 3
    assert "7 sidecars written, 1 could not be." in result.stderr
    assert f"{longest}.xmp cannot be written: {os.strerror(errno.ENAMETOOLONG)}." in result.stderr
    fill(named=False)
    assert run("import", "xmp").stdout.startswith("14 faces named, 0 had that name already")
    assert run("forget", "Ann", "--yes").exit_code == 0


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("\u200eAnn", r"'\u200eAnn': A name needs at least one letter and no control characters."),
        ("12345", "'12345': 12345 is a number, and numbers are of groups"),
        ("Ann" * 999, f"{('Ann' * 17)[:50]!r}: A name has no more than 200 letters"),
    ],
)
def test_regions_without_a_face_and_odd_names_are_told(
    run: Run, fill: Fill, album: Path, name: str, told: str
) -> None:
    fill(named=False)
    far = '<rdf:li MPReg:Rectangle="0.9,0.9,0.1,0.1" MPReg:PersonDisplayName="Ghost"/>'
    odd = f'<rdf:li MPReg:Rectangle="0.1,0.25,0.15,0.35" MPReg:PersonDisplayName="{name}"/>'
    inside = f"<MPRI:Regions><rdf:Bag>{far}{odd}</rdf:Bag></MPRI:Regions>"
    (album / "1.jpg.xmp").write_bytes(
        packet(f"<MP:RegionInfo rdf:parseType='Resource'>{inside}</MP:RegionInfo>")
    )
    result = run("import", "xmp")
    assert result.stdout.startswith("0 faces named")
    assert "no face was found where Ghost is said to be" in result.stderr
    assert told in result.stderr
    assert set(shown(run).values()) == {None}


def test_a_name_that_is_spelt_with_a_joiner_is_taken_in(run: Run, fill: Fill, album: Path) -> None:
    fill(named=False)
    name = "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"
    place = f'<rdf:li MPReg:Rectangle="0.1,0.25,0.15,0.35" MPReg:PersonDisplayName="{name}"/>'
    inside = f"<MPRI:Regions><rdf:Bag>{place}</rdf:Bag></MPRI:Regions>"
    (album / "1.jpg.xmp").write_bytes(
        packet(f"<MP:RegionInfo rdf:parseType='Resource'>{inside}</MP:RegionInfo>")
    )
    assert run("import", "xmp").stdout.startswith("1 face named")
    assert f"\n{name} " in run("people").stdout
    assert run("export", "xmp").exit_code == 0
    fill(named=False)
    assert run("import", "xmp").stdout.startswith("1 face named")
    assert [one["person"] for one in json.loads(run("people", "--json").stdout)] == [name]


@pytest.mark.parametrize("scale", [0.8, 1.5])
def test_larger_and_smaller_boxes_of_other_tools_fit(
    run: Run, fill: Fill, album: Path, scale: float
) -> None:
    fill(named=False)
    people = [("Ann", BOXES["Ann"]), ("Cid", BOXES[None])]
    (album / "1.xmp").write_bytes(drawn(people, scale))
    run("import", "xmp")
    assert [who for (path, _), who in shown(run).items() if path == "1.jpg"] == ["Ann", None, "Cid"]


def drawn(people: list[tuple[str, Box]], scale: float) -> bytes:
    """A packet of the upright photo with boxes around these that are so many times as wide."""
    items = ""
    for name, box in people:
        width, height = box.width * scale, box.height * scale
        left, top = (box.x0 + box.x1 - width) / 2, (box.y0 + box.y1 - height) / 2
        numbers = (left / WIDTH, top / HEIGHT, width / WIDTH, height / HEIGHT)
        rectangle = ",".join(map(str, numbers))
        items += f'<rdf:li MPReg:Rectangle="{rectangle}" MPReg:PersonDisplayName="{name}"/>'
    return packet(
        "<MP:RegionInfo rdf:parseType='Resource'><MPRI:Regions><rdf:Bag>"
        f"{items}</rdf:Bag></MPRI:Regions></MP:RegionInfo>"
    )


@pytest.mark.parametrize(
    ("said", "regions"),
    [(["name", "--face", 1, "Bob"], ["Bob"]), ([], ["Ann"]), (["reject", 1], [])],
    ids=["another name", "the same", "not them"],
)
def test_an_export_finds_the_wider_box_that_the_name_came_from(
    run: Run, fill: Fill, album: Path, said: list[object], regions: list[str]
) -> None:
    fill(named=False)
    sidecar = album / "1.jpg.xmp"
    sidecar.write_bytes(drawn([("Ann", BOXES["Ann"])], 1.6))
    assert run("import", "xmp").stdout.startswith("1 face named")
    if said:
        assert run(*said).exit_code == 0
    assert run("export", "xmp").exit_code == 0
    found = read(parse(sidecar.read_bytes()), (WIDTH, HEIGHT))
    assert [one.name for one in found.mp] == regions
    assert set(found.people) == set(regions)
    assert run("export", "xmp").stderr == "0 sidecars written: nothing new to say.\n"
