"""Names as JSON and CSV, and from one library to another."""

import csv
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from facecluster.exchange.tables import FORMAT, read_document
from facecluster.exchange.tree import UnusableFile

from .conftest import BOXES, Fill
from .test_commands import shown

Run = Callable[..., Result]


def test_names_move_to_another_library_under_other_file_names(
    run: Run, fill: Fill, album: Path, tmp_path: Path
) -> None:
    fill(named=True)
    before = shown(run)
    file = tmp_path / "names.json"
    file.write_text(run("export", "json").stdout, encoding="utf-8")
    for path in album.glob("*.jpg"):
        path.rename(path.with_name(f"{path.stem}-moved.jpg"))
    shutil.copy(album / "1-moved.jpg", album / "1-copy.jpg")
    (album / "8-moved.jpg").unlink()
    fill(named=False)
    assert run("import", "json", file, "--dry-run").stdout.startswith("14 faces would be named")
    result = run("import", "json", file)
    assert result.exit_code == 0
    assert result.stdout == (
        "14 faces named, 0 had that name already, 0 are somebody else by your word, 0 not found.\n"
    )
    assert f"1 photo of {file} is not in this library." in result.stderr
    after = {(path[0] + ".jpg", box): who for (path, box), who in shown(run).items()}
    assert after == {key: who for key, who in before.items() if key[0] != "8.jpg"}
    again = run("import", "json", file)
    assert again.stdout.startswith("0 faces named, 14 had that name already")
    run("undo")
    assert set(shown(run).values()) == {None}


def test_a_document_whose_name_is_not_text_is_taken_in(
    run: Run, fill: Fill, tmp_path: Path
) -> None:
    fill(named=True)
    document = Path(os.fsdecode(os.fsencode(tmp_path) + b"/n\xff.json"))
    try:
        document.write_text(run("export", "json").stdout, encoding="utf-8")
    except OSError:
        pytest.skip("this file system refuses names that are not text")
    fill(named=False)
    assert run("import", "json", document).stdout.startswith("16 faces named")
    assert "n\ufffd.json" in run("log").stdout


def test_the_document_has_the_promised_fields(run: Run, fill: Fill, album: Path) -> None:
    fill(named=True)
    whole = json.loads(run("export", "json", album / "6.jpg").stdout)
    assert whole["format"] == FORMAT
    (photo,) = whole["photos"]
    assert list(photo) == ["sha256", "path", "width", "height", "taken_at", "faces"]
    assert photo["path"] == f"{album}/6.jpg"
    assert photo["faces"][0] == {"box": [10.0, 20.0, 30.0, 50.0], "person": "Ann"}
    assert len(photo["faces"]) == 2


def test_the_table_has_one_face_a_line(run: Run, fill: Fill, album: Path) -> None:
    fill(named=True)
    rows = list(csv.DictReader(io.StringIO(run("export", "csv").stdout)))
    assert len(rows) == 16
    assert list(rows[0]) == ["path", "sha256", "taken_at", "person", "x0", "y0", "x1", "y1"]
    assert {row["person"] for row in rows} == {name for name in BOXES if name}
    fill(named=False)
    assert run("export", "csv").stdout.count("\n") == 1
    assert json.loads(run("export", "json").stdout)["photos"] == []


@pytest.mark.parametrize("kind", ["json", "csv", "xmp"])
def test_paths_without_photos_are_one_sentence(
    run: Run, fill: Fill, tmp_path: Path, kind: str
) -> None:
    fill(named=True)
    done = run("export", kind, tmp_path / "nowhere")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert "The library has no photos there" in done.stderr


def photo(**face: object) -> str:
    return json.dumps({"format": FORMAT, "photos": [{"sha256": "0", "faces": [face]}]})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": "other"}',
        "[" * 100_000,
        json.dumps({"format": FORMAT, "photos": [1]}),
        json.dumps({"format": FORMAT, "photos": [{"faces": []}]}),
        json.dumps({"format": FORMAT, "photos": [{"sha256": "0", "faces": [1]}]}),
        photo(box=[1, 2, 3], person="Ann"),
        photo(box=[1, 2, 3, "4"], person="Ann"),
        photo(box=[3, 2, 1, 4], person="Ann"),
        photo(box=[1, 2, 3, float("inf")], person="Ann"),
        photo(box=[1, 2, 3, 10**400], person="Ann"),
        photo(box=[1, 2, 3, 4], person=None),
    ],
    ids=range(14),
)
def test_what_is_no_such_document_is_refused_whole(
    run: Run, fill: Fill, tmp_path: Path, text: str
) -> None:
    fill(named=False)
    file = tmp_path / "names.json"
    file.write_text(text)
    with pytest.raises(UnusableFile):
        read_document(file)
    result = run("import", "json", file)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {file} ")
