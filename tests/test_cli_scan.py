"""What scan prints: for a person a sentence, for a script a JSON object a line."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from made_up_networks import FakeEmbedder, draw, fake_analyzer, open_made_up
from PIL import Image

from facecluster import images
from facecluster.analyzer import Analyzer, Found
from facecluster.cli import scan, scan_progress
from facecluster.errors import LibraryError
from facecluster.images import Picture

Run = Callable[..., Result]
SUMMARY = (
    *("message_type", "found", "clips", "unchanged", "analysed", "linked", "embedded_again"),
    *("removed", "unreadable", "still_unreadable", "passed_over", "skipped", "skipped_clips"),
    *("faces", "seconds", "interrupted"),
)
STATUS = ("message_type", "done", "total", "faces", "unreadable", "seconds", "seconds_left")


class Blind:
    """Stands for both networks: sees no faces, and may stop the scan after so many photos."""

    name, fingerprint, dimension = "blind", "f", 4
    stop_after = 10**6

    def __init__(self) -> None:
        self.seen = 0

    def analyze(self, pictures: Sequence[Picture]) -> list[Found]:
        if self.seen >= self.stop_after:
            raise KeyboardInterrupt
        self.seen += len(pictures)
        return [Found((), np.empty((0, 4), dtype=np.float32)) for _ in pictures]


@pytest.fixture(autouse=True)
def blind(monkeypatch: pytest.MonkeyPatch) -> Blind:
    blind = Blind()
    analyzer = Analyzer(blind, blind)  # type: ignore[arg-type]
    monkeypatch.setattr(analyzer, "analyze", blind.analyze)
    monkeypatch.setattr(scan, "open_analyzer", lambda *_: analyzer)
    return blind


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(20):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(folder / f"{number:02}.png")
    return folder


def lines(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_each_line_is_an_object_and_the_last_one_the_summary(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_progress, "_PAUSE", 0.0)
    (photos / "bro ken.jpg").write_bytes(b"no picture")
    result = run("scan", photos, "--json")
    assert result.exit_code == 3
    *told, summary = lines(result)
    assert tuple(summary) == SUMMARY
    assert (summary["analysed"], summary["unreadable"], summary["interrupted"]) == (20, 1, False)
    (error,) = (line for line in told if line["message_type"] == "error")
    assert error == {
        "message_type": "error",
        "path": str(photos / "bro ken.jpg"),
        "error": f"{photos / 'bro ken.jpg'} is not a picture of a kind that facecluster reads.",
    }
    status = [line for line in told if line["message_type"] == "status"]
    assert {tuple(line) for line in status} == {STATUS}
    assert (status[0]["done"], status[0]["total"], status[0]["seconds_left"]) == (0, 21, None)
    assert (status[-1]["done"], status[-1]["seconds_left"]) == (21, 0)


def test_status_lines_come_no_more_than_about_once_a_second(run: Run, photos: Path) -> None:
    result = run("scan", photos, "--json")
    kinds = [line["message_type"] for line in lines(result)]
    assert kinds[0] == "status" and kinds[-1] == "summary"
    assert len(kinds) <= 3 + float(str(lines(result)[-1]["seconds"]))


def test_with_nothing_to_do_the_summary_is_all(run: Run, photos: Path) -> None:
    assert run("scan", photos).exit_code == 0
    (summary,) = lines(run("scan", photos, "--json"))
    assert (summary["message_type"], summary["unchanged"]) == ("summary", 20)


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_ctrl_c_tells_what_is_done_and_the_next_run_goes_on(
    run: Run, photos: Path, blind: Blind, words: list[str]
) -> None:
    blind.stop_after = 8
    result = run("scan", photos, *words)
    assert result.exit_code == 130
    done = blind.seen
    assert 0 < done < 20
    assert result.stderr == f"Stopped: {done} photos done, run again to go on.\n"
    if words:
        summary = lines(result)[-1]
        assert (summary["analysed"], summary["interrupted"]) == (done, True)
    blind.stop_after = 10**6
    summary = lines(run("scan", photos, "--json"))[-1]
    assert (summary["unchanged"], summary["analysed"]) == (done, 20 - done)


def test_the_summary_comes_also_when_grouping_fails(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise LibraryError("It cannot be.")

    monkeypatch.setattr(scan, "group_faces", fail)
    result = run("scan", photos, "--json", "--group")
    assert (result.exit_code, result.stderr) == (1, "Error: It cannot be.\n")
    assert lines(result)[-1]["analysed"] == 20


def test_without_the_package_raw_photos_are_skipped_and_counted(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "can_read_raw", lambda: False)
    for name in ("a.dng", "b.NEF"):
        (photos / name).write_bytes(b"no matter what")
    result = run("scan", photos)
    assert result.exit_code == 0
    assert result.stdout == "22 photos: 20 looked at, 2 skipped; 0 faces found.\n"
    assert "2 skipped are RAW photos: pip install 'facecluster[raw]'" in result.stderr
    (summary,) = lines(run("scan", photos, "--json"))
    assert (summary["found"], summary["unchanged"], summary["skipped"]) == (22, 20, 2)


def test_raw_photos_that_are_known_stay_when_the_package_goes(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(photos / "00.png", photos / "a.dng")  # known by its content: it is not read
    assert run("scan", photos).exit_code == 0
    monkeypatch.setattr(images, "can_read_raw", lambda: False)
    (summary,) = lines(run("scan", photos, "--json"))
    assert (summary["unchanged"], summary["removed"], summary["skipped"]) == (21, 0, 0)
    os.utime(photos / "a.dng", ns=(1, 1))
    summary = lines(run("scan", photos, "--json"))[-1]
    assert (summary["unchanged"], summary["removed"], summary["skipped"]) == (20, 0, 1)
    assert json.loads(run("status", "--json").stdout)["files"] == 21


@pytest.mark.parametrize("where", ["--jobs", "--dask"])
def test_the_work_can_be_given_to_processes_and_to_a_cluster(
    run: Run,
    photos: Path,
    where: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scan, "open_analyzer", open_made_up)
    result = run(
        "scan", photos, where, 1 if where == "--jobs" else request.getfixturevalue("cluster")
    )
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "20 photos: 20 looked at; 0 faces found.\n"


def test_one_place_to_work_has_to_be_chosen(run: Run, photos: Path) -> None:
    result = run("scan", photos, "--jobs", 2, "--dask", "tcp://here:8786")
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: --jobs is for this machine and --dask for a cluster: choose one.\n"
    )
    assert run("scan", photos, "--jobs", 0).exit_code == 2


def test_what_could_not_be_read_before_is_told_by_every_scan(run: Run, photos: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"no picture")
    first, second = run("scan", photos), run("scan", photos)
    assert "20 looked at, 1 could not be read" in first.stdout
    assert "0 looked at, 20 unchanged, 1 still unreadable" in second.stdout
    assert "status --unreadable" in second.stderr
    assert (first.exit_code, second.exit_code) == (3, 3)
    (photos / "broken.jpg").unlink()
    assert run("scan", photos).exit_code == 0


def test_a_folder_that_was_renamed_loses_paths_and_no_photos(run: Run, photos: Path) -> None:
    run("scan", photos)
    done = run("scan", photos.rename(photos.with_name("été")))
    assert done.stdout.startswith("20 photos: 0 looked at, 20 moved or copied, 20 old paths gone;")


def test_a_scan_with_another_network_says_that_the_library_uses_it_now(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def network(name: str) -> None:
        monkeypatch.setattr(
            scan, "open_analyzer", lambda *_: fake_analyzer(embedder=FakeEmbedder(name))
        )

    for at, who in enumerate((1, 2, 3)):
        draw(tmp_path / f"{who}" / "photo.png", (4 + at, 8, who))
    network("old")
    assert "from now on" not in run("scan", *(tmp_path / f"{who}" for who in (1, 2, 3))).stderr
    assert "Network  old\n" in run("status").stdout
    run("group", "--threshold", "0.5")
    network("new")
    told = run("scan", tmp_path / "1").stderr
    assert "The library uses new from now on. 2 faces of other folders it has not seen" in told
    assert "'facecluster models use old' goes back." in told
    assert "Network  new, unseen 2 faces\n" in run("status").stdout
    assert "'facecluster models use new' lets it see all faces" in run("status").stderr
    figures = json.loads(run("status", "--json").stdout)
    assert (figures["network"], figures["unseen_faces"]) == ("new", 2)
    assert figures["last_grouping"]["settings"]["threshold"] == 0.5
    run("scan", tmp_path / "2", tmp_path / "3")
    assert "the groups are another network's" in run("status").stderr


def test_what_may_not_be_listed_is_told_and_counts(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = images.find_images

    def barred(*roots: Any, pass_over: Any, **more: Any) -> Any:
        for number in range(7):
            pass_over(f"/barred/{number}", "may not be read")
        return found(*roots, **more)

    monkeypatch.setattr(images, "find_images", barred)
    done = run("scan", photos)
    assert done.exit_code == 3
    assert "20 looked at, 7 passed over" in done.stdout
    assert done.stderr.startswith("/barred/0 may not be read.\n")
    assert "And 2 more like that" in done.stderr
    *errors, _ = lines(run("scan", photos, "--json"))
    assert [one["path"] for one in errors] == [f"/barred/{number}" for number in range(7)]


@pytest.mark.parametrize("command", ["scan", "watch"])
def test_a_folder_that_is_not_there_makes_no_library(
    run: Run, tmp_path: Path, command: str
) -> None:
    done = run(command, tmp_path / "typo")
    assert done.exit_code == 1
    assert "typo is not there or may not be read." in done.stderr
    assert "There is no library" in run("groups").stderr


@pytest.mark.parametrize("command", ["scan", "watch"])
def test_a_folder_that_may_not_be_read_is_no_wrong_usage(
    run: Run, photos: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    done = run(command, photos)
    told = f"Error: {photos} is not there or may not be read.\n"
    assert (done.exit_code, done.stderr) == (1, told)
