# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Random access to one stored file: small ones are held whole, large ones are read in windows."""
from __future__ import annotations

from typing import Optional

from ..errors import CorruptBackupError
from .encryption import EncryptedFile
from .storage import Storage

WHOLE = 8 << 20
"""Files up to this size are read with one request."""
WINDOW = 4 << 20


class StoredFile:
    """``name`` is for messages, ``size`` in bytes, ``read(offset, length)`` gives fewer bytes only at the end."""

    def __init__(self, storage: Storage, path: str) -> None:
        self.name = storage.describe(path)
        self._storage, self._path = storage, path
        self._window, self.size = storage.read_start(path, WHOLE)
        self._offset = 0
        if not self.size:
            raise CorruptBackupError(f"{self.name} is empty: copy it again from the original")
        if self.size > WHOLE:
            self._window = b""

    @property
    def held(self) -> int:
        """Bytes of memory that the file needs."""
        return min(self.size, WHOLE)

    def read(self, offset: int, length: int) -> bytes:
        """Return a range of the stored bytes."""
        start = offset - self._offset
        if start < 0 or start + length > len(self._window):
            if self.size <= WHOLE:
                return self._window[offset:offset + length] if offset >= 0 else b""
            self._window = self._storage.read_range(self._path, offset, max(length, WINDOW))
            self._offset, start = offset, 0
        return self._window[start:start + length]


def open_file(storage: Storage, path: str, key: Optional[bytes]):
    """Return random access to a file's plain content; ``key`` is the data key of an encrypted backup."""
    file = StoredFile(storage, path)
    return EncryptedFile(file, key) if key else file
