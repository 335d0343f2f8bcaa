# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Random access to one stored file: small ones are held whole, of large ones what is expected is read ahead."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Optional

from ..._errors import CorruptBackupError
from ..storage.storage import Storage
from .encryption import EncryptedFile
from .read_ahead import PIECE, PiecesAhead, ReadAhead

WHOLE = PIECE
"""Files up to this size are held whole, and read in one request when they are thought to be small."""
TAIL = 512 << 10
"""The most bytes at the end of a large file that are read first: an SST's footer, properties and most indexes."""
_SMALLEST_TAIL = 64 << 10
_SIZE_OF_INDEX = 64
"""The part of a file, without compression, that its index hardly exceeds."""
WINDOW = 1 << 20
"""Bytes that are read at once where nothing was expected, and the least that is expected."""
_THOUGHT_SMALL = 4 * WHOLE
"""Bytes of keys and values, which are stored compressed."""


@dataclass(frozen=True)
class Ends:
    """The size of a file in bytes, and its first and last bytes. ``start`` is empty or ``end`` begins after it."""

    size: int
    start: bytes
    end: bytes


def size_of_ends(size: Optional[int], index_only: bool) -> int:
    """Return about how many bytes ``read_ends`` reads."""
    if size is None:
        return WHOLE + TAIL
    return _tail(size) if index_only or size > _THOUGHT_SMALL else min(size, WHOLE + TAIL)


def read_ends(storage: Storage, path: str, size: Optional[int], index_only: bool = False) -> Ends:
    """Return both ends of a file, or all of a small one. ``size`` is about how many bytes it has without compression,
    None when nobody knows; ``index_only`` whether no more than its end will be read."""
    start = b""
    if size is None or (size <= _THOUGHT_SMALL and not index_only):
        start, found = storage.read_start(path, WHOLE)
        if found <= len(start):
            return Ends(found, b"", start)
        first = max(len(start), found - TAIL)
        return Ends(found, start, storage.read_range(path, first, found - first))
    end, found = storage.read_end(path, _tail(size))
    return Ends(found, start, end)


def _tail(size: int) -> int:
    return min(TAIL, max(_SMALLEST_TAIL, size // _SIZE_OF_INDEX))


class StoredFile:
    """``name`` is for messages, ``size`` in bytes, ``read(offset, length)`` gives fewer bytes only at the end."""

    def __init__(self, storage: Storage, path: str, ends: Ends, ahead: ReadAhead) -> None:
        """Raises CorruptBackupError when the file is empty."""
        self.name = storage.describe(path)
        self.size = ends.size
        if not self.size:
            raise CorruptBackupError(f"{self.name} is empty: copy it again from the original")
        self._end, self._end_offset = ends.end, self.size - len(ends.end)
        self._read_range = partial(storage.read_range, path)
        self.read_again = partial(storage.read_again, path)
        """``read_again(offset, length, problem)`` reads a range from the storage that was damaged when it was read."""
        self._pieces = PiecesAhead(ahead, self._read_range)
        if ends.start:
            self._pieces.give(ends.start)
        self._window, self._window_offset = b"", 0

    @property
    def held(self) -> int:
        """Bytes of memory that the file takes while it is not read."""
        return len(self._end)

    def expect(self, start: int, end: int, piece: int) -> None:
        """Begin to read [start, end) in pieces of so many bytes, as they will be asked for in order."""
        end = min(max(end, start + WINDOW), self._end_offset)
        if start < end:
            self._pieces.expect(start, end, piece)

    def forget(self) -> None:
        """Drop all but what ``held`` counts."""
        self._pieces.drop()
        self._window, self._window_offset = b"", 0

    def read(self, offset: int, length: int) -> bytes:
        """Return a range of the stored bytes."""
        end = min(offset + length, self.size)
        if offset >= self._end_offset:
            return self._end[offset - self._end_offset : end - self._end_offset]
        if end > self._end_offset:
            return self._before_end(offset, self._end_offset) + self._end[: end - self._end_offset]
        return self._before_end(offset, end)

    def _before_end(self, start: int, end: int) -> bytes:
        if self._pieces.covers(start, end):
            return self._pieces.read(start, end)
        if end - start > WINDOW:
            return self._read_range(start, end - start)
        place = start - self._window_offset
        if place < 0 or end - self._window_offset > len(self._window):
            self._window = self._read_range(start, min(WINDOW, self._end_offset - start))
            self._window_offset, place = start, 0
        return self._window[place : place + end - start]


def open_file(storage: Storage, path: str, key: Optional[bytes], ends: Ends, ahead: ReadAhead):
    """Return random access to a file's plain content; ``key`` is the data key of an encrypted backup."""
    file = StoredFile(storage, path, ends, ahead)
    return EncryptedFile(file, key) if key else file
