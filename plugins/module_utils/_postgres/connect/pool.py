# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Distributing work over several connections to one database."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, Callable, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class ConnectionPool:
    """Context manager: threads with one connection each. psycopg2 lets other threads run while PostgreSQL works."""

    def __init__(self, open_connection: Callable[[], Any], size: int) -> None:
        self._open = open_connection
        self._local = threading.local()
        self._connections: list[Any] = []
        self._threads = ThreadPoolExecutor(size)
        self._stopped = False

    def __enter__(self) -> ConnectionPool:
        return self

    def __exit__(self, *_error: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        for connection in self._connections:
            connection.close()

    def submit(self, work: Callable[[Any, Item], Result], item: Item) -> Future[Result]:
        """Have the next free thread call ``work(connection, item)``."""
        return self._threads.submit(self._call, work, item)

    def stop(self) -> None:
        """Begin no further work, not even what waits for its connection; what has begun goes on."""
        self._stopped = True

    def _call(self, work: Callable[[Any, Item], Result], item: Item) -> Result:
        if not hasattr(self._local, "connection"):
            self._local.connection = self._open()
            self._connections.append(self._local.connection)
        if self._stopped:
            raise CancelledError
        return work(self._local.connection, item)
