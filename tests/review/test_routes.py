"""What the page is told and what it states: the same words as the command line's."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from facecluster.embed import BUNDLED, find_model
from facecluster.images import read
from facecluster.library import Library
from facecluster.people import deny_group, forget, ignore, merge, name_faces, name_group, reject
from facecluster.review import routes

from .conftest import COLOURS, Client, Serve

Run = Callable[..., Result]


def faces(client: Client, path: str) -> list[object]:
    found = client.get(path)["faces"]
    assert isinstance(found, list)
    return [face[0] for face in found]


def test_other_files_beside_those_of_the_page_are_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page"
    (page / "__pycache__").mkdir(parents=True)
    for name in ("index.html", "app.js", ".DS_Store", "app.js~"):
        (page / name).touch()
    monkeypatch.setattr(routes, "files", lambda _: tmp_path)
    assert set(routes._page()) == {"", "page/app.js"}


def test_the_state_is_what_the_lists_say(client: Client, grouped: Path) -> None:
    assert client.get("state") == {
        "settled": 0,
        "faces": 13,
        "names": [],
        "loose": 0,
        "groups": [[1, 6, 1, None], [2, 4, 7, None], [3, 3, 11, None]],
    }
    with Library.open(grouped) as library:
        name_group(library, 2, "Bob", command="x")
        ignore(library, [13], command="x")
    state = client.get("state")  # other commands are seen at once
    assert (state["settled"], state["faces"], state["names"]) == (5, 13, ["Bob"])
    assert state["groups"] == [[1, 6, 1, None], [2, 4, 7, "Bob"], [3, 2, 11, None]]


def test_a_group_has_its_typical_faces_first_and_what_was_said(
    client: Client, grouped: Path
) -> None:
    with Library.open(grouped) as library:
        library.groupings.move(  # the last of group 3 is no face of group 1
            library.statements.part([[1, 13]], command="x"), {13: 1}
        )
        name_faces(library, [1, 2], "Ann", command="x")
        name_faces(library, [3], "Bob", command="x")
        reject(library, [4], person="Ann", command="x")
    group = client.get("groups/1")
    assert (group["group"], group["person"]) == (1, "Ann")
    said = {face: (kind, who) for face, kind, who in group["faces"]}  # type: ignore[attr-defined]
    assert list(said)[-1] == 13
    assert said == {
        1: ("is", "Ann"),
        2: ("is", "Ann"),
        3: ("is", "Bob"),
        4: ("is-not", "Ann"),
        5: (None, None),
        6: (None, None),
        13: (None, None),
    }


def test_naming_goes_into_the_log_and_can_be_undone(client: Client, grouped: Path) -> None:
    assert client.say(do="name", group=1, name=" Ann ") == (
        200,
        {"said": "6 faces are Ann.", "group": 1, "action": 1},
    )
    assert client.say(do="name", group=1, name="ann")[1]["action"] is None, "nothing new"
    assert client.get("state")["settled"] == 6
    assert client.say(do="name", group=2, name="Anna")[1]["said"] == (
        "4 faces are Anna. A new person: undo it if you meant Ann."
    )
    with Library.open(grouped) as library:
        assert [one.command for one in library.statements.log()] == [
            "review name 2 Anna",
            "review name 1 Ann",
        ]
    said = client.say(do="undo")[1]["said"]
    assert said == "Taken back: review name 2 Anna (4 faces)."
    assert client.get("state")["names"] == ["Ann"]
    assert client.say(do="redo") == (
        200,
        {"said": "Stated again.", "group": None, "action": 2},
    )
    assert client.get("state")["names"] == ["Ann", "Anna"]


def test_faces_move_leave_and_are_ignored_at_once(client: Client) -> None:
    client.say(do="name", group=1, name="Ann")
    assert client.say(do="move", faces=[7, 8], name="ann")[1] == {
        "said": "2 faces are Ann now.",
        "group": 1,
        "action": 2,
    }
    assert client.say(do="move", faces=[9], group=3)[1]["said"] == "1 face is in group 3 now."
    assert client.say(do="take out", faces=[1], group=1)[1]["said"] == "1 face is not Ann."
    assert client.say(do="take out", faces=[11, 12], group=3)[1] == {
        "said": "2 faces are somebody else and group 4 now.",
        "group": 4,
        "action": 5,
    }
    assert client.say(do="ignore", faces=[13], not_a_face=True)[0] == 200
    assert client.say(do="ignore", group=2)[1]["said"] == "1 face is left out from now on."
    assert sorted(faces(client, "groups/1"), key=int) == [2, 3, 4, 5, 6, 7, 8]  # type: ignore[call-overload]
    assert faces(client, "loose") == [1]
    assert client.get("state")["groups"] == [[1, 7, 2, "Ann"], [4, 2, 11, None], [3, 1, 9, None]]
    for _ in range(7):
        client.say(do="undo")
    assert client.get("state")["groups"] == [[1, 6, 1, None], [2, 4, 7, None], [3, 3, 11, None]]
    status, answer = client.say(do="undo")
    assert (status, answer) == (400, {"error": "There is nothing to undo."})


def test_groups_are_merged_and_split(client: Client) -> None:
    assert client.say(do="merge", group=1, **{"with": 3})[1] == {
        "said": "9 faces are one person: group 1.",
        "group": 1,
        "action": 1,
    }
    assert client.say(do="split", group=1)[1]["said"] == "Group 1 is divided: 6 and 3 faces."
    assert [one[:2] for one in client.get("state")["groups"]] == [[1, 6], [2, 4], [4, 3]]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "statement",
    [
        {"do": "name", "name": "Bob"},
        {"do": "deny", "name": "Ann"},
        {"do": "take out", "faces": [11]},
        {"do": "ignore"},
        {"do": "split"},
        {"do": "merge", "with": 2},
    ],
    ids=lambda statement: statement["do"],
)
@pytest.mark.parametrize("how", ["merged", "named", "gone"])
def test_a_page_that_shows_what_was_speaks_of_nothing(
    client: Client, grouped: Path, statement: dict[str, object], how: str
) -> None:
    shown = {"faces": 3, "person": None}
    with Library.open(grouped) as library:
        if how == "merged":
            library.groupings.move(library.statements.part([[1, 13]], command="x"), {1: 3})
        elif how == "named":
            name_group(library, 3, "Ann", command="x")
        else:
            merge(library, [1, 3], command="x")
        said = len(library.statements.log())
    status, answer = client.say(**statement, group=3, shown=shown)
    assert (status, answer) == (409, {"error": "Group 3 has changed since: look again."})
    with Library.open(grouped) as library:
        assert len(library.statements.log()) == said


def test_what_is_shown_as_it_is_can_be_spoken_of(client: Client) -> None:
    nobody = {"faces": 3, "person": None}
    assert client.say(do="name", group=3, name="Ann", shown=nobody)[0] == 200
    assert client.say(do="ignore", group=3, shown=nobody)[0] == 409
    ann = {"faces": 3, "person": "Ann"}
    assert client.say(do="take out", group=3, faces=[11], shown=ann)[0] == 200
    assert client.say(do="name", group=3, name="Bob", shown={"faces": 2, "person": "Ann"})[0] == 200


def test_an_undo_by_its_number_leaves_what_others_said_since(client: Client, grouped: Path) -> None:
    action = client.say(do="name", group=1, name="Ann")[1]["action"]
    with Library.open(grouped) as library:
        name_group(library, 2, "Bob", command="x")
    said = client.say(do="undo", action=action)[1]["said"]
    assert said == "Taken back: review name 1 Ann (6 faces)."
    assert client.get("state")["names"] == ["Bob"]
    with Library.open(grouped) as library:
        assert library.statements.log()[0].command == "undo 1"
    assert client.say(do="undo", action=action)[0] == 400, "it was taken back already"
    assert client.say(do="undo", action=None)[1]["said"] == "Taken back: x (4 faces)."


def test_suggestions_are_asked_and_answered(serve: Serve, grouped: Path) -> None:
    client = serve(grouped, threshold=0.5)
    assert client.get("suggestions") == {"suggestions": []}
    client.say(do="name", group=2, name="Bob")
    (one,) = client.get("suggestions")["suggestions"]  # type: ignore[misc]
    assert (one["group"], one["faces"], one["person"], one["agreeing"]) == (3, 3, "Bob", 3)
    assert one["probability"] is None, "made-up networks have no calibration"
    likely = serve(grouped, threshold=0.5, calibration=find_model(BUNDLED).calibration)
    (told,) = likely.get("suggestions")["suggestions"]  # type: ignore[misc]
    assert 0.5 < told["probability"] < 1 and told["group"] == one["group"]
    pair = client.get("pairs/3?person=Bob")
    assert sorted(pair["faces"]) == [11, 12, 13]  # type: ignore[call-overload]
    assert (sorted(pair["beside"]), pair["named"]) == ([7, 8, 9, 10], 4)  # type: ignore[call-overload]
    assert client.say(do="deny", group=3, name="Bob")[1]["said"] == "3 faces are not Bob."
    assert client.get("suggestions") == {"suggestions": []}
    client.say(do="undo")
    assert client.say(do="name", group=3, name="Bob")[0] == 200
    assert client.get("state")["settled"] == 7
    assert client.ask("pairs/3?person=Nobody")[0] == 404


def test_suggestions_are_by_the_librarys_network_whosever_the_groups_are(
    client: Client, grouped: Path
) -> None:
    client.say(do="name", group=2, name="Bob")
    assert len(client.get("suggestions")["suggestions"]) == 1  # type: ignore[arg-type]
    with Library.open(grouped) as library:
        other = library.scanned.register_model(fingerprint="g", name="nns2", dimension=32)
        vectors = np.eye(32, dtype=np.float32)[:13]  # everybody is a stranger to everybody
        library.scanned.add_embeddings(other, np.arange(1, 14), vectors)
        library.scanned.use(other)
    assert client.get("suggestions") == {"suggestions": []}


def test_the_photo_behind_a_face_has_its_box_in_shares(client: Client, grouped: Path) -> None:
    client.say(do="name", group=1, name="Ann")
    photo = client.get("faces/2")
    assert Path(str(photo["path"])).name == "a1.jpg"
    assert photo["taken_at"] == "2020-01-02T03:04:05"
    assert (photo["width"], photo["height"]) == (640, 480)
    assert photo["faces"] == [{"face": 2, "group": 1, "person": "Ann", "box": [0.1, 0.1, 0.2, 0.3]}]
    status, headers, text = client.ask(f"photos/{photo['photo']}.jpg")
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    image = Image.open(io.BytesIO(text))
    assert image.size == (640, 480)
    # no byte of the file itself is sent: EXIF, with where it was taken, stays at home
    assert text != Path(str(photo["path"])).read_bytes()
    assert not image.getexif()


def test_faces_are_square_pictures_and_those_left_out_have_none(client: Client) -> None:
    for face, person in ((1, 0), (7, 1), (11, 2)):
        status, headers, text = client.ask(f"faces/{face}.jpg")
        assert (status, headers["content-type"]) == (200, "image/jpeg")
        image = Image.open(io.BytesIO(text))
        assert image.width == image.height
        middle = image.getpixel((image.width // 2, image.height // 2))
        assert max(abs(a - b) for a, b in zip(middle, COLOURS[person], strict=True)) < 12  # type: ignore[arg-type]
    client.say(do="ignore", faces=[2])
    assert client.ask("faces/2.jpg")[0] == 404
    assert client.ask("faces/99.jpg")[0] == 404


def test_a_face_that_was_forgotten_is_shown_no_more(client: Client, grouped: Path) -> None:
    assert client.ask("faces/1.jpg")[0] == 200
    client.say(do="name", group=1, name="Ann")
    with Library.open(grouped) as library:
        assert forget(library, "Ann").faces == 6
    assert client.ask("faces/1.jpg")[0] == 404
    assert b"Ann" not in client.ask("state")[2]


def test_a_photo_that_went_is_not_found_and_the_page_goes_on(client: Client, grouped: Path) -> None:
    with Library.open(grouped) as library:
        found = library.faces()[2]
        library.scanned.remove([found.path])
    assert client.ask("faces/3.jpg")[0] == 404
    assert client.ask(f"photos/{found.photo}.jpg")[0] == 404
    assert read(Path(found.path)).width == 640  # though the file is there: it left the library
    assert client.get("state")["faces"] == 12


def test_an_unreadable_file_is_a_sentence(client: Client, grouped: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "gone.jpg"
    with Library.open(grouped) as library:
        path = library.faces()[3].path
        library._connection.run("update file set path = ? where path = ?", (str(elsewhere), path))
    status, _, text = client.ask("faces/4.jpg")
    assert status == 404
    assert b"is not there" in text


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ({"do": "name", "group": 9, "name": "Ann"}, "no group 9"),
        ({"do": "name", "group": 1, "name": "12"}, "12 is a number"),
        ({"do": "deny", "group": 1, "name": "Ann"}, "Nobody is named Ann"),
        ({"do": "take out", "group": 1, "faces": [7]}, "which faces of group 1"),
        ({"do": "move", "faces": [99], "name": "Ann"}, "no face 99"),
        ({"do": "split", "group": 9}, "no group 9"),
        ({"do": "merge", "group": 1, "with": 1}, "which groups"),
        ({"do": "redo"}, "nothing to redo"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(
    client: Client, grouped: Path, statement: dict[str, object], sentence: str
) -> None:
    before = client.get("state")
    status, answer = client.say(**statement)
    assert status == 400
    assert sentence in str(answer["error"])
    assert client.get("state") == before
    with Library.open(grouped) as library:
        assert library.statements.log() == []


def test_an_open_page_suggests_by_the_network_that_is_used_meanwhile(
    serve: Serve, grouped: Path
) -> None:
    client = serve(grouped, judge=lambda network: ({"nn4": 0.0, "wide": 0.5}[network], None))
    client.say(do="name", group=2, name="Bob")
    assert client.get("suggestions") == {"suggestions": []}
    with Library.open(grouped) as library:
        faces, vectors = library.embeddings(1)
        wide = library.scanned.register_model(fingerprint="w", name="wide", dimension=32)
        library.scanned.add_embeddings(wide, faces, vectors)
        library.scanned.use(wide)
    (one,) = client.get("suggestions")["suggestions"]  # type: ignore[misc]
    assert one["group"] == 3


def test_groups_denied_elsewhere_are_not_suggested(serve: Serve, grouped: Path) -> None:
    with Library.open(grouped) as library:
        name_group(library, 2, "Bob", command="x")
        deny_group(library, 3, "Bob", command="x")
    assert serve(grouped, threshold=0.5).get("suggestions") == {"suggestions": []}
