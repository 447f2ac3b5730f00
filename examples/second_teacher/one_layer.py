"""The network's own head and the one beside it, made one layer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facecluster.facenet.architectures import FaceNet
from facecluster.facenet.dataset import FaceTable
from second_teacher.fitted import features
from second_teacher.targets import directions

__all__ = ["one_layer"]


@torch.no_grad()
def one_layer(
    network: FaceNet,
    head: Mapping[str, Tensor],
    faces: FaceTable,
    first: NDArray[np.float32],
    weight: float,
    *,
    size: tuple[int, int],
) -> None:
    """Let the network tell what both heads tell, side by side: the second one counts `weight`.

    What both teachers say of some faces (their targets, and first) decides the directions that are
    kept, as many as the network has dimensions. Both heads are told in units of how long what they
    say is on average, as only the directions of that were taught.
    """
    layer = network.projection
    assert faces.targets is not None
    kept = torch.from_numpy(
        directions(np.concatenate([faces.targets, weight * first], axis=1), layer.out_features)
    )
    second = nn.Linear(layer.in_features, first.shape[1])
    second.load_state_dict(dict(head))
    seen = features(network, faces, size=size)
    lengths = [float(one(seen).norm(dim=1).mean()) for one in (layer, second)]
    both = zip((layer, second), lengths, (1.0, weight), strict=True)
    parts = [(one.weight * (share / long), one.bias * (share / long)) for one, long, share in both]
    layer.weight.copy_(kept.T @ torch.cat([weights for weights, _ in parts]))
    layer.bias.copy_(kept.T @ torch.cat([bias for _, bias in parts]))
