"""What is gone is told from what only cannot be seen now."""

import errno
import os
from pathlib import Path

import pytest

from facecluster.errors import MissingRoot
from facecluster.images import find_images
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

    monkeypatch.setattr("facecluster.missing.os.listdir", refuse)
    assert really_gone({str(tmp_path / "a.jpg")}) == set()
    assert really_gone({str(tmp_path / "deleted" / "deep" / "a.jpg")}) == set()


@pytest.mark.parametrize("reason", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_file_that_is_there_but_cannot_be_looked_at_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"1")
    (tmp_path / "b.jpg").write_bytes(b"1")
    known = {str(tmp_path / name) for name in ("a.jpg", "b.jpg", "deleted.jpg")}
    stat = os.stat

    def refuse(path: str, **more: bool) -> os.stat_result:
        if str(path).endswith("a.jpg"):
            raise OSError(reason, os.strerror(reason))
        return stat(path, **more)

    with monkeypatch.context() as refused:
        refused.setattr("facecluster.images.finding.os.stat", refuse)
        found = {file.path for file in find_images([tmp_path])}
    assert found == {str(tmp_path / "b.jpg")}
    assert really_gone(known - found) == {str(tmp_path / "deleted.jpg")}


def test_a_file_that_a_listing_cut_short_did_not_come_to_is_not_gone(tmp_path: Path) -> None:
    (tmp_path / "late.jpg").write_bytes(b"1")
    assert really_gone({str(tmp_path / "late.jpg")}) == set()


def test_a_raw_photo_that_got_a_picture_beside_it_is_known_by_that_one(tmp_path: Path) -> None:
    for name in ("a.dng", "a.jpg", "b.dng"):
        (tmp_path / name).write_bytes(b"1")
    known = {str(tmp_path / name) for name in ("a.dng", "a.jpg", "b.dng")}
    assert really_gone(known) == {str(tmp_path / "a.dng")}


def test_the_old_name_is_gone_where_capitals_make_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Trip").mkdir()
    (tmp_path / "Trip" / "a.jpg").write_bytes(b"1")
    listdir = os.listdir

    def either_case(folder: str) -> list[str]:
        return listdir(folder.replace("trip", "Trip"))

    monkeypatch.setattr("facecluster.missing.os.listdir", either_case)
    old = {str(tmp_path / "trip" / "a.jpg"), str(tmp_path / "Trip" / "A.jpg")}
    assert really_gone({*old, str(tmp_path / "Trip" / "a.jpg")}) == old


def test_a_file_that_was_met_by_another_name_is_gone_by_its_old_one(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    old = str(tmp_path / "photos" / "a.jpg")
    (tmp_path / "link").symlink_to("photos")
    found = [file.path for file in find_images([tmp_path])]
    assert found == [str(tmp_path / "link" / "a.jpg")]
    assert really_gone({old}, found) == {old}
    assert really_gone({old}) == set()
