"""A whole scan beside facenet-pytorch used as its README shows: photos/s, peak memory, ratio.

    python tests/benchmarks/bench_scan.py [FOLDER] [--photos N] [--rounds R]

FOLDER defaults to ../shared/data/library/photos. Each round runs both as processes of their own,
one after the other, on the same photos and with all cores: `facecluster scan` into a new library,
and full-size decoding, MTCNN(keep_all=True) and InceptionResnetV1 (random weights: none are
downloaded) on each photo. Prints a Markdown table of medians; starting up counts for both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

FACENET_PYTORCH = """
import sys
from pathlib import Path
import torch
from facenet_pytorch import MTCNN, InceptionResnetV1
from PIL import Image
mtcnn, network = MTCNN(keep_all=True), InceptionResnetV1(classify=False, num_classes=1).eval()
with torch.no_grad():
    for path in sorted(Path(sys.argv[1]).iterdir()):
        faces = mtcnn(Image.open(path).convert("RGB"))
        if faces is not None:
            network(faces)
"""


def timed(command: list[str]) -> tuple[float, float, float]:
    """Seconds on the wall, seconds of processors, and MB at the peak, of one process."""
    begun = time.perf_counter()
    child = os.spawnv(os.P_NOWAIT, command[0], command)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - begun
    if status:
        raise SystemExit(f"{command[:4]} failed with {status}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def ours(folder: Path, work: Path) -> tuple[float, float, float]:
    library = work / "library.sqlite"
    library.unlink(missing_ok=True)
    return timed(
        [sys.executable, "-m", "facecluster", "--db", str(library), "scan", str(folder), "--json"]
    )


def theirs(folder: Path, work: Path) -> tuple[float, float, float]:
    return timed([sys.executable, "-W", "ignore", "-c", FACENET_PYTORCH, str(folder)])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    data = Path(__file__).resolve().parents[3] / "shared" / "data" / "library" / "photos"
    parser.add_argument("folder", type=Path, nargs="?", default=data)
    parser.add_argument("--photos", type=int, default=10**6)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        folder = work / "photos"
        folder.mkdir()
        photos = sorted(path for path in options.folder.rglob("*") if path.is_file())
        for photo in photos[: options.photos]:
            (folder / photo.name).symlink_to(photo)
        count = len(list(folder.iterdir()))
        rounds = [(ours(folder, work), theirs(folder, work)) for _ in range(options.rounds)]
    print(f"\n{count} photos, {options.rounds} rounds, {os.cpu_count()} cores\n")
    print("| | photos/s | processor s | peak MB |\n|---|---|---|---|")
    for side, label in enumerate(("facecluster scan", "facenet-pytorch, as its README")):
        wall, processor, peak = (
            statistics.median(each[side][what] for each in rounds) for what in range(3)
        )
        print(f"| {label} | {count / wall:.1f} | {processor:.0f} | {peak:.0f} |")
    wall, processor = (
        statistics.median(each[1][what] / each[0][what] for each in rounds) for what in range(2)
    )
    print(f"\n{wall:.2f} x the photos/s; {processor:.2f} x less processor time")


if __name__ == "__main__":
    main()
