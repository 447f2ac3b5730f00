"""Have a second teacher label the training faces, and as many made-up ones as wanted.

    facecluster models download dlib     # says where dlib's network is
    python examples/label_faces.py DATA LESSONS dlib_face_recognition_resnet_model_v1.dat
    python examples/train_bundled.py LESSONS WORK hinted --start nn4.safetensors --steps 4000

DATA is a folder of aligned faces as for train_bundled.py. LESSONS is written as such a folder:
faces.csv, faces.npy (all pictures decoded, DATA's first) and teacher.npy (what both teachers say);
and second.npy and maps.npy, what the second one says and what it sees on the way, for the stage
"hinted". Made-up faces are made of two or three of those that train_bundled.py trains on, so that
the people it holds out stay unseen. About 8 ms of one core a face, 11 without bfloat16;
--processes divides it. A face takes 56 kB of LESSONS.
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
from second_teacher.targets import Joint, first_of_made_up, fit, unit
from torch import Tensor
from torch.nn import functional
from train_bundled import trained_on

from facecluster.facenet.dataset import FaceTable, read_table
from facecluster.facenet.dlib_file import checked
from facecluster.facenet.dlib_resnet import SIDE, DlibResNet, load_dlib_resnet
from facecluster.facenet.precision import multiplies_bfloat16

# Where dlib's crop lies in the 128 x 128 picture: its pixels are so much finer, by the distance of
# the eyes, and the point between the eyes is there and here.
FINER, FROM, TO = 1.493, (63.91, 59.6), (74.0, 47.0)
AT_ONCE = 64
FACES_A_PERSON = 30
# Height, width and channels of dlib's maps before its last stage.
MAPS = (4, 4, 256)
# In the place of a third parent.
NOBODY = -1
# Faces whose targets are computed at a time.
FEW = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("lessons", type=Path)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("--made", type=int, default=100_000, help="made-up faces")
    parser.add_argument("--weight", type=float, default=1.0, help="of the second, beside the first")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    checked(options.teacher)  # another file is refused now, not after the decoding
    options.lessons.mkdir(parents=True, exist_ok=True)
    table = read_table(options.data, cache=options.lessons / "given.npy")
    rows, _ = trained_on(table, FACES_A_PERSON)
    parents = np.random.default_rng(0).choice(rows, (options.made, 3))
    parents[::2, 2] = NOBODY
    shape = (len(table) + options.made, *table.pixels.shape[1:])
    for name, kind, size in (("faces", np.uint8, shape), ("maps", np.float16, (shape[0], *MAPS))):
        open_memmap(options.lessons / f"{name}.npy", mode="w+", dtype=kind, shape=size).flush()
    starts = np.arange(0, shape[0], AT_ONCE)
    parts = np.array_split(starts, options.processes)
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        said = np.concatenate(pool.map(partial(label, options, parents), parts))
    assert table.targets is not None
    joint = fit(table.targets[rows], said[rows], weight=options.weight)
    np.save(options.lessons / "second.npy", unit(said - joint.mean))
    np.save(options.lessons / "teacher.npy", targets(table, joint, parents, said))
    write_index(options.data, options.lessons, options.made)


def label(
    options: argparse.Namespace, parents: NDArray[np.int64], starts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The second teacher's descriptors of AT_ONCE faces from each start on, given ones first; the
    faces themselves and its maps are written among the lessons."""
    torch.set_num_threads(1)
    teacher = load_dlib_resnet(options.teacher)
    given = np.load(options.lessons / "given.npy", mmap_mode="r")
    pixels, seen = (
        np.load(options.lessons / f"{name}.npy", mmap_mode="r+") for name in ("faces", "maps")
    )
    said = []
    for start in starts:
        faces = as_maps(given[start : start + AT_ONCE])
        drawn = parents[max(0, start - len(given)) : max(0, start + AT_ONCE - len(given))]
        if len(drawn):
            generator = torch.Generator().manual_seed(int(start))
            faces = torch.cat([faces, of_parents(given, drawn, generator)])
        some = slice(start, start + len(faces))
        pixels[some] = faces.permute(0, 2, 3, 1).numpy()
        descriptors, maps = described(teacher, faces)
        seen[some] = maps
        said.append(descriptors)
    pixels.flush()
    seen.flush()
    return np.concatenate(said)


def of_parents(
    given: NDArray[np.uint8], parents: NDArray[np.int64], generator: torch.Generator
) -> Tensor:
    """A face made up of two others each, and of a third where there is one."""
    faces, others = (as_maps(given[parents[:, place]]) for place in (0, 1))
    made = made_up(faces, others, generator)
    more = np.flatnonzero(parents[:, 2] != NOBODY)
    if len(more):
        made[more] = made_up(made[more], as_maps(given[parents[more, 2]]), generator)
    return made


def as_maps(pictures: NDArray[np.uint8]) -> Tensor:
    """(B, S, S, 3) bytes -> (B, 3, S, S) in 0 to 255."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float()


@torch.inference_mode()
def described(
    teacher: DlibResNet, faces: Tensor
) -> tuple[NDArray[np.float32], NDArray[np.float16]]:
    """The descriptors of pictures (B, 3, 128, 128), of the part that dlib would cut out, and the
    maps (B, *MAPS) before the last stage."""
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
    with torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bfloat16()):
        vectors, maps = teacher.descriptors_and_maps(
            crops.contiguous(memory_format=torch.channels_last)
        )
    return vectors.numpy(), maps.permute(0, 2, 3, 1).half().numpy()


def targets(
    table: FaceTable, joint: Joint, parents: NDArray[np.int64], said: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The joint embeddings of the given and the made-up faces."""
    assert table.targets is not None
    first, given, made = table.targets, said[: len(table)], said[len(table) :]
    guessed = np.empty_like(made)
    for start in range(0, len(made), FEW):
        some = parents[start : start + FEW]
        there = (some != NOBODY)[..., None]
        guessed[start : start + FEW] = first_of_made_up(
            first[some] * there,
            (given[some] - joint.mean) * there,
            made[start : start + FEW] - joint.mean,
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
