# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""A storage whose folders are listed once each: a backup does not change, and each request takes a round trip."""

from __future__ import annotations

from .storage import Storage


class ListedOnce(Storage):
    """Another storage, with what was found in its folders. Whether a file is there is told from its folder."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.location, self.can_list = storage.location, storage.can_list
        self._log = storage._log
        self._listed: dict[str, list[str]] = {}

    def read(self, path: str) -> bytes:
        return self._storage.read(path)

    def read_start(self, path: str, length: int) -> tuple[bytes, int]:
        return self._storage.read_start(path, length)

    def read_end(self, path: str, length: int) -> tuple[bytes, int]:
        return self._storage.read_end(path, length)

    def read_range(self, path: str, offset: int, length: int) -> bytes:
        return self._storage.read_range(path, offset, length)

    def size(self, path: str) -> int:
        return self._storage.size(path)

    def list(self, prefix: str = "") -> list[str]:
        folder = prefix.strip("/")
        if folder not in self._listed:
            self._listed[folder] = self._storage.list(folder)
        return self._listed[folder]

    def exists(self, path: str) -> bool:
        if not self.can_list:
            return self._storage.exists(path)
        folder, _slash, name = path.strip("/").rpartition("/")
        return name in self.list(folder)
