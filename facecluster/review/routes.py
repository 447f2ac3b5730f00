"""Which address of the page gives what; each request opens the library, asks and closes it.

So nothing is remembered between requests but pictures, and what other commands do in the meantime
is seen at once. Opening takes about a millisecond.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from facecluster.errors import FaceclusterError, UnreadableImage, UsageError
from facecluster.library import Library
from facecluster.review import questions
from facecluster.review.answers import Changed, say
from facecluster.review.pictures import Pictures

__all__ = ["application"]

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_LARGEST = 2**63 - 1

Question = Callable[[Library, Request], object]


def application(path: Path, judge: questions.Judge) -> Starlette:
    """The page and its answers for the library at `path`; judge is asked for each suggestion."""
    pictures = Pictures(path)

    def get(address: str, question: Question) -> Route:
        return Route(address, lambda request: _answer(path, question, request), methods=["GET"])

    def picture(address: str, draw: Callable[[int], bytes]) -> Route:
        return Route(
            address, lambda request: Response(draw(_number(request)), media_type="image/jpeg")
        )

    async def post(request: Request) -> Response:
        return await run_in_threadpool(_state_it, path, _object(await request.body()))

    page = [Route(f"/{address}", file) for address, file in _page().items()]
    asked = [
        get("/state", lambda library, _: questions.state(library)),
        get("/groups/{number:int}", lambda one, r: questions.group(one, _number(r))),
        get("/loose", lambda library, _: questions.loose(library)),
        get("/suggestions", lambda one, _: questions.suggestions(one, judge)),
        get("/pairs/{number:int}", lambda one, r: questions.pair(one, _number(r), _person(r))),
        get("/faces/{number:int}", lambda one, r: questions.photo(one, _number(r))),
        picture("/faces/{number:int}.jpg", pictures.face),
        picture("/photos/{number:int}.jpg", pictures.photo),
        Route("/say", post, methods=["POST"]),
    ]
    app = Starlette(routes=[*page, *asked], exception_handlers={FaceclusterError: _tell})
    app.router.redirect_slashes = False
    return app


def _answer(path: Path, question: Question, request: Request) -> Response:
    with Library.open(path) as library:
        return JSONResponse(question(library, request))


def _state_it(path: Path, body: dict[str, object]) -> Response:
    with Library.open(path) as library:
        return JSONResponse(dataclasses.asdict(say(library, body)))


def _tell(request: Request, error: Exception) -> Response:
    """The error's sentence, as the command line would print it."""
    missing = isinstance(error, UnreadableImage | UsageError) and request.method == "GET"
    status = 404 if missing else 400 if isinstance(error, UsageError) else 500
    if isinstance(error, Changed):
        status = 409
    return JSONResponse({"error": str(error)}, status)


def _number(request: Request) -> int:
    number = int(request.path_params["number"])
    if number > _LARGEST:
        raise UsageError("There is no such number.")
    return number


def _object(text: bytes) -> dict[str, object]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise UsageError("This page sent no JSON object: load it again.")
    return body


def _person(request: Request) -> str:
    return str(request.query_params.get("person", ""))


def _page() -> dict[str, Callable[[Request], Response]]:
    """The page's own files by address; what is not there when the server starts is not served."""
    folder = files("facecluster.review") / "page"
    found = {
        f"page/{file.name}": _file(kind, file.read_bytes())
        for file in folder.iterdir()
        if (kind := _TYPES.get(file.name.rpartition(".")[2]))  # not .DS_Store, which macOS adds
    }
    return {"": found.pop("page/index.html"), **found}


def _file(media_type: str, content: bytes) -> Callable[[Request], Response]:
    return lambda _: Response(content, media_type=media_type)
