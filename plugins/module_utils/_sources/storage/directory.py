# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""A backup in a directory of this machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import BinaryIO

from ..._errors import ConfigurationError, MigrationError
from .seen_versions import SeenVersions
from .storage import Storage


class DirectoryStorage(Storage):
    """A directory of this machine."""

    def __init__(self, root: str, log_file: str) -> None:
        self.root = root.rstrip("/") or "/"
        super().__init__(f"file://{self.root}", log_file)
        self._versions = SeenVersions()

    def _path(self, path: str) -> str:
        return os.path.join(self.root, path) if path else self.root

    @contextlib.contextmanager
    def _opened(self, path: str) -> Iterator[tuple[BinaryIO, int]]:
        """Context manager: a file, and its size. Raises MigrationError."""
        try:
            with open(self._path(path), "rb") as stream:
                found = os.fstat(stream.fileno())
                version = f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}"
                self._versions.require_same(path, self.describe(path), version)
                yield stream, found.st_size
        except OSError as error:
            raise self._failure(path, error) from error

    def _failure(self, path: str, error: OSError) -> MigrationError:
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return self.missing(path)
        return MigrationError(f"{self.describe(path)} cannot be read: {error.strerror}")

    def read(self, path: str) -> bytes:
        with self._opened(path) as (stream, _size):
            return stream.read()

    def read_start(self, path: str, length: int) -> tuple[bytes, int]:
        with self._opened(path) as (stream, size):
            return stream.read(length), size

    def read_end(self, path: str, length: int) -> tuple[bytes, int]:
        with self._opened(path) as (stream, size):
            stream.seek(max(0, size - length))
            return stream.read(length), size

    def read_range(self, path: str, offset: int, length: int) -> bytes:
        with self._opened(path) as (stream, _size):
            stream.seek(offset)
            return stream.read(length)

    def size(self, path: str) -> int:
        return self.read_start(path, 0)[1]

    def list(self, prefix: str = "") -> list[str]:
        if not os.path.isdir(self.root):
            raise ConfigurationError(f"{self.location} is no directory on this machine: check the backup's location")
        try:
            entries = os.scandir(self._path(prefix.strip("/")))
            return sorted(entry.name + ("/" if entry.is_dir() else "") for entry in entries)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._failure(prefix, error) from error

    def exists(self, path: str) -> bool:
        return os.path.isfile(self._path(path))
