# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The simple query protocol of PostgreSQL, as far as a stand-in needs it: start-up, TLS, queries, errors, COPY as ready bytes."""
from __future__ import annotations

import socketserver
import ssl
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Optional

Answer = Callable[[str], bytes]
"""From the text of a query to the messages of its answer, without ReadyForQuery."""
OpenSession = Callable[[str], Answer]
"""From the name of a database to what answers a connection to it."""
Login = Callable[[str, str], str]
"""From a user and the password to why the login is refused, empty when it is not."""

_SSL_REQUEST = 80877103
_GSS_REQUEST = 80877104
_CANCEL_REQUEST = 80877102
_CLEAR_TEXT_PASSWORD = 3
_TEXT_OID = 25
_PARAMETERS = {
    "server_version": "13.0.0", "server_encoding": "UTF8", "client_encoding": "UTF8", "DateStyle": "ISO, MDY", "TimeZone": "UTC",
    "integer_datetimes": "on", "standard_conforming_strings": "on",
}


def message(kind: str, payload: bytes = b"") -> bytes:
    """Return one message."""
    return kind.encode() + struct.pack("!i", len(payload) + 4) + payload


def command_complete(tag: str) -> bytes:
    """Return the end of a statement that succeeded."""
    return message("C", tag.encode() + b"\0")


def error_response(text: str, code: str = "XXUUU", severity: str = "ERROR") -> bytes:
    """Return the end of a statement that failed."""
    fields = {"S": severity, "V": severity, "C": code, "M": text}
    return message("E", b"".join(name.encode() + value.encode() + b"\0" for name, value in fields.items()) + b"\0")


def table(names: Iterable[str], rows: Iterable[Iterable[Optional[str]]]) -> bytes:
    """Return the rows of a SELECT, all columns of the type text."""
    columns = [name.encode() + b"\0" + struct.pack("!ihihih", 0, 0, _TEXT_OID, -1, -1, 0) for name in names]
    parts = [message("T", struct.pack("!h", len(columns)) + b"".join(columns))]
    for row in rows:
        values = [struct.pack("!i", -1) if value is None else struct.pack("!i", len(value.encode())) + value.encode() for value in row]
        parts.append(message("D", struct.pack("!h", len(values)) + b"".join(values)))
    return b"".join(parts) + command_complete(f"SELECT {len(parts) - 1}")


def copy_out(columns: int, lines: Iterable[str]) -> bytes:
    """Return what COPY TO STDOUT sends in the text format."""
    parts = [message("d", line.encode()) for line in lines]
    return message("H", struct.pack("!bh", 0, columns) + bytes(2 * columns)) + b"".join(parts) + message("c") + command_complete(f"COPY {len(parts)}")


class Server(socketserver.ThreadingTCPServer):
    """Listens on loopback; with ``tls`` it refuses whoever does not use it, with ``login`` it asks everybody but root for a password."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, open_session: OpenSession, tls: Optional[ssl.SSLContext] = None, login: Optional[Login] = None) -> None:
        super().__init__(("127.0.0.1", port), _Session)
        self.open_session = open_session
        self.tls = tls
        self.login = login


class _Session(socketserver.BaseRequestHandler):
    server: Server

    def handle(self) -> None:
        try:
            parameters = self._start()
            if parameters is not None:
                self._serve(self.server.open_session(parameters.get("database", "defaultdb")))
        except (ConnectionError, EOFError, ssl.SSLError):
            return

    def _start(self) -> Optional[dict[str, str]]:
        """Agree on TLS and log in; return what the client said, None when there is no session."""
        encrypted = False
        while True:
            length, code = struct.unpack("!ii", self._read(8))
            said = self._read(length - 8)
            if code == _CANCEL_REQUEST:
                return None
            if code == _SSL_REQUEST and self.server.tls:
                self.request.sendall(b"S")
                self.request = self.server.tls.wrap_socket(self.request, server_side=True)
                encrypted = True
            elif code in (_SSL_REQUEST, _GSS_REQUEST):
                self.request.sendall(b"N")
            else:
                break
        if self.server.tls and not encrypted:
            self.request.sendall(error_response("node is running secure mode, SSL connection required", "08P01", "ERROR"))
            return None
        words = said.decode().split("\0")
        told = dict(zip(words[::2], words[1::2]))
        refusal = self._refusal(told["user"])
        if refusal:
            self.request.sendall(error_response(refusal, "28P01", "FATAL"))
            return None
        parameters = [message("S", name.encode() + b"\0" + value.encode() + b"\0") for name, value in _PARAMETERS.items()]
        self.request.sendall(message("R", struct.pack("!i", 0)) + b"".join(parameters) + message("K", struct.pack("!ii", 1, 1)) + message("Z", b"I"))
        return told

    def _refusal(self, user: str) -> str:
        """Return why the user may not log in, empty if the user may."""
        if self.server.login is None or user == "root":
            return ""
        self.request.sendall(message("R", struct.pack("!i", _CLEAR_TEXT_PASSWORD)))
        self._read(1)
        password = self._read(struct.unpack("!i", self._read(4))[0] - 4)
        return self.server.login(user, password.rstrip(b"\0").decode())

    def _serve(self, session: Answer) -> None:
        status = b"I"
        while True:
            kind = self._read(1)
            payload = self._read(struct.unpack("!i", self._read(4))[0] - 4)
            if kind == b"X":
                return
            if kind == b"Q":
                answer = session(payload.rstrip(b"\0").decode())
            else:
                answer = error_response(f"the stand-in does not know messages of the kind {kind.decode()}", "08P01")
            status = _status(status, answer)
            self.request.sendall(answer + message("Z", status))

    def _read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = self.request.recv(length - len(data))
            if not part:
                raise EOFError
            data += part
        return data


def _status(status: bytes, answer: bytes) -> bytes:
    """Return whether the session is idle (I), in a transaction (T) or in a failed one (E) after this answer."""
    for kind, payload in messages(answer):
        if kind == "E" and status == b"T":
            status = b"E"
        elif kind == "C" and payload == b"BEGIN\0":
            status = b"T"
        elif kind == "C" and payload in (b"COMMIT\0", b"ROLLBACK\0"):
            status = b"I"
    return status


def messages(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield kind and payload of each message."""
    position = 0
    while position < len(data):
        (length,) = struct.unpack_from("!i", data, position + 1)
        yield chr(data[position]), data[position + 5:position + 1 + length]
        position += 1 + length
