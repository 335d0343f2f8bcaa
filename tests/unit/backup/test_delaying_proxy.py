# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The proxy that the benchmark measures with: it delivers everything, delays what it should, and counts rightly."""
from __future__ import annotations

import socket
import socketserver
import threading
import time

import delaying_proxy
import pytest

BIG = 3 << 20
SMALL = b"a question"


class Echo(socketserver.BaseRequestHandler):
    """Answers what it is asked, and BIG bytes to ``big``; it breaks off after ``break``."""

    def handle(self):
        while question := self.request.recv(1 << 16):
            if question == b"break":
                return
            self.request.sendall(b"x" * BIG if question == b"big" else question)


@pytest.fixture(name="port", scope="module")
def _port():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def ask(connection, question, size):
    connection.sendall(question)
    answer = b""
    while len(answer) < size and (piece := connection.recv(1 << 20)):
        answer += piece
    return answer


def test_round_trips_and_bandwidth(port):
    with delaying_proxy.running(port, delaying_proxy.Distance(round_trip=0.02, bandwidth=BIG / 0.1)) as proxy:
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
            assert [ask(connection, SMALL, len(SMALL)) for _turn in range(5)] == [SMALL] * 5
            assert time.monotonic() - started >= 6 * 0.02  # The connection costs a round trip, too.
            before, started = proxy.traffic, time.monotonic()
            assert ask(connection, b"big", BIG) == b"x" * BIG
            assert time.monotonic() - started >= 0.12
            assert before == delaying_proxy.Traffic(1, 5, 5 * len(SMALL), 5 * len(SMALL))
            assert proxy.traffic - before == delaying_proxy.Traffic(0, 1, 3, BIG)


def test_an_end_is_passed_on(port):
    with delaying_proxy.running(port, delaying_proxy.Distance()) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
            assert ask(connection, b"break", 1) == b""
        with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
            assert ask(connection, SMALL, len(SMALL)) == SMALL
