"""Every command on a small library: what it prints, what it writes, and its exit code."""

import csv
import errno
import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from facecluster.cli import main
from facecluster.embed import BUNDLED, find_model
from facecluster.library import Library
from facecluster.records import Analysis, Box, Face, FileStamp, Photo, Quality

Run = Callable[..., Result]

PHOTOS_OF = (6, 4, 3)  # of the three people of the small library
HEAVY = {"torch", "torchvision", "sklearn", "hdbscan", "facenet_pytorch", "scipy", "cv2"}


def all_commands(group: click.Group = main, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, command in group.commands.items():
        found.append((*before, name))
        if isinstance(command, click.Group):
            found += all_commands(command, (*before, name))
    return found


@pytest.mark.parametrize("words", all_commands(), ids=" ".join)
def test_help_says_what_the_command_does_and_shows_examples(
    run: Run, words: tuple[str, ...]
) -> None:
    result = run(*words, "--help")
    assert result.exit_code == 0
    text = result.stdout
    assert "Commands:" in text or f"  facecluster {' '.join(words)}" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_help_opens_no_library(run: Run, tmp_path: Path) -> None:
    assert run("--help").exit_code == 0
    assert run("groups", "--help").exit_code == 0
    assert run("groups", "--no-such-option").exit_code == 2
    assert not (tmp_path / "library.sqlite").exists()


def test_grouping_no_faces_is_done_whether_a_scan_found_none_or_none_was_made(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    Library.open(tmp_path / "library.sqlite").close()
    for words in [("status",), ("scan", tmp_path / "empty")]:
        assert run(*words).exit_code == 0
        done = run("group")
        assert done.exit_code == 0, done.stderr
        assert done.stdout.startswith("0 faces: 0 groups, 0 faces in no group.\n")
        assert done.stderr.endswith("Next: 'facecluster scan PATH'\n")
        assert json.loads(run("group", "--json").stdout)["faces"] == 0


@pytest.mark.parametrize(
    "words",
    [
        ("scan", ""),
        ("scan", ".", ""),
        ("watch", ""),
        ("export", "xmp", ""),
        ("export", "folders", ""),
        ("import", "picasa", ""),
        ("train", "", "-o", "m.safetensors"),
    ],
    ids=" ".join,
)
def test_an_empty_word_is_not_the_folder_one_is_in(
    run: Run, grouped: Path, words: tuple[str, ...]
) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert "An empty word is no path: write . for the folder you are in." in done.stderr


def test_version_is_the_package_version(run: Run) -> None:
    assert run("--version").stdout.startswith("facecluster, version ")


@pytest.mark.parametrize("command", ["groups", "people", "faces", "status", "log", "undo"])
def test_a_missing_library_is_one_sentence_and_makes_no_file(
    run: Run, tmp_path: Path, command: str
) -> None:
    result = run(command)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "facecluster scan PATH" in result.stderr
    assert not (tmp_path / "library.sqlite").exists()


def test_db_may_stand_before_or_after_the_command(run: Run, database: Path, tmp_path: Path) -> None:
    elsewhere = database.rename(tmp_path / "elsewhere.sqlite")
    before = run("--db", elsewhere, "status", "--json")
    after = run("status", "--db", elsewhere, "--json")
    assert before.stdout == after.stdout
    assert json.loads(after.stdout)["database"] == str(elsewhere)


def test_the_home_that_a_shell_left_unsaid_is_no_folder(
    run: Run, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # on Windows
    word = f"~/{database.name}"
    assert json.loads(run("status", "--json", f"--db={word}").stdout)["faces"]
    monkeypatch.setenv("FACECLUSTER_DB", word)
    assert json.loads(run("status", "--json").stdout)["database"] == str(database)


def test_grouping_lists_the_people_largest_first(run: Run, database: Path) -> None:
    result = run("group", "--threshold", "0.5")
    assert result.exit_code == 0
    assert result.stdout == (
        "13 faces: 3 groups, 0 faces in no group.\n"
        "13 faces put into a group that had none; 0 named faces moved, 0 names lost.\n"
    )
    assert json.loads(run("groups", "--json").stdout) == [
        {"group": number, "faces": count, "photos": count, "person": None}
        for number, count in enumerate(PHOTOS_OF, start=1)
    ]
    assert run("groups").stdout == (
        "group  faces  photos  person\n"
        "    1      6       6       -\n"
        "    2      4       4       -\n"
        "    3      3       3       -\n"
    )


def test_grouping_again_moves_nothing_and_keeps_numbers(run: Run, database: Path) -> None:
    run("group", "--threshold", "0.5")
    before = run("faces", "--json").stdout
    again = run("group", "--threshold", "0.5", "--json")
    assert json.loads(again.stdout)["new_faces"] == 0
    assert run("faces", "--json").stdout == before


def test_the_default_threshold_is_told_with_its_rule(
    run: Run, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = json.loads(run("group", "--json").stdout)
    assert (few["threshold"], few["rule"]) == (find_model(BUNDLED).thresholds["group"], {})
    with monkeypatch.context() as changed:
        changed.setattr("facecluster.embed._FALSE_LINKS", 1e-5)
        many = json.loads(run("group", "--full", "--json").stdout)
    assert many["threshold"] < few["threshold"]
    assert many["rule"]["rate"] == pytest.approx(1e-5 / many["rule"]["faces"])
    later = json.loads(run("group", "--json").stdout)
    assert not later["full"]
    assert (later["threshold"], later["rule"]) == (many["threshold"], many["rule"])
    with closing(sqlite3.connect(database)) as kept, kept:
        kept.execute("update grouping set settings = json_set(settings, '$.rule.faces', 8)")
    assert "The threshold is for up to 8 faces" in run("group").stderr
    assert "The threshold" not in run("group", "--full").stderr
    asked = json.loads(run("group", "--threshold", 0.5, "--json").stdout)
    assert (asked["threshold"], asked["rule"]) == (0.5, {})


@pytest.mark.parametrize(
    ("words", "method"),
    [
        (["--threshold", "0.5"], "agglomerative"),
        (["--method", "hdbscan", "--threshold", "0.5"], "hdbscan"),
        (["--method", "kmeans", "--threshold", "0.5"], "kmeans"),
        (["-k", "3"], "kmeans"),
    ],
    ids=lambda value: " ".join(value),
)
def test_each_method_groups_the_faces(
    run: Run, database: Path, words: list[str], method: str
) -> None:
    done = json.loads(run("group", *words, "--json").stdout)
    assert done["faces"] == 13
    assert done["groups"] == 3 or words == ["-k", "3"]
    assert 1 <= done["groups"] <= 3
    assert json.loads(run("status", "--json").stdout)["last_grouping"]["method"] == method


def test_where_no_face_found_its_like_nobody_is_sent_in_a_circle(run: Run, database: Path) -> None:
    assert run("groups").stderr == "Next: 'facecluster group'\n"
    run("group", "--threshold", 0)
    for words in ["groups", "status"]:
        assert "Next: no two faces are near enough for a group: 'facecluster faces'" in (
            run(words).stderr
        )


def test_faces_that_the_network_has_not_seen_are_counted(run: Run, database: Path) -> None:
    with Library.open(database) as library:
        library.scanned.register_model(fingerprint="g", name="newer", dimension=8)
    result = run("group", "--threshold", "0.5")
    assert result.stdout.startswith("0 faces: 0 groups")
    assert result.stderr.startswith("13 faces were never seen by this network")


def test_the_network_that_is_to_see_faces_is_the_one_grouped_with(run: Run, database: Path) -> None:
    with Library.open(database) as library:
        library.scanned.register_model(fingerprint="g", name="nns2", dimension=128)
        library.scanned.use(1)  # nn4
    told = run("group", "--model", "nns2", "--threshold", "0.5").stderr
    assert told.startswith(
        "13 faces were never seen by this network: 'facecluster models use nns2'"
    )


def test_faces_have_exactly_the_promised_fields(run: Run, database: Path, tmp_path: Path) -> None:
    run("group", "--threshold", "0.5")
    run("name", 2, "Bob")
    faces = json.loads(run("faces", "--json").stdout)
    assert len(faces) == sum(PHOTOS_OF)
    assert faces[6] == {
        "face": 7,
        "photo": 7,
        "path": str(tmp_path / "bob0.jpg"),
        "box": [10.0, 20.0, 110.0, 140.0],
        "score": 0.999,
        "group": 2,
        "person": "Bob",
    }
    assert faces[0]["person"] is None
    assert json.loads(run("faces", "--group", 2, "--json").stdout) == faces[6:10]
    assert json.loads(run("faces", "--person", "bob", "--json").stdout) == faces[6:10]


def test_csv_has_a_column_for_each_side_of_the_box(run: Run, database: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("faces", "--csv").stdout)))
    assert len(rows) == sum(PHOTOS_OF)
    assert list(rows[0]) == [
        *("face", "photo", "path", "x0", "y0", "x1", "y1", "score", "group", "person")
    ]
    assert (rows[0]["x1"], rows[0]["group"], rows[0]["person"]) == ("110.0", "", "")


def test_a_name_survives_every_regrouping(run: Run, database: Path) -> None:
    run("group", "--threshold", "0.5")
    named = run("name", 1, "Ann")
    assert named.stdout == "6 faces are Ann.\n"
    for words in (
        ["-k", "5"],
        ["--method", "hdbscan", "--threshold", "0.01"],
        ["--threshold", "0"],
    ):
        done = run("group", *words)
        assert "0 named faces moved, 0 names lost" in done.stdout
        assert json.loads(run("people", "--json").stdout) == [
            {"person": "Ann", "faces": 6, "photos": 6, "born": None}
        ]


def test_a_new_name_like_an_old_one_is_pointed_out(run: Run, database: Path) -> None:
    run("group", "--threshold", "0.5")
    assert "new person" not in run("name", 1, "Alexander").stderr
    result = run("name", 2, "Alexandre")
    assert "If you meant Alexander" in result.stderr
    assert "new person" not in run("name", 3, "alexander").stderr
    assert {row["person"] for row in json.loads(run("people", "--json").stdout)} == {
        "Alexander",
        "Alexandre",
    }


@pytest.mark.parametrize("words", [["faces"], ["reject", "1"]])
def test_a_mistyped_name_gets_the_nearest(run: Run, database: Path, words: list[str]) -> None:
    run("group", "--threshold", "0.5")
    run("name", 1, "Alice")
    result = run(*words, "--person", "Alcie")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Did you mean Alice?" in result.stderr


def test_a_rejected_face_never_comes_back(run: Run, database: Path) -> None:
    run("group", "--threshold", "0.5")
    run("name", 1, "Ann")
    assert run("reject", 1).stdout == "1 face is not Ann.\n"
    for _ in range(2):
        run("group", "--threshold", "0.5")
        faces = json.loads(run("faces", "--json").stdout)
        assert faces[0]["person"] is None
        assert [face["person"] for face in faces[1:6]] == ["Ann"] * 5


@pytest.mark.parametrize(
    "words",
    [
        ("name", 2, "Bob"),
        ("name", "--face", 9, "Bob"),
        ("rename", "Ann", "Anna"),
        ("reject", 1),
        ("ignore", 3),
        ("ignore", "--face", 9, "--not-a-face"),
        ("merge", 2, 3),
        ("split", 2),
        ("suggest", "--yes", 2, "Ann"),
        ("suggest", "--no", 2, "Ann"),
        ("redo",),
    ],
    ids=lambda words: " ".join(map(str, words)),
)
def test_what_changes_something_says_what_and_undo_takes_it_back(
    run: Run, database: Path, words: tuple[object, ...]
) -> None:
    run("group", "--threshold", "0.5")
    run("name", 1, "Ann")
    if words == ("redo",):
        run("undo")
    before = run("faces", "--json").stdout
    done = run(*words)
    assert done.exit_code == 0 and done.stdout
    assert "'facecluster undo' takes this back" in done.stderr
    if words[:2] != ("suggest", "--no"):
        assert run("faces", "--json").stdout != before
    assert run("undo").exit_code == 0
    assert run("faces", "--json").stdout == before


def add_photos(database: Path, folder: Path, *people: int, score: float = 0.999) -> None:
    """Photos of one face each, of persons 0 to 2 of the small library or of others."""
    with Library.open(database) as library:
        for number, person in enumerate(people):
            row = np.zeros((1, 32), dtype=np.float32)
            row[0, [person, 31]] = 0.99, np.sqrt(1 - 0.99**2)
            about = Photo(f"{folder.name}{number:>50}{score}", 640, 480, 1, None)
            at = ((40.0, 60.0), (80.0, 60.0), (60.0, 80.0), (45.0, 105.0), (75.0, 105.0))
            face = Face(Box(10.0, 20.0, 110.0, 140.0), at, score, Quality(45.0, 300.0, 0.0))
            stamp = FileStamp(str(folder / f"new{number} {score}.jpg"), 1, 1)
            library.scanned.add([Analysis(stamp, about, (face,), row)], detector="test", model=1)


def test_group_compares_only_what_is_new(run: Run, database: Path, tmp_path: Path) -> None:
    first = run("group", "--threshold", "0.5")
    assert "All faces were compared with each other; 0 left their group." in first.stderr
    run("name", 1, "Ann")
    add_photos(database, tmp_path, 0, 25, 25, 26)
    done = run("group")
    assert done.stdout == (
        "17 faces: 4 groups, 1 face in no group.\n"
        "3 faces put into a group that had none; 0 named faces moved, 0 names lost.\n"
    )
    assert "Only 4 new or changed faces were compared with the groups" in done.stderr
    assert "1 new group" in done.stderr
    assert "No face is new or changed" in run("group").stderr
    figures = json.loads(run("group", "--json").stdout)
    assert (figures["full"], figures["looked_at"], figures["moved_faces"]) == (False, 0, 0)
    assert figures["since_full"] == pytest.approx(4 / 17)
    assert json.loads(run("group", "--threshold", "0.5", "--json").stdout)["full"] is False
    for words in (["--full"], ["--threshold", "0.6"], ["--linkage", "average"], ["-k", "3"]):
        figures = json.loads(run("group", *words, "--json").stdout)
        assert (figures["full"], figures["since_full"]) == (True, 0.0)
    assert json.loads(run("group", "--json").stdout)["full"] is True, "k-means has no increments"
    with Library.open(database) as library:
        newest = library.groupings.newest()
        assert newest is not None and newest.method == "kmeans", "the settings are as last time"


def test_a_full_pass_that_is_due_is_told(run: Run, database: Path, tmp_path: Path) -> None:
    run("group", "--threshold", "0.5")
    add_photos(database, tmp_path, 0, 1, 2, 0, 1, 2)
    assert "after the last full pass: 'facecluster group --full'" in run("group").stderr
    assert "after the last full pass" not in run("group", "--full").stderr
    add_photos(database, tmp_path, *range(10, 31), score=0.998)
    assert "All faces were compared" in run("group").stderr, "most of them are new"


def test_what_is_hardly_a_face_is_on_a_shelf(run: Run, database: Path, tmp_path: Path) -> None:
    add_photos(database, tmp_path, 0, score=0.7)
    assert "on the shelf: 1 ('facecluster faces --shelf')" in run("group").stderr
    assert len(json.loads(run("faces", "--json").stdout)) == 13
    (hardly,) = json.loads(run("faces", "--shelf", "--json").stdout)
    assert (hardly["face"], hardly["group"]) == (14, None)
    assert "the shelf" in run("why", 14).stdout
    assert run("show", "--face", 14).exit_code == 0
    assert run("name", "--face", 14, "Ann").exit_code == 0
    assert json.loads(run("faces", "--shelf", "--json").stdout) == []
    assert len(json.loads(run("faces", "--json").stdout)) == 14


def test_single_faces_can_be_named(run: Run, database: Path) -> None:
    result = run("name", "--face", 2, "--face", 8, "Dee")
    assert result.stdout == "2 faces are Dee.\n"
    faces = json.loads(run("faces", "--person", "Dee", "--json").stdout)
    assert [face["face"] for face in faces] == [2, 8]


def test_ignored_faces_leave_every_list(run: Run, database: Path) -> None:
    run("group", "--threshold", "0.5")
    assert run("ignore", 3).stdout == "3 faces are left out from now on.\n"
    assert run("ignore", "--face", 1, "--not-a-face").exit_code == 0
    assert len(json.loads(run("faces", "--json").stdout)) == 9
    run("group", "--threshold", "0.5")
    assert [row["faces"] for row in json.loads(run("groups", "--json").stdout)] == [5, 4]


def test_undo_and_redo_walk_the_log(run: Run, database: Path) -> None:
    run("group", "--threshold", "0.5")
    run("name", 1, "Ann")
    run("name", 2, "Bob")
    undone = run("undo")
    assert undone.stdout == "Taken back: name 2 Bob (4 faces).\n"
    assert [row["person"] for row in json.loads(run("people", "--json").stdout)] == ["Ann"]
    assert "'facecluster redo' states it again" in undone.stderr
    assert run("redo").stdout == "Stated again: name 2 Bob (4 faces).\n"
    assert [row["person"] for row in json.loads(run("people", "--json").stdout)] == ["Ann", "Bob"]
    entries = json.loads(run("log", "--json").stdout)
    assert [entry["command"] for entry in entries] == ["redo", "undo", "name 2 Bob", "name 1 Ann"]
    assert list(entries[0]) == ["action", "at", "command", "faces", "undone", "undoes"]
    assert len(json.loads(run("log", "-n", 1, "--json").stdout)) == 1
    assert run("undo", 1).stdout == "Taken back: name 1 Ann (6 faces).\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["name", "99", "Zoe"], "group 99"),
        (["name", "Zoe"], "Give a group's NUMBER"),
        (["name", "1", "  "], "name"),
        (["name", "x", "Zoe"], "Give a group's NUMBER"),
        (["name", "Zoe", "1"], "Give a group's NUMBER"),
        (["name", "1"], "Give a group's NUMBER"),
        (["name", "--face", "999", "Zoe"], "face 999"),
        (["reject", "999"], "face 999"),
        (["ignore"], "Give a group's NUMBER"),
        (["ignore", "1", "--face", "2"], "Give a group's NUMBER"),
        (["ignore", "1", "--not-a-face"], "--face"),
        (["undo"], "nothing to undo"),
        (["redo"], "nothing to redo"),
        (["faces", "--group", "99"], "group 99"),
        (["group", "-k", "3", "--method", "hdbscan"], "kmeans"),
        (["group", "--threshold", "5"], "5"),
        (["group", "-k", "0"], "0"),
        (["grop"], "group"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_requests_are_code_2_and_change_nothing(
    run: Run, database: Path, words: list[str], sentence: str
) -> None:
    run("group", "--threshold", "0.5")
    before = run("faces", "--json").stdout + run("log", "--json").stdout
    result = run(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert sentence in result.stderr
    assert run("faces", "--json").stdout + run("log", "--json").stdout == before


def test_status_tells_the_state_in_a_few_lines(run: Run, database: Path) -> None:
    result = run("status")
    lines = result.stdout.splitlines()
    assert lines[0] == f"Library  {database}"
    assert lines[1] == "Photos   13 in 14 files, 1 unreadable"
    assert lines[2] == "Faces    13, 0 of them in 0 groups"
    assert lines[-1].endswith("broken.jpg: It is not a picture.")
    assert result.stderr == "Next: 'facecluster group'\n"
    run("group", "--threshold", "0.5")
    assert "facecluster groups" in run("status").stderr
    run("name", 1, "Ann")
    assert run("status").stdout.splitlines()[3] == "People   1 named, on 6 faces"
    assert json.loads(run("status", "--json").stdout)["people"] == 1


def test_status_names_an_unreadable_photo_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    bad = tmp_path / "photos" / "bad.jpg"
    bad.write_bytes(b"no picture")
    with Library.open(tmp_path / "other.sqlite") as library:
        stamp = FileStamp(str(bad), 10, 1)
        reason = f"{bad} is damaged or cut short; restore it from a copy."
        model = library.scanned.register_model(fingerprint="f", name="n", dimension=2)
        library.scanned.add(
            [Analysis(stamp, None, (), None, error=reason)], detector="test", model=model
        )
    assert run("status", "--db", tmp_path / "other.sqlite").stdout.count("bad.jpg") == 1


def test_data_and_hints_are_apart(run: Run, database: Path) -> None:
    run("group", "--threshold", "0.5")
    for words in (["groups"], ["people"], ["faces"], ["log"]):
        assert "Next" not in run(*words).stdout
        assert run(*words, "--json").stderr == ""
        json.loads(run(*words, "--json").stdout)
        assert run(*words, "--csv").stderr == ""


def test_control_characters_of_a_path_do_not_reach_the_terminal(run: Run, database: Path) -> None:
    with Library.open(database) as library:
        model = library.models()[0].id
        stamp = FileStamp("/photos/\x1b[31mred\n.jpg", 1, 1)
        bad = Analysis(stamp, None, (), None, error="It is empty.")
        library.scanned.add([bad], detector="test", model=model)
    text = run("status").stdout
    assert "\x1b" not in text
    assert "red\ufffd.jpg" in text
    assert "\x1b" in json.loads(run("status", "--json").stdout)["unreadable"][0]["path"]


def test_the_networks_are_listed_and_described(run: Run) -> None:
    rows = {row["model"]: row for row in json.loads(run("models", "list", "--json").stdout)}
    assert rows["nn4"]["state"] == "bundled"
    assert 0 < rows["nn4"]["group"] < 4
    assert rows["vggface2"]["state"] == rows["casia-webface"]["state"] == "not downloaded"
    about = json.loads(run("models", "info", "nn4", "--json").stdout)
    assert about["dimension"] == rows["nn4"]["dimension"]
    assert Path(about["path"]).is_file()
    told = run("models", "info", "nn4").stdout
    assert about["path"] in told
    assert about["card"].startswith("# nn4") and about["card"].rstrip() in told
    rates = about["calibration"]["rates"]
    assert [one["rate"] for one in rates] == sorted((one["rate"] for one in rates), reverse=True)
    assert "1e-6" in told and f"{about['calibration']['different']} of two" in told
    assert "calibration  none" in run("models", "info", "vggface2").stdout
    for words in (["models", "info", "nn99"], ["scan", ".", "--model", "nn99"]):
        result = run(*words)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "nn99" in result.stderr


def test_a_download_says_where_the_file_is(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "weights.pt"
    monkeypatch.setattr("facecluster.download.download", lambda name: iter([(5, 10), (10, 10)]))
    monkeypatch.setattr("facecluster.download.cached", lambda name: file)
    assert run("models", "download", "vggface2").stdout == f"vggface2 is in {file}.\n"


def test_an_unknown_download_is_one_sentence(run: Run) -> None:
    result = run("models", "download", "vggface3")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "vggface2" in result.stderr


def test_a_damaged_library_is_one_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "library.sqlite").write_bytes(b"not a database at all" * 100)
    result = run("groups")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr


def in_a_process(program: str) -> set[str]:
    """The top-level modules that are loaded after running `program` in a fresh Python."""
    program += "\nprint(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}"], capture_output=True, text=True, check=True
    )
    return set(done.stderr.splitlines()[-1].split())


def test_a_scan_of_what_is_known_loads_no_torch(run: Run, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (64, 48), "teal").save(tmp_path / "photos" / "plain.png")
    words = ["scan", str(tmp_path / "photos"), "--db", str(tmp_path / "new.sqlite")]
    assert "1 looked at" in run(*words).stdout
    program = f"from facecluster.cli import main\nmain({words!r}, standalone_mode=False)"
    assert not in_a_process(program) & {"torch", "facenet_pytorch", "sklearn", "hdbscan"}


@pytest.mark.parametrize(
    "words",
    [
        *(["--help"], ["--version"], ["groups"], ["people"], ["faces", "--json"], ["status"]),
        *(["log"], ["name", "1", "Ann"], ["models", "list"], ["scan", "--help"]),
    ],
    ids=" ".join,
)
def test_light_commands_load_no_heavy_package(run: Run, database: Path, words: list[str]) -> None:
    run("group", "--threshold", "0.5")
    loaded = in_a_process(
        "from facecluster.cli import main\n"
        f"try: main({words!r}, prog_name='facecluster')\n"
        "except SystemExit as end: assert not end.code"
    )
    assert not loaded & HEAVY


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "facecluster", "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Usage: facecluster ")
    assert all(name in done.stdout for name in main.commands)


@pytest.mark.parametrize(
    "words",
    [
        "faces --group N",
        "show N",
        "name N Ann",
        "name --face N Ann",
        "reject N",
        "ignore N",
        "undo N",
        "log -n N",
        "split N",
        "merge 1 N",
        "suggest --yes N",
        "why N",
    ],
)
def test_a_number_beyond_what_sqlite_holds_is_one_sentence(
    grouped: Path, run: Run, words: str
) -> None:
    done = run(*words.replace("N", str(2**63)).split())
    assert done.exit_code == 2
    assert done.stdout == "" and done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", ["show N", "split N"])
def test_a_number_of_thousands_of_digits_is_one_sentence(
    grouped: Path, run: Run, words: str
) -> None:
    done = run(*words.replace("N", "7" * 5000).split())
    assert done.exit_code == 2
    assert done.stderr == "Error: A number is larger than any in a library: correct it.\n"


@pytest.mark.parametrize("words", ["group", "split 1", "suggest", "verify a b", "identify a"])
def test_nan_is_no_threshold(grouped: Path, run: Run, words: str) -> None:
    done = run(*words.split(), "--threshold", "nan")
    assert done.exit_code == 2
    assert "nan is not in the range 0<=x<=4" in done.stderr


@pytest.mark.parametrize("option", ["--minutes", "--margin", "--learning-rate", "--hold-out"])
def test_nan_is_no_number_of_a_training(run: Run, tmp_path: Path, option: str) -> None:
    done = run("train", tmp_path, option, "nan")
    assert done.exit_code == 2
    assert "nan is not in the range" in done.stderr


@pytest.mark.parametrize("words", ["groups --db X", "backup X", "export db X", "models info X"])
def test_a_name_too_long_for_the_system_is_one_sentence(
    grouped: Path, run: Run, words: str
) -> None:
    done = run(*words.replace("X", "x" * 5000).split())
    assert done.exit_code in (1, 2)
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    assert os.strerror(errno.ENAMETOOLONG) in done.stderr


@pytest.mark.parametrize("words", ["scan .", "backup X"])
def test_a_folder_that_goes_while_one_is_in_it_is_called_that(
    grouped: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    done = run(*words.split())
    assert (done.exit_code, done.stderr) == (
        1,
        "Error: The folder you are in: No such file or directory.\n",
    )


def test_what_the_terminal_cannot_show_is_printed_as_escapes(grouped: Path, run: Run) -> None:
    run("name", "1", "王 Zoë")
    words = [sys.executable, "-m", "facecluster", "people"]
    narrow = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(words, capture_output=True, env=narrow)
    assert done.returncode == 0, done.stderr
    assert "\\u738b Zoë" in done.stdout.decode("cp1252")


@pytest.mark.parametrize(
    "words",
    ["status --db X", "backup X", "export db X", "sheet -o X", "find Ann --sheet X"],
)
def test_a_path_that_is_not_text_is_no_traceback(grouped: Path, run: Run, words: str) -> None:
    run("name", "1", "Ann")
    odd = os.fsdecode(os.fsencode(grouped.parent) + b"/odd\xff")
    try:
        Path(odd).touch()
        Path(odd).unlink()
    except OSError:
        pytest.skip("this file system refuses names that are not text")
    done = run(*words.replace("X", odd).split())
    assert done.exit_code == (1 if words.startswith("status") else 0)
    assert r"odd\udcff" in done.stdout + done.stderr
