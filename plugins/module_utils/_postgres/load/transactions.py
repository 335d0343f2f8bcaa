# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""One transaction of an import: rows, commands and statistics, and the ledger's rows about them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

try:
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    sql = None

from ..._dump.manifest import TableEntry
from ..._model.names import clip
from ..target import ledger
from ..target.throttle import Throttle
from .chunk_loader import ChunkTask, copy_chunk, truncate_if_never_filled
from .statement_runner import Keyed, run_statements

_PARALLEL_BYTES = 64 << 20
"""Of COPY text: the indexes of larger tables are built by as many processes as the server's setting allows. Those of
others are not: the import's connections keep the cores busy, and starting more costs a tenth of PostgreSQL's time."""


@dataclass(frozen=True, eq=False)
class Transaction:
    """What one transaction does, in this order. A connection that ends, at any moment, leaves all of it or nothing."""

    chunks: Sequence[ChunkTask] = ()
    statements: Sequence[Keyed] = ()
    analyzed: Sequence[TableEntry] = ()
    """Tables whose statistics are collected."""
    fills: bool = False
    """Whether the chunks are all rows of one table, which this import has created."""
    weight: int = 0
    """Bytes of COPY text of the tables that it works on: of several possible transactions the heaviest is begun
    first."""


def perform(
    connection: Any, database: str, dump_id: str, transaction: Transaction, throttle: Throttle
) -> list[ledger.Done]:
    """Do what a transaction is to do and commit it; return what was done. After an error, TargetError, MigrationError
    or one of psycopg2's, nothing of it is committed, and the connection is to be closed."""
    throttle.admit(0)
    with connection.cursor() as cursor:
        if transaction.statements and transaction.weight > _PARALLEL_BYTES:
            cursor.execute("SET LOCAL max_parallel_maintenance_workers TO DEFAULT")
        freeze = transaction.fills and truncate_if_never_filled(cursor, transaction.chunks[0].table)
        done = [copy_chunk(cursor, task, throttle, freeze=freeze) for task in transaction.chunks]
        done += run_statements(cursor, database, transaction.statements)
        done += _analyze(cursor, transaction.analyzed)
        ledger.record(cursor, dump_id, done)
    connection.commit()
    return done


def analyze_key(table: TableEntry) -> ledger.Key:
    """Return the key in the ledger of a table's statistics."""
    return "analyze", table.directory


def _analyze(cursor: Any, tables: Sequence[TableEntry]) -> list[ledger.Done]:
    """Collect the statistics of tables: without them the first queries are slow."""
    if not tables:
        return []
    started = time.monotonic()
    names = [sql.Identifier(clip(table.schema), clip(table.name)) for table in tables]
    cursor.execute(sql.SQL("ANALYZE {}").format(sql.SQL(", ").join(names)))
    seconds = (time.monotonic() - started) / len(tables)
    return [ledger.Done(analyze_key(table), seconds=seconds) for table in tables]
