# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Fetching in threads what is read next, so that no reader waits for a distant server; the memory is bounded."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Generic, Optional, TypeVar

from ..storage.retries import GIVING_UP

LIMIT = 32 << 20
"""Bytes that one process fetches before they are needed."""
THREADS = 16
PIECE = 4 << 20
"""The most bytes that one request for a part of a file asks for."""
SMALLEST_PIECE = 256 << 10
_PIECES = 3
"""Pieces of one file that are held at once: the one that is read, and those after it."""

_KEPT_BEHIND = 256 << 10
"""Bytes before the reader's place: the next range begins with the block in which this one ends, or the one before."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Context manager: when the user ends the run in it, the threads that fetch end soon."""
    try:
        yield
    except KeyboardInterrupt:
        GIVING_UP.set()
        raise


def in_parallel(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return the results of ``function`` in the order of ``items``; raises what the first item that fails raises."""
    if len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(THREADS) as pool, interruptible():
        return list(pool.map(function, items))


class Fetch(Generic[Result]):
    """A call that runs in a thread, and the memory that its result may take until it is dropped."""

    def __init__(self, ahead: ReadAhead, size: int, future: Future[Result]) -> None:
        self._ahead, self._size, self._future = ahead, size, future

    def result(self) -> Result:
        """Return what the call returned; raises what it raised."""
        return self._future.result()

    def done(self) -> bool:
        """Whether the call has returned or raised."""
        return self._future.done()

    def drop(self) -> None:
        """Give the memory free. A call that has not begun is not made."""
        self._future.cancel()
        self._ahead.free += self._size
        self._size = 0


class ReadAhead:
    """The threads of one process. Only one thread may use this object; it must be closed before the process forks."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.free = limit
        """Bytes that may still be fetched before they are needed."""
        self._pool: Optional[ThreadPoolExecutor] = None

    def __getstate__(self) -> dict:
        return dict(self.__dict__, _pool=None)

    def begin(self, size: int, call: Callable[[], Result], leaving: int = 0) -> Optional[Fetch[Result]]:
        """Begin a call whose result takes about ``size`` bytes; None when there is no room for it that leaves as much
        free as is asked for."""
        return self.demand(size, call) if size <= self.free - leaving else None

    def demand(self, size: int, call: Callable[[], Result]) -> Fetch[Result]:
        """Begin a call whose result is needed now, room or not."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="read_ahead")
        self.free -= size
        return Fetch(self, size, self._pool.submit(call))

    def close(self) -> None:
        """End the threads, after what they fetch now. They begin again when they are needed."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


class PiecesAhead:
    """A part of a file that is read in order, some pieces ahead of the reader."""

    def __init__(self, ahead: ReadAhead, read_range: Callable[[int, int], bytes]) -> None:
        """``read_range(offset, length)`` is called in threads."""
        self._ahead, self._read_range = ahead, read_range
        self._pieces: deque[tuple[int, int, Fetch[bytes]]] = deque()
        """Start, end and content, each beginning where the one before ends."""
        self._next = self._end = 0
        self._size = PIECE

    def give(self, content: bytes) -> None:
        """Take the file's first bytes, which are there already."""
        future: Future[bytes] = Future()
        future.set_result(content)
        self._ahead.free -= len(content)
        self._pieces.append((0, len(content), Fetch(self._ahead, len(content), future)))
        self._next = self._end = len(content)

    def expect(self, start: int, end: int, size: int) -> None:
        """Begin to fetch [start, end) in pieces of ``size`` bytes; what is there already is kept."""
        if not self._pieces or not self._pieces[0][0] <= start <= self._next:
            self.drop()
            self._next = start
        self._end, self._size = max(end, self._next), size
        self._fetch(start)

    def covers(self, start: int, end: int) -> bool:
        """Whether [start, end) lies in what is expected, and was not read past."""
        return bool(self._pieces) and self._pieces[0][0] <= start and end <= self._end

    def read(self, start: int, end: int) -> bytes:
        """Return [start, end), which must be covered; less where the file ends before."""
        self._fetch(start)
        if self._next < end:
            self._fetch_piece(self._ahead.demand, end - self._next)
        parts = []
        for first, _last, fetch in self._pieces:
            if first >= end:
                break
            parts.append(fetch.result()[max(0, start - first) : end - first])
        content = parts[0] if len(parts) == 1 else b"".join(parts)
        if end - start > PIECE:
            self._drop_before(end)
        return content

    def drop(self) -> None:
        """Forget everything."""
        for _start, _end, fetch in self._pieces:
            fetch.drop()
        self._pieces.clear()
        self._next = self._end = 0

    def _fetch(self, start: int) -> None:
        """Drop what lies before ``start``, and fetch what there is room for; one piece in any case."""
        self._drop_before(start - _KEPT_BEHIND)
        if not self._pieces:
            self._next = max(self._next, start)
        while self._next < self._end and len(self._pieces) < _PIECES:
            size = min(self._size if self._pieces else SMALLEST_PIECE, self._end - self._next)
            if not self._fetch_piece(self._ahead.begin if self._pieces else self._ahead.demand, size):
                break

    def _drop_before(self, place: int) -> None:
        while self._pieces and self._pieces[0][1] <= place:
            self._pieces.popleft()[2].drop()

    def _fetch_piece(self, begin: Callable[[int, Callable[[], bytes]], Optional[Fetch[bytes]]], size: int) -> bool:
        fetch = begin(size, partial(self._read_range, self._next, size))
        if fetch is None:
            return False
        self._pieces.append((self._next, self._next + size, fetch))
        self._next += size
        return True
