"""The page in a real browser: the whole job with the keyboard, and nothing from elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from facecluster.cli.review import LEADING
from facecluster.library import Library
from facecluster.people import merge, name_group

from .conftest import Client, Serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Route

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window, of the system: nothing is downloaded for these tests."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium: on Debian, apt-get install chromium")
    with playwright.sync_playwright() as tools:
        # as root, as in a container, chromium has no sandbox
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, client: Client) -> Iterator[Page]:
    """The page of the small library; its complaints, and questions to others, are errors."""
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.set_default_timeout(15_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))

    def listen(told: ConsoleMessage) -> None:
        # That a group has changed, or is there no more, the page tells its user.
        known = "409" in told.text or "/groups/" in told.location["url"]
        if told.type == "error" and not known:
            wrong.append(told.text)

    page.on("console", listen)
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(client.url) else wrong.append(asked.url),
    )
    page.goto(client.url)
    page.wait_for_selector(".tile")
    yield page
    page.close()
    assert wrong == []


def told(page: Page, words: str) -> None:
    """Wait until the line at the bottom says so."""
    page.wait_for_function(
        "words => document.getElementById('toast').innerText.includes(words)", arg=words
    )


def settled(page: Page, words: str) -> None:
    page.wait_for_function(
        "words => document.getElementById('progress').innerText === words", arg=words
    )


def at(page: Page, words: str) -> None:
    page.wait_for_function(
        "words => document.querySelector('.about')?.innerText.includes(words)", arg=words
    )


def seen(page: Page) -> None:
    """Wait until what is shown may be answered."""
    page.wait_for_timeout(400)


def hold(page: Page, key: str, times: int = 20) -> None:
    """Press a key and let go of it late: it repeats, as a keyboard does."""
    for _ in range(times):
        page.keyboard.down(key)
        page.wait_for_timeout(30)
    page.keyboard.up(key)


def test_groups_are_named_with_the_keyboard_alone(page: Page, grouped: Path) -> None:
    at(page, "Group 1: 6 faces")
    settled(page, "0 of 13 faces settled")
    page.keyboard.type("Zoë Ann")
    page.keyboard.press("Enter")
    at(page, "Group 2: 4 faces")
    settled(page, "6 of 13 faces settled")
    page.keyboard.type("zoe")  # completed without regard to case and accents
    assert page.inner_text("#names [aria-selected=true]").split("\n")[0] == "zoe"
    page.keyboard.press("Tab")
    assert page.input_value("[name=name]") == "Zoë Ann"
    page.keyboard.press("Enter")
    at(page, "Group 3: 3 faces")
    settled(page, "10 of 13 faces settled")
    page.keyboard.press("Control+z")
    told(page, "Taken back: review name 2 'Zoë Ann' (4 faces).")
    settled(page, "6 of 13 faces settled")
    with Library.open(grouped) as library:
        assert [(one.number, one.person) for one in library.groups()] == [
            (1, "Zoë Ann"),
            (2, None),
            (3, None),
        ]


def test_what_is_typed_ahead_is_for_the_next_group(page: Page, grouped: Path) -> None:
    page.route("**/groups/2", lambda route: (page.wait_for_timeout(300), route.continue_()))
    page.keyboard.type("Ann\nBob\n")  # the second Enter comes too early, and names nothing
    at(page, "Group 2: 4 faces")
    assert page.input_value("[name=name]") == "Bob"
    with Library.open(grouped) as library:
        assert [one.person for one in library.groups()] == ["Ann", None, None]


def test_the_last_name_ends_the_job(page: Page) -> None:
    for name, group in (("Ann", "Group 1"), ("Bob", "Group 2"), ("Cid", "Group 3")):
        at(page, group)  # an Enter before the group is there would name nothing
        page.keyboard.type(name)
        page.keyboard.press("Enter")
    page.wait_for_selector("text=Every group has a name")
    settled(page, "13 of 13 faces settled")


def test_faces_are_chosen_and_rejected_ignored_moved(page: Page, grouped: Path) -> None:
    with Library.open(grouped) as library:
        name_group(library, 1, "Ann", command="x")
        name_group(library, 2, "Bob", command="x")
    page.goto(page.url.partition("#")[0] + "#group/1")
    page.reload()
    at(page, "Ann, group 1: 6 faces")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert page.inner_text(".chosen") == "2 faces chosen"
    seen(page)
    page.keyboard.press("x")
    told(page, "2 faces are not Ann.")
    at(page, "Ann, group 1: 4 faces")
    seen(page)
    page.keyboard.press("i")  # of none chosen, the face with the focus
    told(page, "1 face is left out")
    at(page, "Ann, group 1: 3 faces")
    page.keyboard.press("m")
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    told(page, "1 face is Bob now.")
    at(page, "Ann, group 1: 2 faces")
    page.keyboard.press("a")
    assert page.inner_text(".chosen") == "2 faces chosen"
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    told(page, "Taken back: review move")
    at(page, "Ann, group 1: 3 faces")
    page.click("text=In no group")
    at(page, "2 faces in no group")


def test_a_suggestion_is_answered_with_a_key(page: Page, grouped: Path) -> None:
    page.keyboard.press("PageDown")
    at(page, "Group 2: 4 faces")
    page.keyboard.type("Bob")
    page.keyboard.press("Enter")
    at(page, "Group 3")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.wait_for_selector("text=Is this Bob?")
    assert page.locator(".pair section").count() == 2
    faces = page.locator(".pair section:first-child .tile")
    assert faces.count() == 3
    assert faces.first.get_attribute("role") == "button"
    faces.first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#photo[open]")
    page.keyboard.press("Escape")
    seen(page)
    page.keyboard.press("s")
    told(page, "only one left")
    page.keyboard.press("y")
    told(page, "3 faces are Bob.")
    page.wait_for_selector("text=No more suggestions")
    with Library.open(grouped) as library:
        assert [one.person for one in library.groups()] == [None, "Bob", "Bob"]


def test_the_photo_behind_a_face_opens_with_its_box(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("o")
    page.wait_for_selector("#photo[open] .asked")
    page.wait_for_function("() => document.querySelector('#photo img').complete")
    frame = page.locator("#photo img").bounding_box()
    box = page.locator("#photo .asked").bounding_box()
    assert frame and box
    # the box is 64, 48, 128, 144 of 640 x 480
    assert (box["x"] - frame["x"]) / frame["width"] == pytest.approx(0.1, abs=0.01)
    assert (box["y"] - frame["y"]) / frame["height"] == pytest.approx(0.1, abs=0.01)
    assert box["width"] / frame["width"] == pytest.approx(0.1, abs=0.01)
    assert box["height"] / frame["height"] == pytest.approx(0.2, abs=0.01)
    assert page.inner_text("#photo .where").endswith("· 2020-01-02 03:04:05")
    page.keyboard.press("Escape")
    assert page.locator("#photo[open]").count() == 0


def test_a_group_is_split_and_another_merged(page: Page) -> None:
    page.keyboard.press("Escape")
    page.keyboard.press("=")
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    told(page, "10 faces are one person: group 1.")
    at(page, "Group 1: 10 faces")
    seen(page)
    page.keyboard.press("s")
    told(page, "Group 1 is divided")
    at(page, "Group 1: 6 faces")


def test_a_key_held_too_long_splits_once(page: Page, grouped: Path) -> None:
    page.keyboard.press("Escape")
    seen(page)
    hold(page, "s")
    told(page, "Group 1 is divided")
    with Library.open(grouped) as library:
        assert len(library.statements.log()) == 1


def test_a_double_click_ignores_the_group_that_was_seen_only(page: Page, grouped: Path) -> None:
    seen(page)
    page.dblclick("[data-act='ignore group']")
    at(page, "Group 2: 4 faces")
    with Library.open(grouped) as library:
        assert [one.command for one in library.statements.log()] == ["review ignore 1"]


def test_after_an_undo_from_the_field_letters_are_a_name(page: Page, grouped: Path) -> None:
    page.keyboard.type("Ann\n")
    at(page, "Group 2: 4 faces")
    page.keyboard.press("Control+z")
    told(page, "Taken back")
    seen(page)
    page.keyboard.type("Ina")
    assert page.input_value("[name=name]") == "Ina"


def test_each_suggestion_is_answered_when_it_has_been_seen(page: Page, grouped: Path) -> None:
    with Library.open(grouped) as library:
        name_group(library, 2, "Bob", command="x")
    page.reload()
    page.wait_for_selector(".tile")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.wait_for_selector("text=Is this Bob?")
    page.keyboard.press("y")  # nobody reads that fast
    seen(page)
    with Library.open(grouped) as library:
        assert len(library.statements.log()) == 1
    page.keyboard.press("y")
    told(page, "3 faces are Bob.")
    page.wait_for_selector("text=No more suggestions")
    page.keyboard.press("u")
    page.wait_for_selector("text=Is this Bob?")
    seen(page)
    page.keyboard.press("n")  # of what is shown again
    told(page, "3 faces are not Bob.")


def test_a_group_that_has_changed_is_shown_again_and_not_named(page: Page, grouped: Path) -> None:
    at(page, "Group 1: 6 faces")
    with Library.open(grouped) as library:
        merge(library, [1, 3], command="x")
    page.keyboard.type("Ann\n")
    told(page, "Group 1 has changed since: look again.")
    at(page, "Group 1: 9 faces")
    settled(page, "0 of 13 faces settled")


def test_the_undo_of_a_line_takes_back_what_it_tells(page: Page, grouped: Path) -> None:
    page.keyboard.type("Ann\n")
    told(page, "6 faces are Ann.")
    with Library.open(grouped) as library:
        name_group(library, 2, "Bob", command="x")
    page.click("#toast button")
    told(page, "Taken back: review name 1 Ann (6 faces).")


def test_a_phone_has_room_for_it(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert not page.locator("#list").is_visible()
    page.click("#open-list")
    page.click("text=Group 3")
    at(page, "Group 3: 3 faces")
    assert not page.locator("#list").is_visible()
    page.click(".tile >> nth=0")
    assert page.inner_text(".chosen") == "1 face chosen"


def test_a_name_is_text_and_never_markup(page: Page) -> None:
    page.keyboard.type("<img src=x onerror=alert(1)>")
    page.keyboard.press("Enter")
    told(page, "<img src=x onerror=alert(1)>")
    page.click("text=Named")
    page.wait_for_function(
        "name => document.querySelector('#rows a span')?.innerText === name",
        arg="<img src=x onerror=alert(1)>",
    )
    assert page.locator("img[src=x]").count() == 0


def test_another_page_of_the_browser_gets_nothing(
    browser: Browser, serve: Serve, grouped: Path
) -> None:
    """A page of another server on this machine that has even learnt the address."""
    evil, url = serve(grouped), serve(grouped).url
    page = browser.new_page()
    page.goto(evil.url)
    # what its Content-Security-Policy forbids is not what is tested
    page.route("**/evil", lambda route: route.fulfill(body="<p>evil", content_type="text/html"))
    page.goto(f"http://127.0.0.1:{urlsplit(evil.url).port}/evil")
    script = """async url => {
        const tries = [fetch(url + 'state'), fetch(url + 'say', {method: 'POST', body:
            JSON.stringify({do: 'name', group: 1, name: 'Mallory'})})];
        const read = await Promise.allSettled(tries);
        const picture = new Image();
        const shown = await new Promise(done => {
            picture.onload = () => done(true); picture.onerror = () => done(false);
            picture.src = url + 'faces/1.jpg';
        });
        const form = document.createElement('form');
        const frame = document.createElement('iframe');
        frame.name = 'frame';
        Object.assign(form, {method: 'post', action: url + 'say', target: 'frame'});
        document.body.append(frame, form);
        const sent = new Promise(done => { frame.onload = done; });
        form.submit();
        await sent;
        return [read.map(one => one.status), shown];
    }"""
    assert page.evaluate(script, url) == [["rejected", "rejected"], False]
    page.close()
    with Library.open(grouped) as library:
        assert library.statements.log() == []


def test_a_file_leads_to_the_page(browser: Browser, client: Client, tmp_path: Path) -> None:
    """It is of another site to the browser, as any file is."""
    leading = tmp_path / "review.html"
    leading.write_text(LEADING.format(address=client.url))
    page = browser.new_page()
    page.goto(leading.as_uri())
    page.wait_for_selector(".tile")
    assert page.url == f"{client.url}#group/1"
    page.reload()
    page.wait_for_selector(".tile")
    page.close()


def test_pictures_on_their_way_do_not_keep_the_next_group_waiting(page: Page) -> None:
    """A browser asks a server for six things at a time: those not needed any more are given up."""
    at(page, "Group 1: 6 faces")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/faces/*.jpg?slow", hold)
    page.route("**/groups/2", hold)
    page.evaluate(
        "() => document.querySelectorAll('.tile img').forEach(one => {"
        " one.loading = 'eager'; one.src += '?slow'; })"
    )
    page.keyboard.press("PageDown")
    page.wait_for_function("() => !document.querySelector('img[src$=slow]')")
    at(page, "Group 1: 6 faces")
    for route in held:
        if route.request.url.endswith("/groups/2"):
            route.continue_()
    at(page, "Group 2: 4 faces")
