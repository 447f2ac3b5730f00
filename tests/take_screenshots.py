"""Make the pictures in examples/screenshots, of the sample people: page, sheet and terminal.

    facecluster scan examples/photos --group --db samples.sqlite
    python tests/take_screenshots.py samples.sqlite

Needs playwright and the system's chromium. The library is copied, not changed.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from facecluster.library import Library
from facecluster.people import name_group
from facecluster.records import Box
from facecluster.review import Review

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EXAMPLES = Path(__file__).parents[1] / "examples"
FOLDER = EXAMPLES / "screenshots"
DESK, PHONE = (1180, 760), (390, 780)


def people(library: Library) -> dict[int, str]:
    """Who each group shows, as examples/photos.csv says."""
    with open(EXAMPLES / "photos.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    who = {}
    for group in library.groups():
        face = library.faces(group=group.number)[0]
        there = [row for row in rows if row["file"] == Path(face.path).name]
        box = max(there, key=lambda row: face.box.iou(Box(*(float(row[k]) for k in KEYS))))
        who[group.number] = box["person"]
    return who


KEYS = ("x0", "y0", "x1", "y1")


def prepare(library: Library) -> int:
    """Name the three largest groups and one person's first part; the largest without a name."""
    who = people(library)
    numbers = list(who)
    parts = {name: [n for n in numbers if who[n] == name] for name in who.values()}
    several = max(parts.values(), key=len)
    for number in [*numbers[:3], several[0]]:
        name_group(library, number, who[number], command="screenshots")
    return numbers[3]


def shoot(browser: Browser, url: str, number: int) -> None:
    group = opened(browser, url, DESK, f"#group/{number}", "light")
    group.keyboard.press("Tab")
    for key in ("End", "Space", "ArrowLeft", "Space"):
        group.keyboard.press(key)
    group.screenshot(path=FOLDER / "review-group.jpg", type="jpeg", quality=88)
    pair = opened(browser, url, DESK, "#suggestions", "dark")
    pair.screenshot(path=FOLDER / "review-suggestion.jpg", type="jpeg", quality=88)
    phone = opened(browser, url, PHONE, f"#group/{number}", "light", scale=1.5)
    phone.click(".tile >> nth=-1")
    phone.mouse.move(0, 0)
    phone.screenshot(path=FOLDER / "review-phone.jpg", type="jpeg", quality=88)


def opened(
    browser: Browser, url: str, size: tuple[int, int], address: str, colours: str, scale: float = 1
) -> Page:
    page = browser.new_page(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if colours == "dark" else "light",
        device_scale_factor=scale,
        has_touch=size == PHONE,
    )
    page.goto(url + address)
    page.wait_for_selector(".tile img")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.tile img')].every(one => one.complete)"
    )
    page.wait_for_timeout(500)
    return page


def shoot_sheet(browser: Browser, library: Path) -> None:
    file = library.with_name("sheet.html")
    run(library, "sheet", "-o", str(file), "--faces", "9")
    for name, size, colours, scale in (
        ("sheet", DESK, "light", 1.0),
        ("sheet-dark", DESK, "dark", 1.0),
        ("sheet-phone", PHONE, "light", 1.5),
    ):
        page = browser.new_page(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if colours == "dark" else "light",
            device_scale_factor=scale,
        )
        page.goto(file.as_uri())
        page.screenshot(path=FOLDER / f"{name}.jpg", type="jpeg", quality=88)


def shoot_terminal(browser: Browser, library: Path, number: int) -> None:
    """What `show` prints, in the colours and the raster of a terminal."""
    text = run(library, "show", str(number), "--limit", "8", "--graphics", "blocks")
    lines = [f"<b>$ facecluster show {number} --limit 8</b>"]
    lines += [re.sub(r"\x1b\[(.*?)m", painted, escape(line)) for line in text.splitlines()]
    page = browser.new_page(viewport={"width": 900, "height": 570})
    page.set_content(
        "<body style='margin:14px;background:#1c1d20;color:#ddd'>"
        f"<pre style='font:15px/18px DejaVu Sans Mono,monospace'>{chr(10).join(lines)}</pre>"
    )
    page.screenshot(path=FOLDER / "show.jpg", type="jpeg", quality=88)


def painted(code: re.Match[str]) -> str:
    """One of the colour codes that `show` prints, as HTML."""
    if code[1] == "0":
        return "</i>"
    front, back = code[1].removeprefix("38;2;").split(";48;2;")
    style = f"color:rgb({front.replace(';', ',')});background:rgb({back.replace(';', ',')})"
    return f"</i><i style='font-style:normal;{style}'>"


def run(library: Path, *words: str) -> str:
    environment = {"COLORTERM": "truecolor", "COLUMNS": "94", "TERM": "xterm"}
    return subprocess.run(
        [sys.executable, "-m", "facecluster", *words, "--db", str(library)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def main(source: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(source, folder))
        # Strictly, so that somebody comes in two parts and there is something to suggest.
        run(path, "group", "--threshold", "0.4", "--linkage", "average")
        with Library.open(path) as library:
            number = prepare(library)
        review = Review(path, lambda _: (1.0, None))
        thread = threading.Thread(target=review.run)
        thread.start()
        try:
            with sync_playwright() as tools:
                chromium = shutil.which("chromium")
                browser = tools.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                shoot(browser, review.url, number)
                shoot_sheet(browser, path)
                shoot_terminal(browser, path, number)
                browser.close()
        finally:
            review.stop()
            thread.join()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    main(Path(sys.argv[1]))
