# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""A gate that all loading threads pass with each block of rows: it lets so many bytes through in a second, and none
while it is closed."""

from __future__ import annotations

import threading
import time
from typing import Any


class Throttle:
    """``bytes_a_second`` of 0 is no limit. After a pause at most the bytes of one second pass at once."""

    def __init__(self, bytes_a_second: int = 0) -> None:
        self._rate = bytes_a_second
        self._open = threading.Event()
        self._open.set()
        self._ended = False
        self._lock = threading.Lock()
        self._free_at = time.monotonic() - 1.0
        """When all that has passed will have been paid for."""

    def close(self) -> None:
        """Let nothing pass until the gate is opened."""
        if not self._ended:
            self._open.clear()

    def end(self) -> None:
        """Hold nothing up any more: what waits is to notice that the work has ended."""
        self._ended = True
        self._open.set()

    def open(self) -> None:
        """Let blocks pass again."""
        self._open.set()

    def admit(self, size: int) -> None:
        """Wait until a block of so many bytes may pass."""
        self._open.wait()
        if self._ended or not self._rate:
            return
        with self._lock:
            begin = max(self._free_at, time.monotonic() - 1.0)
            self._free_at = begin + size / self._rate
            delay = self._free_at - time.monotonic()
        if delay > 0:
            time.sleep(delay)


class ThrottledReader:
    """A file for COPY whose blocks pass a throttle."""

    def __init__(self, reader: Any, throttle: Throttle) -> None:
        self._reader = reader
        self._throttle = throttle

    def read(self, size: int = -1) -> bytes:
        """Return the next block once it may pass."""
        block: bytes = self._reader.read(size)
        self._throttle.admit(len(block))
        return block
