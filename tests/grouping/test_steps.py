import numpy as np
import pytest

from facecluster.grouping import METHODS, Constraints, Settings, group, group_steps
from facecluster.grouping.steps import part, result

from .test_agglomerative import people


def count(to, value):
    for number in range(1, to + 1):
        yield number / to
    return value


def test_the_result_is_what_the_steps_return():
    assert result(count(3, "all")) == "all"
    assert result(count(0, "at once")) == "at once"


def test_a_part_has_its_share_of_the_whole():
    shares, steps = [], part(count(4, "done"), 0.5, 0.9)
    with pytest.raises(StopIteration) as end:
        while True:
            shares.append(next(steps))
    assert shares == pytest.approx([0.6, 0.7, 0.8, 0.9])
    assert end.value.value == "done"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [0, 1, 900])
def test_shares_rise_to_one_and_the_labels_are_those_of_group(method, n):
    rows = people(0, n, 16, 0.9, 30)
    bound = Constraints.none(n)
    shares, steps = [0.0], group_steps(rows, Settings(method, 0.9), bound)
    with pytest.raises(StopIteration) as end:
        while True:
            shares.append(next(steps))
    assert (np.diff(shares) >= 0).all()
    assert shares[-1] <= 1.0
    assert n < 900 or len(shares) > 1
    assert np.array_equal(
        end.value.value, group(rows, method=method, threshold=0.9, k=None, constraints=bound)
    )
