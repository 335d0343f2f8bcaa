# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What a backup is, as the module backup_info returns it and the manifest of a dump keeps it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerInfo:
    """One layer of a backup: a full or an incremental backup."""

    path: str
    start: str
    """In UTC, ISO 8601; empty for a full backup."""
    end: str
    version: str
    """The release that wrote it."""
    files: int
    bytes: int
    """The keys and values of its data files."""
    format: str
    """Of the data files."""


@dataclass(frozen=True)
class BackupInfo:
    """A backup at the chosen time."""

    locations: list[str]
    layers: list[LayerInfo]
    cluster_id: str
    """Empty where the manifest does not say."""
    end_time: str
    """The time of the data in UTC, ISO 8601."""
    end_time_decimal: str
    """The same as CockroachDB's decimal timestamp."""
    cluster_version: str
    coverage: str
    """``cluster`` or ``requested``."""
    encrypted: bool
    revision_history: bool
    complete_databases: list[int]
    """The descriptor ids of the databases that are in the backup with all their tables."""
    virtual_cluster: int
    """Its number, 0 outside of one."""
