"""Putting groups right from the command line: split, merge, and what `group` then keeps."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from facecluster.library import Library

Run = Callable[..., Result]

KEPT = "; 1 face stated otherwise before stay as they were"
HEAVY = {"torch", "torchvision", "sklearn", "hdbscan", "facenet_pytorch", "scipy", "cv2"}


def listed(run: Run, *words: object) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(run(*words, "--json").stdout)
    return rows


def sizes(run: Run) -> dict[object, object]:
    return {row["group"]: row["faces"] for row in listed(run, "groups")}


@pytest.fixture
def mixed(run: Run, database: Path) -> None:
    """All thirteen faces of three people in one group."""
    run("group", "--threshold", 3)
    assert sizes(run) == {1: 13}


def test_split_prints_the_parts_and_group_keeps_them(run: Run, mixed: None) -> None:
    done = run("split", 1)
    assert done.exit_code == 0
    first, *table = done.stdout.splitlines()
    assert first.startswith("Group 1 comes apart at a squared distance of ")
    # no two of the three are nearer than the others
    assert table == [
        "group  faces  person",
        "    1      6       -",
        "    2      4       -",
        "    3      3       -",
    ]
    assert "'facecluster undo' takes this back" in done.stderr
    before = run("faces", "--json").stdout
    assert "0 named faces moved, 0 names lost" in run("group", "--threshold", 3).stdout
    assert run("faces", "--json").stdout == before
    assert run("merge", 2, 3).exit_code == 0
    again = json.loads(run("split", 2, "--json").stdout)
    assert sorted(again) == ["action", "group", "loose", "parts", "threshold"]
    assert [(part["group"], len(part["faces"])) for part in again["parts"]] == [(2, 4), (4, 3)]
    assert sizes(run) == {1: 6, 2: 4, 4: 3}
    assert [row["command"] for row in listed(run, "log")] == ["split 2", "merge 2 3", "split 1"]
    run("undo")
    assert sizes(run) == {2: 7, 1: 6}
    run("undo")
    assert sizes(run) == {1: 6, 2: 4, 3: 3}
    run("undo")
    assert sizes(run) == {1: 13}


def test_split_stricter_leaves_faces_that_fit_nowhere(run: Run, mixed: None) -> None:
    done = run("split", 1, "--threshold", 0.5)
    assert done.stdout.splitlines()[2:] == [
        "    1      6       -",
        "    2      4       -",
        "    3      3       -",
    ]
    assert listed(run, "log")[0]["command"] == "split 1 --threshold 0.5"
    refused = run("split", 2, "--threshold", 0.5)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "stays whole" in refused.stderr


def test_split_a_person_keeps_the_named_faces(run: Run, mixed: None) -> None:
    run("name", "--face", 7, "--face", 8, "Bob")
    assert len(listed(run, "faces", "--person", "Bob")) == 13
    done = run("split", "bob", "--threshold", 0.5)
    assert done.stdout.splitlines()[2:] == [
        "    1      4  Bob",
        "    2      6  -",
        "    3      3  -",
    ]
    assert [row["face"] for row in listed(run, "faces", "--person", "Bob")] == [7, 8, 9, 10]
    wrong = run("split", "Bobb")
    assert wrong.exit_code == 2
    assert "Did you mean Bob?" in wrong.stderr


def test_merge_joins_groups_before_anybody_is_named(run: Run, database: Path) -> None:
    run("group", "--threshold", 0.5)
    done = run("merge", 3, 2)
    assert done.stdout == "7 faces are one person: group 2.\n"
    assert "'facecluster undo' takes this back" in done.stderr
    run("group", "--threshold", 0.5)
    assert sizes(run) == {2: 7, 1: 6}
    assert run("name", 2, "Bob").stdout == "7 faces are Bob.\n"
    joined = json.loads(run("merge", 1, 2, "--json").stdout)
    assert joined == {
        "action": 3,
        "group": 2,
        "person": "Bob",
        "faces": 13,
        "skipped": 0,
        "shared_photos": 0,
    }
    assert sizes(run) == {2: 13}
    for _ in range(3):
        run("undo")
    assert sizes(run) == {1: 6, 2: 4, 3: 3}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["split", "99"], "no group 99"),
        (["split", "Zoe"], "Nobody is named Zoe"),
        (["split", "1", "--threshold", "5"], "5"),
        (["split"], "NUMBER|PERSON"),
        (["merge", "1"], "Say which groups"),
        (["merge", "1", "99"], "no group 99"),
        (["merge"], "NUMBER"),
        (["why", "99"], "no face 99"),
        (["suggest", "Ann"], "--yes NUMBER"),
        (["suggest", "--yes", "1", "--no", "2"], "--yes NUMBER"),
        (["suggest", "--yes", "1", "--csv"], "--csv lists suggestions"),
        (["suggest", "--yes", "99"], "no group 99"),
        (["suggest", "--yes", "99", "Zoe"], "Nobody is named Zoe"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_corrections_are_code_2_and_change_nothing(
    run: Run, mixed: None, words: list[str], sentence: str
) -> None:
    before = run("faces", "--json").stdout + run("log", "--json").stdout
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in result.stderr
    assert run("faces", "--json").stdout + run("log", "--json").stdout == before


def test_group_refuses_to_move_named_faces_unless_allowed(run: Run, database: Path) -> None:
    run("group", "--threshold", 0.5)
    run("name", 1, "Ann")
    run("name", 2, "Bob")
    with Library.open(database) as library:
        newer = library.scanned.register_model(fingerprint="g", name="newer", dimension=2)
        # this network has seen all faces but three of Ann's and the four of Bob
        seen = np.array([1, 2, 3, 11, 12, 13])
        library.scanned.add_embeddings(newer, seen, np.tile(np.float32([[1, 0]]), (6, 1)))
        library.scanned.finish(newer)
    before = run("faces", "--json").stdout + run("status", "--json").stdout
    for words in (["group", "--threshold", 0.5], ["group", "--threshold", 0.5, "--json"]):
        refused = run(*words)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "7 named faces would move and 1 name be lost" in refused.stderr
        assert "--allow-churn" in refused.stderr
        assert run("faces", "--json").stdout + run("status", "--json").stdout == before
    allowed = run("group", "--threshold", 0.5, "--allow-churn")
    assert allowed.exit_code == 0
    assert "7 named faces moved, 1 name lost.\n" in allowed.stdout
    people = [face["person"] for face in listed(run, "faces")]
    assert people[:10] == ["Ann"] * 6 + ["Bob"] * 4, "no name is taken from any face"
    run("group", "--threshold", 0.5)
    assert run("undo").exit_code == 0


@pytest.fixture
def halves(run: Run, database: Path) -> None:
    """Ann is group 1 of four faces; groups 2 and 3 are Bob's and Cid's, 4 the rest of Ann."""
    with Library.open(database) as library:
        faces, vectors = library.embeddings(1)
        assert vectors.shape == (13, 32)
        library.groupings.save(
            model=1,
            method="agglomerative",
            settings={"threshold": 0.1},
            faces=faces,
            numbers=np.repeat([1, 4, 2, 3], [4, 2, 4, 3]),
            next_number=5,
        )
    run("name", 1, "Ann")


def test_suggest_lists_who_a_group_may_be_and_takes_the_answer(run: Run, halves: None) -> None:
    assert run("suggest").stdout == (
        "group  faces  person  probability  agreeing  squared_distance  nearest\n"
        "    4      2  Ann            >.99         2              0.11     0.16\n"
    )
    assert "'facecluster suggest --yes 4'" in run("suggest").stderr
    (row,) = listed(run, "suggest")
    columns = ["group", "faces", "person", "agreeing", "squared_distance", "nearest"]
    assert list(row) == [*columns, "probability"]
    assert row["squared_distance"] == pytest.approx(
        2 - 2 / (1.09 * (1 + 0.09 / 4)) ** 0.5, abs=1e-3
    )
    assert run("suggest", "--csv").stdout.startswith("group,faces,person,")
    assert listed(run, "suggest", "--threshold", 0.1) == []
    assert run("suggest", "--yes", 4).stdout == "2 faces are Ann.\n"
    assert len(listed(run, "faces", "--person", "Ann")) == 6
    assert listed(run, "log")[0]["command"] == "suggest --yes 4 Ann"
    assert listed(run, "suggest") == []
    run("undo")
    assert run("suggest", "--no", 4).stdout == "2 faces are not Ann.\n"
    assert "no group is near" in run("suggest").stderr
    run("group", "--threshold", 3)
    assert [face["person"] for face in listed(run, "faces")][:6] == ["Ann"] * 4 + [None] * 2


def test_suggest_states_other_answers_too(run: Run, halves: None) -> None:
    refused = run("suggest", "--yes", 2)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "Nobody is suggested for group 2" in refused.stderr
    said = json.loads(run("suggest", "--yes", 2, "ann", "--json").stdout)
    assert said == {"action": 2, "person": "Ann", "faces": 4, "skipped": 0}
    assert run("suggest", "--no", 3, "Ann").stdout == "3 faces are not Ann.\n"


def test_a_group_that_was_denied_tells_how_to_take_that_back(run: Run, halves: None) -> None:
    run("suggest", "--no", 4)
    for words in [("name", 4, "Ann"), ("suggest", "--yes", 4, "ann"), ("merge", 1, 4)]:
        refused = run(*words)
        assert (refused.exit_code, refused.stderr) == (
            2,
            "Error: You said that group 4 is not Ann: 'facecluster undo 2' takes that back.\n",
        )
    run("undo", 2)
    assert run("name", 4, "Ann").stdout == "2 faces are Ann.\n"


def test_suggest_before_anybody_is_named_says_what_to_do(run: Run, database: Path) -> None:
    run("group", "--threshold", 0.5)
    assert listed(run, "suggest") == []
    assert "facecluster name NUMBER NAME" in run("suggest").stderr


def test_without_calibration_there_is_no_probability_and_a_note_says_so(
    run: Run, halves: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = listed(run, "suggest")
    assert 0.9 < row["probability"] < 1
    monkeypatch.setattr("facecluster.cli.correct.calibration_of", lambda _: None)
    told = run("suggest")
    assert "4      2  Ann               -         2" in told.stdout
    assert "no calibration, so there are no probabilities" in told.stderr
    (row,) = listed(run, "suggest")
    assert row["probability"] is None
    assert listed(run, "why", 5)["nearest"][0]["probability"] is None


def test_why_tells_the_rule_and_the_distances(run: Run, halves: None, tmp_path: Path) -> None:
    assert run("why", 5).stdout == (
        f"Face     5, {tmp_path / 'ann4.jpg'}\n"
        "Group    4\n"
        "Person   nobody known\n"
        "Because  it is 0.16 from the middle of its group "
        "(agglomerative, at a threshold of 0.10).\n"
        "face  person  squared_distance  probability\n"
        + "".join(f"   {face}  Ann                 0.16         >.99\n" for face in (1, 2, 3, 4))
    )
    run("reject", 5, "--person", "Ann")
    told = run("why", 5)
    assert "Stated   it is not Ann (action 2)\n         by 'reject 5 --person Ann'\n" in told.stdout
    assert "'facecluster undo 2'" in told.stderr
    assert "Because  you said that it is Ann.\n" in run("why", 1).stdout
    run("merge", 2, 3)
    assert "Because  you said which faces it belongs with.\n" in run("why", 13).stdout
    run("ignore", "--face", 13)
    assert "Because  you said to leave it out.\n" in run("why", 13).stdout
    reason = json.loads(run("why", 5, "--json").stdout)
    assert reason["rule"] == "grouped"
    assert reason["words"][0]["person"] == "Ann"
    assert [one["face"] for one in reason["nearest"]] == [1, 2, 3, 4]
    run("group", "--threshold", 0.01)
    assert "Because  it is alone: the nearest group" in run("why", 5).stdout


def test_faces_of_a_group_without_a_name_are_taken_out_of_it(run: Run, mixed: None) -> None:
    faces = [row["face"] for row in listed(run, "faces", "--group", 1)]
    one = run("reject", faces[0])
    assert one.stdout == "1 face is not of group 1.\n"
    two = run("reject", *faces[1:3])
    assert two.stdout == "2 faces are not of group 1, but of one of their own, 2.\n"
    assert sizes(run) == {1: 10, 2: 2}
    assert run("group", "--threshold", 3).exit_code == 0
    assert not {row["face"] for row in listed(run, "faces", "--group", 1)} & set(faces[:3])
    run("undo")
    run("undo")
    assert sizes(run) == {1: 13}


def test_why_says_that_a_face_is_alone_by_your_word(run: Run, mixed: None) -> None:
    run("name", 1, "Ann")
    face = listed(run, "faces", "--group", 1)[0]["face"]
    run("reject", face)
    run("group", "--threshold", 3)
    assert "Because  you said that it is not Ann; the nearest group, 1, is" in (
        run("why", face).stdout
    )


def test_a_face_left_out_says_how_it_comes_back(run: Run, mixed: None) -> None:
    face = listed(run, "faces", "--group", 1)[0]["face"]
    run("ignore", "--face", face)
    assert "12 of them in 1 group; 1 more ignored" in run("status").stdout
    assert run("show", "--face", face).exit_code == 0
    assert "undo 1" in run("why", face).stdout + run("why", face).stderr


def test_exports_tell_what_is_listed_under_a_name_but_was_not_given_it(
    run: Run, mixed: None
) -> None:
    face = listed(run, "faces", "--group", 1)[0]["face"]
    run("name", "--face", face, "Ann")
    for words in (["csv"], ["json"], ["xmp", "--dry-run"]):
        told = run("export", *words).stderr
        assert "12 faces are left out: in groups that have a name, but not named by you." in told
        assert "'facecluster name 1 \"Ann\"'" in told
    run("name", 1, "Ann")
    assert "left out" not in run("export", "csv").stderr


def test_a_word_of_a_name_finds_it(run: Run, mixed: None) -> None:
    run("name", 1, "Anna Maria Sophia Berg")
    assert "Did you mean Anna Maria Sophia Berg?" in run("find", "Sophia").stderr
    run("rename", "Anna Maria Sophia Berg", "Jürgen Wolfgang Müller")
    assert "Did you mean Jürgen Wolfgang Müller?" in run("find", "jurgen").stderr


def test_your_own_settings_are_told_each_time(run: Run, mixed: None) -> None:
    back = "'facecluster group --method agglomerative' goes back to the defaults."
    said = f"As you chose, and from now on, by threshold 3. {back}"
    assert said in run("group").stderr
    assert "As you chose" not in run("group", "--method", "agglomerative").stderr
    assert f"by hdbscan. {back}" in run("group", "--method", "hdbscan").stderr
    assert f"by linkage average. {back}" in run("group", "--linkage", "average").stderr


def test_k_that_other_rules_override_is_told_and_one_beyond_the_faces_refused(
    run: Run, mixed: None
) -> None:
    told = run("group", "-k", 13)
    assert "13 faces: 0 groups" in told.stdout
    assert "by kmeans, k 13: faces of one photo are kept apart" in told.stderr
    assert "by kmeans, k 13: " in run("group").stderr, "as last time"
    refused = run("group", "-k", 14)
    assert refused.exit_code == 2
    assert refused.stderr.endswith("There are only 13 faces: say a smaller -k.\n")


def test_why_before_any_grouping(run: Run, database: Path) -> None:
    assert "Because  nothing was grouped yet: 'facecluster group'.\n" in run("why", 1).stdout


@pytest.mark.parametrize(
    "words", [["split", "1"], ["merge", "1", "2"], ["suggest"], ["why", "1"]], ids=" ".join
)
def test_corrections_load_no_heavy_package(run: Run, mixed: None, words: list[str]) -> None:
    if words[0] == "merge":
        run("split", 1)
    program = (
        "import sys\nfrom facecluster.cli import main\n"
        f"try: main({words!r}, prog_name='facecluster')\n"
        "except SystemExit as end: assert not end.code\n"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not set(done.stderr.splitlines()[-1].split()) & HEAVY


def test_the_linkage_is_chosen_and_is_for_agglomerative(run: Run, database: Path) -> None:
    done = run("group", "--threshold", 0.1, "--linkage", "average")
    assert done.exit_code == 0, done.stderr
    with Library.open(database) as library:
        newest = library.groupings.newest()
    assert newest is not None
    assert json.loads(newest.settings)["by_centroid"] is False
    wrong = run("group", "-k", 3, "--linkage", "centroid")
    assert wrong.exit_code == 2
    assert "--linkage is for agglomerative, not kmeans: leave it out." in wrong.stderr


def test_a_person_is_renamed(run: Run, halves: None) -> None:
    done = run("rename", "ann", "Johanna Berg")
    assert done.stdout == "4 faces are Johanna Berg now.\n"
    assert done.stderr == "Next: 'facecluster undo' takes this back\n"
    assert run("people", "--csv").stdout.splitlines()[1].startswith("Johanna Berg,")
    assert (
        run("log", "--csv").stdout.splitlines()[1].endswith(",rename ann 'Johanna Berg',4,False,")
    )
    done = run("rename", "johanna berg", "JOHANNA BERG")
    assert done.stdout == "The name is written JOHANNA BERG now.\n"
    back = '\'facecluster rename "JOHANNA BERG" "Johanna Berg"\' takes this back'
    assert back in done.stderr, "as it was written, not as it was typed"
    wrong = run("rename", "Johana Berg", "x")
    assert wrong.exit_code == 2
    assert "Did you mean JOHANNA BERG?" in wrong.stderr


def test_faces_in_no_group_are_listed_with_who_they_may_be(run: Run, database: Path) -> None:
    run("group", "--threshold", 0.1, "--linkage", "average")
    run("name", "--face", 1, "--face", 2, "Ann")
    done = run("suggest", "--loose", "--threshold", 0.5)
    assert done.exit_code == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == ["face", "person", "squared_distance", "path"]
    assert [row[:2] for row in rows[1:]] == [[str(face), "Ann"] for face in (3, 4, 5, 6)]
    ids = "--face 3 --face 4 --face 5 --face 6"
    assert f"Next: 'facecluster show {ids}', then 'facecluster name {ids} \"Ann\"'" in done.stderr
    assert run("suggest", "--loose", "--yes", 3).exit_code == 2
    run("name", *ids.split(), "Ann")
    assert "'facecluster groups'" in run("suggest", "--loose", "--threshold", 0.5).stderr


def test_a_date_of_birth_is_said_listed_and_taken_back(run: Run, halves: None) -> None:
    assert run("people").stdout.startswith("person  faces  photos\n")
    told = run("people", "set", "ann", "--born", "2015-03")
    assert (told.exit_code, told.stdout) == (0, "Ann was born in 2015-03.\n")
    assert run("people").stdout.splitlines()[1].endswith("  2015-03")
    (ann, *_) = listed(run, "people")
    assert list(ann) == ["person", "faces", "photos", "born"] and ann["born"] == "2015-03"
    assert listed(run, "log")[0]["command"] == "people set ann --born 2015-03"
    for words, said in (
        (["Anna", "--born", "2015"], "Did you mean Ann?"),
        (["Ann", "--born", "2015-3"], "no date of birth"),
        (["Ann"], "--born"),
    ):
        refused = run("people", "set", *words)
        assert refused.exit_code == 2 and said in refused.stderr
    assert run("undo").stdout == "Taken back: people set ann --born 2015-03.\n"
    assert listed(run, "people")[0]["born"] is None


def test_each_statement_tells_a_script_its_action(run: Run, mixed: None) -> None:
    def said(*words: object) -> dict[str, object]:
        done = run(*words, "--json")
        assert (done.exit_code, done.stderr) == (0, "")
        told: dict[str, object] = json.loads(done.stdout)
        return told

    named = said("name", 1, "Ann")
    assert named == {"action": 1, "person": "Ann", "faces": 13, "skipped": 0}
    renamed = said("rename", "Ann", "Berta")
    assert (renamed["person"], renamed["faces"]) == ("Berta", 13)
    assert said("reject", 3) == {
        "action": 3,
        "person": "Berta",
        "faces": 1,
        "skipped": 0,
        "group": None,
    }
    assert said("ignore", "--face", 4) == {"action": 4, "person": None, "faces": 1, "skipped": 0}
    born = said("people", "set", "Berta", "--born", "2015")
    assert born == {"action": 5, "person": "Berta", "born": "2015"}
    assert run("people", "--json", "set", "Berta", "--born", "2016").exit_code == 2, "for the list"
    run("undo", 1)


def test_faces_taken_out_of_a_nameless_group_tell_a_script_their_own(run: Run, mixed: None) -> None:
    told = json.loads(run("reject", 1, 2, "--json").stdout)
    assert (told["action"], told["person"], told["faces"]) == (1, None, 2)
    assert {face["face"] for face in listed(run, "faces", "--group", told["group"])} == {1, 2}


def test_ignored_faces_are_a_list_and_can_be_looked_at(run: Run, mixed: None) -> None:
    run("ignore", "--face", 4)
    run("ignore", "--face", 5, "--not-a-face")
    assert [face["face"] for face in listed(run, "faces", "--ignored")] == [4, 5]
    told = run("faces", "--ignored")
    assert "'facecluster show --face 4'; 'name --face ID NAME' takes one off" in told.stderr
    assert run("show", "--face", 4, "--json").exit_code == 0
    run("name", "--face", 4, "Ann")
    assert [face["face"] for face in listed(run, "faces", "--ignored")] == [5]
    assert run("faces", "--ignored", "--shelf").exit_code == 2


@pytest.mark.parametrize("words", [("name", 1, "3"), ("rename", "Ann", "3")], ids=str)
def test_a_number_is_no_name(run: Run, mixed: None, words: tuple[object, ...]) -> None:
    run("name", "--face", 1, "Ann")
    refused = run(*words)
    assert refused.exit_code == 2
    assert "3 is a number, and numbers are of groups: 'facecluster merge'" in refused.stderr
    assert [one["person"] for one in json.loads(run("people", "--json").stdout)] == ["Ann"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("name", 1, "ann"), f"11 faces are Ann{KEPT}."),
        (("reject", 1, "--person", "Bob"), "1 face is not Bob."),
        (("suggest", "--yes", 1, "Ann"), f"11 faces are Ann{KEPT}."),
        (("suggest", "--no", 1, "Bob"), f"11 faces are not Bob{KEPT}."),
        (("ignore", "--face", 12), "1 face is left out from now on."),
        (("people", "set", "Ann", "--born", "2001"), "Ann was born in 2001."),
    ],
    ids=str,
)
def test_what_you_said_before_is_told_and_needs_no_undo(
    run: Run, mixed: None, words: tuple[object, ...], told: str
) -> None:
    run("name", 1, "Ann")
    run("name", "--face", 13, "Bob")
    run("suggest", "--no", 1, "Bob")
    run("ignore", "--face", 12)
    run("people", "set", "Ann", "--born", "2001")
    before = run("log").stdout
    result = run(*words)
    assert result.stdout == f"You said so before: {told}\n"
    assert "takes this back" not in result.stderr
    assert run("log").stdout == before


def test_what_is_taken_back_is_told_on_one_line(run: Run, mixed: None) -> None:
    run("name", 1, "Ann\nBerg")
    assert run("undo").stdout == "Taken back: name 1 'Ann\ufffdBerg' (13 faces).\n"


def test_an_undo_that_leaves_two_people_in_a_group_says_how_they_come_apart(
    run: Run, database: Path
) -> None:
    run("group", "--threshold", 0.5)
    parts = "'facecluster group' parts the people who are in one group now; "
    run("name", 1, "Ann")
    run("name", 2, "Bob")
    run("rename", "Ann", "Bob")
    run("group")
    assert len(sizes(run)) == 2, "they are one group now"
    assert f"Next: {parts}'facecluster redo'" in run("undo").stderr
    assert parts not in run("redo").stderr
    run("undo")
    run("group")
    assert len(sizes(run)) == 3
    assert parts not in run("undo").stderr, "nobody is mixed by this"


def test_undo_and_log_tell_what_was_undone(run: Run, mixed: None) -> None:
    run("name", 1, "Ann")
    assert run("undo").stdout == "Taken back: name 1 Ann (13 faces).\n"
    again = run("undo", 2)
    assert again.stdout == "Stated again: name 1 Ann (13 faces).\n"
    assert "'facecluster undo' takes this back" in again.stderr
    assert json.loads(run("undo", "--json").stdout) == {
        "action": 1,
        "command": "name 1 Ann",
        "faces": 13,
        "undone": True,
    }
    assert json.loads(run("redo", "--json").stdout)["undone"] is False
    log = json.loads(run("log", "--json").stdout)
    assert [(one["action"], one["undoes"]) for one in log] == [
        *((5, 4), (4, 1), (3, 2), (2, 1), (1, None)),
    ]
    assert run("log").stdout.splitlines()[0].split()[-1] == "undoes"
