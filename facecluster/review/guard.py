"""Who may ask: only a browser on this machine that was given the secret address.

Any page in the user's browser can send requests to this server, and so can any user of the
machine. Each check answers one of their ways: the token in the path (no address, no answer), Host
(a foreign name that resolves to 127.0.0.1), Origin and Sec-Fetch-Site (a foreign page that posts a
form, or embeds a picture), the content type (a form can send none that is JSON). There is no
cookie, so nothing of the user's goes along with a forged request.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEADERS", "MAX_BODY", "Guard", "refusal"]

# 50,000 face numbers are 350 kB.
MAX_BODY = 2_000_000

# The page needs its own files and nothing else; nothing of it, least of all faces, is kept by the
# browser or shown inside another page.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_GUARDING = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The status of an answer that tells nothing, and its sentence."""

    status: int
    sentence: str


def refusal(
    method: str, path: str, headers: Mapping[str, str], *, token: str, hosts: frozenset[str]
) -> Refusal | None:
    """Why this request gets no answer, None when it does; names of headers are in lower case."""
    if headers.get("host", "").lower() not in hosts:
        return Refusal(421, "This is not the address of facecluster review.")
    given = path.split("/", 2)[1] if path.startswith("/") else ""
    if not hmac.compare_digest(given.encode(errors="replace"), token.encode()):
        return Refusal(403, "Open the whole address that 'facecluster review' printed.")
    site = headers.get("sec-fetch-site", "none")
    if site not in ("none", "same-origin") and not _is_opening(method, path, headers, token):
        return Refusal(403, "Another page asked for this.")
    if method in ("GET", "HEAD"):
        return None
    if method != "POST":
        return Refusal(405, "Only GET and POST are answered.")
    scheme, _, host = headers.get("origin", "").lower().partition("://")
    if scheme != "http" or host != headers["host"].lower():
        return Refusal(403, "Another page asked for this.")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return Refusal(415, "Send JSON.")
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdecimal() and int(length[:20]) <= MAX_BODY):
        return Refusal(413, "Say how long it is, and no more than 2 MB.")
    return None


def _is_opening(method: str, path: str, headers: Mapping[str, str], token: str) -> bool:
    """Whether a window goes to the page itself, as from the file that leads there: that file is of
    another site to the browser. Who gets there knows the token, and reads nothing of the answer."""
    return (
        (method, path) == ("GET", f"/{token}/")
        and headers.get("sec-fetch-site") == "cross-site"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )


class Guard:
    """An ASGI app that answers as `app` does where `refusal` lets it; paths lose the token."""

    def __init__(self, app: ASGIApp, *, token: str, port: int) -> None:
        self._app = app
        self._token = token
        names = ("127.0.0.1", "localhost")
        bare = names if port == 80 else ()  # the port that a browser leaves out
        self._hosts = frozenset({*(f"{name}:{port}" for name in names), *bare})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return  # the server is told to speak nothing else
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            # A header that comes twice is joined, as HTTP says, and then equals nothing allowed.
            before = headers.get(name.decode("latin-1"))
            text = value.decode("latin-1")
            headers[name.decode("latin-1")] = text if before is None else f"{before}, {text}"

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_GUARDING]}
            await send(message)

        refused = refusal(
            scope["method"], scope["path"], headers, token=self._token, hosts=self._hosts
        )
        if refused:
            answer = PlainTextResponse(refused.sentence + "\n", refused.status)
            await answer(scope, receive, send_guarded)
            return
        path = scope["path"].removeprefix(f"/{self._token}")
        inner = {**scope, "path": path, "raw_path": path.encode(errors="replace")}
        await self._app(inner, receive, send_guarded)
