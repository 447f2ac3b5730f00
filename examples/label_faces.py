"""Have the training faces labelled by the teachers that can be asked about any picture.

    facecluster models download mobilefacenet
    python examples/label_faces.py DATA LESSONS MODEL.safetensors
    python examples/train_bundled.py LESSONS WORK asked --start MODEL.safetensors --steps 5000

DATA is a folder of aligned faces as for train_bundled.py, MODEL the network that is to go on
learning. LESSONS is written as such a folder: faces.csv, faces.npy (all pictures decoded),
teacher.npy (what MobileFaceNet and nn4 say of them, side by side), often.npy (how often each is to
be drawn) and directions.npy (in which both are told: those in which MODEL's vectors agree most),
for the stages "asked" and "tiny-asked", which ask the teachers about each picture anew. For nns2
let nn4 count --before 1.6: so small a network learns children from it alone. About 15 ms of one
core a face.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from second_teacher.targets import agreeing, directions, unit, whole

from facecluster import Embedder, align, open_model
from facecluster.embed import BUNDLED
from facecluster.facenet.dataset import FaceTable, read_table
from facecluster.facenet.foreign import MOBILEFACENET

AT_ONCE = 64
# Faces away from the centre, adults mostly, are drawn twice as often.
NEAR_CENTRE = 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("lessons", type=Path)
    parser.add_argument("model", type=Path)
    told = "what nn4's vector counts beside MobileFaceNet's"
    parser.add_argument("--before", type=float, default=0.8, help=told)
    options = parser.parse_args()
    names = (MOBILEFACENET.name, BUNDLED, str(options.model))
    networks = [open_model(name) for name in names]  # what is missing is said before the decoding
    options.lessons.mkdir(parents=True, exist_ok=True)
    table = read_table(options.data, cache=options.lessons / "faces.npy")
    adults, before = (label(network, table) for network in networks[:2])
    is_nn4 = networks[1].fingerprint == networks[2].fingerprint
    begun = before if is_nn4 else label(networks[2], table)
    centre = np.array(MOBILEFACENET.measured().centre, np.float32)
    near = whole(adults, centre) @ (centre / np.linalg.norm(centre)) >= NEAR_CENTRE
    np.save(options.lessons / "often.npy", np.where(near, 1.0, 2.0))
    write_targets(options.lessons, adults, before, options.before, begun)
    shutil.copyfile(options.data / "faces.csv", options.lessons / "faces.csv")


def write_targets(
    lessons: Path,
    adults: NDArray[np.float32],
    before: NDArray[np.float32],
    weight: float,
    begun: NDArray[np.float32],
) -> None:
    """What a network that begins with the vectors begun (N, D) is to say of each face: what the
    other two say, the second by this weight."""
    said = np.concatenate([adults, np.float32(weight) * before], axis=1)
    kept = directions(said, begun.shape[1])
    kept = kept @ agreeing(unit(said @ kept), begun)
    np.save(lessons / "teacher.npy", unit(said @ kept))
    kept[adults.shape[1] :] *= np.float32(weight)  # for vectors that are not weighed yet
    np.save(lessons / "directions.npy", kept)


def label(network: Embedder, table: FaceTable) -> NDArray[np.float32]:
    """The network's embeddings of the table's faces."""
    marks = align.TEMPLATE + table.margin
    size, margin = network.crop_size, network.margin
    said = np.empty((len(table), network.dimension), np.float32)
    for start in range(0, len(table), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        crops = [align.crop(pixels, marks, size, margin) for pixels in table.pixels[some]]
        said[some] = network.embed(np.array(crops))
    return said


if __name__ == "__main__":
    main()
