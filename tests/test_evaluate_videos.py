"""Videos as folders of frames, and the lists that pair them."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from facecluster.errors import UsageError
from facecluster.evaluate import Embedded, videos
from facecluster.evaluate.videos import average_distances, frames_of, video_vector
from facecluster.facenet.pairs import read_video_splits

from .conftest import ROOT, SAMPLES, Run


def unit(chance: np.random.Generator, count: int) -> np.ndarray:
    rows = chance.normal(size=(count, 8)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(st.integers(0, 1000), st.integers(1, 9), st.integers(1, 9))
def test_the_distance_is_the_mean_over_all_pairs_of_frames(seed: int, m: int, n: int) -> None:
    chance = np.random.default_rng(seed)
    one, other = unit(chance, m), unit(chance, n)
    wanted = np.mean([((a - b) ** 2).sum() for a in one for b in other])
    found = average_distances(one.mean(axis=0)[None], other.mean(axis=0)[None])
    assert found == pytest.approx([wanted], abs=1e-5)


def test_the_first_frames_with_a_face_count(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = unit(np.random.default_rng(0), 40)
    looked: list[int] = []

    def look(_: object, paths: Sequence[Path]) -> Iterator[Embedded]:
        for path in paths:
            number = int(path.stem)
            looked.append(number)
            yield Embedded(path, None if number % 2 else rows[number])

    monkeypatch.setattr(videos, "embed_main_faces", look)
    frames = [Path(f"{number}.jpg") for number in range(40)]
    found = video_vector(None, frames, 5)  # type: ignore[arg-type]
    assert found == pytest.approx(rows[[0, 2, 4, 6, 8]].mean(axis=0), abs=1e-6)
    assert max(looked) == 15  # and no frame far behind was read
    assert video_vector(None, frames[1:2], 5) is None  # type: ignore[arg-type]


def test_frames_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    for name in ("0.10.jpg", "0.9.jpg", "0.100.jpg", "²1.jpg", "deeper/0.1.jpg"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    names = ["0.9.jpg", "0.10.jpg", "0.100.jpg", "²1.jpg"]
    assert [path.name for path in frames_of(tmp_path)] == names
    for empty in (tmp_path / "none", tmp_path / "0.9.jpg"):
        with pytest.raises(UsageError, match="has no frames"):
            frames_of(empty)


def test_a_folder_may_be_named_from_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "video"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "video" / "1.png")
    monkeypatch.chdir(tmp_path / "here")
    assert frames_of(Path("../video")) == [tmp_path / "video" / "1.png"]


def test_splits_as_youtube_faces_has_them(tmp_path: Path) -> None:
    file = tmp_path / "splits.txt"
    file.write_text(
        "split number, first name, second name, is same\n1, A_B/0, A_B/2, 1, 1\n2, A_B/0, C/1, 0\n"
    )
    pairs = read_video_splits(file)
    assert (pairs.left, pairs.right) == (("A_B/0", "A_B/0"), ("A_B/2", "C/1"))
    assert pairs.same.tolist() == [True, False]
    assert pairs.folds.tolist() == [1, 2]
    for line in ("1, a, b", "x, a, b, 1", "1, a, b, perhaps", f"{10**20}, a, b, 1"):
        file.write_text(f"head\n{line}\n")
        with pytest.raises(UsageError, match="no pair in its line 2"):
            read_video_splits(file)
    with pytest.raises(UsageError, match="cannot be read"):
        read_video_splits(tmp_path / "none.txt")


@pytest.fixture(scope="module")
def four() -> dict[str, Path]:
    """Two photos of each of two sample people alone, by person and number."""
    with open(ROOT / "examples" / "photos.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    files = [row["file"] for row in rows]
    alone: dict[str, list[Path]] = {}
    for row in rows:
        if files.count(row["file"]) == 1:
            alone.setdefault(row["person"], []).append(SAMPLES / row["file"])
    two = [photos[:2] for photos in alone.values() if len(photos) > 1][:2]
    return {f"{person}{i}": two[p][i] for p, person in enumerate("ab") for i in range(2)}


PAIRS = [
    ("a0", "a1", 1, 0),
    ("a0", "b0", 0, 0),
    ("a1", "b1", 0, 0),
    ("b0", "b1", 1, 1),
    ("a0", "b1", 0, 1),
    ("a1", "b0", 0, 1),
]


def test_videos_of_the_sample_people(four: dict[str, Path], run: Run, tmp_path: Path) -> None:
    for name, photo in four.items():
        (tmp_path / "v" / name).mkdir(parents=True)
        Image.new("RGB", (64, 64), "grey").save(tmp_path / "v" / name / "2.png")
        shutil.copy(photo, tmp_path / "v" / name / f"10{photo.suffix}")
    table = "a,b,same,fold\n" + "".join(f"{a},{b},{s},{f}\n" for a, b, s, f in PAIRS)
    (tmp_path / "p.csv").write_text(table)
    words = ("evaluate", "videos", tmp_path / "p.csv", "--images", tmp_path / "v")
    done = run(*words, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["pairs"], found["pictures_without_face"], found["accuracy"]) == (6, 0, 1)
    shutil.rmtree(tmp_path / "v" / "b1")
    done = run(*words)
    assert done.exit_code == 2
    assert "b1 has no frames" in done.stderr


def test_quality_of_the_sample_people(four: dict[str, Path], run: Run, tmp_path: Path) -> None:
    names = {name: photo.name for name, photo in four.items()}
    table = "a,b,same,fold\n" + "".join(f"{names[a]},{names[b]},{s},{f}\n" for a, b, s, f in PAIRS)
    (tmp_path / "p.csv").write_text(table)
    done = run("evaluate", "quality", tmp_path / "p.csv", "--images", SAMPLES, "--json")
    assert done.exit_code == 0, done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) == 12
    assert rows[0]["face"] == "as it is" and rows[0]["accuracy"] == 1
    assert rows[6]["accuracy"] == 1  # JPEG quality 90
    assert [row["face"] for row in rows][-1] == "65,536 pixels"
