"""Tiny video clips for tests, made with PyAV, which the tests that import this may lack."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from made_up_networks import Spot, drawn
from numpy.typing import NDArray

av = pytest.importorskip("av")

RECORDED = "2021-07-08T09:10:11.000000Z"


def write_clip(
    path: Path,
    frames: Sequence[NDArray[np.uint8]],
    *,
    codec: str = "libx264",
    rate: int = 1,
    keys: int = 1,
    aspect: Fraction | None = None,
    recorded: str | None = RECORDED,
    options: dict[str, str] | None = None,
) -> Path:
    """A clip of these frames, so many a second; every keys-th is a key frame."""
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg writes no {codec}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "rgb24" if codec == "png" else "yuv420p"
        stream.codec_context.gop_size = keys
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if recorded:
            container.metadata["creation_time"] = recorded
        if codec == "libx264":
            stream.codec_context.options = {"crf": "18", "sc_threshold": "0", "bf": "0"}
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def film(path: Path, *scenes: Sequence[Spot], note: int = 0) -> Path:
    """A clip of a second for each scene, every pixel of which is as `draw` makes it."""
    return write_clip(path, [drawn(*faces, note=note) for faces in scenes], codec="png")


def turn(clip: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write another display matrix (a, b, c, d) into an MP4 or MOV file."""
    data = bytearray(clip.read_bytes())
    a, b, c, d = (sign * 65536 for sign in matrix)
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    clip.write_bytes(data)
    return clip
