"""Have a second teacher label the training faces, and as many made-up ones as wanted.

    facecluster models download mobilefacenet
    python examples/label_faces.py DATA LESSONS
    python examples/train_bundled.py LESSONS WORK asked --start nn4.safetensors --steps 6500

DATA is a folder of aligned faces as for train_bundled.py. LESSONS is written as such a folder:
faces.csv, faces.npy (all pictures decoded, DATA's first), teacher.npy (what the second teacher says
of all), first.npy (what DATA's teacher says of the given ones) and often.npy (how often each is to
be drawn), for the stage "asked". Made-up faces are made of two or three of those that
train_bundled.py trains on, so that the people it holds out stay unseen. About 10 ms of one core a
face, and 50 kB of LESSONS.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from second_teacher.made_up import made_up
from second_teacher.targets import directions, unit, whole
from torch import Tensor
from train_bundled import trained_on

from facecluster import Embedder, open_model
from facecluster.facenet.dataset import read_table
from facecluster.facenet.foreign import MOBILEFACENET

AT_ONCE = 64
FACES_A_PERSON = 30
DIMENSION = 128
# In the place of a third parent.
NOBODY = -1
# Of the centre of all faces. Children are near it: less of it taken off sets adults further apart,
# more of it children.
CENTRE_TAKEN = 0.5
# Faces away from the centre, adults mostly, are drawn twice as often.
NEAR_CENTRE = 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("lessons", type=Path)
    parser.add_argument("--made", type=int, default=100_000, help="made-up faces")
    options = parser.parse_args()
    teacher = open_model(MOBILEFACENET.name)  # if it is not there, that is said before the decoding
    options.lessons.mkdir(parents=True, exist_ok=True)
    table = read_table(options.data, cache=options.lessons / "given.npy")
    rows, _ = trained_on(table, FACES_A_PERSON)
    parents = np.random.default_rng(0).choice(rows, (options.made, 3))
    parents[::2, 2] = NOBODY
    said = label(teacher, options.lessons, table.margin, parents)
    centre = np.array(MOBILEFACENET.measured().centre, np.float32)
    write_targets(options.lessons, said, centre, given=len(table))
    assert table.targets is not None
    np.save(options.lessons / "first.npy", table.targets)
    write_index(options.data, options.lessons, options.made)


def write_targets(
    lessons: Path, said: NDArray[np.float32], centre: NDArray[np.float32], *, given: int
) -> None:
    """What a network of 128 dimensions is to say of each face, and how often it is to be asked."""
    vectors = whole(said, centre)
    near = vectors @ (centre / np.linalg.norm(centre)) >= NEAR_CENTRE
    np.save(lessons / "often.npy", np.where(near, 1.0, 2.0))
    rows = unit(vectors - CENTRE_TAKEN * centre)
    np.save(lessons / "teacher.npy", unit(rows @ directions(rows[:given], DIMENSION)))


def label(
    teacher: Embedder, lessons: Path, margin: int, parents: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The teacher's embeddings of the given faces, and of one made up of each parents'; all these
    faces are written among the lessons."""
    given = np.load(lessons / "given.npy", mmap_mode="r")
    shape = (len(given) + len(parents), *given.shape[1:])
    pixels = open_memmap(lessons / "faces.npy", mode="w+", dtype=np.uint8, shape=shape)
    said = np.empty((len(pixels), teacher.dimension), np.float32)
    inner = slice(margin, pixels.shape[1] - margin)
    for start in range(0, len(pixels), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        made = parents[max(0, start - len(given)) : max(0, start + AT_ONCE - len(given))]
        generator = torch.Generator().manual_seed(start)
        pixels[some] = np.concatenate([given[some], of_parents(given, made, generator)])
        said[some] = teacher.embed(np.ascontiguousarray(pixels[some, inner, inner]))
    pixels.flush()
    return said


def of_parents(
    given: NDArray[np.uint8], parents: NDArray[np.int64], generator: torch.Generator
) -> NDArray[np.uint8]:
    """A face made up of two others each, and of a third where there is one."""
    if not len(parents):
        return given[:0]
    faces, others = (as_maps(given[parents[:, place]]) for place in (0, 1))
    made = made_up(faces, others, generator)
    more = np.flatnonzero(parents[:, 2] != NOBODY)
    if len(more):
        made[more] = made_up(made[more], as_maps(given[parents[more, 2]]), generator)
    return made.permute(0, 2, 3, 1).byte().numpy()


def as_maps(pictures: NDArray[np.uint8]) -> Tensor:
    """(B, S, S, 3) bytes -> (B, 3, S, S) in 0 to 255."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float()


def write_index(data: Path, lessons: Path, made: int) -> None:
    """faces.csv of the data, and a line without a name for each made-up face."""
    with (data / "faces.csv").open(newline="", encoding="utf-8") as file:
        given = list(csv.DictReader(file))
    with (lessons / "faces.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, given[0])
        writer.writeheader()
        writer.writerows(given)
        for number in range(len(given), len(given) + made):
            writer.writerow(dict.fromkeys(given[0], "") | {"row": number, "source": "made-up"})


if __name__ == "__main__":
    main()
