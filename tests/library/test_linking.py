"""The merges of the last full pass: what they spare, and that they never tell of something else."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecluster.grouping import linkage_steps
from facecluster.library import Library
from facecluster.people import forget, ignore, name_group, regroup, reject, undo
from facecluster.records import Analysis, FileStamp, Photo

from .conftest import analysis, face_at

Passes = list[int]


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Passes:
    """How many faces each average linkage that was made had."""
    made: Passes = []

    def counted(rows: np.ndarray, **how: object) -> object:
        made.append(len(rows))
        return linkage_steps(rows, **how)

    monkeypatch.setattr("facecluster.people.linking.linkage_steps", counted)
    return made


def fill(library: Library, rows: np.ndarray, photos: list[int]) -> int:
    model = library.scanned.register_model(fingerprint="f", name="nn", dimension=rows.shape[1])
    for photo in sorted(set(photos)):
        some = rows[np.array(photos) == photo]
        about = Photo(f"{photo:064d}", 640, 480, 1, None)
        faces = tuple(face_at(place) for place in range(len(some)))
        found = Analysis(FileStamp(f"/{photo}", 1, 1), about, faces, some)
        library.scanned.add([found], detector="d", model=model)
    return model


def partition(library: Library) -> set[frozenset[int]]:
    groups: dict[int | None, set[int]] = {}
    for face in library.faces():
        groups.setdefault(face.group or -face.face, set()).add(face.face)
    return {frozenset(group) for group in groups.values()}


def scattered(n: int, people: int, noise: float, seed: int) -> np.ndarray:
    chance = np.random.default_rng(seed)
    rows = chance.normal(size=(people, 8))[chance.integers(people, size=n)]
    rows = rows + noise * chance.normal(size=(n, 8))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def forget_merges(path: Path) -> None:
    with closing(sqlite3.connect(path)) as kept, kept:
        kept.execute("delete from merges")


@settings(max_examples=25)
@given(
    n=st.integers(1, 40),
    people=st.integers(1, 8),
    noise=st.sampled_from([0.0, 0.2, 0.5, 2.0]),
    seed=st.integers(0, 2**31),
    thresholds=st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.6, 0.9, 1.2]), min_size=2, max_size=4),
    method=st.sampled_from(["agglomerative", "kmeans"]),
)
def test_any_threshold_after_any_other_groups_as_a_first_pass_does(
    n: int, people: int, noise: float, seed: int, thresholds: list[float], method: str
) -> None:
    photos = np.random.default_rng(seed).integers(n, size=n).tolist()
    with TemporaryDirectory() as folder, Library.open(Path(folder) / "l.sqlite") as library:
        model = fill(library, scattered(n, people, noise, seed), photos)

        def grouped(threshold: float) -> set[frozenset[int]]:
            regroup(library, model, method=method, threshold=threshold, k=None)
            return partition(library)

        after_others = [grouped(threshold) for threshold in thresholds]
        for threshold, found in zip(thresholds, after_others, strict=True):
            forget_merges(library.path)
            assert grouped(threshold) == found


def test_only_a_higher_threshold_takes_another_pass(library: Library, passes: Passes) -> None:
    model = fill(library, scattered(60, 6, 0.5, 0), list(range(60)))

    def at(threshold: float, method: str = "agglomerative") -> int:
        passes.clear()
        regroup(library, model, method=method, threshold=threshold, k=None)
        return len(passes)

    assert [at(0.6), at(0.3), at(0.6), at(0.0), at(0.6)] == [1, 0, 0, 0, 0]
    assert [at(0.7), at(0.3), at(0.7, "kmeans"), at(0.8)] == [1, 0, 0, 1]


def test_what_changes_the_merges_takes_another_pass(
    library: Library, model: int, put: Callable[..., list[int]], passes: Passes
) -> None:
    for photo in range(4):
        put(f"/{photo}", 1, 2)

    def again() -> int:
        passes.clear()
        regroup(library, model, method="agglomerative", threshold=1.0, k=None)
        return len(passes)

    assert [again(), again()] == [1, 0]
    for change in (
        lambda: name_group(library, 1, "Ann", command="name"),
        lambda: reject(library, [1], command="reject"),
        lambda: undo(library, command="undo"),
        lambda: ignore(library, [1], command="ignore"),
        lambda: put("/new", 3),
        lambda: put("/another", 1),
    ):
        change()
        assert [again(), again()] == [1, 0]
    other = library.scanned.register_model(fingerprint="g", name="other", dimension=16)
    library.scanned.add([analysis("/0", (2, 1))], detector="d", model=other)
    passes.clear()
    regroup(library, other, method="agglomerative", threshold=1.0, k=None, allow_churn=True)
    assert passes == [1]


def test_forgetting_somebody_forgets_the_merges(
    library: Library, model: int, put: Callable[..., list[int]]
) -> None:
    for photo in range(3):
        put(f"/{photo}", 1, 2)
    regroup(library, model, method="agglomerative", threshold=1.0, k=None)
    name_group(library, 1, "Ann", command="name")

    def kept() -> int:
        with closing(sqlite3.connect(library.path)) as opened:
            return int(opened.execute("select count(*) from merges").fetchone()[0])

    assert kept() == 1
    forget(library, "Ann")
    assert kept() == 0
