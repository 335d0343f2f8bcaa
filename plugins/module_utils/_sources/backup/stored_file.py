# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Random access to one stored file: small ones are held whole, large ones are read in windows."""

from __future__ import annotations

from typing import Optional

from ..._errors import CorruptBackupError
from ..storage.storage import Storage
from .encryption import EncryptedFile

WHOLE = 8 << 20
"""Files up to this size are held whole."""
TAIL = 512 << 10
"""Bytes at the end that are read first: an SST's footer, properties and most indexes, or all of a small file."""
WINDOW = 4 << 20


class StoredFile:
    """``name`` is for messages, ``size`` in bytes, ``read(offset, length)`` gives fewer bytes only at the end."""

    def __init__(self, storage: Storage, path: str) -> None:
        """Raises MigrationError when the file is missing, empty or cannot be read."""
        self.name = storage.describe(path)
        self._storage, self._path = storage, path
        self._tail, self.size = storage.read_end(path, TAIL)
        if not self.size:
            raise CorruptBackupError(f"{self.name} is empty: copy it again from the original")
        self._tail_offset = self.size - len(self._tail)
        self._window, self._offset = b"", 0

    @property
    def held(self) -> int:
        """Bytes of memory that the file may need."""
        return min(self.size, WHOLE)

    def read(self, offset: int, length: int) -> bytes:
        """Return a range of the stored bytes."""
        if offset >= self._tail_offset:
            start = offset - self._tail_offset
            return self._tail[start : start + length]
        start = offset - self._offset
        if start < 0 or start + length > len(self._window):
            if self.size <= WHOLE:
                self._window = self._tail = self._storage.read_range(self._path, 0, self._tail_offset) + self._tail
                self._offset = self._tail_offset = 0
                return self._tail[offset : offset + length]
            self._window = self._storage.read_range(self._path, offset, max(length, WINDOW))
            self._offset, start = offset, 0
        return self._window[start : start + length]


def open_file(storage: Storage, path: str, key: Optional[bytes]):
    """Return random access to a file's plain content; ``key`` is the data key of an encrypted backup."""
    file = StoredFile(storage, path)
    return EncryptedFile(file, key) if key else file
