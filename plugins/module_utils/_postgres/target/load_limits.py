# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""How much of a target an import and its verification may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LoadLimits:
    """0 and an empty name are no limit."""

    lock_wait: int = 0
    """Seconds that a session may wait for a lock that somebody else holds."""
    statement_time_limit: int = 0
    """Seconds that a command may take."""
    load_rate: int = 0
    """MiB of COPY text a second, of all connections together."""
    standby_name: str = ""
    """The application_name of a standby for which the import pauses."""
    standby_lag: int = 0
    """MiB of WAL that the standby may be behind."""
