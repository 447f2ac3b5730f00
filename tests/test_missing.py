"""What is gone is told from what only cannot be seen now."""

from pathlib import Path

import pytest

from facecluster.errors import MissingRoot
from facecluster.library import KnownFile
from facecluster.missing import check_plugged_in, really_gone
from facecluster.records import FileStamp


def known(*paths: str) -> dict[str, KnownFile]:
    stamps = [FileStamp(path, 10 + len(path), 7) for path in paths]
    return {stamp.path: KnownFile(stamp, "sha", "detector", None) for stamp in stamps}


def test_a_root_that_lost_everything_is_taken_for_an_unplugged_disk() -> None:
    before = known("/disk/a.jpg", "/disk/b.jpg", "/disks/c.jpg")
    with pytest.raises(MissingRoot, match=r"None of the 2 photos known below /disk is there"):
        check_plugged_in(["/disk"], [], before)


def test_another_card_in_the_same_place_is_told_apart_from_an_empty_one() -> None:
    before = known("/card/a.jpg", "/card/b.jpg")
    new = FileStamp("/card/new.jpg", 1, 1)
    with pytest.raises(MissingRoot, match=r"there, but 1 other is: another card or disk\?.*copy"):
        check_plugged_in(["/card"], [new, FileStamp("/else/d.jpg", 2, 2)], before)


def test_one_photo_that_is_left_or_renamed_shows_that_the_disk_is_there() -> None:
    before = known("/disk/a.jpg", "/disk/b.jpg")
    check_plugged_in(["/disk"], [before["/disk/b.jpg"].stamp], before)
    renamed = FileStamp("/disk/new/a.jpg", before["/disk/a.jpg"].stamp.size, 7)
    check_plugged_in(["/disk"], [renamed], before)
    check_plugged_in(["/elsewhere"], [], before)


def test_a_deleted_file_and_a_deleted_folder_are_gone(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    paths = {str(tmp_path / "here" / "a.jpg"), str(tmp_path / "deleted" / "deep" / "b.jpg")}
    assert really_gone(paths) == paths


def test_a_file_in_a_folder_that_cannot_be_listed_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(path)

    monkeypatch.setattr("facecluster.missing.os.scandir", refuse)
    assert really_gone({str(tmp_path / "a.jpg")}) == set()
