import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecluster.grouping import renumber

lists = st.integers(0, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(-1, 6), min_size=n, max_size=n),
        st.lists(st.integers(-1, 9), min_size=n, max_size=n),
    )
)


def arrays(*rows):
    return tuple(np.array(row, dtype=np.int64) for row in rows)


@given(lists, st.integers(10, 20))
def test_numbers_are_the_same_partition_and_never_used_again(drawn, next_number):
    labels, previous = arrays(*drawn)
    numbers, after = renumber(labels, previous, next_number)
    assert ((numbers < 0) == (labels < 0)).all()
    pairs = {(a, b) for a, b in zip(labels.tolist(), numbers.tolist(), strict=True) if a >= 0}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    given_out = sorted({b for _, b in pairs if b >= next_number})
    assert given_out == list(range(next_number, after))
    for number in {b for _, b in pairs if b < next_number}:
        assert ((numbers == number) & (previous == number)).any()


@given(lists)
def test_the_largest_overlap_keeps_its_number(drawn):
    labels, previous = arrays(*drawn)
    numbers, _ = renumber(labels, previous, 10)
    for label in set(labels[labels >= 0].tolist()):
        inside = labels == label
        mine = int(numbers[inside][0])
        for old in set(previous[inside & (previous >= 0)].tolist()):
            overlap = int((inside & (previous == old)).sum())
            owner = numbers == old
            kept = int((inside & (previous == mine)).sum())
            taken = int((owner & (previous == old)).sum())
            assert kept >= overlap or taken >= overlap


@given(lists)
def test_nothing_changes_when_the_groups_do_not(drawn):
    _, previous = arrays(*drawn)
    labels = np.unique(previous, return_inverse=True)[1] - (1 if (previous < 0).any() else 0)
    numbers, after = renumber(labels.astype(np.int64), previous, 10)
    assert numbers.tolist() == previous.tolist()
    assert after == 10


def test_of_a_divided_group_the_larger_part_keeps_the_number():
    labels, previous = arrays([0, 0, 1, 1, 1, 2], [4, 4, 4, 4, 4, -1])
    numbers, after = renumber(labels, previous, 9)
    assert numbers.tolist() == [9, 9, 4, 4, 4, 10]
    assert after == 11


def test_of_two_merged_groups_the_larger_gives_the_number():
    numbers, after = renumber(*arrays([0, 0, 0], [3, 5, 5]), 6)
    assert numbers.tolist() == [5, 5, 5]
    assert after == 6


def test_a_next_number_already_given_away_is_refused():
    with pytest.raises(ValueError, match="in use"):
        renumber(*arrays([0], [6]), 6)


def test_arrays_of_different_length_are_refused():
    with pytest.raises(ValueError, match="differ"):
        renumber(*arrays([0], [1, 2]), 6)
