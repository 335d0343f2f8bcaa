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
"""Bytes at the end of a large file that are read first: an SST's footer, properties and most indexes."""
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


def size_of_ends(size: Optional[int]) -> int:
    """Return about how many bytes ``read_ends`` reads."""
    if size is None:
        return WHOLE + TAIL
    return min(size, WHOLE + TAIL) if size <= _THOUGHT_SMALL else TAIL


def read_ends(storage: Storage, path: str, size: Optional[int]) -> Ends:
    """Return both ends of a file, or all of a small one. ``size`` is about how many bytes it has without compression,
    None when nobody knows."""
    start = b""
    if size is None or size <= _THOUGHT_SMALL:
        start, found = storage.read_start(path, WHOLE)
        if found <= len(start):
            return Ends(found, b"", start)
        first = max(len(start), found - TAIL)
        return Ends(found, start, storage.read_range(path, first, found - first))
    end, found = storage.read_end(path, TAIL)
    return Ends(found, start, end)


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
        self._pieces = PiecesAhead(ahead, self._read_range)
        if ends.start:
            self._pieces.give(ends.start)
        self._window, self._window_offset = b"", 0

    @property
    def held(self) -> int:
        """The most bytes of memory that the file takes, without what is read ahead."""
        return len(self._end) + min(WINDOW, self._end_offset)

    def expect(self, start: int, end: int, piece: int) -> None:
        """Begin to read [start, end) in pieces of so many bytes, as they will be asked for in order."""
        end = min(max(end, start + WINDOW), self._end_offset)
        if start < end:
            self._pieces.expect(start, end, piece)

    def forget(self) -> None:
        """Drop what was read ahead."""
        self._pieces.drop()

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
