"""The trainer of the bundled networks: where its sittings end."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

from train_bundled import COMMON, sitting

from facecluster.facenet.optimisers import learning_rate
from facecluster.facenet.training import TrainingConfig


def test_a_last_sitting_that_was_killed_ends_where_it_was_to(tmp_path: Path) -> None:
    def begun(step: int, steps: int) -> TrainingConfig:
        return sitting(COMMON, tmp_path, step, steps)

    assert begun(1000, 0) == COMMON
    first = begun(1000, 600)
    assert (first.steps, first.cooldown) == (1600, 600)
    killed = begun(1400, 600)
    assert killed == first
    assert learning_rate(killed, 1400) == COMMON.learning_rate / 3
    assert begun(1000, 600) == first, "killed before its state was kept"
    assert begun(1600, 600).steps == 2200, "the first one was over"
    assert begun(1700, 300).steps == 2000
    assert begun(0, 300).steps == 300, "the state was taken away"
    assert begun(100, 0) == COMMON
    assert begun(150, 300).steps == 450, "between them was another sitting"
