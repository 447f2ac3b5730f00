import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecluster.errors import UsageError
from facecluster.grouping import METHODS, Constraints, group
from facecluster.grouping.constraints import barred_pairs, components
from facecluster.grouping.repair import obey


def pairs(*rows):
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def state(n, together=(), apart=(), photos=None):
    photos = np.full(n, -1) if photos is None else np.array(photos)
    return Constraints(pairs(*together), pairs(*apart), photos.astype(np.int64))


def around(angles, dimension=6):
    """Unit rows in a plane; squared distance is 2 - 2 cos(difference)."""
    rows = np.zeros((len(angles), dimension), dtype=np.float32)
    rows[:, 0], rows[:, 1] = np.cos(angles), np.sin(angles)
    return rows


def run(rows, constraints, method, **settings):
    chosen = {"threshold": 1.1, "k": None, **settings}
    return group(rows, method=method, constraints=constraints, **chosen)


@st.composite
def libraries(draw):
    """Rows with statements that agree with a hidden truth, though not with the rows."""
    n = draw(st.integers(1, 40))
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    truth = chance.integers(draw(st.integers(1, 8)), size=n)
    drawn = chance.integers(n, size=(draw(st.integers(0, 2 * n)), 2))
    same = truth[drawn[:, 0]] == truth[drawn[:, 1]]
    photos = chance.integers(-1, draw(st.integers(1, n)), size=n)
    centres = chance.normal(size=(draw(st.integers(1, 6)), 8))
    rows = centres[chance.integers(len(centres), size=n)]
    rows = rows + draw(st.sampled_from([0.0, 0.2, 0.5, 2.0])) * chance.normal(size=(n, 8))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return rows, Constraints(drawn[same], drawn[~same], photos)


@settings(max_examples=60)
@given(
    library=libraries(),
    setting=st.sampled_from(
        [("agglomerative", None), ("kmeans", None), ("kmeans", 3), ("hdbscan", None)]
    ),
    minimum=st.sampled_from([1, 2, 4]),
)
def test_no_method_ever_breaks_a_statement(library, setting, minimum):
    rows, constraints = library
    method, k = setting
    labels = run(rows, constraints, method, k=k, minimum=minimum)
    one, other = constraints.together.T
    assert (labels[one] == labels[other]).all()
    assert (labels[constraints.together] >= 0).all()
    one, other = constraints.barred(rows).T
    assert not ((labels[one] == labels[other]) & (labels[one] >= 0)).any()
    sizes = np.bincount(labels[labels >= 0])
    assert (sizes > 0).all()
    small = np.isin(labels, np.flatnonzero(sizes < minimum))
    assert np.isin(labels[small], labels[np.unique(constraints.together)]).all()


@pytest.mark.parametrize("method", METHODS)
class TestEveryMethod:
    def test_far_faces_of_one_person_are_one_group(self, method):
        rows = np.eye(6, dtype=np.float32)
        labels = run(rows, state(6, together=[(1, 4), (4, 5)]), method)
        assert labels.tolist() == [-1, 0, -1, -1, 0, 0]

    def test_a_face_named_alone_is_a_group(self, method):
        labels = run(np.eye(3, dtype=np.float32), state(3, together=[(1, 1)]), method)
        assert labels.tolist() == [-1, 0, -1]

    def test_equal_faces_of_two_people_are_two_groups(self, method):
        rows = around([0.0] * 6)
        labels = run(rows, state(6, together=[(0, 1), (2, 3)], apart=[(0, 2)]), method)
        assert labels[0] == labels[1] != labels[2] == labels[3]

    def test_no_chain_of_near_faces_joins_two_people(self, method):
        rows = around(np.linspace(0, 0.6, 13))
        labels = run(rows, state(13, apart=[(0, 12)]), method)
        assert labels[0] != labels[12]

    def test_two_faces_of_one_photo_are_two_people(self, method):
        rows = around([0.0, 0.02, 0.7, 0.72])
        free = run(rows, state(4), method)
        assert len(set(free.tolist())) == 1
        labels = run(rows, state(4, photos=[1, 2, 1, 2]), method)
        assert labels.tolist() == [0, 0, 1, 1]

    def test_a_mirror_image_in_one_photo_is_one_person(self, method):
        labels = run(around([0.0, 0.3]), state(2, photos=[7, 7]), method)
        assert labels.tolist() == [0, 0]

    def test_the_user_overrules_the_photo(self, method):
        labels = run(around([0.0, 1.5]), state(2, together=[(0, 1)], photos=[7, 7]), method)
        assert labels.tolist() == [0, 0]

    def test_a_contradiction_is_refused(self, method):
        constraints = state(4, together=[(0, 1), (1, 2)], apart=[(2, 0)])
        with pytest.raises(UsageError, match=r"Rows 2 and 0 .* undo one"):
            run(around([0.0] * 4), constraints, method)

    def test_a_face_apart_from_itself_is_refused(self, method):
        with pytest.raises(UsageError, match="one person"):
            run(around([0.0] * 2), state(2, apart=[(1, 1)]), method)


def test_contradictions_are_listed_for_the_caller():
    constraints = state(4, together=[(0, 1)], apart=[(0, 2), (1, 0)])
    assert constraints.contradictions().tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        (state(3), "photos"),
        (state(2, together=[(0, 2)]), "together"),
        (state(2, apart=[(-1, 0)]), "apart"),
        (Constraints(pairs(), np.zeros((1, 3), np.int64), np.zeros(2, np.int64)), "apart"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(constraints, message):
    with pytest.raises(ValueError, match=message):
        constraints.validate(2)


@settings(max_examples=60)
@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(
            st.just(n),
            st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=40),
        )
    )
)
def test_components_equal_a_flood(drawn):
    n, links = drawn
    reached = np.eye(n, dtype=bool)
    for i, j in links:
        reached[i, j] = reached[j, i] = True
    for _ in range(n):
        reached = reached @ reached
    assert components(n, pairs(*links)).tolist() == reached.argmax(axis=1).tolist()


def test_subset_keeps_the_statements_among_its_rows():
    constraints = state(
        6, together=[(0, 1), (1, 5), (3, 3)], apart=[(5, 3), (2, 4)], photos=range(6)
    )
    part = constraints.subset(np.array([5, 3, 0]))
    assert components(3, part.together).tolist() == [0, 1, 0]
    assert 1 in part.together
    assert part.apart.tolist() == [[0, 1]]
    assert part.photos.tolist() == [5, 3, 0]


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_what_is_said_of_a_group_is_the_subset_for_its_rows(seed, n):
    rng = np.random.default_rng(seed)
    together, apart = (rng.integers(0, n, (rng.integers(0, 12), 2)) for _ in range(2))
    constraints = Constraints(together, apart, rng.integers(-1, 3, n), near_duplicate=0.3)
    labels = rng.integers(-1, 4, n)
    wanted = np.unique(labels[rng.random(n) < 0.7])
    found = list(constraints.of_groups(labels, wanted))
    assert [labels[rows[0]] for rows, _ in found] == wanted.tolist()
    for label, (rows, stated) in zip(wanted, found, strict=True):
        assert rows.tolist() == np.flatnonzero(labels == label).tolist()
        expected = constraints.subset(rows)
        assert stated.near_duplicate == expected.near_duplicate
        for one, other in (
            (stated.photos, expected.photos),
            (stated.together, expected.together),
        ):
            assert one.tolist() == other.tolist()
        assert sorted(stated.apart.tolist()) == sorted(expected.apart.tolist())


def test_who_is_one_person_is_worked_out_once(monkeypatch):
    worked_out = []
    monkeypatch.setattr(
        "facecluster.grouping.constraints.components",
        lambda n, links: worked_out.append(n) or components(n, links),
    )
    constraints = state(6, together=[(0, 1), (3, 3)], apart=[(0, 2), (3, 4)])
    labels = obey(np.array([0, 0, 0, 1, 1, 1]), around([0.0] * 6), constraints)
    assert labels[0] == labels[1] != labels[2] and labels[3] != labels[4]
    assert worked_out.count(6) == 1


def test_crowded_photos_take_the_memory_of_their_pairs_and_no_vectors():
    n = 600
    rows = around(np.linspace(0, 6, n), dimension=128)
    constraints = state(n, photos=[0] * n)
    tracemalloc.start()
    barred = barred_pairs(rows, np.arange(n), np.ones(n, dtype=np.bool_), constraints)
    top = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(barred, constraints.barred(rows))
    assert top < 100 * n * (n - 1) / 2, "bytes; a pair of vectors has 2,048"
