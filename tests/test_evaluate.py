"""Figures of a list of pairs and of a grouping, from the pictures on, and at the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from facecluster.errors import UsageError
from facecluster.evaluate import RATES, verification
from facecluster.facenet.pairs import Pairs

from .conftest import SAMPLES, Run

ROOT = Path(__file__).parent.parent


def made(seed: int, count: int = 400) -> tuple[Pairs, dict[str, np.ndarray | None]]:
    """Pairs of people in four directions, with folds; every picture is in one pair."""
    chance = np.random.default_rng(seed)
    vectors: dict[str, np.ndarray | None] = {}
    same = np.arange(count) % 2 == 0
    for pair in range(count):
        first = chance.integers(4)
        second = first if same[pair] else (first + 1) % 4
        for side, person in (("l", first), ("r", second)):
            row = np.eye(8)[person] + 0.3 * chance.normal(size=8)
            vectors[f"{side}{pair}"] = (row / np.linalg.norm(row)).astype(np.float32)
    names = [tuple(f"{side}{pair}" for pair in range(count)) for side in "lr"]
    return Pairs(*names, same, np.arange(count) * 10 // count), vectors


def by_hand(
    distances: list[float], same: list[bool], folds: list[int], wished: float
) -> tuple[float, float]:
    """VAL and FAR of the left-out folds at the thresholds of the others, by loops."""
    values, rates = [], []
    pairs = list(zip(distances, same, folds, strict=True))
    for fold in sorted(set(folds)):
        others = [d for d, s, f in pairs if f != fold and not s]
        threshold = -1.0
        for candidate in sorted(distances):
            if sum(d <= candidate for d in others) <= wished * len(others) + 1e-9:
                threshold = candidate
        mine = [(d, s) for d, s, f in pairs if f == fold]
        values.append(np.mean([d <= threshold for d, s in mine if s]))
        rates.append(np.mean([d <= threshold for d, s in mine if not s]))
    return float(np.mean(values)), float(np.mean(rates))


@pytest.mark.parametrize("seed", range(3))
def test_val_and_far_are_those_of_the_naive_loops(seed: int) -> None:
    pairs, vectors = made(seed, 200)
    found = verification(pairs, vectors)
    distances = [
        float(((vectors[a] - vectors[b]).astype(np.float64) ** 2).sum())
        for a, b in zip(pairs.left, pairs.right, strict=True)
    ]
    for rate in found.rates:
        val, far = by_hand(distances, pairs.same.tolist(), pairs.folds.tolist(), rate.wished)
        # a threshold lies between two distances: on a fold left out it may fall on either side
        assert rate.val == pytest.approx(val, abs=0.011)
        assert rate.far == pytest.approx(far, abs=0.011)
    assert [rate.wished for rate in found.rates] == list(RATES)
    assert 0.8 < found.accuracy.mean < 1
    assert (found.pairs, found.same, found.without_face) == (200, 100, 0)


def test_a_picture_without_a_face_is_refused() -> None:
    pairs, vectors = made(0)
    whole = verification(pairs, vectors)
    vectors |= {f"l{pair}": None for pair in range(20)}
    found = verification(pairs, vectors)
    assert found.without_face == 20
    assert found.rates[0].val < whole.rates[0].val
    assert found.curve.thresholds[-1] == 4.0


def test_a_fold_of_one_kind_is_told() -> None:
    pairs, vectors = made(0)
    with pytest.raises(UsageError, match="Fold 0 has no pairs of one person, or none of two"):
        verification(pairs, vectors, np.array([0, 2, 4, 41, 43, 80, 81]))


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of sample photos that show one person alone, in two folds, with their light."""
    with open(ROOT / "examples" / "photos.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    files = [row["file"] for row in rows]
    alone = [row for row in rows if files.count(row["file"]) == 1][:12]
    target = tmp_path_factory.mktemp("pairs") / "pairs.csv"
    with target.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["a", "b", "same", "fold", "place"])
        for i, one in enumerate(alone):
            for j, other in enumerate(alone[:i]):
                same = int(one["person"] == other["person"])
                lines.writerow([one["file"], other["file"], same, (i + j) % 2, "ab"[j % 2]])
    return target


def test_pairs_of_the_sample_people(listed: Path, run: Run, tmp_path: Path) -> None:
    plot = tmp_path / "roc.svg"
    words = ("evaluate", "pairs", listed, "--images", SAMPLES, "--plot", plot)
    done = run(*words, "--json", "--by", "place")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert next(iter(found)) == "all"
    assert found["all"]["pairs"] == 66
    assert found["all"]["pictures_without_face"] == 0
    assert found["all"]["accuracy"] > 0.9
    assert len(found["all"]["rates"]) == 4
    assert plot.read_text().startswith("<svg")
    told = run(*words[:-2])
    assert told.stdout.splitlines()[1].startswith("Accuracy ")
    assert "cannot show a FAR under" in told.stderr


def test_bad_words_are_one_sentence(listed: Path, run: Run, tmp_path: Path) -> None:
    for words, sentence in [
        ((listed, "--images", tmp_path), "is not there: is"),
        ((listed, "--images", SAMPLES, "--by", "weather"), "has no column weather"),
        ((listed, "--images", SAMPLES, "--plot", "a.png"), "is no .svg"),
        ((listed, "--images", SAMPLES, "--plot", tmp_path / "x" / "a.svg"), "x is no folder"),
        ((tmp_path / "none.csv", "--images", SAMPLES), "cannot be read"),
    ]:
        done = run("evaluate", "pairs", *words)
        assert done.exit_code == 2
        assert sentence in done.stderr


def test_groups_are_compared_with_the_truth(grouped: Path, run: Run, tmp_path: Path) -> None:
    """Three people in three groups; one face of the truth is called somebody else."""
    truth = tmp_path / "truth.csv"
    lines = [f"{name}{i}.jpg,{name}" for name, n in (("ann", 6), ("bob", 4)) for i in range(n)]
    truth.write_text("file,person\n" + "\n".join([*lines, "cid0.jpg,bob", "not-here.jpg,x"]))
    done = run("evaluate", "grouping", "--truth", truth, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["faces_compared"] == 11
    assert found["BCubed_precision"] == 1
    # bob: 4 of 5 are together, and the fifth is alone
    assert found["BCubed_recall"] == pytest.approx((6 + 4 * 4 / 5 + 1 / 5) / 11)
    assert found["people"] == 2
    told = run("evaluate", "grouping", "--truth", truth).stdout.splitlines()
    assert told[0].split() == ["figure", "value"]


def test_faces_by_number_are_compared_too(grouped: Path, run: Run, tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text("face,person\n1,a\n2,a\n7,b\n999,b\n")
    found = json.loads(run("evaluate", "grouping", "--truth", truth, "--json").stdout)
    assert (found["faces_compared"], found["BCubed_F"]) == (3, 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("who,what\na,b\n", "needs the columns person and face"),
        ("path,person\nelsewhere.jpg,ann\n", "No face of"),
        ("path,person\n,ann\n", "in its line 2"),
        (f"face,person\n{'9' * 5000},ann\n", "No face of"),
        ("path,person\nann0.jpg,ann\nann0.jpg,bob\n", "in its line 3 that it named otherwise"),
    ],
)
def test_a_bad_truth_is_one_sentence(
    grouped: Path, run: Run, tmp_path: Path, text: str, sentence: str
) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text(text)
    done = run("evaluate", "grouping", "--truth", truth)
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_an_ending_that_two_photos_share_is_nobody(grouped: Path, run: Run, tmp_path: Path) -> None:
    from facecluster.evaluate.groups import _ends

    ends = _ends({"/a/x.jpg": 1, "/b/x.jpg": 2, "/b/y.jpg": 3})
    assert ends[("y.jpg",)] == 3
    assert ("x.jpg",) not in ends
    assert ends[("x.jpg", "a")] == 1
