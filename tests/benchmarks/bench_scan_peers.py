"""The scan beside its peers: speed, what is found, where the time goes, and what one core does.

    python tests/benchmarks/bench_scan_peers.py [--photos N] [--large N] [--at-once N] [--all-cores]

The same photos for all: N of ../shared/data/library, spread evenly, and N of 12 megapixels made of
them (large_photos.py). A few at a time go to each program in turn, so that a change of the
machine's load hits all alike; starting up is not counted. Ours is the whole scan, into a new
library; the others run as their READMEs show: facenet-pytorch (MTCNN with keep_all,
InceptionResnetV1 with random weights), the same told our smallest face in pixels of the full-size
photo, and face_recognition (dlib's HOG) with and without enlarging, where it is installed.

All have one thread and one core, unless --all-cores: on a machine that does something else too,
facenet-pytorch's threads wait for each other and it comes out ten times slower than it is. Prints
Markdown tables. Faces are those of 40 pixels and more; agreed are those that programs of two makers
find.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from facenet_pytorch import MTCNN, InceptionResnetV1
from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from large_photos import make_large_photos
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from facecluster.analyzer import Analyzer
from facecluster.detect import Detector, networks
from facecluster.embed import BUNDLED, Embedder, open_model, use_one_core
from facecluster.engines import threads
from facecluster.facenet.int8 import _Hidden, usable_ranges
from facecluster.library import Library
from facecluster.records import Box
from facecluster.scan import scan

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "library" / "photos"
OURS = "facecluster scan"
LEAST = 40  # pixels of the faces that are compared

Boxes = dict[str, list[Box]]
Program = Callable[[list[Path]], Boxes]


def ours(analyzer: Analyzer, cores: int) -> Program:
    """The scan, on one core in one thread beside the one that asks, or on all."""
    alone = threads(workers=1, ahead=2, begin=use_one_core) if cores == 1 else None

    def run(paths: list[Path]) -> Boxes:
        with tempfile.TemporaryDirectory() as name, Library.open(Path(name, "l.sqlite")) as library:
            return {
                Path(each.file.path).name: [face.box for face in each.faces]
                for each in scan(library, paths, analyzer, engine=alone)
            }

    return on(cores, run)


def on(cores: int, program: Program) -> Program:
    """The program on the first of the cores only, or on all."""

    def run(paths: list[Path]) -> Boxes:
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[:cores])
        torch.set_num_threads(cores)
        try:
            return program(paths)
        finally:
            os.sched_setaffinity(0, allowed)

    return run


def facenet_pytorch(same_smallest: bool) -> Program:
    """As its README shows; or told the smallest face that ours looks for in that photo."""
    mtcnn, network = MTCNN(keep_all=True), InceptionResnetV1(pretrained=None).eval()

    def run(paths: list[Path]) -> Boxes:
        found = {}
        for path in paths:
            image = Image.open(path).convert("RGB")
            if same_smallest:
                mtcnn.min_face_size = max(32.0, 0.008 * max(image.size))
            boxes, _ = mtcnn.detect(image)
            crops = mtcnn.extract(image, boxes, None)
            if crops is not None:
                network(crops).detach()
            found[path.name] = [Box(*map(float, b)) for b in (() if boxes is None else boxes)]
        return found

    return run


def face_recognition(enlarged: int) -> Program:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pkg_resources, which it asks where its models are
        import face_recognition as peer

    def run(paths: list[Path]) -> Boxes:
        found = {}
        for path in paths:
            image = peer.load_image_file(str(path))
            places = peer.face_locations(image, number_of_times_to_upsample=enlarged)
            peer.face_encodings(image, places)
            found[path.name] = [
                Box(left, top, right, bottom) for top, right, bottom, left in places
            ]
        return found

    return run


def peers() -> dict[str, Program]:
    programs = {
        "facenet-pytorch, as its README": facenet_pytorch(False),
        "facenet-pytorch, our smallest face": facenet_pytorch(True),
    }
    if importlib.util.find_spec("face_recognition"):
        programs["face_recognition, as its README"] = face_recognition(1)
        programs["face_recognition, not enlarged"] = face_recognition(0)
    return programs


def compare(paths: list[Path], programs: dict[str, Program], at_once: int) -> None:
    """Print photos/s, the faces of 40 pixels and more, and what share of the agreed ones."""
    wall, processor = Counter[str](), Counter[str]()
    found: dict[str, Boxes] = defaultdict(dict)
    for run in programs.values():
        run(paths[:1])
    for start in range(0, len(paths), at_once):
        for name, run in programs.items():
            began = time.perf_counter(), time.process_time()
            found[name] |= run(paths[start : start + at_once])
            wall[name] += time.perf_counter() - began[0]
            processor[name] += time.process_time() - began[1]
    print("| program | photos/s | ours is | CPU s a photo | ours is | faces | of the agreed ones |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    agreed = _agreed(found)
    for name in programs:
        hits = [
            any(box.iou(other) >= 0.4 for other in found[name][photo])
            for photo, boxes in agreed.items()
            for box in boxes
        ]
        print(
            f"| {name} | {len(paths) / wall[name]:.2f} | {wall[name] / wall[OURS]:.1f} x "
            f"| {processor[name] / len(paths):.3f} | {processor[name] / processor[OURS]:.1f} x "
            f"| {sum(_counts(box) for boxes in found[name].values() for box in boxes)} "
            f"| {np.mean(hits) if hits else 0:.3f} of {len(hits)} |"
        )


def _counts(box: Box) -> bool:
    return min(box.width, box.height) >= LEAST


def _agreed(found: dict[str, Boxes]) -> Boxes:
    """The faces that programs of two makers find at the same place."""
    makers: dict[str, Boxes] = defaultdict(lambda: defaultdict(list))
    for name, boxes in found.items():
        for photo, some in boxes.items():
            makers[name.split(",")[0]][photo] += filter(_counts, some)
    agreed: Boxes = defaultdict(list)
    for maker, boxes in makers.items():
        for photo, some in boxes.items():
            others = [box for other in makers if other != maker for box in makers[other][photo]]
            for box in some:
                new = all(box.iou(known) < 0.4 for known in agreed[photo])
                if new and any(box.iou(other) >= 0.4 for other in others):
                    agreed[photo].append(box)
    return agreed


def tell_shares(analyzer: Analyzer, embedder: Embedder, paths: list[Path]) -> None:
    """Print the processor time of one thread by part, and how far it is from the floor."""
    calls: Counter[tuple[str, tuple[int, ...], bool]] = Counter()
    spent = Counter[str]()
    inner, embed = networks._Layers.__call__, embedder.embed

    def timed(part: str, function: Callable, *arguments: object) -> object:
        began = time.thread_time()
        result = function(*arguments)
        spent[part] += time.thread_time() - began
        return result

    def watched(layers: networks._Layers, pixels: torch.Tensor) -> object:
        name = {1: "pnet", 2: "rnet", 3: "onet"}[len(layers._pools)]
        calls[name, tuple(pixels.shape), layers._kind == torch.bfloat16] += 1
        return timed("networks", inner, layers, pixels)

    use_one_core()
    faces = 0
    networks._Layers.__call__ = watched  # type: ignore[method-assign, assignment]
    embedder.embed = lambda crops: timed("networks", embed, crops)  # type: ignore[method-assign]
    try:
        for start in range(0, len(paths), 8):
            some = paths[start : start + 8]
            pictures = timed("decoding", lambda some=some: [analyzer.read(path) for path in some])
            results = timed("all but decoding", analyzer.analyze, pictures)
            faces += sum(len(result.faces) for result in results)
    finally:
        networks._Layers.__call__, embedder.embed = inner, embed  # type: ignore[method-assign]
    total = spent["decoding"] + spent["all but decoding"]
    rest = spent["all but decoding"] - spent["networks"]
    parts = {"decoding": spent["decoding"], "networks": spent["networks"], "everything else": rest}
    print("\n| one thread | ms a photo | share |\n|---|---:|---:|")
    for part, seconds in parts.items():
        print(f"| {part} | {1000 * seconds / len(paths):.1f} | {seconds / total:.0%} |")
    floor = spent["decoding"] + _least_seconds(calls, embedder, faces)
    print(
        f"\nThe floor, decoding and the networks' multiplications at the measured peak, is "
        f"{1000 * floor / len(paths):.1f} ms a photo: {total / floor:.1f} x it."
    )


def _least_seconds(calls: Counter, embedder: Embedder, faces: int) -> float:
    """What the multiplications of the calls take at the peak of one core, in their precision."""
    kinds = {reduced: torch.bfloat16 if reduced else torch.float32 for *_, reduced in calls}
    peak = {reduced: _peak(kind) for reduced, kind in kinds.items()}
    told = [f"{peak[reduced] / 1e9:.0f} GFLOP/s {kind}" for reduced, kind in kinds.items()]
    print(f"\nPeak of one core: {', '.join(told)}.")
    mtcnn = {"pnet": PNet(), "rnet": RNet(), "onet": ONet()}
    seconds = 0.0
    for (name, shape, reduced), times in calls.items():
        with FlopCounterMode(display=False) as counter, torch.device("meta"):
            mtcnn[name].to("meta")(torch.empty(max(shape[0], 1), *shape[1:]))
        seconds += times * counter.get_total_flops() / peak[reduced]
    plain = open_model(embedder.name, device="cpu", precision="float32")
    with FlopCounterMode(display=False) as counter:
        plain.embed(np.zeros((1, plain.crop_size, plain.crop_size, 3), dtype=np.uint8))
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.int8}
    own = _peak(kinds[embedder._opened().precision])
    print(f"Of the embedder: {own / 1e9:.0f} GFLOP/s {embedder._opened().precision}.")
    return seconds + faces * counter.get_total_flops() / own


def _peak(kind: torch.dtype) -> float:
    """FLOP/s of a matrix product of 1,024 rows, the best of some."""
    if kind == torch.int8:
        work = partial(
            _Hidden(torch.nn.Linear(1024, 1024), torch.ones(1024), usable_ranges()),
            torch.randint(0, 256, (1024, 1024, 1, 1), dtype=torch.uint8),
        )
    else:
        work = partial(torch.matmul, *(torch.randn(1024, 1024).to(kind) for _ in range(2)))
    seconds = []
    for _ in range(30):
        began = time.thread_time()
        work()
        seconds.append(time.thread_time() - began)
    return float(2 * 1024**3 / min(seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=int, default=120)
    parser.add_argument("--large", type=int, default=32)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--all-cores", action="store_true")
    options = parser.parse_args()
    sources = sorted(DATA.iterdir())
    embedder = open_model(BUNDLED)
    analyzer = Analyzer(Detector(), embedder)
    with tempfile.TemporaryDirectory() as name, torch.inference_mode():
        large = Path(name)
        make_large_photos(large, options.large, sources)
        sets = {
            "library": sources[:: max(1, len(sources) // options.photos)][: options.photos],
            "12 megapixels": sorted(large.iterdir()),
        }
        for label, paths in sets.items():
            if not paths:
                continue
            load, cores = os.getloadavg()[0], (os.cpu_count() or 1) if options.all_cores else 1
            print(f"\n{label}: {len(paths)} photos, {cores} cores, load before {load:.1f}\n")
            programs = {OURS: ours(analyzer, cores)}
            programs |= {name: on(cores, program) for name, program in peers().items()}
            compare(paths, programs, options.at_once)
            if options.all_cores:
                print("\nOne core and all:\n")
                alone = {OURS: programs[OURS], "the same on one core": ours(analyzer, 1)}
                compare(paths, alone, options.at_once)
            tell_shares(analyzer, embedder, paths)


if __name__ == "__main__":
    main()
