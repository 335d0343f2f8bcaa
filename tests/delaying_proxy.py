# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A TCP proxy on loopback that makes a server of this machine as far away as one elsewhere: round trips take time, bandwidth is limited, and both are counted.

It knows no protocol: HTTP without pipelining and PostgreSQL's protocol alike ask, wait and ask again, and each such turn is one request. It runs in a process of its
own, so that it takes no time from what it measures but that of a core.
"""
from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_PIECE = 64 << 10
_UNDER_WAY = 512
"""Pieces of one connection that are on their way; then its sender waits, as TCP's window makes it."""
_CONNECTIONS, _REQUESTS, _SENT, _RECEIVED = range(4)


@dataclass(frozen=True)
class Traffic:
    """What has passed: ``requests`` are times at which a client sent something after an answer or at first; bytes ``sent`` to the server and ``received`` from it."""

    connections: int
    requests: int
    sent: int
    received: int

    def __sub__(self, earlier: Traffic) -> Traffic:
        return Traffic(*(now - before for now, before in zip(vars(self).values(), vars(earlier).values())))


@dataclass(frozen=True)
class Distance:
    """How far away the server seems to be: ``round_trip`` in seconds, ``bandwidth`` in bytes a second and direction, shared by all connections; 0 for no limit."""

    round_trip: float = 0.0
    bandwidth: float = 0.0


@dataclass(frozen=True)
class DelayingProxy:
    """A running proxy: clients connect to its ``port`` of 127.0.0.1."""

    port: int
    _counters: Any

    @property
    def traffic(self) -> Traffic:
        """All that has passed until now."""
        return Traffic(*self._counters)


@contextlib.contextmanager
def running(port: int, distance: Distance) -> Iterator[DelayingProxy]:
    """Stand before the server at ``port`` of 127.0.0.1 until the end of the block."""
    context = multiprocessing.get_context("spawn")
    counters = context.Array("Q", 4, lock=False)
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(port, distance, counters, there), daemon=True)
    process.start()
    there.close()
    try:
        yield DelayingProxy(here.recv(), counters)
    finally:
        process.terminate()
        process.join()


def _run(port: int, distance: Distance, counters: Any, opened: Any) -> None:
    asyncio.run(_Proxy(port, distance, counters).serve(opened))


class _Link:
    """One direction of the line that all connections share."""

    def __init__(self, bandwidth: float) -> None:
        self._bandwidth = bandwidth
        self._free = 0.0

    def passed(self, size: int) -> float:
        """Return when so many bytes, sent now, are through."""
        now = asyncio.get_running_loop().time()
        if not self._bandwidth:
            return now
        self._free = max(now, self._free) + size / self._bandwidth
        return self._free


class _Proxy:
    def __init__(self, port: int, distance: Distance, counters: Any) -> None:
        self._port, self._round_trip, self._counters = port, distance.round_trip, counters
        self._up, self._down = _Link(distance.bandwidth), _Link(distance.bandwidth)

    async def serve(self, opened: Any) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        opened.send(server.sockets[0].getsockname()[1])
        opened.close()
        async with server:
            await server.serve_forever()

    async def _connected(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        self._counters[_CONNECTIONS] += 1
        await asyncio.sleep(self._round_trip)  # the handshake of TCP
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            client_writer.close()
            return
        asking = _Turns(self._counters)
        try:
            # The whole round trip is waited on the way back: what asks and waits cannot tell the difference.
            await asyncio.gather(
                self._pump(client_reader, server_writer, self._up, 0.0, asking.sent),
                self._pump(server_reader, client_writer, self._down, self._round_trip, asking.received))
        except OSError:
            pass  # One side has broken the connection off; the other one sees that it is closed.
        finally:
            server_writer.close()
            client_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: _Link, delay: float, count: Any) -> None:
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_UNDER_WAY)
        delivery = asyncio.create_task(_deliver(pieces, writer))
        try:
            while piece := await reader.read(_PIECE):
                count(len(piece))
                await _put(pieces, (link.passed(len(piece)) + delay, piece), delivery)
            await _put(pieces, (0.0, b""), delivery)
            await delivery
        finally:
            delivery.cancel()


class _Turns:
    """Counts what one connection asks."""

    def __init__(self, counters: Any) -> None:
        self._counters = counters
        self._answered = True

    def sent(self, size: int) -> None:
        self._counters[_REQUESTS] += self._answered
        self._answered = False
        self._counters[_SENT] += size

    def received(self, size: int) -> None:
        self._answered = True
        self._counters[_RECEIVED] += size


async def _put(pieces: asyncio.Queue, piece: tuple[float, bytes], delivery: asyncio.Task) -> None:
    """Wait for room, but not for a delivery that has failed."""
    putting = asyncio.ensure_future(pieces.put(piece))
    await asyncio.wait((putting, delivery), return_when=asyncio.FIRST_COMPLETED)
    if not putting.done():
        putting.cancel()
        await delivery


async def _deliver(pieces: asyncio.Queue, writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    while True:
        moment, piece = await pieces.get()
        if not piece:
            writer.write_eof()
            return
        wait = moment - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        writer.write(piece)
        await writer.drain()
