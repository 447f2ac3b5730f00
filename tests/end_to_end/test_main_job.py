"""The main job as a user does it, in processes of its own, on the sample photos."""

import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

SAMPLES = Path(__file__).parent.parent.parent / "examples" / "photos"
COMMAND = [sys.executable, "-m", "facecluster"]


def facecluster(*words: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True)


def listed(*words: object) -> list[dict[str, object]]:
    done = facecluster(*words, "--json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, object]] = json.loads(done.stdout)
    return rows


def few_photos(place: Path, count: int) -> Path:
    """A new folder with some of the sample photos."""
    folder = place / "few"
    folder.mkdir()
    for photo in sorted(SAMPLES.glob("*.jpg"))[:count]:
        shutil.copy(photo, folder)
    return folder


def test_scan_group_name_and_ask(samples: Path, tmp_path: Path) -> None:
    groups = listed("groups")
    assert len(groups) >= 6
    assert facecluster("name", groups[0]["group"], "Alice").returncode == 0
    faces = listed("faces", "--person", "Alice")
    assert len(faces) == groups[0]["faces"]
    photos = [str(face["path"]) for face in faces]
    # a photo that the library knows: its own faces are the nearest named ones
    answers = listed("identify", photos[0])
    assert "Alice" in {answer["person"] for answer in answers}
    assert [answer["squared_distance"] for answer in answers if answer["person"]]
    same = facecluster("verify", photos[0], photos[0], "--json")
    verdict = json.loads(same.stdout)
    assert sorted(verdict) == ["probability", "same", "squared_distance", "threshold"]
    assert verdict["same"] is True
    assert verdict["squared_distance"] == pytest.approx(0, abs=1e-4)


def test_scanning_again_looks_at_nothing_and_changes_nothing(samples: Path) -> None:
    before = listed("faces")
    again = facecluster("scan", SAMPLES, "--group", "--json")
    summary = json.loads(again.stdout)
    assert summary["analysed"] == summary["unreadable"] == summary["grouping"]["new_faces"] == 0
    assert summary["unchanged"] == summary["found"]
    assert listed("faces") == before


def test_an_unreadable_photo_is_reported_and_the_rest_is_done(tmp_path: Path) -> None:
    few = few_photos(tmp_path, 5)
    (few / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 this is no picture")
    done = facecluster("scan", few)
    assert done.returncode == 3
    assert "1 could not be read" in done.stdout
    assert "status --unreadable" in done.stderr
    status = facecluster("status", "--unreadable").stdout
    assert str(few / "broken.jpg") in status
    assert len(listed("faces")) >= 4


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = facecluster("scan", tmp_path / "nowhere")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_stopped_scan_goes_on_and_ends_with_the_same_rows(
    samples: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    folder = few_photos(tmp_path, 24)  # three batches
    database = tmp_path / "stopped.sqlite"
    with subprocess.Popen(
        [*COMMAND, "scan", str(folder), "--db", str(database)],
        stderr=subprocess.PIPE,
        text=True,
        # where tests run in the background, the shell makes its children deaf to Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        while process.poll() is None and not rows(database):
            os.sched_yield()
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert 0 < len({name for name, *_ in rows(database)}) < 24
    if code == 130:
        assert "photos done, run again to go on" in errors
    assert facecluster("scan", folder, "--db", database).returncode == 0
    names = {path.name for path in folder.iterdir()}
    assert rows(database) == [row for row in rows(samples) if row[0] in names]


def rows(database: Path) -> list[tuple[object, ...]]:
    """The faces: file name, box to a pixel, score to a hundredth; batches differ by roundings."""
    if not database.exists():
        return []
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            found = connection.execute(
                "select path, x0, y0, x1, y1, score from face join file using (photo)"
            ).fetchall()
    except sqlite3.OperationalError:  # the tables are not there yet
        return []
    return sorted(
        (Path(path).name, *(round(side) for side in box), round(score, 2))
        for path, *box, score in found
    )


def test_piping_into_head_is_no_error(samples: Path) -> None:
    line = f"{shlex.join(COMMAND)} faces | head -n 1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True)
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_a_photo_without_faces_is_said_to_have_none(samples: Path, tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    Image.new("RGB", (200, 160), "white").save(blank)
    done = facecluster("verify", blank, blank)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"No face was found on {blank}" in done.stderr
    assert listed("identify", blank) == []
