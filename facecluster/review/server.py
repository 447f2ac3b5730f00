"""The server: one socket on the loopback interface, one secret address, until it is stopped."""

from __future__ import annotations

import contextlib
import secrets
import socket
from pathlib import Path

import uvicorn

from facecluster.errors import FaceclusterError
from facecluster.review.guard import Guard
from facecluster.review.questions import Judge
from facecluster.review.routes import application

__all__ = ["Review"]


class Review:
    """The page of one library, at `url` as soon as this is made; `run` serves it.

    FaceclusterError when the port is taken; 0 is any free one. judge tells how near is near enough
    for a suggestion, and its probability, by the network that the library has then.
    """

    def __init__(self, path: Path, judge: Judge, *, port: int = 0) -> None:
        try:
            self._socket = socket.create_server(("127.0.0.1", port))
        except OSError as error:
            raise FaceclusterError(
                f"Port {port} cannot be used ({error.strerror}): choose another, or none."
            ) from error
        port = self._socket.getsockname()[1]
        token = secrets.token_urlsafe(32)
        self.url = f"http://127.0.0.1:{port}/{token}/"
        page = application(path, judge)
        config = uvicorn.Config(
            Guard(page, token=token, port=port),
            access_log=False,  # the token is in each line of it
            date_header=False,
            http="h11",
            lifespan="off",
            log_level="warning",
            loop="asyncio",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=3,
            ws="none",
        )
        self._server = uvicorn.Server(config)

    def run(self) -> None:
        """Serve until `stop` or an interrupt from the keyboard."""
        with self._socket, contextlib.suppress(KeyboardInterrupt):
            self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Make `run` return, from another thread; answers under way are finished."""
        self._server.should_exit = True
