# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A real S3 server (moto) in this process, before which an application stands that refuses requests or breaks answers off, as it is told."""
from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

SLOW_DOWN = "<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


def refusal(status: int = 503, body: str = SLOW_DOWN, **headers: str) -> Response:
    """Return an answer that refuses; ``retry_after="1"`` becomes a header."""
    return Response(body, status, {name.replace("_", "-"): value for name, value in headers.items()}, "application/xml")


@dataclass
class FaultyServer:
    """``fault`` gets the method and the number (from 1) of each request: it returns a refusal, ``"break off"``, or None to let it pass."""

    fault: Callable[[str, int], object] = lambda method, number: None
    url: str = ""
    requests: list[str] = field(default_factory=list)
    gets: list[tuple[str, str]] = field(default_factory=list)
    """Path and range of each GET."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: object = field(default_factory=lambda: DomainDispatcherApplication(create_backend_app))

    def __call__(self, environ: dict, start_response: Callable) -> object:
        with self._lock:
            self.requests.append(environ["REQUEST_METHOD"])
            if environ["REQUEST_METHOD"] == "GET":
                self.gets.append((environ["PATH_INFO"], environ.get("HTTP_RANGE", "")))
            answer = self.fault(environ["REQUEST_METHOD"], len(self.requests))
        if isinstance(answer, Response):
            return answer(environ, start_response)
        pieces = self._server(environ, start_response)
        if answer != "break off":
            return pieces
        body = b"".join(pieces)
        return [body[:len(body) // 2]]


@contextlib.contextmanager
def running() -> Iterator[FaultyServer]:
    """Serve on loopback until the end of the block."""
    application = FaultyServer()
    server = make_server("127.0.0.1", 0, application, threaded=True)
    application.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield application
    finally:
        server.shutdown()
        thread.join()
