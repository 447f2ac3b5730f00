"""Lists of pairs are read in each format, and other files are refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from facecluster.errors import UsageError
from facecluster.facenet.pairs import read_csv_pairs, read_lfw_pairs, read_pairs


def test_lfw_lists_of_both_forms_are_read(tmp_path: Path) -> None:
    development = tmp_path / "pairsDevTest.txt"
    development.write_text("2\nAnn_A\t1\t3\nBob\t2\t10\nAnn_A\t1\tBob\t2\nCy\t4\tAnn_A\t9\n")
    pairs = read_lfw_pairs(development)
    assert pairs.left[0] == "Ann_A/Ann_A_0001.jpg" and pairs.right[1] == "Bob/Bob_0010.jpg"
    assert (pairs.left[3], pairs.right[3]) == ("Cy/Cy_0004.jpg", "Ann_A/Ann_A_0009.jpg")
    assert pairs.same.tolist() == [True, True, False, False] and not pairs.folds.any()
    view2 = tmp_path / "pairs.txt"
    view2.write_text("2\t1\nA\t1\t2\nA\t1\tB\t1\nC\t1\t2\nC\t1\tD\t1\n")
    pairs = read_lfw_pairs(view2)
    assert pairs.folds.tolist() == [0, 0, 1, 1] and len(pairs) == 4
    assert pairs.same.tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("hello", "not a list"),
        ("", "has no pairs"),
        ("\n", "has no pairs"),
        ("2\nA\t1\t2\n", "does not fit"),
        ("1\t2\t3\n", "does not fit"),
        ("0\n", "does not fit"),
        ("1\nA\t1\t2\nA\t1\t2\n", "line 3"),
        ("1\nA\t1\tx\nA\t1\tB\t2\n", "line 2"),
        ("1\nA\t1\t²\nA\t1\tB\t2\n", "line 2"),
        (f"1\nA\t1\t2\nA\t1\tB\t{'9' * 5000}\n", "line 3"),
    ],
)
def test_other_files_are_refused(content: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=reason):
        read_lfw_pairs(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_lfw_pairs(tmp_path / "none.txt")


def test_csv_pairs_with_folds_and_other_columns(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    file.write_text("a,b,same,fold,age\nx.jpg,y.jpg,1,0,old\nx.jpg,z.jpg,no,3,young\n")
    pairs = read_pairs(file)
    assert (pairs.left, pairs.right) == (("x.jpg", "x.jpg"), ("y.jpg", "z.jpg"))
    assert pairs.same.tolist() == [True, False]
    assert pairs.folds.tolist() == [0, 3]
    assert pairs.more == {"age": ("old", "young")}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,b\nx,y\n", "has no column same"),
        ("", "has no column a"),
        ("a,b,same\nx,y,1\nx,,1\n", "in its line 3"),
        ("a,b,same\nx,y,perhaps\n", "in its line 2"),
        ("a,b,same,fold\nx,y,1,-1\n", "in its line 2"),
        ("a,b,same\nx\n", "in its line 2"),
        ("a,b,same\n", "has no pairs below its first line"),
        (f"a,b,same,fold\nx,y,1,{2**64}\n", "in its line 2"),
    ],
)
def test_a_bad_list_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "p.csv"
    file.write_text(text)
    with pytest.raises(UsageError, match=sentence):
        read_csv_pairs(file)
