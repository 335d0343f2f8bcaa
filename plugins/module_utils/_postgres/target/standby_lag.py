# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""How far a standby of the target is behind."""

from __future__ import annotations

from typing import Any, Optional

from ..._errors import TargetError
from ..._model.names import quote

_LAG = """
SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)), bool_or(replay_lsn IS NULL)
FROM pg_stat_replication WHERE application_name = %s HAVING count(*) > 0
"""


def standby_lag(cursor: Any, name: str) -> Optional[int]:
    """Return how many bytes of WAL the standby with this application_name has not replayed, None if none is connected.
    Raises TargetError if the role may not see that."""
    cursor.execute("SELECT pg_has_role('pg_read_all_stats', 'USAGE'), current_user")
    may_see, user = cursor.fetchone()
    if not may_see:
        raise TargetError(
            f"standby_name: the user {user} may not see how far a standby is behind: GRANT pg_read_all_stats TO "
            f"{quote(user)}"
        )
    cursor.execute(_LAG, (name,))
    row = cursor.fetchone()
    # A standby that has not told its position yet is as good as none.
    return None if row is None or row[1] else int(row[0])


def require_standby(cursor: Any, name: str) -> None:
    """Raise TargetError if no standby of this name is connected."""
    if standby_lag(cursor, name) is None:
        cursor.execute("SELECT DISTINCT application_name FROM pg_stat_replication ORDER BY 1")
        there = ", ".join(found for (found,) in cursor.fetchall()) or "none"
        raise TargetError(
            f"standby_name: no standby with the application_name {name} is connected to the target, which sees these: "
            f"{there}"
        )
