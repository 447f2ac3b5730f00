"""Frames of clips: what counts as the same picture, how many pay, what they cost.

    python tests/benchmarks/measure_clips.py [alike] [count] [cost] [--photos DIR] [--faces DIR]

alike: grey sketches of two frames of a still scene, and of two between which something happened,
after H.264 (720p, CRF 23 and 30): the share of pairs taken for the same at some limits. Scenes and
faces are photos of ../shared/data (library, lfw-dev). count: how many of a clip's scenes (their
lengths exponentially distributed) are seen by so many evenly spread frames, and the processor time
of reading and analysing them. cost: reading a clip's frames beside decoding all of it (1080p, a key
frame a second), of a clip of a minute and of an hour; hashing pieces beside hashing all.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facecluster import Analyzer, Detector, open_model
from facecluster.images import content_hash, video

Pixels = NDArray[np.uint8]
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
LIMITS = (4, 6, 8, 12)


def filling(path: Path, size: tuple[int, int]) -> Pixels:
    """The photo, enlarged and cut to this width and height."""
    with Image.open(path) as photo:
        scale = max(size[0] / photo.width, size[1] / photo.height)
        large = photo.convert("RGB").resize(
            (round(photo.width * scale), round(photo.height * scale))
        )
    x, y = (large.width - size[0]) // 2, (large.height - size[1]) // 2
    return np.array(large.crop((x, y, x + size[0], y + size[1])))


def grainy(pixels: NDArray[np.generic], sigma: float, chance: np.random.Generator) -> Pixels:
    return np.clip(pixels + chance.normal(0, sigma, pixels.shape), 0, 255).astype(np.uint8)


def encode(
    file: object, frames: Sequence[Pixels], count: int, *, keys: int, **options: str
) -> None:
    """Write `count` frames, these again and again, 30 a second, as H.264 in MP4."""
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.codec_context.gop_size = "yuv420p", keys
        stream.codec_context.options = {"preset": "ultrafast", **options}
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(frames[number % len(frames)], format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def sketches(frames: Sequence[Pixels], crf: int) -> list[NDArray[np.int16]]:
    file, found = io.BytesIO(), []
    encode(file, frames, len(frames), keys=1, crf=str(crf))
    file.seek(0)
    with av.open(file) as container:
        for frame in container.decode(video=0):
            kept: list[NDArray[np.int16]] = []
            video._is_new(frame, kept)
            found += kept
    return found


def pairs(
    photos: Sequence[Path], faces: Sequence[Path], fate: random.Random, chance: np.random.Generator
) -> dict[str, list[Pixels]]:
    """Two frames of each kind of pair."""
    size = (1280, 720)
    scene = filling(fate.choice(photos), size)

    def with_face(side: int) -> Pixels:
        with Image.open(fate.choice(faces)) as photo:
            face = np.array(photo.convert("RGB").crop((70, 65, 180, 185)).resize((side, side)))
        x, y = fate.randrange(size[0] - side), fate.randrange(size[1] - side)
        changed = scene.copy()
        changed[y : y + side, x : x + side] = face
        return changed

    second = {
        "nothing happens": scene,
        "3 % brighter": np.clip(scene * 1.03, 0, 255),
        "camera moves 2 pixels": np.roll(scene, (1, 2), (0, 1)),
        "camera moves 8 pixels": np.roll(scene, (4, 8), (0, 1)),
        **{f"a face of {side} pixels comes in": with_face(side) for side in (22, 32, 48, 96)},
    }
    found = {
        kind: [grainy(scene, 4, chance), grainy(other, 4, chance)] for kind, other in second.items()
    }
    found["nothing happens, in the dark"] = [grainy(scene, 12, chance) for _ in range(2)]
    return found


def measure_alike(options: argparse.Namespace) -> None:
    photos = sorted(options.photos.rglob("*.jpg"))
    faces = sorted(options.faces.rglob("*.jpg"))
    fate, chance = random.Random(0), np.random.default_rng(0)
    gaps: dict[str, list[int]] = {}
    for _ in range(40):
        for kind, frames in pairs(photos, faces, fate, chance).items():
            for crf in (23, 30):
                # one frame alone, so that neither is left out as the same
                (one,), (other,) = (sketches([frame], crf) for frame in frames)
                gaps.setdefault(kind, []).append(int(np.abs(one - other).max()))
    print(f"\n| taken for the same at most this far apart | {' | '.join(map(str, LIMITS))} |")
    print("|---" * (len(LIMITS) + 1) + "|")
    for kind, values in gaps.items():
        shares = (f"{np.mean(np.array(values) <= limit):.0%}" for limit in LIMITS)
        print(f"| {kind} | {' | '.join(shares)} |")


def seen(frames: int, scenes: int, chance: np.random.Generator) -> float:
    """The share of a clip's scenes that so many frames in the middle of equal parts fall into."""
    shares = []
    for _ in range(2000):
        ends = np.cumsum(chance.exponential(size=scenes))
        moments = (np.arange(frames) + 0.5) / frames * ends[-1]
        shares.append(len(set(np.searchsorted(ends, moments).tolist())) / scenes)
    return float(np.mean(shares))


def spent(work: Callable[[], object]) -> float:
    """Processor seconds, the least of three times."""
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return best


def filmed(folder: Path, options: argparse.Namespace) -> Path:
    """A minute of 1080p, a key frame a second, of scenes that last three seconds."""
    photos = random.Random(0).sample(sorted(options.photos.rglob("*.jpg")), 20)
    chance, clip = np.random.default_rng(0), folder / "minute.mp4"
    frames = [grainy(filling(path, (1920, 1080)), 4, chance) for path in photos]
    shown = [frame for frame in frames for _ in range(90)]
    encode(str(clip), shown, len(shown), keys=30, crf="28")
    return clip


def measure_count(options: argparse.Namespace) -> None:
    analyzer = Analyzer(Detector(), open_model("nn4"))
    chance = np.random.default_rng(0)
    print("\n| frames | scenes seen of 4 | of 8 | of 16 | read, s | and analysed, s |")
    print("|---" * 6 + "|")
    with tempfile.TemporaryDirectory() as name:
        clip = filmed(Path(name), options)
        for frames in (1, 2, 4, 8, 12, 16):
            video.FRAMES = frames
            pictures = [picture for _, picture in analyzer.read_all(clip)]
            reading = spent(lambda: analyzer.read_all(clip))
            analysing = spent(lambda pictures=pictures: analyzer.analyze(pictures))  # type: ignore[misc]
            shares = " | ".join(f"{seen(frames, scenes, chance):.0%}" for scenes in (4, 8, 16))
            print(f"| {frames} | {shares} | {reading:.2f} | {reading + analysing:.2f} |")


def decode_all(clip: Path) -> None:
    with av.open(str(clip)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for frame in container.decode(video=0):
            frame.reformat(format="rgb24")


def lengthened(clip: Path, times: int) -> Path:
    """The same packets again and again."""
    target = clip.with_name("hour.mp4")
    with av.open(str(target), "w") as out:
        stream = None
        for turn in range(times):
            with av.open(str(clip)) as container:
                source = container.streams.video[0]
                stream = stream or out.add_stream_from_template(source)
                for packet in container.demux(source):
                    if packet.dts is not None:
                        shift = turn * (source.duration or 0)
                        packet.pts, packet.dts = (packet.pts or 0) + shift, packet.dts + shift
                        packet.stream = stream
                        out.mux(packet)
    return target


def measure_cost(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        minute = filmed(Path(name), options)
        hour = lengthened(minute, 60)
        everything = spent(lambda: decode_all(minute))
        print("\n| clip | MB | read, s | of decoding a minute of it |\n|---|---|---|---|")
        for clip in (minute, hour):
            reading = spent(lambda clip=clip: video.read_frames(clip, 1280))  # type: ignore[misc]
            size = clip.stat().st_size / 1e6
            print(f"| {clip.stem} | {size:.0f} | {reading:.2f} | {reading / everything:.3f} |")
        pieces = spent(lambda: content_hash(hour))
        whole = spent(lambda: hashlib.sha256(hour.read_bytes()).hexdigest())
        print(f"\nhashing the hour: {pieces:.3f} s in pieces, {whole:.2f} s whole")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parts = {"alike": measure_alike, "count": measure_count, "cost": measure_cost}
    parser.add_argument("parts", nargs="*", choices=[*parts, []], default=list(parts))
    parser.add_argument("--photos", type=Path, default=DATA / "library" / "photos")
    parser.add_argument("--faces", type=Path, default=DATA / "lfw-dev")
    options = parser.parse_args()
    for part in options.parts:
        parts[part](options)


if __name__ == "__main__":
    main()
