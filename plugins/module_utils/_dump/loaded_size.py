# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""About how much room the rows of a dump take in PostgreSQL, before they are loaded."""

from __future__ import annotations

from typing import Optional

from .._model.catalog import Table
from .manifest import TableEntry, read_catalog, read_manifest

EMPTY_SERVER_BYTES = 64 << 20
_ROW_BYTES = 28
"""A tuple's header and its line pointer (https://www.postgresql.org/docs/current/storage-page-layout.html)."""
_INDEX_ROW_BYTES = 20
_SMALLEST_KEY_BYTES = 8
_INDEX_FILL = 0.9
"""Of a B-tree's leaf pages that are built."""
_MOST_WAL_BYTES = 4 << 30
"""``max_wal_size`` of the throw-away server."""


def loaded_bytes(dump_dir: str) -> int:
    """Return the estimate for all databases of a dump in a server of their own: tables, indexes and write-ahead log.
    Raises MigrationError."""
    data = 0.0
    for entry in read_manifest(dump_dir).databases:
        tables = {table.id: table for table in read_catalog(dump_dir, entry).tables}
        data += sum(_table_bytes(part, tables.get(part.id)) for part in entry.tables)
    return round(EMPTY_SERVER_BYTES + data + min(data, _MOST_WAL_BYTES))


def _table_bytes(entry: TableEntry, table: Optional[Table]) -> float:
    """Text is about as long as what is stored. Columns are taken as equally wide, which matters to the keys of indexes
    only."""
    heap = entry.text_bytes + _ROW_BYTES * entry.rows
    if table is None or not entry.rows:  # a materialized view has rows in the backup, and no table of its own
        return heap
    width = max(_SMALLEST_KEY_BYTES, entry.text_bytes / entry.rows / max(1, len(entry.columns)))
    indexes = [table.primary_index, *table.indexes]
    keys = sum(_INDEX_ROW_BYTES + width * (len(index.columns) + len(index.stored_column_ids)) for index in indexes)
    return heap + keys * entry.rows / _INDEX_FILL
