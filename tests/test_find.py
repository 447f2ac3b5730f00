"""Finding photos by who is on them and when they were taken."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from facecluster.library import Library, ListedPhoto, Wanted
from facecluster.library.photos import chosen
from facecluster.people import ignore, name_faces
from facecluster.records import Analysis, Box, Face, FileStamp, Photo, Quality

Run = Callable[..., Result]
NAMES = ("Ann", "Bob", "Cid")
PHOTOS = {  # who is on it (None: unnamed), when it was taken
    "a.jpg": (("Ann",), "2018-12-31T23:59:59"),
    "b.jpg": (("Ann", "Bob"), "2019-01-01T00:00:00"),
    "c.jpg": (("Ann", "Bob", None), "2020-06-30T10:00:00"),
    "d.jpg": (("Bob", "Cid"), "2020-07-01T10:00:00"),
    "e.jpg": (("Ann",), None),
    "f.jpg": ((None,), "2020-01-01T10:00:00"),
    "g.jpg": ((), "2020-01-01T10:00:00"),
}


def analysis(path: Path, faces: int, taken_at: str | None) -> Analysis:
    photo = Photo(f"{path.name:>064}", 640, 480, 1, taken_at)
    found = []
    for place in range(faces):
        x = 100.0 * place
        points = ((x + 3, 3.0), (x + 7, 3.0), (x + 5, 5.0), (x + 3, 7.0), (x + 7, 7.0))
        found.append(Face(Box(x, 0, x + 10, 12), points, 0.99, Quality(40.0, 99.0, 0.1)))
    rows = np.eye(4, dtype=np.float32)[:faces]
    return Analysis(FileStamp(str(path), 100, 1), photo, tuple(found), rows)


@pytest.fixture(autouse=True)
def album(tmp_path: Path) -> Path:
    """A library with PHOTOS, whose faces are named one by one."""
    path = tmp_path / "library.sqlite"
    with Library.open(path) as library:
        model = library.scanned.register_model(fingerprint="f", name="nn4", dimension=4)
        analyses = [analysis(tmp_path / name, len(who), at) for name, (who, at) in PHOTOS.items()]
        copy = replace(analyses[0], file=FileStamp(str(tmp_path / "z.jpg"), 100, 1))
        library.scanned.add([*analyses, copy], detector="test", model=model)
        faces = iter(library.faces())
        for who, _ in PHOTOS.values():
            for name in who:
                face = next(faces).face
                if name:
                    name_faces(library, [face], name, command="test")
    return path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Ann", "abce"),
        ("ann --and Bob", "bc"),
        ("Ann --not Bob", "ae"),
        ("Ann --and Bob --not Cid", "bc"),
        ("--not Ann", "dfg"),
        ("Ann --from 2019", "bc"),
        ("Ann --to 2018", "a"),
        ("--from 2020 --to 2020-06", "cfg"),
        ("--from 2020-06-30 --to 2020-07-01", "cd"),
        ("Ann --min-faces 2", "bc"),
        ("--min-faces 3", "c"),
        ("Ann --alone", "ae"),
        ("Ann --and Bob --alone", "b"),
        ("--alone", "aef"),
        ("Ann --and Cid", ""),
    ],
)
def test_find_prints_the_paths(run: Run, tmp_path: Path, words: str, expected: str) -> None:
    result = run("find", *words.split())
    assert result.exit_code == 0
    assert result.stdout == "".join(f"{tmp_path / name}.jpg\n" for name in expected)
    assert result.stderr == ("" if expected else "No photo is like that.\n")


def test_paths_for_xargs_end_with_a_zero_byte(run: Run, tmp_path: Path) -> None:
    assert run("find", "Cid", "-0").stdout == f"{tmp_path}/d.jpg\0"


@pytest.mark.parametrize("option", [[], ["-0"]], ids=str)
def test_each_path_is_printed_byte_for_byte(
    album: Path, run: Run, tmp_path: Path, option: list[str]
) -> None:
    odd = f"{tmp_path}/\x1b[31mred\x1b[0m 王.jpg"
    with closing(sqlite3.connect(album)) as library, library:
        library.execute("update file set path = ? where path like '%/d.jpg'", (odd,))
    assert run("find", "Cid", *option).stdout == odd + ("\0" if option else "\n")


def test_json_has_the_promised_fields(run: Run, tmp_path: Path) -> None:
    assert json.loads(run("find", "Cid", "--json").stdout) == [
        {
            **{"photo": 4, "path": str(tmp_path / "d.jpg"), "moment": None},
            "taken_at": "2020-07-01T10:00:00",
        }
    ]
    assert json.loads(run("find", "Ann", "--and", "Cid", "--json").stdout) == []


@pytest.mark.parametrize("option", [[], ["Ann", "--and"], ["Ann", "--not"]], ids=" ".join)
def test_a_mistyped_name_gets_the_nearest(run: Run, option: list[str]) -> None:
    result = run("find", *option, "Bobb")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Did you mean Bob?" in result.stderr


@pytest.mark.parametrize("words", ["", "Ann --from 2019-13", "Ann --to 19", "Ann --min-faces -1"])
def test_wrong_requests_are_code_2(run: Run, words: str) -> None:
    result = run("find", *words.split())
    assert (result.exit_code, result.stdout) == (2, "")


def test_ignored_faces_and_deleted_files_do_not_count(album: Path, run: Run) -> None:
    with Library.open(album) as library:
        ignore(library, [6], command="test")  # the unnamed face of c.jpg
        library.scanned.remove([str(album.parent / "b.jpg")])
    assert run("find", "Ann", "--and", "Bob", "--alone").stdout == f"{album.parent}/c.jpg\n"


def test_photos_below_a_folder_have_all_of_their_files_there(album: Path) -> None:
    with Library.open(album) as library:
        assert library.photos()[0].paths == (f"{album.parent}/a.jpg", f"{album.parent}/z.jpg")
        assert len(library.photos()) == len(PHOTOS)
        (only,) = library.photos([f"{album.parent}/z.jpg"])
        assert (only.photo, only.path) == (1, f"{album.parent}/z.jpg")
        assert library.photos([f"{album.parent}/nothing"]) == []
        assert library.photos([]) == []


dates = st.one_of(st.none(), st.dates().map(lambda day: f"{day.isoformat()}T12:00:00"))
spans = st.one_of(
    st.none(), st.tuples(st.dates(), st.sampled_from([4, 7, 10])).map(lambda d: str(d[0])[: d[1]])
)
some = st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple)


@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from([*NAMES, None]), max_size=4), dates),
        max_size=6,
    ),
    st.builds(Wanted, some, some, spans, spans, st.integers(0, 3), st.booleans()),
)
def test_what_is_chosen_is_what_each_condition_allows(
    shown: list[tuple[list[str | None], str | None]], wanted: Wanted
) -> None:
    photos = [
        ListedPhoto(place, Photo(str(place), 4, 3, 1, at), ("p",))
        for place, (_, at) in enumerate(shown)
    ]
    expected = []
    for place, (faces, at) in enumerate(shown):
        conditions = [name in faces for name in wanted.people]
        conditions += [name not in faces for name in wanted.without]
        conditions.append(len(faces) >= wanted.min_faces)
        if wanted.first:
            conditions.append(at is not None and at >= wanted.first)
        if wanted.last:
            conditions.append(at is not None and at <= wanted.last + "~")
        if wanted.alone and wanted.people:
            conditions.append(all(face in wanted.people for face in faces))
        if wanted.alone and not wanted.people:
            conditions.append(len(faces) == 1)
        if all(conditions):
            expected.append(place)
    faces_of = {place: faces for place, (faces, _) in enumerate(shown)}
    assert [photo.photo for photo in chosen(photos, faces_of, wanted)] == expected


@pytest.mark.parametrize("form", ["-0", "--json"])
def test_a_page_takes_no_form_of_the_list(run: Run, database: Path, form: str) -> None:
    done = run("find", "--alone", "--sheet", database.with_name("s.html"), form)
    assert done.exit_code == 2
    assert "--sheet makes a page" in done.stderr
