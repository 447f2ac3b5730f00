"""Bfloat16 is computed in where it is faster, and nowhere else."""

from __future__ import annotations

import pytest
import torch

from facecluster.facenet import precision
from facecluster.facenet.precision import half_precision


@pytest.mark.parametrize(
    ("wanted", "multiplies", "kind"),
    [
        (True, True, torch.bfloat16),
        (True, False, torch.float32),
        (False, True, torch.float32),
    ],
)
def test_a_cpu_computes_in_bfloat16_where_it_multiplies_it(
    wanted: bool, multiplies: bool, kind: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: multiplies)
    one = torch.ones(2, 2)
    with half_precision("cpu", wanted):
        assert (one @ one).dtype == kind
