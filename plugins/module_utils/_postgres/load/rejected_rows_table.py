# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The table of rejected rows in each migrated database that has some."""

from __future__ import annotations

import io
import json
import os
import time
from dataclasses import dataclass
from typing import Any, Optional

from ..._dump.dump_key import DumpKey
from ..._dump.manifest import RejectFile, TableEntry
from ..._dump.rejected_rows import read_rejects
from ..._values.copy_text import format_row
from ..target import ledger

_CREATE = """
CREATE TABLE IF NOT EXISTS cockroach_migrator.rejects (
    schema_name text NOT NULL, table_name text NOT NULL, key text NOT NULL, column_name text NOT NULL,
    kind text NOT NULL, reason text NOT NULL, row_values jsonb NOT NULL
);
COMMENT ON TABLE cockroach_migrator.rejects IS
'Rows of CockroachDB that PostgreSQL cannot hold, rejected as value_policies says. '
'row_values has the columns by name; a value with a problem is an object with its original: '
'bytes (of a text, hexadecimal), stored (CockroachDB''s stored form, hexadecimal) or text (as CockroachDB sent it).'
"""
_COPY = (
    "COPY cockroach_migrator.rejects (schema_name, table_name, key, column_name, kind, reason, row_values) FROM STDIN"
)


@dataclass(frozen=True)
class RejectTask:
    """A file of rejected rows; ``path`` is its place."""

    dump_id: str
    table: TableEntry
    file: RejectFile
    path: str
    dump_key: Optional[DumpKey] = None

    @property
    def key(self) -> tuple[str, str]:
        """The key in the ledger."""
        return "rejects", f"{self.table.rejects_directory}/{self.file.file}"


def reject_tasks(
    dump_dir: str, dump_id: str, tables: list[TableEntry], dump_key: Optional[DumpKey]
) -> list[RejectTask]:
    """Return the tasks for the files of all tables."""
    return [
        RejectTask(dump_id, table, file, os.path.join(dump_dir, table.rejects_directory, file.file), dump_key)
        for table in tables
        for file in table.rejects
    ]


def load_rejects(connection: Any, task: RejectTask) -> None:
    """Copy a file into the table and commit it with its ledger row. Raises MigrationError for a damaged file."""
    started = time.monotonic()
    rows = read_rejects(task.path, task.file, task.dump_key)
    lines = [
        format_row(
            [
                task.table.schema,
                task.table.name,
                row.key,
                row.column,
                row.kind,
                row.reason,
                json.dumps(row.row, ensure_ascii=False),
            ]
        )
        + "\n"
        for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.execute(_CREATE)
        cursor.copy_expert(_COPY, io.BytesIO("".join(lines).encode()))
        ledger.record(cursor, task.dump_id, [ledger.Done(task.key, len(rows), time.monotonic() - started)])
    connection.commit()


def count_rejects(connection: Any) -> dict[tuple[str, str], int]:
    """Return the number of rows by (schema, table); empty when there is no such table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('cockroach_migrator.rejects') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return {}
        cursor.execute("SELECT schema_name, table_name, count(*) FROM cockroach_migrator.rejects GROUP BY 1, 2")
        return {(schema, table): rows for schema, table, rows in cursor.fetchall()}
