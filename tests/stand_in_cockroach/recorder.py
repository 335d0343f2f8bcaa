# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Stands between a client and a real CockroachDB on loopback and records every query with its answer, for the stand-in to repeat."""
from __future__ import annotations

import contextlib
import pathlib
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator

import conversation


class _Recorder(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, upstream: int) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.upstream = upstream
        self.exchanges: list[tuple[str, bytes]] = []
        self.lock = threading.Lock()


class _Session(socketserver.BaseRequestHandler):
    server: _Recorder

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.upstream)) as upstream, contextlib.suppress(EOFError, ConnectionError):
            start = _read(self.request, 8)
            start += _read(self.request, struct.unpack("!i", start[:4])[0] - 8)
            upstream.sendall(start)
            self._relay_answer(upstream)
            while True:
                kind, payload = _message(self.request)
                upstream.sendall(kind + struct.pack("!i", len(payload) + 4) + payload)
                if kind == b"X":
                    return
                answer = self._relay_answer(upstream)
                if kind == b"Q":
                    with self.server.lock:
                        self.server.exchanges.append((payload.rstrip(b"\0").decode(), answer))

    def _relay_answer(self, upstream: socket.socket) -> bytes:
        """Pass on everything up to ReadyForQuery; return what came before it."""
        answer = b""
        while True:
            kind, payload = _message(upstream)
            data = kind + struct.pack("!i", len(payload) + 4) + payload
            self.request.sendall(data)
            if kind == b"Z":
                return answer
            answer += data


def _message(connection: socket.socket) -> tuple[bytes, bytes]:
    kind = _read(connection, 1)
    return kind, _read(connection, struct.unpack("!i", _read(connection, 4))[0] - 4)


def _read(connection: socket.socket, length: int) -> bytes:
    parts = b""
    while len(parts) < length:
        part = connection.recv(length - len(parts))
        if not part:
            raise EOFError
        parts += part
    return parts


@contextlib.contextmanager
def recording(upstream: int, path: pathlib.Path) -> Iterator[int]:
    """Yield the port of a recorder before the insecure node at the port ``upstream``; write the conversation to ``path`` at the end."""
    with _Recorder(upstream) as recorder:
        threading.Thread(target=recorder.serve_forever, daemon=True).start()
        yield recorder.server_address[1]
        recorder.shutdown()
    conversation.write(path, recorder.exchanges)
