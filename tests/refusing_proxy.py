# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Stands before any HTTP server of a test, and refuses requests or breaks answers off, as it is told."""
from __future__ import annotations

import contextlib
import http.client
import http.server
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_HOP_BY_HOP = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length"))


@dataclass
class RefusingProxy:
    """``fault`` gets the number (from 1) of each request: it returns a status to answer with, ``"break off"``, or None to pass the request on."""

    target: str
    fault: Callable[[int], object] = lambda number: None
    uncounted: Callable[[str], bool] = lambda path: False
    """Tells by its path whether a request is passed on without being counted and kept."""
    url: str = ""
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    """Method, path, headers and body of each request."""


@contextlib.contextmanager
def running(target: str) -> Iterator[RefusingProxy]:
    """Serve on loopback what the server at the URL ``target`` answers, until the end of the block."""
    proxy = RefusingProxy(target)
    lock = threading.Lock()
    parts = urllib.parse.urlsplit(target)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = None
            if not proxy.uncounted(self.path):
                with lock:
                    proxy.seen.append((self.command, self.path, dict(self.headers), body))
                    fault = proxy.fault(len(proxy.seen))
            if isinstance(fault, int):
                self._send(fault, {"Retry-After": "1"}, b"")
                return
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
            connection.request(self.command, self.path, body, {name: value for name, value in self.headers.items() if name.lower() != "connection"})
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self._send(answer.status, headers, content, broken=fault == "break off", length=length)

        def _send(self, status: int, headers: dict[str, str], content: bytes, broken: bool = False, length: str | None = None) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content[: len(content) // 2] if broken else content)
            self.close_connection = broken

        do_GET = do_HEAD = do_POST = do_PUT = _answer

        def log_message(self, format: str, *args) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        proxy.url = f"http://127.0.0.1:{server.server_address[1]}{parts.path}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
