"""How long a network takes for a face on this machine."""

from __future__ import annotations

import statistics
import time

import torch
from torch import nn

from facecluster.facenet import dlib_file
from facecluster.facenet.architectures import build
from facecluster.facenet.dlib_resnet import unweighted
from facecluster.facenet.fold import folded
from facecluster.facenet.sizes import SIZES

__all__ = ["milliseconds"]

_FACES, _RUNS = 16, 5


def milliseconds(architecture: str, *, reduced: bool) -> float:
    """Milliseconds a face, in batches of 16, by a network of SIZES with random weights.

    The median of five runs of a network as scans run it: batch normalisation folded away, channels
    last, on the GPU where there is one; reduced: convolutions in bfloat16.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    height, width = SIZES[architecture].height, SIZES[architecture].width
    network: nn.Module
    if architecture == "inception_resnet_v1":
        from facenet_pytorch import InceptionResnetV1

        network = InceptionResnetV1().eval()
    elif architecture == dlib_file.ARCHITECTURE:
        network = unweighted()
        height = width = dlib_file.SIZE  # of which it cuts out its input
    else:
        network = build(architecture).eval()
    network = folded(network).to(device).to(memory_format=torch.channels_last)
    if reduced:
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.to(torch.bfloat16)
    pictures = torch.randn(_FACES, 3, height, width, device=device)
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    seconds = []
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=reduced):
        for _ in range(_RUNS + 1):  # the first warms up
            started = time.perf_counter()
            network(pictures)[0, 0].item()  # waits for a GPU
            seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds[1:]) / _FACES
