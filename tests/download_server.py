# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""An HTTP server on loopback that publishes archives, and fails the way mirrors fail."""
from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import re
import ssl
import tarfile
import threading
from collections.abc import Iterator
from typing import Optional
from urllib.parse import urlsplit


class DownloadServer(http.server.ThreadingHTTPServer):
    """``files`` are served by path, with ``ranges`` in parts too; ``failures`` holds the statuses that a path answers first, ``cut`` how often it is
    broken off in the middle, ``headers`` what is sent instead of the usual."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.failures: dict[str, list[int]] = {}
        self.cut: dict[str, int] = {}
        self.redirects: dict[str, str] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.ranges = False
        self.headers: dict[str, str] = {}
        self.scheme = "http"

    @property
    def url(self) -> str:
        """The server's URL without a slash at the end."""
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def publish(self, path: str, content: bytes, checksum: bool = True) -> str:
        """Serve a file, with its checksum file as CockroachDB's downloads have one; return its SHA-256."""
        digest = hashlib.sha256(content).hexdigest()
        self.files[path] = content
        if checksum:
            self.files[f"{path}.sha256sum"] = f"{digest}  {path.rsplit('/', 1)[-1]}\n".encode()
        return digest

    def asked(self, path: str) -> int:
        """Return how often a path was asked for."""
        return sum(1 for asked, _headers in self.seen if asked == path)

    def handle_error(self, request, client_address) -> None:
        """Clients that hang up, or do not like the certificate, are part of the tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: DownloadServer

    def do_GET(self) -> None:
        """Answer; a client that uses this as its proxy sends whole URLs."""
        path = urlsplit(self.path).path
        self.server.seen.append((path, dict(self.headers)))
        waiting = self.server.failures.get(path)
        if waiting:
            self.send_error(waiting.pop(0))
        elif path in self.server.redirects:
            self.send_response(302)
            self.send_header("Location", self.server.redirects[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path in self.server.files:
            self._send(path, self.server.files[path])
        else:
            self.send_error(404)

    do_HEAD = do_POST = do_GET

    def do_PUT(self) -> None:
        """Keep a file."""
        self.server.files[urlsplit(self.path).path] = self._body()
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _send(self, path: str, content: bytes) -> None:
        cut = self.server.cut.get(path, 0)
        self.server.cut[path] = max(0, cut - 1)
        size = len(content)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or self.headers.get("x-ms-range", "")) if self.server.ranges else None
        if wanted and int(wanted[1]) >= size:
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        if wanted:
            content = content[int(wanted[1]): int(wanted[2]) + 1]
        usual = {"Content-Length": str(len(content))}
        if wanted:
            usual["Content-Range"] = f"bytes {wanted[1]}-{int(wanted[1]) + len(content) - 1}/{size}"
        for name, value in {**usual, **self.server.headers}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)

    def log_message(self, format: str, *args) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving(certificate: Optional[str] = None) -> Iterator[DownloadServer]:
    """Run a server for a block; with ``certificate``, a PEM file of key and certificate, over TLS."""
    with DownloadServer() as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.scheme = "https"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def tar_gz(entries: dict[str, bytes], *more: tarfile.TarInfo) -> bytes:
    """Return an archive of programs; ``more`` are entries without content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
        for entry in more:
            archive.addfile(entry)
    return buffer.getvalue()
