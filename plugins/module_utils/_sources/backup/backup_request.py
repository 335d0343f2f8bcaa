# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The backup to read and the access to it. This file imports no reader, as every module of the collection loads it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..storage.options import StorageOptions


@dataclass(frozen=True)
class BackupRequest:
    """The backup to read. ``as_of`` is a time (see ``timestamps.parse``), empty for the latest one."""

    locations: tuple[str, ...]
    subdirectory: str = "LATEST"
    as_of: str = ""
    storage: StorageOptions = field(default_factory=StorageOptions)
    passphrase: str = field(default="", repr=False)
    verify_checksums: bool = True
