"""How long a network takes for a face on this machine."""

from __future__ import annotations

import statistics
import time

import torch
from torch import nn

from facecluster.facenet import dlib_resnet, mobilefacenet
from facecluster.facenet.architectures import build
from facecluster.facenet.augment import MEAN, STD
from facecluster.facenet.foreign import DLIB, MOBILEFACENET
from facecluster.facenet.inference import Inference
from facecluster.facenet.precision import Precision
from facecluster.facenet.sizes import SIZES

__all__ = ["milliseconds"]

_FACES, _RUNS = 16, 5


def milliseconds(architecture: str) -> float:
    """Milliseconds a face, in batches of 16, by a network of SIZES with random weights.

    The median of five runs of a network as scans run it (`Inference`); dlib's in float32.
    """
    size = SIZES[architecture]
    height, width = size.height, size.width
    precision: Precision | None = None
    network: nn.Module
    if architecture == "inception_resnet_v1":
        from facenet_pytorch import InceptionResnetV1

        network = InceptionResnetV1().eval()
    elif architecture == DLIB.architecture:
        network, precision = dlib_resnet.unweighted(), "float32"
        height = width = DLIB.size  # of which it cuts out its input
    elif architecture == MOBILEFACENET.architecture:
        network = mobilefacenet.unweighted()
    else:
        network = build(architecture).eval()
    embed = Inference(network, mean=MEAN, std=STD, precision=precision)
    pictures = torch.randint(
        0, 256, (_FACES, 3, height, width), dtype=torch.uint8, device=embed.device
    )
    seconds = []
    for _ in range(_RUNS + 1):  # the first warms up
        started = time.perf_counter()
        embed(pictures)[0, 0].item()  # waits for a GPU
        seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds[1:]) / _FACES
