"""Ten thousand random actions: whatever is said, undone, scanned and grouped, nothing is lost.

    python tests/benchmarks/stress_never_lost.py [--actions 10000] [--steps 100] [--seed 0]

The state machine of tests/library/test_never_lost.py, at length: libraries of up to 12 faces, each
led through `steps` actions by hypothesis, all invariants checked after each. Prints how many were
taken; a failure ends it with the list of actions that led there.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import hypothesis
from hypothesis.stateful import invariant, run_state_machine_as_test

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "library"))
from test_never_lost import NeverLost


class Counted(NeverLost):
    """The same machine, which counts its actions."""

    taken = 0

    @invariant()
    def one_more(self) -> None:
        Counted.taken += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--actions", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    examples = -(-chosen.actions // chosen.steps)
    machine = hypothesis.seed(chosen.seed)(Counted)
    began = time.perf_counter()
    run_state_machine_as_test(
        machine,
        settings=hypothesis.settings(
            max_examples=examples,
            stateful_step_count=chosen.steps,
            deadline=None,
            phases=[hypothesis.Phase.generate],  # to find the shortest list takes minutes
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
    # Each library begins with one check more.
    print(f"{Counted.taken - examples} actions, nothing lost: {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
