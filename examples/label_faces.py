"""Have a second teacher label the training faces.

    facecluster models download mobilefacenet
    python examples/label_faces.py DATA LESSONS
    python examples/train_bundled.py LESSONS WORK asked --start nn4.safetensors --steps 3000

DATA is a folder of aligned faces as for train_bundled.py. LESSONS is written as such a folder:
faces.csv, faces.npy (all pictures decoded), teacher.npy (what the second teacher says of them),
first.npy (what DATA's teacher says), often.npy (how often each is to be drawn) and directions.npy
(in which the second teacher's vectors are told), for the stages "asked" and "tiny-asked", which ask
that teacher about made-up faces themselves. About 10 ms of one core a face.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from second_teacher.targets import directions, unit, whole
from second_teacher.teacher import CENTRE_TAKEN

from facecluster import Embedder, open_model
from facecluster.facenet.dataset import FaceTable, read_table
from facecluster.facenet.foreign import MOBILEFACENET

AT_ONCE = 64
DIMENSION = 128
# Faces away from the centre, adults mostly, are drawn twice as often.
NEAR_CENTRE = 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("lessons", type=Path)
    options = parser.parse_args()
    teacher = open_model(MOBILEFACENET.name)  # if it is not there, that is said before the decoding
    options.lessons.mkdir(parents=True, exist_ok=True)
    table = read_table(options.data, cache=options.lessons / "faces.npy")
    assert table.targets is not None
    centre = np.array(MOBILEFACENET.measured().centre, np.float32)
    write_targets(options.lessons, label(teacher, table), centre)
    np.save(options.lessons / "first.npy", table.targets)
    shutil.copyfile(options.data / "faces.csv", options.lessons / "faces.csv")


def write_targets(lessons: Path, said: NDArray[np.float32], centre: NDArray[np.float32]) -> None:
    """What a network of 128 dimensions is to say of each face, and how often it is to be asked."""
    vectors = whole(said, centre)
    near = vectors @ (centre / np.linalg.norm(centre)) >= NEAR_CENTRE
    np.save(lessons / "often.npy", np.where(near, 1.0, 2.0))
    rows = unit(vectors - CENTRE_TAKEN * centre)
    kept = directions(rows, DIMENSION)
    np.save(lessons / "directions.npy", kept)
    np.save(lessons / "teacher.npy", unit(rows @ kept))


def label(teacher: Embedder, table: FaceTable) -> NDArray[np.float32]:
    """The teacher's embeddings of the table's faces."""
    said = np.empty((len(table), teacher.dimension), np.float32)
    inner = slice(table.margin, table.pixels.shape[1] - table.margin)
    for start in range(0, len(table), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        said[some] = teacher.embed(np.ascontiguousarray(table.pixels[some, inner, inner]))
    return said


if __name__ == "__main__":
    main()
