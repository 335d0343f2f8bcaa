# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Which backup to read, and how to reach it. It imports no reader: every module of Ansible loads this file."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class StorageOptions:
    """How to reach S3. Empty fields leave the choice to boto3: environment, profile, instance role. Calls that are
    repeated are lines of ``log_file``."""

    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    region: str = ""
    profile: str = ""
    endpoint_url: str = ""
    log_file: str = ""


@dataclass(frozen=True)
class BackupRequest:
    """Which backup to read. ``as_of`` is a time (see ``timestamps.parse``), empty for the newest that there is."""

    locations: tuple[str, ...]
    subdirectory: str = "LATEST"
    as_of: str = ""
    storage: StorageOptions = field(default_factory=StorageOptions)
    passphrase: str = field(default="", repr=False)
    verify_checksums: bool = True
