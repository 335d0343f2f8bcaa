# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Encrypting what is written, and decrypting what is read, piece by piece.

age reads all of its input by itself: it does that in a thread, and a pipe leads to it or from it.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Optional

from .dump_key import DumpKey


class EncryptedWriter:
    """A file to write to, whose bytes are encrypted into ``file`` (whatever has ``write``). It is whole after
    ``close``."""

    def __init__(self, file: Any, key: DumpKey) -> None:
        reading, writing = os.pipe()
        self._pipe = open(writing, "wb")  # noqa: SIM115  (closed by close)
        self._target = _FirstError(file)
        self._thread = ThreadPoolExecutor(1)
        self._end = self._thread.submit(_encrypt, key, reading, self._target)

    def write(self, data: bytes) -> int:
        """Raises OSError as ``file`` does."""
        try:
            return self._pipe.write(data)
        except BrokenPipeError:
            self._wait()
            raise

    def close(self) -> None:
        """Raises OSError as ``file`` does."""
        try:
            self._pipe.close()
        except BrokenPipeError:
            self._wait()
            raise
        self._wait()

    def _wait(self) -> None:
        self._thread.shutdown()
        if self._target.error:
            raise self._target.error
        self._end.result()


class _FirstError:
    """Keeps the error of a file, of which age passes on only the words."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.error: Optional[OSError] = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise


class DecryptedReader:
    """A file to read from, which gives what ``file`` (whatever has ``read``) holds encrypted."""

    def __init__(self, file: Any, key: DumpKey) -> None:
        reading, writing = os.pipe()
        self._pipe = open(reading, "rb", buffering=0)  # noqa: SIM115  (closed by close)
        self._thread = ThreadPoolExecutor(1)
        self._end = self._thread.submit(_decrypt, key, file, writing)

    def read(self, size: int = -1) -> bytes:
        """Raises DecryptionError, also at the end of a file that was cut off."""
        data = self._pipe.read(size)
        if not data:
            self._end.result()
        return data

    def close(self) -> None:
        """Stop reading, wherever that is."""
        self._pipe.close()
        self._thread.shutdown()


def _encrypt(key: DumpKey, reading: int, target: Any) -> None:
    with open(reading, "rb", buffering=0) as source:
        key.encrypt_file(source, target)


def _decrypt(key: DumpKey, source: Any, writing: int) -> None:
    with open(writing, "wb", buffering=0) as target:
        key.decrypt_file(source, target)
