# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""How storage is reached. This file imports no library, as every module of the collection loads it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class StorageOptions:
    """Access to S3, where the location itself says nothing else. Empty fields leave the choice to boto3: environment,
    profile, instance role. ``assume_role`` are the roles to assume, in order, each as CockroachDB writes it
    (``arn;external_id=…``). Repeated calls to any storage are logged to ``log_file``."""

    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    region: str = ""
    profile: str = ""
    endpoint_url: str = ""
    log_file: str = ""
    assume_role: tuple[str, ...] = ()
    requester_pays: bool = False
    timeout: float = 300.0
    """Seconds that a request to any storage may take, with all its repetitions."""
