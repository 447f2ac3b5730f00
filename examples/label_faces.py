"""Have a second teacher label the training faces, and as many made-up ones as wanted.

    facecluster models download dlib     # says where dlib's network is
    python examples/label_faces.py DATA LESSONS dlib_face_recognition_resnet_model_v1.dat
    python examples/train_bundled.py LESSONS WORK taught --start nn4.safetensors --steps 3000

DATA is a folder of aligned faces as for train_bundled.py. LESSONS is written as such a folder:
faces.csv, faces.npy (all pictures decoded, DATA's first) and teacher.npy (what both teachers say).
Made-up faces are made of those that train_bundled.py trains on, so that the people it holds out
stay unseen. About 11 ms of one core a face; --processes divides it.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from second_teacher.made_up import made_up
from second_teacher.targets import first_of_made_up, fit
from torch import Tensor
from torch.nn import functional
from train_bundled import trained_on

from facecluster.facenet.dataset import FaceTable, read_table
from facecluster.facenet.dlib_file import checked
from facecluster.facenet.dlib_resnet import SIDE, DlibResNet, load_dlib_resnet

# Where dlib's crop lies in the 128 x 128 picture: its pixels are so much finer, by the distance of
# the eyes, and the point between the eyes is there and here.
FINER, FROM, TO = 1.493, (63.91, 59.6), (74.0, 47.0)
AT_ONCE = 64
FACES_A_PERSON = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("lessons", type=Path)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("--made", type=int, default=100_000, help="made-up faces")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    checked(options.teacher)  # another file is refused now, not after the decoding
    options.lessons.mkdir(parents=True, exist_ok=True)
    table = read_table(options.data, cache=options.lessons / "given.npy")
    rows, _ = trained_on(table, FACES_A_PERSON)
    pairs = np.random.default_rng(0).choice(rows, (options.made, 2))
    shape = (len(table) + options.made, *table.pixels.shape[1:])
    open_memmap(options.lessons / "faces.npy", mode="w+", dtype=np.uint8, shape=shape).flush()
    starts = np.arange(0, shape[0], AT_ONCE)
    parts = np.array_split(starts, options.processes)
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        said = np.concatenate(pool.map(partial(label, options, pairs), parts))
    np.save(options.lessons / "teacher.npy", targets(table, rows, pairs, said))
    write_index(options.data, options.lessons, options.made)


def label(
    options: argparse.Namespace, pairs: NDArray[np.int64], starts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The second teacher's descriptors of AT_ONCE faces from each start on, given ones first; the
    faces themselves are written among the lessons."""
    torch.set_num_threads(1)
    teacher = load_dlib_resnet(options.teacher)
    given = np.load(options.lessons / "given.npy", mmap_mode="r")
    pixels = np.load(options.lessons / "faces.npy", mmap_mode="r+")
    said = []
    for start in starts:
        faces = as_maps(given[start : start + AT_ONCE])
        drawn = pairs[max(0, start - len(given)) : max(0, start + AT_ONCE - len(given))]
        if len(drawn):
            generator = torch.Generator().manual_seed(int(start))
            one, other = (as_maps(given[drawn[:, side]]) for side in (0, 1))
            faces = torch.cat([faces, made_up(one, other, generator)])
        pixels[start : start + len(faces)] = faces.permute(0, 2, 3, 1).numpy()
        said.append(described(teacher, faces))
    pixels.flush()
    return np.concatenate(said)


def as_maps(pictures: NDArray[np.uint8]) -> Tensor:
    """(B, S, S, 3) bytes -> (B, 3, S, S) in 0 to 255."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float()


@torch.inference_mode()
def described(teacher: DlibResNet, faces: Tensor) -> NDArray[np.float32]:
    """The descriptors of pictures (B, 3, 128, 128), of the part that dlib would cut out."""
    side = faces.shape[2]
    across, down = (
        (torch.arange(SIDE) - to) / FINER + origin for to, origin in zip(TO, FROM, strict=True)
    )
    middles = torch.stack(
        torch.meshgrid((across + 0.5) * 2 / side - 1, (down + 0.5) * 2 / side - 1, indexing="xy"),
        dim=-1,
    )
    crops = functional.grid_sample(
        faces,
        middles.expand(len(faces), -1, -1, -1),
        padding_mode="border",
        align_corners=False,
    )
    vectors: NDArray[np.float32] = teacher.descriptors(
        crops.contiguous(memory_format=torch.channels_last)
    ).numpy()
    return vectors


def targets(
    table: FaceTable,
    rows: NDArray[np.int64],
    pairs: NDArray[np.int64],
    said: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The joint embeddings of the given and the made-up faces, fitted to those of the training."""
    assert table.targets is not None
    first, given, made = table.targets, said[: len(table)], said[len(table) :]
    joint = fit(first[rows], given[rows])
    one, other = pairs.T
    guessed = first_of_made_up(
        (first[one], first[other]),
        (given[one] - joint.mean, given[other] - joint.mean),
        made - joint.mean,
    )
    return np.concatenate([joint.embeddings(first, given), joint.embeddings(guessed, made)])


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
