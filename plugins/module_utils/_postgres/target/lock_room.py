# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""How many objects a server can lock at once, which bounds what one transaction may touch."""

from __future__ import annotations

from typing import Any

LOCKS_OF_AN_OBJECT = 8
"""An upper bound of usual objects, such as a table with its indexes, TOAST table and its index: PostgreSQL has room for
a few more locks than its settings say."""


def most_objects_in_a_transaction(cursor: Any) -> int:
    """Return how many objects one transaction may make or read, if it is the only one that takes many locks."""
    return max(1, _room(cursor) // LOCKS_OF_AN_OBJECT)


def most_locks_in_a_transaction(cursor: Any, side_by_side: int) -> int:
    """Return how many locks each of ``side_by_side`` transactions may take."""
    return _room(cursor) // side_by_side


def _room(cursor: Any) -> int:
    cursor.execute(
        "SELECT current_setting('max_locks_per_transaction')::int * (current_setting('max_connections')::int + "
        "current_setting('max_prepared_transactions')::int)"
    )
    return cursor.fetchone()[0]
