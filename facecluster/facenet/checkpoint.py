"""Finished networks as safetensors files: half-precision tensors under a header that says how to
use them."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from facecluster.errors import ModelError
from facecluster.facenet.architectures import FaceNet, build
from facecluster.facenet.header import Header, read_header
from facecluster.facenet.tensor_file import fingerprint

__all__ = ["load", "save"]


def save(network: FaceNet, path: Path, header: Header) -> Header:
    """Write the network's weights as float16 with `header`; returns the header with its true
    fingerprint.

    Whole or not at all; ModelError for weights that float16 cannot hold. The step counts of batch
    normalisation are left out: inference does not need them.
    """
    tensors = {
        name: tensor.detach().cpu().to(torch.float16).contiguous()
        for name, tensor in network.state_dict().items()
        if tensor.is_floating_point()
    }
    lost = [name for name, tensor in tensors.items() if tensor.isinf().any()]
    if lost:  # half precision ends at 65,504
        raise ModelError(
            f"{path} cannot be written: {lost[0]} is too large, as a learning rate makes it that "
            "is too high."
        )
    written = header.with_fingerprint(fingerprint(tensors))
    partial = path.with_suffix(".part")
    try:
        save_file(tensors, os.fspath(partial), metadata=written.to_metadata())
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise ModelError(f"{path} cannot be written: {error}") from error
    return written


def load(path: Path) -> tuple[FaceNet, Header]:
    """The network (float32, evaluation mode) and its header; raises ModelError for anything
    amiss.

    The tensors are checked against the fingerprint, so a damaged file is never used.
    """
    header = read_header(path)
    try:
        tensors = load_file(os.fspath(path))
        found = fingerprint(tensors)
    except (OSError, SafetensorError, TypeError) as error:  # numbers of a kind that numpy has not
        raise ModelError(f"The weights {path} are damaged: {error}") from error
    if found != header.fingerprint:
        raise ModelError(f"The weights {path} do not match their fingerprint: get a fresh copy.")
    network = build(header.architecture, header.dimension, batch_norm=header.batch_norm)
    for name, counter in network.named_buffers():
        if not counter.is_floating_point():  # steps of batch normalisation, not saved
            tensors[name] = counter
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise ModelError(f"The weights {path} do not fit {header.architecture}: {first}") from error
    return network.eval(), header
