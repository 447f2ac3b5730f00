"""A long scan: is its memory flat, its speed at the end that of the start, and a second one quick?

    python tests/benchmarks/bench_long_scan.py [--photos N] [--megapixels M] [--jobs J]
        [--samples FOLDER]

Copies of the sample photos, or of the JPEGs in FOLDER, with changed bytes (a JPEG comment each),
resized to M megapixels, are scanned by `facecluster scan --json` as a process of its own, whose
memory (with its workers') and progress are read once a second; then they are scanned again,
unchanged. The first tenth of the photos is left out of the slope and is not the start: the
allocator and the caches fill in it.
Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SAMPLES = Path(__file__).resolve().parents[2] / "examples" / "photos"


def make_photos(samples: Path, folder: Path, count: int, megapixels: float) -> None:
    """Files of so many different contents, and nearly as quickly made as copied."""
    files = []
    for path in sorted(samples.glob("*.jpg")):
        with Image.open(path) as image:
            share = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
            size = (round(image.width * share), round(image.height * share))
            file = io.BytesIO()
            image.resize(size).save(file, "JPEG", quality=85)
            files.append(file.getvalue())
    for number in range(count):
        data = files[number % len(files)]
        note = f"{number:08}".encode()
        comment = b"\xff\xfe" + (2 + len(note)).to_bytes(2, "big") + note
        (folder / f"{number:06}.jpg").write_bytes(data[:2] + comment + data[2:])


def held(process: int) -> tuple[float, float]:
    """MB of memory, and seconds of processors, of this process and its children."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
        ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:  # it has just ended
        return 0.0, 0.0
    kilobytes = next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]
    megabytes = int(kilobytes) / 1024
    seconds = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    for child in children:
        more = held(int(child))
        megabytes, seconds = megabytes + more[0], seconds + more[1]
    return megabytes, seconds


def watched(command: list[str]) -> tuple[list[tuple[float, ...]], dict[str, float]]:
    """(photos done, seconds, MB, seconds of processors) about once a second, and the summary."""
    seen = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told = json.loads(line)
            if told["message_type"] == "status" and told["done"]:
                seen.append((told["done"], told["seconds"], *held(process.pid)))
    return seen, told


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--megapixels", type=float, default=1.0)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--samples", type=Path, default=SAMPLES)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "photos"
        folder.mkdir()
        make_photos(options.samples, folder, options.photos, options.megapixels)
        command = [sys.executable, "-m", "facecluster", "--db", f"{name}/l.sqlite", "scan"]
        command += [str(folder), "--json"]
        jobs = ["--jobs", str(options.jobs)] if options.jobs else []
        seen, summary = watched(command + jobs)
        begun = time.perf_counter()
        _, again = watched(command)
        whole = time.perf_counter() - begun
    print_table(np.array(seen), summary, again, whole)


def print_table(
    seen: np.ndarray, summary: dict[str, float], again: dict[str, float], whole: float
) -> None:
    done, seconds, megabytes, processors = seen[seen[:, 0] >= summary["analysed"] / 10].T
    slope = np.polyfit(done / 1000, megabytes, 1)[0]
    last, middle = len(done) - 1, len(done) // 2
    speeds = [
        ((done[last] - done[middle]) / (clock[last] - clock[middle]))
        / ((done[middle] - done[0]) / (clock[middle] - clock[0]))
        for clock in (seconds, processors)
    ]
    print(f"\n{summary['analysed']} photos, {summary['faces']} faces, {os.cpu_count()} cores\n")
    print("| | |\n|---|---|")
    print(f"| photos/s | {summary['analysed'] / summary['seconds']:.1f} |")
    print(f"| photos/s of the second half / of the first | {speeds[0]:.2f} |")
    print(f"| the same by seconds of processors | {speeds[1]:.2f} |")
    print(f"| memory at the peak, MB | {seen[:, 2].max():.0f} |")
    print(f"| memory per 1,000 photos, MB | {slope:+.1f} |")
    print(f"| second scan: {again['unchanged']} unchanged | {again['seconds']:.2f} s |")
    print(f"| the same with starting up | {whole:.1f} s |")


if __name__ == "__main__":
    main()
