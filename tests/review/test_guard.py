"""Who gets an answer, and that nobody else gets any: requests as a hostile page or user sends."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from facecluster.library import Library
from facecluster.review.guard import HEADERS, MAX_BODY, Guard, refusal

from .conftest import Client, Serve

NAME = json.dumps({"do": "name", "group": 1, "name": "Mallory"}).encode()


def log(path: Path) -> int:
    with Library.open(path) as library:
        return len(library.statements.log())


def test_the_browser_with_the_address_gets_the_page(still: Client) -> None:
    status, headers, text = still.ask()
    assert status == 200
    assert text.startswith(b"<!doctype html>")
    for name, value in HEADERS.items():
        assert headers[name.lower()] == value
    assert "server" not in headers
    assert "set-cookie" not in headers


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",  # a foreign name that now resolves to 127.0.0.1
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1:{port}.evil.example",
        "evil.example@127.0.0.1:{port}",
        "0.0.0.0:{port}",
        "[::1]:{port}",
        "",
    ],
)
def test_another_host_header_is_refused(still: Client, host: str) -> None:
    port = urlsplit(still.url).port
    status, _, text = still.ask(Host=host.format(port=port))
    assert status in (400, 421)
    assert b"<" not in text


def test_localhost_is_this_machine_too(still: Client) -> None:
    port = urlsplit(still.url).port
    assert still.ask("state", Host=f"localhost:{port}")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/state",
        "//state",
        "/faces/1.jpg",
        "/page/app.js",
        "/wrong/state",
        "/{token}x/state",
        "/{half}/state",
        "/{token}%00/state",
        "/%2e/{token}/state",
        "/x/../{token}/state",
        "/?token={token}",
        "{token}/state",
    ],
)
def test_without_the_token_in_its_place_there_is_no_answer(still: Client, path: str) -> None:
    token = urlsplit(still.url).path.strip("/")
    status, headers, text = still.ask(at=path.format(token=token, half=token[:20]))
    assert status in (400, 403)
    assert token.encode() not in text
    if status == 403:
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "page/../../../../etc/passwd",
        "page/..%2f..%2f..%2fserver.py",
        "page/%2e%2e/server.py",
        "page//etc/passwd",
        "page/app.js%00.html",
        "page/..\\server.py",
        "page/__init__.py",
        "../state",
        "faces/..%2f1.jpg",
        "photos/-1.jpg",
        "photos/1.jpg/../../../etc/passwd",
        "photos/%2fetc%2fpasswd.jpg",
        "photos/1e3.jpg",
        "photos/99.jpg",
        "photos/99999999999999999999999.jpg",
        "faces/99999999999999999999999.jpg",
        "faces/9223372036854775807",
        "groups/99999999999999999999999",
        "groups/%D9%A1",  # a digit that is not ASCII
        "pairs/1?person=%00",
        "nothing",
    ],
)
def test_tricks_with_paths_find_nothing(still: Client, path: str) -> None:
    status, _, text = still.ask(path)
    assert status in (400, 403, 404)
    assert b"root:" not in text
    assert b"import" not in text


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (403, {"Origin": "http://evil.example"}),
        (403, {"Origin": "null"}),
        (403, {"Origin": None}),
        (403, {"Origin": "http://127.0.0.1:1"}),  # another program of this machine
        (403, {"Origin": "https://127.0.0.1:{port}"}),
        (403, {"Sec-Fetch-Site": "cross-site"}),
        (403, {"Sec-Fetch-Site": "same-site"}),
        (415, {"Content-Type": "text/plain"}),
        (415, {"Content-Type": "application/x-www-form-urlencoded"}),
        (415, {"Content-Type": None}),
        (413, {"Content-Length": str(MAX_BODY + 1)}),
        (413, {"Content-Length": None, "Transfer-Encoding": "chunked"}),
        (400, {"Content-Length": "-1"}),
    ],
    ids=str,
)
def test_a_forged_post_states_nothing(
    still: Client, _made: Path, status: int, headers: dict[str, str | None]
) -> None:
    port = str(urlsplit(still.url).port)
    sent = {name: value and value.replace("{port}", port) for name, value in headers.items()}
    body = b"" if "chunked" in headers.values() or "Content-Length" in headers else NAME
    assert still.ask("say", method="POST", body=body, **sent)[0] == status
    assert log(_made) == 0


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X"])
def test_other_methods_are_refused(still: Client, method: str) -> None:
    status, headers, _ = still.ask("say", method=method)
    assert status == 405
    assert not any(name.startswith("access-control") for name in headers)


def test_a_statement_cannot_be_a_link(still: Client, _made: Path) -> None:
    assert still.ask("say?do=name&group=1&name=Mallory")[0] == 405
    assert still.ask("state", method="POST", body=NAME)[0] == 405
    assert log(_made) == 0


LEADS = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def test_a_file_of_the_users_own_leads_to_the_page(still: Client) -> None:
    assert still.ask(**LEADS)[0] == 200


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("", "GET", {"Sec-Fetch-Dest": "iframe"}),
        ("", "GET", {"Sec-Fetch-Dest": "embed"}),
        ("", "GET", {"Sec-Fetch-Dest": None}),
        ("", "GET", {"Sec-Fetch-Mode": "no-cors"}),
        ("", "GET", {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}),
        ("", "GET", {"Sec-Fetch-Mode": None}),
        ("", "GET", {"Sec-Fetch-Site": "same-site"}),  # another program of this machine
        ("", "HEAD", {}),
        ("", "POST", {}),
        ("state", "GET", {}),
        ("groups/1", "GET", {}),
        ("faces/1.jpg", "GET", {}),
        ("page/app.js", "GET", {}),
        ("say", "POST", {}),
    ],
)
def test_another_page_leads_nowhere_else(
    still: Client, _made: Path, path: str, method: str, headers: dict[str, str | None]
) -> None:
    body = NAME if method == "POST" else None
    assert still.ask(path, method=method, body=body, **{**LEADS, **headers})[0] == 403
    assert log(_made) == 0


def test_without_the_token_nobody_is_led_to_the_page(still: Client) -> None:
    for at in ("/", "//", f"/{'x' * 43}/"):
        assert still.ask(at=at, **LEADS)[0] == 403


def test_another_page_cannot_embed_a_picture_of_the_library(still: Client) -> None:
    for site in ("cross-site", "same-site"):
        assert still.ask("faces/1.jpg", Sec_Fetch_Site=site)[0] == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"do": "name"}',
        b'{"do": "name", "group": "1", "name": "x"}',
        b'{"do": "name", "group": true, "name": "x"}',
        b'{"do": "name", "group": 1e400, "name": "x"}',
        b'{"do": "name", "group": 99999999999999999999, "name": "x"}',
        b'{"do": "name", "group": 1, "name": ["x"]}',
        b'{"do": "name", "group": 1, "name": "\\u0000"}',
        b'{"do": "name", "group": 1, "name": "\\ud800"}',
        b'{"do": "name", "group": 1, "name": "' + b"x" * 201 + b'"}',
        b'{"do": "ignore", "faces": []}',
        b'{"do": "ignore", "faces": [1, null]}',
        b'{"do": "ignore", "faces": {"1": 1}}',
        b'{"do": "__class__"}',
        b'{"do": ["name"]}',
    ],
    ids=lambda body: repr(body[:60]),
)
def test_a_body_that_makes_no_sense_is_a_sentence(still: Client, _made: Path, body: bytes) -> None:
    status, _, text = still.ask("say", method="POST", body=body)
    assert status == 400
    assert json.loads(text)["error"].endswith(".")
    assert log(_made) == 0


def test_it_listens_on_this_machine_only(serve: Serve, _made: Path) -> None:
    where = urlsplit(serve(_made).url)
    assert where.hostname == "127.0.0.1"
    assert len(where.path.strip("/")) >= 43  # 32 random bytes
    with socket.socket() as other, pytest.raises(OSError):
        other.connect(("127.0.0.2", where.port))


def test_the_address_is_new_each_time(serve: Serve, _made: Path) -> None:
    one, other = (serve(_made) for _ in range(2))
    assert urlsplit(one.url).path != urlsplit(other.url).path
    assert other.ask(at=urlsplit(one.url).path)[0] == 403


@pytest.mark.parametrize(
    ("port", "host", "status"),
    [
        (80, "127.0.0.1", 200),  # as browsers send it
        (80, "localhost", 200),
        (80, "127.0.0.1:80", 200),
        (80, "evil.example", 421),
        (80, "127.0.0.1:8080", 421),
        (8080, "127.0.0.1", 421),
        (8080, "127.0.0.1:8080", 200),
    ],
)
def test_on_port_80_the_host_comes_without_the_port(port: int, host: str, status: int) -> None:
    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("page")(scope, receive, send)

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    headers = [(b"host", host.encode())]
    scope = {"type": "http", "method": "GET", "path": "/t/", "headers": headers}
    asyncio.run(Guard(page, token="t", port=port)(scope, receive, send))
    assert sent[0]["status"] == status


def test_a_header_that_comes_twice_equals_nothing_allowed() -> None:
    hosts = frozenset({"127.0.0.1:80"})
    headers = {"host": "127.0.0.1:80", "origin": "http://127.0.0.1:80, http://evil.example"}
    assert refusal("GET", "/t/", headers, token="t", hosts=hosts) is None
    refused = refusal("POST", "/t/say", headers, token="t", hosts=hosts)
    assert refused is not None
    assert refused.status == 403
