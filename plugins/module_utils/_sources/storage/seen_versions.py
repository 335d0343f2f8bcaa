# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""A backup must not change while it is read: what every file was when it was read first."""

from __future__ import annotations

from ..._errors import MigrationError

_MOST = 1 << 16
"""Files that are remembered, some megabytes."""


class SeenVersions:
    """Can be used by several threads at once, and is inherited by fork."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, bool], str] = {}

    def require_same(self, path: str, name: str, version: str) -> None:
        """Remember a file's version (such as its ETag), or raise MigrationError if it was another one before; an empty
        one is not known."""
        if not version:
            return
        if len(self._seen) >= _MOST:
            self._seen.clear()
        # A server may name an ETag in one answer and only a time in another, and a proxy may call an ETag weak.
        version = version[2:] if version.startswith("W/") else version
        if self._seen.setdefault((path, version.startswith('"')), version) != version:
            raise MigrationError(
                f"{name} was changed while it was read: wait until nothing writes to the backup any more, then begin "
                "again with start_over=true. Of a server behind several machines, all have to hold the same file"
            )
