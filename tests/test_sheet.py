"""The contact sheet: what is on it, that it needs nothing else, and that it destroys nothing."""

from __future__ import annotations

import errno
import os
import re
import stat
from html.parser import HTMLParser
from pathlib import Path

import pytest

from facecluster.library import Library
from facecluster.people import name_faces, name_group
from facecluster.sheet import contents, is_sheet, page
from facecluster.sheet.contents import Contents, Part, Tile

from .conftest import Run

EVIL = "</h3><script>alert(1)</script><img src=x onerror=alert(1)>&\"'"


class Reader(HTMLParser):
    """All tags and attribute values, the text, and whether each element is closed."""

    VOID = ("meta", "img", "link", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.values: list[tuple[str, str, str]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.values += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data


def test_text_of_the_library_is_never_markup() -> None:
    tile = Tile(1, f"/{EVIL}/a{EVIL}.jpg", EVIL, None)
    part = Part(None, EVIL, 1, 1, (tile,), (tile,), (tile.path,))
    text = page(EVIL, Contents(people=(part,), photos=(tile,)), {1: b"jpeg"})
    read = Reader(text)
    assert read.open == []
    assert "script" not in read.tags
    assert read.tags.count("img") == 3
    assert not [one for one in read.values if one[1].startswith("on")]
    assert EVIL in read.text


def test_it_needs_no_network_and_no_script(grouped: Path, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "s.html"
    done = run("sheet", "-o", file)
    assert (done.exit_code, done.stdout) == (0, f"{file}\n")
    text = file.read_text()
    read = Reader(text)
    assert not {"script", "link", "iframe", "object"} & set(read.tags)
    for _, name, value in read.values:
        if name == "src":
            assert value.startswith("data:image/jpeg;base64,")
        if name == "href":
            assert value.startswith("#")
    assert "url(" not in text and "@import" not in text
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert ("meta", "content", policy) in read.values
    assert is_sheet(text)
    assert "loading=" not in text, "a picture that waits to be seen is grey on paper"


def test_people_come_by_name_then_groups_by_size(grouped: Path, run: Run, tmp_path: Path) -> None:
    with Library.open(grouped) as library:
        name_group(library, 3, "zoe", command="t")
        name_group(library, 2, "Émile", command="t")
    done = run("sheet", "-o", tmp_path / "s.html")
    text = (tmp_path / "s.html").read_text()
    titles = re.findall(r"<h3>(.*?)</h3>", text)
    assert titles == ["zoe", "Émile", "Group 1"]
    assert 'facecluster name 1 "…"' in text and "name 3" not in text
    assert done.stderr.endswith("Next: 'facecluster name 1 NAME'\n")
    assert text.count("<figure") == 13


def test_doubtful_faces_come_last_the_worst_first(grouped: Path) -> None:
    with Library.open(grouped) as library:
        whole = contents(library, groups=1, faces=3)
    assert (whole.left_out, whole.faces, whole.loose) == (2, 13, 0)
    (part,) = whole.groups
    assert (part.group, part.person, part.faces, part.photos) == (1, None, 6, 6)
    assert (len(part.typical), len(part.doubtful)) == (2, 1)
    assert {tile.number for tile in part.typical}.isdisjoint({part.doubtful[0].number})


def test_one_group_that_is_left_out_is_one() -> None:
    told = [page("t", Contents(left_out=count), {}) for count in (1, 2)]
    assert "1 smaller group is left out" in told[0]
    assert "2 smaller groups are left out" in told[1]


def test_two_faces_on_one_photo_are_told(grouped: Path) -> None:
    with Library.open(grouped) as library:
        faces = library.faces(group=1)
        name_faces(library, [one.face for one in faces], "Ann", command="t")
        sql = "update face set photo = ? where id = ?"
        library._connection.run(sql, (faces[0].photo, faces[1].face))
        whole = contents(library, groups=9, faces=9)
    assert whole.people[0].crowded == (faces[0].path,)
    assert "Twice on one photo" in page("t", whole, {})


def test_a_photo_that_is_gone_leaves_an_empty_place(grouped: Path, run: Run) -> None:
    text = page("t", Contents(photos=(Tile(1, "/a.jpg", None, None),)), {1: None})
    assert '<div class="gone">gone</div>' in text
    with Library.open(grouped) as library:
        Path(library.faces()[0].path).unlink()
    done = run("sheet", "-o", grouped.parent / "s.html")
    assert done.exit_code == 3
    assert done.stderr.startswith("1 picture is missing: its photo is gone")


def test_a_sheet_is_not_replaced_by_one_without_pictures(grouped: Path, run: Run) -> None:
    file = grouped.parent / "s.html"
    run("sheet", "-o", file)
    before = file.read_bytes()
    with Library.open(grouped) as library:
        for face in library.faces():
            Path(face.path).unlink()
    done = run("sheet", "-o", file)
    assert done.exit_code == 1
    assert f"None of the photos is there, so {file} stays as it is" in done.stderr
    assert file.read_bytes() == before


def test_only_the_owner_may_read_it_and_it_comes_whole(grouped: Path, run: Run) -> None:
    file = grouped.parent / "s.html"
    run("sheet", "-o", file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not [one for one in file.parent.iterdir() if one.name.startswith(".s.html")]
    assert run("sheet", "-o", file).exit_code == 0  # a sheet may be made anew


@pytest.mark.parametrize(
    ("ends", "code", "told"),
    [
        (KeyboardInterrupt(), 130, "Stopped."),
        (OSError(errno.ENOSPC, "No room"), 1, "s.html cannot be written: No room."),
    ],
    ids=["stopped", "full"],
)
def test_nothing_is_left_of_a_sheet_that_ends_halfway(
    grouped: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    ends: BaseException,
    code: int,
    told: str,
) -> None:
    def end(*_: object) -> None:
        raise ends

    before = sorted(grouped.parent.iterdir())
    monkeypatch.setattr("os.replace", end)
    done = run("sheet", "-o", grouped.parent / "s.html")
    assert done.exit_code == code
    assert told in done.stderr
    assert sorted(grouped.parent.iterdir()) == before


def test_another_file_is_not_overwritten(grouped: Path, run: Run) -> None:
    file = grouped.parent / "thesis.html"
    file.write_text("my thesis")
    done = run("sheet", "-o", file)
    assert done.exit_code == 1
    assert "is not a sheet" in done.stderr
    assert file.read_text() == "my thesis"
    assert run("sheet", "-o", file, "--force").exit_code == 0
    assert is_sheet(file.read_text())


def test_the_library_is_never_overwritten(grouped: Path, run: Run) -> None:
    before = grouped.read_bytes()
    for side in ("", "-wal"):
        done = run("sheet", "-o", grouped.with_name(grouped.name + side), "--force")
        assert done.exit_code == 1
        assert "is the library itself: choose another file." in done.stderr
    assert grouped.read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_what_is_no_ordinary_file_stays_even_with_force(grouped: Path, run: Run) -> None:
    pipe = grouped.parent / "pipe"
    os.mkfifo(pipe)
    for more in ((), ("--force",)):
        done = run("sheet", "-o", pipe, *more)
        assert (done.exit_code, done.stderr) == (
            1,
            f"Error: {pipe} is no ordinary file: choose another.\n",
        )
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("length", [254, 5000])  # the first alone fits, but not its temporary name
def test_a_name_too_long_is_one_sentence(grouped: Path, run: Run, length: int) -> None:
    done = run("sheet", "-o", grouped.parent / ("x" * length))
    assert done.exit_code == 1
    assert os.strerror(errno.ENAMETOOLONG) in done.stderr and done.stderr.count("\n") == 1


def test_a_place_that_cannot_be_written_is_one_sentence(grouped: Path, run: Run) -> None:
    done = run("sheet", "-o", grouped.parent / "none" / "s.html")
    assert done.exit_code == 1
    assert done.stderr == f"Error: {grouped.parent}/none/s.html cannot be written: " + (
        os.strerror(2) + ".\n"
    )


def test_an_empty_library_has_an_empty_sheet(run: Run, tmp_path: Path) -> None:
    Library.open(tmp_path / "library.sqlite").close()
    assert run("sheet", "-o", tmp_path / "s.html").exit_code == 0
    assert "Nothing is here yet" in (tmp_path / "s.html").read_text()


def test_found_photos_make_a_sheet(grouped: Path, run: Run) -> None:
    with Library.open(grouped) as library:
        name_group(library, 2, "Bob", command="t")
    file = grouped.parent / "bob.html"
    done = run("find", "Bob", "--sheet", file)
    assert (done.exit_code, done.stdout) == (0, f"{file}\n")
    text = file.read_text()
    assert "<h1>Photos of Bob</h1><span>4 photos</span>" in text
    assert text.count("<figure") == 4
    assert "<figcaption><span>bob0.jpg</span><time></time></figcaption>" in text
    assert done.stderr == ""
    none = run("find", "Bob", "--from", 2030, "--sheet", file)
    assert (none.exit_code, none.stderr) == (0, "No photo is like that.\n")
