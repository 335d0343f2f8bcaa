# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""An HTTP server on loopback that stands before another one and does what a test tells it to: refuses, redirects, falls silent, breaks off, or answers something else.

``running(url)`` stands before any server, ``running_s3()`` before a real S3 server (moto) of this process. What is not told goes to the server behind and back.
"""
from __future__ import annotations

import contextlib
import dataclasses
import http.client
import http.server
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Optional

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

_HOP_BY_HOP = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length"))


@dataclass(frozen=True)
class Answer:
    """What is sent: by default as a server does it, that is with the ``length`` of the body, at once, and all of it.

    ``sent`` are the bytes of head and body after which the server closes the connection, or falls ``silent`` until the end of the test. ``rate`` is in bytes a second.
    Without ``length`` the end of the connection is the end of the body.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: Optional[int] = None
    sent: Optional[int] = None
    silent: bool = False
    rate: float = 0.0

    @property
    def head(self) -> bytes:
        """The status and the headers as bytes."""
        lines = [f"HTTP/1.1 {self.status} {http.client.responses.get(self.status, '')}", *(f"{name}: {value}" for name, value in self.headers.items())]
        lines.append("Connection: close" if self.length is None else f"Content-Length: {self.length}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


@dataclass(frozen=True)
class Request:
    """``number`` counts from 1."""

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    _target: str

    @property
    def name(self) -> str:
        """The path without its query, decoded."""
        return urllib.parse.unquote(self.path.partition("?")[0])

    @property
    def range(self) -> str:
        """The range that is asked for, or nothing."""
        return next((value for name, value in self.headers.items() if name.lower() in ("range", "x-ms-range")), "")

    def passed_on(self) -> Answer:
        """Return what the server behind answers."""
        parts = urllib.parse.urlsplit(self._target)
        with contextlib.closing(http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)) as connection:
            connection.request(self.method, self.path, self.body, {name: value for name, value in self.headers.items() if name.lower() != "connection"})
            found = connection.getresponse()
            body = found.read()
        headers = {name: value for name, value in found.getheaders() if name.lower() not in _HOP_BY_HOP}
        return Answer(found.status, headers, body, int(found.getheader("Content-Length") or 0) if self.method == "HEAD" else len(body))


def refusal(status: int = 503, code: str = "SlowDown", message: str = "", **headers: str) -> Answer:
    """Return an answer of S3 that refuses; ``retry_after="1"`` becomes a header."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode() if code else b""
    return Answer(status, {"Content-Type": "application/xml", **{name.replace("_", "-"): value for name, value in headers.items()}}, body, len(body))


def redirect(to: str, status: int = 302, **headers: str) -> Answer:
    """Return a redirect to a URL."""
    return Answer(status, {"Location": to, **{name.replace("_", "-"): value for name, value in headers.items()}}, b"", 0)


def silent() -> Answer:
    """Accepted, and never answered."""
    return Answer(sent=0, silent=True)


def stopping(request: Request, silent: bool = False, in_head: bool = False, rate: float = 0.0) -> Answer:
    """The true answer, of which a half of the body arrives, or of the head; then the connection is closed, or nothing comes any more."""
    answer = request.passed_on()
    return dataclasses.replace(answer, sent=len(answer.head) // 2 if in_head else len(answer.head) + len(answer.body) // 2, silent=silent, rate=rate)


def trickling(request: Request, rate: float = 1.0) -> Answer:
    """The true answer at so many bytes a second."""
    return dataclasses.replace(request.passed_on(), rate=rate)


@dataclass
class FaultyServer:
    """``fault`` returns what a request is answered with, None to pass it on. It may be called in several threads at once."""

    target: str
    url: str = ""
    fault: Callable[[Request], Optional[Answer]] = lambda request: None
    uncounted: Callable[[str], bool] = lambda path: False
    """Tells by its path whether a request is passed on without being counted and kept."""
    requests: list[Request] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Keep a request, and return what to send."""
        if self.uncounted(path):
            return Request(0, method, path, headers, body, self.target).passed_on()
        with self._lock:
            request = Request(len(self.requests) + 1, method, path, headers, body, self.target)
            self.requests.append(request)
        return self.fault(request) or request.passed_on()

    def reset(self) -> None:
        """Forget the requests and the fault."""
        self.fault = lambda request: None
        self.requests.clear()


@contextlib.contextmanager
def running(target: str) -> Iterator[FaultyServer]:
    """Stand before the server at the URL ``target`` until the end of the block."""
    faulty = FaultyServer(target)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = faulty.answer(self.command, self.path, dict(self.headers), body)
            content = answer.head + (b"" if self.command == "HEAD" else answer.body)
            self._send(content[: answer.sent], answer.rate)
            if answer.silent:
                faulty.ended.wait()
            self.close_connection = answer.sent is not None or answer.length is None or answer.length != len(answer.body) and self.command != "HEAD"

        def _send(self, content: bytes, rate: float) -> None:
            # A client that has hung up is a part of the tests.
            with contextlib.suppress(OSError):
                if not rate:
                    self.wfile.write(content)
                    return
                for place in range(len(content)):
                    if faulty.ended.wait(1 / rate):
                        return
                    self.wfile.write(content[place : place + 1])

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer

        def log_message(self, format: str, *args) -> None:
            """Say nothing."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request, client_address) -> None:
            """Clients that hang up are a part of the tests."""

    with Server(("127.0.0.1", 0), Handler) as server, _serving(server):
        faulty.url = f"http://127.0.0.1:{server.server_address[1]}{urllib.parse.urlsplit(target).path}"
        try:
            yield faulty
        finally:
            faulty.ended.set()


@contextlib.contextmanager
def running_s3() -> Iterator[FaultyServer]:
    """Stand before a new S3 server until the end of the block. Its buckets are those of all such servers of this process."""
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    with _serving(server), running(f"http://127.0.0.1:{server.server_port}") as faulty:
        yield faulty


@contextlib.contextmanager
def _serving(server) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
