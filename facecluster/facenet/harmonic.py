"""Harmonic embeddings: a new network whose vectors compare with stored ones of an old (appendix).

The old network (v1) is fixed; its vectors of the training faces stand beside the new network's (v2)
in one batch, so that the triplets mix both: an anchor of one, a positive or negative of the other.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import TrainingError
from facecluster.facenet.checkpoint import load
from facecluster.facenet.dataset import FaceTable
from facecluster.facenet.training import embed_mirrored

__all__ = ["old_vectors"]


def old_vectors(path: Path, table: FaceTable, *, dimension: int) -> NDArray[np.float32]:
    """What the old network in the file stored for these faces: (N, D) unit rows.

    TrainingError when its vectors have another dimension than the new ones will have: no distance
    is defined between the two.
    """
    network, header = load(path)
    if header.dimension != dimension:
        raise TrainingError(
            f"{path} makes vectors of {header.dimension} dimensions, the new network {dimension}: "
            f"say --dimension {header.dimension}."
        )
    return embed_mirrored(network, table, size=(header.height, header.width))
