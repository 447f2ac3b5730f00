"""Files of torch: damage of any kind is one kind of error."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from facecluster.errors import TrainingError
from facecluster.facenet.tensor_file import read_tensors, write_tensors


@pytest.mark.parametrize("zipped", [True, False])
def test_damage_anywhere_is_a_value_error(zipped: bool, tmp_path: Path) -> None:
    path, chance = tmp_path / "damaged.pt", random.Random(0)
    torch.save({"a": torch.zeros(3)}, path, _use_new_zipfile_serialization=zipped)
    whole, refused = path.read_bytes(), 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged[: chance.choice([len(damaged), chance.randrange(len(damaged))])])
        try:
            read_tensors(path, "cpu")
        except ValueError as error:
            refused += 1
            assert "it is damaged" in str(error)
    assert refused > 100


def test_what_is_written_is_read_and_what_was_there_stays_where_nothing_can(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.pt"
    write_tensors({"a": torch.arange(3)}, path)
    (tmp_path / "a.part").mkdir()
    with pytest.raises(TrainingError, match=r"a\.pt cannot be written: Is a directory"):
        write_tensors({"a": torch.zeros(3)}, path)
    found = read_tensors(path, "cpu")
    assert isinstance(found, dict) and found["a"].tolist() == [0, 1, 2]
    with pytest.raises(FileNotFoundError):
        read_tensors(tmp_path / "none.pt", "cpu")
