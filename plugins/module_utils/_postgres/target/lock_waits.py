# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What the sessions of this run wait for on the target, and who holds it: never the text of anybody's query, which may
hold data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Optional

_OURS = "usename = session_user AND application_name = current_setting('application_name') AND datname = ANY(%(names)s)"

_WAITING = f"""
SELECT pid, datname, wait_event = 'SyncRep', extract(epoch FROM clock_timestamp() - state_change)
FROM pg_stat_activity WHERE (wait_event_type = 'Lock' OR wait_event = 'SyncRep') AND {_OURS} ORDER BY pid
"""

_HELD = f"""
SELECT l.pid, extract(epoch FROM clock_timestamp() - l.waitstart), l.mode,
       CASE WHEN c.oid IS NULL THEN l.locktype ELSE format('%%I.%%I', n.nspname, c.relname) END,
       h.pid, a.usename, a.application_name, a.state, a.xact_start, upper(substring(a.query FROM '^\\s*([A-Za-z]+)')),
       ({_OURS.replace("usename", "a.usename")}) IS TRUE
FROM pg_locks l
LEFT JOIN pg_class c ON c.oid = l.relation LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL unnest(pg_blocking_pids(l.pid)) AS h (pid) LEFT JOIN pg_stat_activity a ON a.pid = h.pid
WHERE NOT l.granted AND l.pid = ANY(%(pids)s) ORDER BY l.pid, h.pid
"""
"""To be asked in the database of the waiting sessions, as it names their tables."""
_PREPARED = 0
"""What pg_blocking_pids has for a prepared transaction."""


@dataclass(frozen=True)
class Waiting:
    """A session of this run that waits."""

    pid: int
    database: str
    for_standby: bool
    """It waits for a synchronous standby to confirm a commit, and not for a lock."""
    seconds: float


@dataclass(frozen=True)
class LockWait:
    """A lock that a session of this run waits for, and who holds it."""

    pid: int
    seconds: float
    mode: str
    what: str
    """A table, or the kind of another lock."""
    holders: tuple[str, ...]

    def __str__(self) -> str:
        held = f"held by {'; '.join(self.holders)}"
        return f"has waited {self.seconds:.0f} s for a lock ({self.mode}) on {self.what}, {held}"


def waiting(cursor: Any, databases: Iterable[str]) -> list[Waiting]:
    """Return the sessions of this run that wait, in any database of it."""
    cursor.execute(_WAITING, {"names": list(databases)})
    return [Waiting(pid, name, standby, float(seconds or 0)) for pid, name, standby, seconds in cursor.fetchall()]


def lock_waits(cursor: Any, pids: Iterable[int], databases: Iterable[str]) -> list[LockWait]:
    """Return what sessions of the connected database wait for. Waits for sessions of this run itself are omitted, as
    those go on."""
    cursor.execute(_HELD, {"pids": list(pids), "names": list(databases)})
    found: dict[int, tuple[float, str, str]] = {}
    holders: dict[int, list[str]] = {}
    for pid, seconds, mode, what, *holder, ours in cursor.fetchall():
        found[pid] = float(seconds or 0), mode, what
        if not ours:
            holders.setdefault(pid, []).append(_holder(*holder))
    return [LockWait(pid, *found[pid], tuple(dict.fromkeys(names))) for pid, names in holders.items()]


def _holder(
    pid: int,
    user: Optional[str],
    application: Optional[str],
    state: Optional[str],
    since: Optional[datetime],
    kind: str,
) -> str:
    """Return who holds a lock. What others do is shown to a superuser and to members of pg_read_all_stats only."""
    if pid == _PREPARED:
        return "a prepared transaction (pg_prepared_xacts)"
    parts = [f"user {user}" if user else "", f"application {application}" if application else "", state or ""]
    if since is not None:
        parts.append(f"in a transaction since {since:%Y-%m-%dT%H:%M:%SZ}")
    if state and kind:
        parts.append(f"last command {kind}")
    return f"process {pid} ({', '.join(part for part in parts if part)})"
