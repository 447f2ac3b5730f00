import subprocess
import sys

import numpy as np
import pytest

from facecluster.errors import UsageError
from facecluster.grouping import METHODS, Constraints, cut, group, linkage


def unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def people(sizes, noise=0.5, dimension=32, seed=0):
    chance = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    centres = unit(chance.normal(size=(len(sizes), dimension)))
    spread = noise * chance.normal(size=(len(truth), dimension)) / dimension**0.5
    order = chance.permutation(len(truth))
    return unit(centres[truth] + spread)[order], truth[order]


def run(rows, method, **settings):
    chosen = {"threshold": 1.1, "k": None, "constraints": Constraints.none(len(rows)), **settings}
    return group(rows, method=method, **chosen)


def partition(labels):
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


@pytest.mark.parametrize("method", METHODS)
class TestEveryMethod:
    def test_no_faces(self, method):
        labels = run(np.empty((0, 128), np.float32), method)
        assert labels.shape == (0,) and labels.dtype == np.int64

    def test_one_face_is_in_no_group(self, method):
        assert run(np.eye(1, 8, dtype=np.float32), method).tolist() == [-1]

    def test_one_face_is_a_group_where_one_is_enough(self, method):
        assert run(np.eye(1, 8, dtype=np.float32), method, minimum=1).tolist() == [0]

    def test_two_near_faces(self, method):
        assert run(unit([[1, 0, 0], [1, 0.5, 0]]), method).tolist() == [0, 0]

    def test_two_far_faces(self, method):
        assert run(unit([[1, 0, 0], [0, 1, 0]]), method).tolist() == [-1, -1]

    def test_one_person_only(self, method):
        rows, _ = people([30], noise=0.6)
        assert run(rows, method).tolist() == [0] * 30

    def test_all_noise(self, method):
        assert run(np.eye(40, dtype=np.float32), method).tolist() == [-1] * 40

    @pytest.mark.parametrize("n", [2, 3, 50])
    def test_identical_vectors(self, method, n):
        rows = np.repeat(unit(np.arange(1, 17)[None]), n, axis=0)
        assert run(rows, method).tolist() == [0] * n

    def test_a_threshold_of_zero_joins_only_identical_vectors(self, method):
        rows = unit([[1, 0], [1, 0], [0, 1], [0, 1], [0, 1], [1, 1]])
        labels = run(rows, method, threshold=0.0)
        assert labels.tolist() == [1, 1, 0, 0, 0, -1]

    def test_finds_the_people_and_leaves_strangers(self, method):
        rows, truth = people([20, 9, 4, 2, 1, 1, 1])
        labels = run(rows, method)
        assert partition(labels[truth < 4]) == partition(truth[truth < 4])
        assert (labels[truth >= 4] == -1).all()

    def test_labels_count_down_by_size(self, method):
        rows, _ = people([3, 11, 6])
        labels = run(rows, method)
        assert np.bincount(labels).tolist() == [11, 6, 3]

    def test_the_order_of_the_faces_does_not_matter(self, method):
        rows, _ = people([12, 7, 5, 1, 1])
        order = np.random.default_rng(1).permutation(len(rows))
        labels = np.empty(len(rows), dtype=np.int64)
        labels[order] = run(rows[order], method)
        assert partition(labels) == partition(run(rows, method))

    def test_equal_calls_give_equal_labels(self, method):
        rows, _ = people([12, 7, 5], noise=1.5)
        assert np.array_equal(run(rows, method), run(rows, method))

    def test_rows_that_are_not_unit_are_refused(self, method):
        for bad in (np.zeros((2, 3)), np.full((2, 3), np.nan), np.ones((2, 3))):
            with pytest.raises(ValueError, match="length 1"):
                run(bad.astype(np.float32), method)

    def test_a_single_vector_is_refused(self, method):
        with pytest.raises(ValueError, match="faces, dimensions"):
            run(np.ones(3, np.float32), method)

    @pytest.mark.parametrize("threshold", [None, -1.0])
    def test_a_missing_or_negative_threshold_is_refused(self, method, threshold):
        with pytest.raises(UsageError, match="threshold"):
            run(np.eye(3, dtype=np.float32), method, threshold=threshold)

    def test_a_minimum_of_nothing_is_refused(self, method):
        with pytest.raises(UsageError, match="at least 1"):
            run(np.eye(3, dtype=np.float32), method, minimum=0)


def test_an_unknown_method_names_the_known_ones():
    with pytest.raises(UsageError, match="agglomerative, kmeans, hdbscan"):
        run(np.eye(3, dtype=np.float32), "ward")


@pytest.mark.parametrize("method", ["agglomerative", "hdbscan"])
def test_k_is_for_kmeans(method):
    with pytest.raises(UsageError, match="leave out k"):
        run(np.eye(3, dtype=np.float32), method, k=2)


class TestKMeansWithK:
    def test_finds_k_people_without_a_threshold(self):
        rows, truth = people([15, 14, 13, 12])
        labels = run(rows, "kmeans", k=4, threshold=None)
        assert partition(labels) == partition(truth)

    def test_one_group_holds_everybody(self):
        assert run(np.eye(5, dtype=np.float32), "kmeans", k=1).tolist() == [0] * 5

    def test_more_groups_than_faces_leave_each_alone(self):
        assert run(np.eye(5, dtype=np.float32), "kmeans", k=9).tolist() == [-1] * 5

    def test_more_groups_than_different_faces(self):
        rows = np.eye(2, dtype=np.float32)[[0, 0, 1, 1, 1]]
        assert run(rows, "kmeans", k=4).tolist() == [1, 1, 0, 0, 0]

    def test_the_seed_decides(self):
        rows, _ = people([40], noise=3.0)
        first, again = (run(rows, "kmeans", k=6, seed=3) for _ in range(2))
        assert np.array_equal(first, again)

    def test_no_groups_are_refused(self):
        with pytest.raises(UsageError, match="at least 1"):
            run(np.eye(3, dtype=np.float32), "kmeans", k=0)

    def test_batches_find_the_same_people(self, monkeypatch):
        monkeypatch.setattr("facecluster.grouping.kmeans.FULL", 10)
        monkeypatch.setattr("facecluster.grouping.kmeans.BATCH", 16)
        rows, truth = people([15, 14, 13, 12])
        assert partition(run(rows, "kmeans", k=4)) == partition(truth)
        assert partition(run(rows, "kmeans")) == partition(truth)


def test_the_groups_are_found_without_heavy_imports():
    program = (
        "import sys, numpy as np, facecluster.grouping as g\n"
        "x = np.eye(3, dtype=np.float32)[[0, 0, 1]]\n"
        "n = g.Constraints.none(3)\n"
        "for m in ('agglomerative', 'kmeans'):\n"
        "    g.group(x, method=m, threshold=1.0, k=None, constraints=n)\n"
        "bad = {'torch', 'sklearn', 'hdbscan', 'scipy'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("seed", range(6))
def test_kmeans_finds_well_separated_people_from_any_seed(seed):
    rng = np.random.default_rng(seed)
    people = np.repeat(np.arange(3), [2, 5, 6])
    faces = np.eye(8)[people] + 0.1 * rng.standard_normal((13, 8))
    rows = (faces / np.linalg.norm(faces, axis=1, keepdims=True)).astype(np.float32)
    labels = group(
        rows, method="kmeans", threshold=None, k=3, constraints=Constraints.none(13), seed=seed
    )
    assert len(set(zip(people.tolist(), labels.tolist(), strict=True))) == 3
    assert set(labels.tolist()) == {0, 1, 2}


def test_centroids_bring_more_together_and_average_linkage_can_be_had_alone():
    chance = np.random.default_rng(0)
    rows = np.eye(4, 128)[np.repeat(np.arange(4), 30)]
    rows = rows + 1.15 * chance.normal(size=rows.shape) / 128**0.5
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    bound = Constraints.none(len(rows))

    def found(**how: bool) -> int:
        labels = group(
            rows, method="agglomerative", threshold=0.95, k=None, constraints=bound, **how
        )
        return int((labels >= 0).sum())

    assert found() > found(by_centroid=False)
    plain = cut(linkage(rows, threshold=0.95, constraints=bound), 0.95)
    kept = np.isin(plain, np.flatnonzero(np.bincount(plain) > 1))
    assert found(by_centroid=False) == int(kept.sum())
