"""A folder for each person: what is put there, under which names, and what is never touched."""

import json
import os
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from facecluster.exchange.folders import folder_names, place

from .conftest import Fill

Run = Callable[..., Result]


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("how", ["copy", "hardlink", "symlink"])
def test_each_person_has_a_folder_with_their_photos(
    run: Run, fill: Fill, album: Path, tmp_path: Path, how: str
) -> None:
    fill(named=True)
    run("ignore", "--face", 1)
    folder = tmp_path / "people"
    result = run("export", "folders", folder, "--as", how)
    assert (result.exit_code, result.stdout) == (
        0,
        "15 photos added, 0 were there, in 2 folders.\n",
    )
    expected = [f"Ann/{number}.jpg" for number in range(2, 9)]
    expected += [f"Zoë _&_ _'{{0}} (e439)/{number}.jpg" for number in range(1, 9)]
    assert tree(folder) == sorted(expected)
    one = folder / "Ann" / "2.jpg"
    assert one.read_bytes() == (album / "2.jpg").read_bytes()
    assert one.is_symlink() == (how == "symlink")
    assert one.samefile(album / "2.jpg") == (how != "copy")
    again = run("export", "folders", folder, "--as", how)
    assert again.stdout == "0 photos added, 15 were there, in 2 folders.\n"
    assert tree(folder) == sorted(expected)


def test_what_lies_there_is_never_overwritten(
    run: Run, fill: Fill, album: Path, tmp_path: Path
) -> None:
    fill(named=True)
    folder = tmp_path / "people"
    (folder / "Ann").mkdir(parents=True)
    (folder / "Ann" / "1.jpg").write_bytes(b"mine")
    os.symlink("nowhere", folder / "Ann" / "2.jpg")
    rows = json.loads(
        run("export", "folders", folder, album / "1.jpg", album / "2.jpg", "--json").stdout
    )
    assert rows[0] == {"path": f"{folder}/Ann/1 (2).jpg", "new": True}
    assert (folder / "Ann" / "1.jpg").read_bytes() == b"mine"
    assert os.readlink(folder / "Ann" / "2.jpg") == "nowhere"
    assert (folder / "Ann" / "2 (2).jpg").is_file()


def test_two_photos_of_one_name_are_both_there(tmp_path: Path) -> None:
    sources = []
    for year in ("2019", "2020", "2021"):
        (tmp_path / year).mkdir()
        sources.append(tmp_path / year / ("IMG.JPG" if year == "2020" else "img.jpg"))
        sources[-1].write_bytes(year.encode())
    for _ in range(2):
        found = [one.path.name for one in place({"Ann": sources}, tmp_path / "p", "copy")]
        assert found == ["img.jpg", "IMG (2).JPG", "img (3).jpg"]
    contents = sorted(path.read_bytes() for path in (tmp_path / "p" / "Ann").iterdir())
    assert contents == [b"2019", b"2020", b"2021"]


def test_a_photo_that_is_gone_is_one_sentence_and_the_rest_is_put_there(
    run: Run, fill: Fill, album: Path, tmp_path: Path
) -> None:
    fill(named=True)
    (album / "1.jpg").unlink()
    result = run("export", "folders", tmp_path / "p")
    assert (result.exit_code, result.stdout) == (
        3,
        "14 photos added, 0 were there, in 2 folders; 2 could not be put there.\n",
    )
    assert f"{album}/1.jpg is not there: plug its disk in" in result.stderr
    assert len(tree(tmp_path / "p")) == 14
    rows = json.loads(run("export", "folders", tmp_path / "p", "--json").stdout)
    assert [one["new"] for one in rows] == [False] * 14


def test_a_folder_that_cannot_be_made_is_one_sentence(run: Run, fill: Fill, tmp_path: Path) -> None:
    fill(named=True)
    (tmp_path / "file").touch()
    result = run("export", "folders", tmp_path / "file" / "p")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


def test_what_a_killed_copy_leaves_is_taken_away_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[object] = []

    def killed(part: object, _: object) -> None:
        parts.append(part)
        raise OSError

    source = tmp_path / "a.jpg"
    source.write_bytes(b"photo")
    monkeypatch.setattr(os, "replace", killed)
    for _ in range(2):
        list(place({"Ann": [source]}, tmp_path / "p", "copy"))
    assert parts[0] == parts[1]


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_copy_goes_through_no_link_that_somebody_put_in_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    source, home, victim = tmp_path / "a.jpg", tmp_path / "p" / "Ann", tmp_path / "victim"
    source.write_bytes(b"photo")
    source.chmod(0o640)
    victim.write_bytes(b"mine")
    home.mkdir(parents=True)
    part = home / f".facecluster-{sha256(b'a.jpg').hexdigest()[:16]}.part"
    part.symlink_to(victim)
    if when == "meanwhile":
        monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    (placed,) = place({"Ann": [source]}, tmp_path / "p", "copy")
    assert victim.read_bytes() == b"mine"
    assert placed.new == (when == "before")
    if placed.new:
        copy = placed.path.lstat()
        assert placed.path.read_bytes() == b"photo" and not placed.path.is_symlink()
        assert (copy.st_mode, copy.st_mtime_ns) == (
            source.stat().st_mode,
            source.stat().st_mtime_ns,
        )
        assert tree(home) == ["a.jpg"]


def test_a_name_as_long_as_the_system_allows_is_copied(tmp_path: Path) -> None:
    source = tmp_path / f"{'x' * 251}.jpg"
    source.write_bytes(b"photo")
    (placed,) = place({"Ann": [source]}, tmp_path / "p", "copy")
    assert placed.new and placed.path.read_bytes() == b"photo"
    assert len(tree(tmp_path / "p")) == 1


def test_nobody_named_makes_nothing(run: Run, fill: Fill, tmp_path: Path) -> None:
    fill(named=False)
    result = run("export", "folders", tmp_path / "people")
    assert result.stdout == "0 photos added, 0 were there, in 0 folders.\n"
    assert not (tmp_path / "people").exists()


@given(st.sets(st.text(st.characters(blacklist_categories=("C",)), min_size=1, max_size=300)))
def test_folder_names_are_names_and_all_different(people: set[str]) -> None:
    names = folder_names(people)
    assert names.keys() == people
    assert len({name.casefold() for name in names.values()}) == len(people)
    for name in names.values():
        assert 0 < len(name.encode()) < 255
        assert not set(name) & set('<>:"/\\|?*\0')
        assert not name.startswith(".") and name not in ("", ".", "..")


@pytest.mark.parametrize(
    ("person", "folder"),
    [
        ("../../etc", "_.._etc"),
        ("..", "_"),
        ("Con", "Con_"),
        ("Aux. Bishop Roe", "Aux_. Bishop Roe"),
        ("Con .B", "Con _.B"),
        ("A/B", "A_B"),
        ("Tom Jr.", "Tom Jr"),
    ],
)
def test_odd_names_stay_inside_and_are_marked(person: str, folder: str) -> None:
    name = folder_names([person])[person]
    assert re.fullmatch(re.escape(folder) + r" \([0-9a-f]{4}\)", name)
    assert folder_names([person.upper()])[person.upper()].casefold() == name.casefold()


def test_a_folder_is_one_persons_whoever_else_is_there(tmp_path: Path) -> None:
    sources = {}
    for person in ("Tom Jr.", "Tom Jr", "Tom Jr?", "Tom Jr:"):
        sources[person] = tmp_path / f"{len(sources)}.jpg"
        sources[person].write_bytes(person.encode())
    folder = tmp_path / "p"
    for people in (["Tom Jr."], ["Tom Jr:", "Tom Jr"], list(sources)):
        assert not [
            one
            for one in place({person: [sources[person]] for person in people}, folder, "copy")
            if one.error
        ]
    assert len(list(folder.iterdir())) == 4
    assert tree(folder / "Tom Jr") == ["1.jpg"]
    assert all(len(tree(home)) == 1 for home in folder.iterdir())
