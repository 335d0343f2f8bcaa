# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Whether tables hold the rows that an import has loaded, and no others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

try:
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    sql = None

from ..._dump.manifest import TableEntry
from ..._errors import TargetError
from ..._model.names import clip
from ..._model.results import TableVerification
from ..._system.processes import in_processes
from ..._system.progress import ReportProgress
from ..connect.connection_parameters import ConnectionParameters
from ..verify.verify_options import VerifyOptions
from ..verify.verify_rows import row_verification


def other_rows(
    database: str,
    tables: Mapping[int, TableEntry],
    parameters: ConnectionParameters,
    parallelism: int,
    progress: ReportProgress,
) -> dict[int, str]:
    """Return for each table that holds other rows than those that were loaded, by its oid, what it holds."""
    rows = row_verification(database, list(tables.values()), parameters, VerifyOptions(parallelism=parallelism))
    with in_processes(rows.checksum, rows.work, parallelism) as results:
        compared = rows.compare(results, progress)
    found = {}
    for oid, table in tables.items():
        differs = _difference(compared[table.full_name])
        if differs:
            found[oid] = differs
    return found


def _difference(table: TableVerification) -> str:
    if table.rows_found is None:
        return f"columns are missing: {', '.join(table.missing_columns)}"
    if table.rows_found != table.rows:
        return f"it holds {table.rows_found:,} rows, and the import has loaded {table.rows:,}"
    return "" if table.checksum_found == table.checksum else "rows were changed after the import"


class Moment(NamedTuple):
    """What tells rows that were written later from earlier ones."""

    next_transaction: str
    running: list[str]
    """Ids of the transactions that had begun to write and not ended."""


_MOMENT = """
SELECT (pg_snapshot_xmax(now.snapshot)::text::numeric % 4294967296)::text,
       ARRAY(SELECT (id::text::numeric % 4294967296)::text FROM pg_snapshot_xip(now.snapshot) AS id)
FROM (SELECT pg_current_snapshot() AS snapshot) AS now
"""
_WRITERS = """
SELECT l.relation::bigint, a.pid, a.usename FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.granted AND l.pid <> pg_backend_pid()
AND l.relation = ANY(%s::oid[]) AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def present_moment(cursor: Any) -> Moment:
    """Return the present moment, for ``require_unwritten``."""
    cursor.execute(_MOMENT)
    return Moment(*cursor.fetchone())


def tables_in_use(cursor: Any, oids: Collection[int]) -> dict[int, str]:
    """Return which of these tables a transaction is writing to, whose rows nobody else sees yet, and who does it."""
    cursor.execute(_WRITERS, (list(oids),))
    return {oid: f"the session {pid} of the user {user} is writing to it" for oid, pid, user in cursor.fetchall()}


def require_unwritten(cursor: Any, table: TableEntry, since: Moment) -> None:
    """Raise TargetError if the table has not as many rows as were loaded, or one that was written after ``since``.

    Nobody may write to it meanwhile: the transaction of ``cursor`` has locked it.
    """
    # Without parameters: names may hold percent signs.
    cursor.execute(
        sql.SQL(
            "SELECT count(*), count(*) FILTER (WHERE age(xmin) <= age({}::xid) OR xmin::text = ANY({}::text[])) FROM {}"
        ).format(
            sql.Literal(since.next_transaction),
            sql.Literal(since.running),
            sql.Identifier(clip(table.schema), clip(table.name)),
        )
    )
    if cursor.fetchone() != (table.rows, 0):
        raise TargetError(
            f"the table {table.full_name} was written to while the rollback ran, and is kept: run the rollback again, "
            "which names what it keeps"
        )
