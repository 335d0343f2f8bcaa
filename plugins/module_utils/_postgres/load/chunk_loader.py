# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Loading the rows of one chunk by COPY."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any, Optional

try:
    import psycopg2
    from psycopg2 import errorcodes, sql
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._dump.chunk_files import READ_BYTES, open_chunk
from ..._dump.dump_key import DumpKey
from ..._dump.manifest import Chunk, TableEntry
from ..._errors import TargetError
from ..._model.names import clip
from ..connect.connection import postgres_message
from ..target import ledger
from ..target.throttle import Throttle, ThrottledReader

CHUNK = "chunk"
"""The step of the rows in the ledger."""
_WHERE = re.compile(r"^COPY .+?, line \d+(?:, column [^:]+)?")


@dataclass(frozen=True)
class ChunkTask:
    """A chunk of a table of the dump; ``path`` is its file."""

    database: str
    dump_id: str
    table: TableEntry
    chunk: Chunk
    path: str
    dump_key: Optional[DumpKey] = None

    @property
    def key(self) -> tuple[str, str]:
        """The key in the ledger."""
        return chunk_key(self.table, self.chunk)


def chunk_key(table: TableEntry, chunk: Chunk) -> tuple[str, str]:
    """Return a chunk's key in the ledger."""
    return CHUNK, f"{table.directory}/{chunk.file}"


def copy_chunk(cursor: Any, task: ChunkTask, throttle: Throttle, *, freeze: bool) -> ledger.Done:
    """Copy a chunk into its table; return what the ledger has to note. ``freeze`` is for a table that was truncated in
    the same transaction.

    Raises TargetError or MigrationError: PostgreSQL refuses a row, the file is not what the manifest says, or the
    number of rows differs.
    """
    started = time.monotonic()
    name = f"{task.database}.{task.table.full_name}"
    with open_chunk(task.path, task.dump_key) as reader:
        try:
            rows = _copy(cursor, task, ThrottledReader(reader, throttle), freeze)
        except psycopg2.Error as error:
            raise reader.damage or TargetError(_refusal(error, name, task.path)) from None
        reader.verify(task.chunk)
    if rows != task.chunk.rows:
        raise TargetError(f"{name}: PostgreSQL took {rows} rows of {task.path}, the manifest says {task.chunk.rows}")
    return ledger.Done(task.key, rows, time.monotonic() - started, int(task.chunk.checksum))


def truncate_if_never_filled(cursor: Any, table: TableEntry) -> bool:
    """Truncate a table that this import has created, if nobody has written to it since; return whether it was done.

    COPY FREEZE wants a table that was created or truncated in the same transaction. The table's size, under a lock
    that lets nobody else in, says more than a query for rows: it depends on no snapshot and no policy. A table that a
    foreign key refers to already is not truncated either, as PostgreSQL refuses that. Tables that inherit from it are
    somebody else's.
    """
    name = sql.Identifier(clip(table.schema), clip(table.name))
    cursor.execute(
        sql.SQL(
            "LOCK TABLE ONLY {name} IN ACCESS EXCLUSIVE MODE; SELECT pg_relation_size({text}::regclass) = 0 AND "
            "NOT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confrelid = {text}::regclass)"
        ).format(name=name, text=sql.Literal(name.as_string(cursor)))
    )
    if not cursor.fetchone()[0]:
        return False
    cursor.execute(sql.SQL("TRUNCATE TABLE ONLY {}").format(name))
    return True


def _copy(cursor: Any, task: ChunkTask, reader: ThrottledReader, freeze: bool) -> int:
    """Load the rows and return their number."""
    if task.table.columns:
        cursor.copy_expert(_copy_command(task.table, freeze).as_string(cursor), reader, size=READ_BYTES)
    else:
        cursor.execute(_insert_command(task.table), (task.chunk.rows,))
    return cursor.rowcount


def _copy_command(table: TableEntry, freeze: bool) -> sql.Composable:
    columns = sql.SQL(", ").join([sql.Identifier(clip(column.name)) for column in table.columns])
    return sql.SQL("COPY {} ({}) FROM STDIN{}").format(
        sql.Identifier(clip(table.schema), clip(table.name)), columns, sql.SQL(" WITH (FREEZE)" if freeze else "")
    )


def _insert_command(table: TableEntry) -> sql.Composable:
    """Return the INSERT for a table all of whose columns PostgreSQL computes: COPY has nothing to copy."""
    return sql.SQL("INSERT INTO {} SELECT FROM generate_series(1, %s)").format(
        sql.Identifier(clip(table.schema), clip(table.name))
    )


def _refusal(error: Any, name: str, path: str) -> str:
    """Return the message of where COPY stopped, without the whole row that PostgreSQL's context may contain."""
    where = _WHERE.match(error.diag.context or "")
    place = where.group(0) if where else "COPY"
    advice = _limit_advice(error) if error.pgcode == errorcodes.PROGRAM_LIMIT_EXCEEDED else ""
    return f"{name}: {postgres_message(error)} ({place} of {path}); nothing of this chunk was loaded{advice}"


def _limit_advice(error: Any) -> str:
    """Return what to do about a row that exceeds a limit of PostgreSQL: of an index that is there already, which the
    error then names, or of the table."""
    index = error.diag.constraint_name
    todo = (
        f"drop the index {index}, and make one on a hash of its long columns after the import"
        if index
        else "exclude the table, or divide it or change the row in CockroachDB"
    )
    return f". No setting of PostgreSQL changes this limit (docs/conversion.md, PostgreSQL's limits): {todo}"
