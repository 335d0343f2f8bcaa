# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What a verification is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..target import content as contents
from ..target.load_limits import LoadLimits

READ_BACK, SERVER = "read_back", "server"
"""Who computes the checksums of rows, the setting ``verify_by``."""


@dataclass(frozen=True)
class VerifyOptions:
    """``grants``, ``databases`` and ``content`` are those of the import."""

    parallelism: int = 2
    verify_by: str = READ_BACK
    """Who computes the checksums of rows: see ``verify_rows.WAYS``."""
    grants: str = "existing"
    databases: tuple[str, ...] = ()
    content: str = contents.ALL
    limits: LoadLimits = field(default_factory=LoadLimits)
