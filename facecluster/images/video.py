"""A few frames of a video clip, by FFmpeg (the extra `video`): sought, never decoded through.

Only key frames are decoded, which stand alone: a clip of an hour costs hardly more than one of ten
seconds, and encoders put a key frame where the scene changes.
"""

from __future__ import annotations

import gc
import importlib.util
import itertools
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, SupportsBytes, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facecluster.errors import UnreadableImage
from facecluster.images.picture import MAX_PIXELS, UPRIGHT, Picture

if TYPE_CHECKING:
    from av import Packet, VideoFrame, VideoStream
    from av.container import InputContainer

__all__ = ["FRAMES", "can_read_clips", "read_frame", "read_frames"]

# Of one clip at most. Twelve would see 6 to 12 points more of a clip's scenes, for 1.7 times the
# time, and more than the networks see together (tests/benchmarks/measure_clips.py).
FRAMES = 8
# Two frames whose 32 x 18 grey sketches differ nowhere by more levels than this show the same: so
# far apart are all pairs of a still scene, and of 3 % where a face of 32 pixels comes into it.
_SAME = 6
_SKETCH = (32, 18)

# What clips are kept in. Not the formats that name other files or addresses to be opened.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,asf,ogg"
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
_SECONDS = 60.0  # that opening, or one reading, of a file may take
_SEARCH = 2_000  # packets read to find a key frame
_PACKETS = 20_000  # read of a clip that does not tell its length
_BACK = (0.0, 2.0, 20.0)  # seconds before a moment from where it is looked for, one after the other
_NEAR = 0.0006  # seconds: moments are told in milliseconds

# Pixels of clips, of 14 bytes each in a decoder, that may wait for the garbage collector.
_HOLD = 1 << 24

# Signs of the display matrix (a, b, c, d) -> EXIF orientation.
_ORIENTATION: dict[tuple[int, ...], int] = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)? ?(Z|[+-]\d\d:?\d\d)?")
_UNSET = 1971  # clocks that were never set tell 1904 or 1970
_MISSING = "clips need a package that is not installed: pip install 'facecluster[video]'"


def can_read_clips() -> bool:
    """Whether the package for clips is installed; imports nothing."""
    return importlib.util.find_spec("av") is not None


def read_frames(path: Path, longest: int) -> list[tuple[float, Picture]]:
    """At most 8 key frames with their seconds, spread evenly over the clip, by time.

    Left out are those that look like an earlier one, and those that cannot be decoded. Raises
    UnreadableImage, without a path, when no frame is left, and whatever FFmpeg raises for a file
    that is no clip.
    """
    found: dict[float, Picture] = {}
    sketches: list[NDArray[np.int16]] = []
    with _opened(path) as clip:
        seen: set[float] = set()
        length = clip.length()
        for place in range(FRAMES):
            packet = clip.key_packet((place + 0.5) / FRAMES * length)
            if packet is None or clip.seconds(packet) in seen:
                continue
            seconds = clip.seconds(packet)
            seen.add(seconds)
            frame = clip.decoded(packet)
            if frame is not None and _is_new(frame, sketches):
                found[seconds] = clip.picture(frame, seconds, longest)
    if not found:
        raise UnreadableImage("none of its frames can be decoded")
    return sorted(found.items())


def read_frame(path: Path, seconds: float, longest: int) -> Picture:
    """The key frame at this moment of the clip, or the last before it; raises as `read_frames`."""
    with _opened(path) as clip:
        packet = clip.last_key_packet(seconds)
        frame = clip.decoded(packet) if packet else None
        if packet is None or frame is None:
            raise UnreadableImage("it has no frame there that can be decoded")
        return clip.picture(frame, clip.seconds(packet), longest)


@dataclass(frozen=True, slots=True)
class _Clip:
    """An open clip: start is the time of its beginning, begun when it was recorded."""

    container: InputContainer
    stream: VideoStream
    start: float
    begun: datetime

    def seconds(self, packet: Packet[VideoStream]) -> float:
        """When the packet's frame is shown, from the beginning of the clip."""
        ticks = packet.dts if packet.pts is None else packet.pts
        time = (ticks or 0) * (self.stream.time_base or 0)
        return max(0.0, round(float(time) - self.start, 3))

    def length(self) -> float:
        """Seconds; of a clip that does not tell them, those of the first packets."""
        if self.stream.duration and self.stream.time_base:
            return float(self.stream.duration * self.stream.time_base)
        if self.container.duration:
            return self.container.duration / 1e6
        return max(map(self.seconds, self._packets(_PACKETS)), default=0.0)

    def key_packet(self, seconds: float) -> Packet[VideoStream] | None:
        """The packet of a key frame near this moment; None where none can be read."""
        for back in _BACK[:2]:
            for packet in self._key_packets(seconds - back):
                return packet
        return None

    def last_key_packet(self, seconds: float) -> Packet[VideoStream] | None:
        """The packet of the last key frame up to this moment, else of the first behind it.

        Some formats land behind the moment when it is sought, so it is looked for from ever
        farther before it.
        """
        behind = None
        for back in _BACK:
            best = None
            for packet in self._key_packets(seconds - back):
                here = self.seconds(packet)
                if here > seconds + _NEAR:
                    behind = behind or packet
                    break
                best = packet
                if here > seconds - _NEAR:
                    break
            if best is not None:
                return best
        return behind

    def _key_packets(self, seconds: float) -> Iterator[Packet[VideoStream]]:
        """Those from about this moment on."""
        import av

        base = float(self.stream.time_base or 1)
        goal = int((max(0.0, seconds) + self.start + _NEAR) / base)
        try:
            self.container.seek(goal, stream=self.stream, backward=True)
        except av.FFmpegError:  # it cannot be sought, or is cut short before
            return
        yield from (packet for packet in self._packets(_SEARCH) if packet.is_keyframe)

    def _packets(self, most: int) -> Iterator[Packet[VideoStream]]:
        """The next packets, up to where the clip ends or is damaged."""
        import av

        try:
            for packet in itertools.islice(self.container.demux(self.stream), most):
                if packet.size:
                    yield packet
        except av.FFmpegError:
            return

    def decoded(self, packet: Packet[VideoStream]) -> VideoFrame | None:
        """The frame of a key packet; None for a damaged one."""
        import av

        context = self.stream.codec_context
        if context.width * context.height > MAX_PIXELS:
            raise UnreadableImage("it claims too many pixels for a clip")
        try:
            context.flush_buffers()
            # A decoder holds a frame back until the next one, or the end, is there.
            frames = [*context.decode(packet), *context.decode(None)]
        except av.FFmpegError:
            return None
        return next((frame for frame in frames if not frame.is_corrupt), None)

    def picture(self, frame: VideoFrame, seconds: float, longest: int) -> Picture:
        """The frame upright, with square pixels, reduced like a photo."""
        aspect = float(self.stream.sample_aspect_ratio or 1)
        size = (max(1, round(frame.width * aspect)), frame.height)
        scale = max(1, max(size) // longest)
        width, height = (max(1, round(side / scale)) for side in size)
        small = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
        image = Image.fromarray(small.to_ndarray())
        turn = _orientation(frame)
        if turn in UPRIGHT:
            image = image.transpose(UPRIGHT[turn])
        if turn >= 5:
            size = size[::-1]
        taken = (self.begun + timedelta(seconds=seconds)).isoformat(timespec="seconds")
        return Picture(np.array(image), float(scale), *size, turn, taken)


@contextmanager
def _opened(path: Path) -> Iterator[_Clip]:
    try:
        import av
    except ImportError as error:
        raise UnreadableImage(_MISSING) from error
    # With its scheme, so that no name is taken for an address.
    name = "file:" + os.path.abspath(path)
    _discarded.let_go()
    with av.open(name, "r", container_options=_OPTIONS, timeout=_SECONDS) as container:
        stream = container.streams.best("video")
        if not isinstance(stream, av.VideoStream):
            raise UnreadableImage("it has no pictures")
        # Files are read side by side already; more threads would hold more frames in memory.
        stream.codec_context.thread_count = 1
        stream.codec_context.skip_frame = "NONKEY"
        start = (container.start_time or 0) / av.time_base
        try:
            yield _Clip(container, stream, start, _begun(container.metadata, path))
        finally:
            _discarded.add(stream.codec_context.width * stream.codec_context.height)


class _Discarded:
    """The pixels of the clips that were closed, but whose decoders may still be in memory.

    PyAV's container and streams hold each other. Python's garbage collector takes such cycles away,
    but so few objects, however large, do not call it: without this a scan grew by a gigabyte.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pixels = 0

    def add(self, pixels: int) -> None:
        with self._lock:
            self._pixels += pixels

    def let_go(self) -> None:
        """Call the collector when it is worth its 70 ms."""
        with self._lock:
            enough = self._pixels > _HOLD
            self._pixels = 0 if enough else self._pixels
        if enough:
            gc.collect()


_discarded = _Discarded()


def _begun(metadata: dict[str, str], path: Path) -> datetime:
    """When the recording began, by the clock of where it was made if that is told.

    Else by this machine's clock: most clips tell the time in UTC, or not at all.
    """
    for key in ("com.apple.quicktime.creationdate", "creation_time"):
        told = _TIME.match(metadata.get(key, ""))
        try:
            time = datetime.fromisoformat(f"{told[1]}T{told[2]}") if told else None
            if told and time and time.year >= _UNSET:
                utc = told[3] == "Z"
                return _local(time.replace(tzinfo=timezone.utc).timestamp()) if utc else time
        except (ValueError, OverflowError, OSError):
            continue
    return _local(path.stat().st_mtime)


def _local(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp)


def _orientation(frame: VideoFrame) -> int:
    """The EXIF orientation that the display matrix means; turns by other angles count as none."""
    told = cast("Mapping[str, SupportsBytes]", frame.side_data)  # its stub knows other data only
    try:
        a, b, _, c, d = np.frombuffer(bytes(told["DISPLAYMATRIX"]), np.int32, 5)
    except (KeyError, ValueError):
        return 1
    return _ORIENTATION.get((*map(int, np.sign([a, b, c, d])),), 1)


def _is_new(frame: VideoFrame, sketches: list[NDArray[np.int16]]) -> bool:
    """Whether the frame looks like none before it; if so it is one of them from now on."""
    width, height = _SKETCH
    small = frame.reformat(width=width, height=height, format="gray", interpolation="AREA")
    sketch = small.to_ndarray().astype(np.int16)
    if any(np.abs(sketch - other).max() <= _SAME for other in sketches):
        return False
    sketches.append(sketch)
    return True
