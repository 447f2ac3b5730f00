"""The review page with a large library, in the system's chromium without a window.

    python tests/benchmarks/bench_review.py [FACES]

makes a library of FACES (default 50,000) faces, two a photo, in groups of very unequal size, with
copies of the sample photos to cut them from. Prints a Markdown table: when the page was first
painted, when the first faces were to be seen, how many pictures were asked for until then, the
slowest and the median frame while the largest group is scrolled through, and the time from a name's
Enter to the next group.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from facecluster.library import Library
from facecluster.records import Analysis, Box, Face, FileStamp, Photo, Quality
from facecluster.review import Review

SAMPLES = sorted((Path(__file__).parents[2] / "examples" / "photos").glob("*.jpg"))
AT = ((40.0, 60.0), (80.0, 60.0), (60.0, 80.0), (45.0, 105.0), (75.0, 105.0))

FRAMES = """() => new Promise(done => {
    const main = document.getElementById('main'), times = [];
    let last = performance.now();
    const step = now => {
        times.push(now - last); last = now;
        main.scrollTop += 120;
        times.length < 200 ? requestAnimationFrame(step) : done(times.slice(1));
    };
    requestAnimationFrame(step);
})"""


def make(folder: Path, count: int) -> tuple[Path, int]:
    """A grouped library, and how many groups it has; few groups are large, most are small."""
    rng = np.random.default_rng(0)
    who = np.minimum((rng.pareto(0.9, count) * count / 2500).astype(int), count // 6)
    centres = rng.standard_normal((count // 6 + 1, 128))
    vectors = centres[who] + 0.35 * rng.standard_normal((count, 128))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    numbers = np.unique(who, return_inverse=True)[1] + 1
    numbers[np.bincount(numbers)[numbers] < 2] = -1
    quality = Quality(45.0, 300.0, 0.0)
    with Library.open(folder / "library.sqlite") as library:
        model = library.scanned.register_model(fingerprint="f", name="nn4", dimension=128)
        analyses = []
        for first in range(0, count, 2):
            path = folder / f"{first:06}.jpg"
            path.symlink_to(SAMPLES[first // 2 % len(SAMPLES)])
            boxes = [Box(250.0 + 300 * k, 250.0, 450.0 + 300 * k, 500.0) for k in (0, 1)]
            faces = tuple(Face(box, AT, 0.99, quality) for box in boxes)
            photo = Photo(f"{first:064x}", 1200, 900, 1, None)
            stamp = FileStamp(str(path), 1000, 1)
            analyses.append(Analysis(stamp, photo, faces, vectors[first : first + 2]))
        library.scanned.add(analyses, detector="bench", model=model)
        library.scanned.finish()
        library.groupings.save(
            model=model,
            method="bench",
            settings={"threshold": 0.4, "k": None},
            faces=np.arange(1, count + 1),
            numbers=numbers,
            next_number=int(numbers.max()) + 1,
        )
        return folder / "library.sqlite", len(library.overview.fronts())


def measure(page: Page, url: str) -> dict[str, float]:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    began = time.perf_counter()
    page.goto(url)
    page.wait_for_function("() => [...document.querySelectorAll('.tile img')].some(i => i.width)")
    listed = time.perf_counter() - began
    page.wait_for_function(
        "() => [...document.querySelectorAll('.tile img')].slice(0, 12).every(i => i.naturalWidth)"
    )
    seen = time.perf_counter() - began
    pictures = sum(one.endswith(".jpg") for one in asked)
    paint = page.evaluate(
        "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
    )
    frames = page.evaluate(FRAMES)
    page.wait_for_function("() => true")
    before = page.inner_text(".about")
    page.focus("[name=name]")
    page.keyboard.type("Ann")
    began = time.perf_counter()
    page.keyboard.press("Enter")
    page.wait_for_function(
        "before => document.querySelector('.about').innerText !== before", arg=before
    )
    return {
        "first paint, ms": paint,
        "the group's tiles are there, ms": 1000 * listed,
        "its first 12 faces are to be seen, ms": 1000 * seen,
        "pictures asked for until then": pictures,
        "median frame while scrolling, ms": statistics.median(frames),
        "slowest frame while scrolling, ms": max(frames),
        "from Enter to the next group, ms": 1000 * (time.perf_counter() - began),
    }


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as tools:
        path, groups = make(Path(folder), count)
        review = Review(path, lambda _: (0.4, None))
        thread = threading.Thread(target=review.run)
        thread.start()
        try:
            chromium = shutil.which("chromium")
            browser = tools.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            figures = measure(page, review.url)
            browser.close()
        finally:
            review.stop()
            thread.join()
    print(f"| {count:,} faces in {groups:,} groups | |\n|---|---|")
    for what, figure in figures.items():
        print(f"| {what} | {figure:.0f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
