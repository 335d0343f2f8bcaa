# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""A dump's tables as PostgreSQL has them, read with one query for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..._dump.manifest import ColumnEntry, TableEntry
from ..._model.names import clip
from ..._values.row_checksum import SqlColumn

_BOOLEAN = 16
_PLAIN = frozenset((20, 21, 23, 26, 700, 701, 1082, 1083, 1114, 1184, 1700, 2950))
"""Integers, oid, floats, date, time, timestamps, numeric, uuid."""
_COLUMNS = """
SELECT nspname, relname, relpages, attname,
       (CASE typtype WHEN 'd' THEN typbasetype ELSE atttypid END)::int8, attnotnull
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
LEFT JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_type t ON t.oid = atttypid
WHERE relkind IN ('r', 'p') AND nspname = ANY(%s)
"""
"""The type of a domain is the one that it is based on, as which it prints itself."""


@dataclass(frozen=True)
class StoredTable:
    """A table of the dump, and what PostgreSQL's catalog says of it."""

    entry: TableEntry
    pages: int = 0
    """As of the last ANALYZE, 0 before."""
    types: dict[str, tuple[int, bool]] = field(default_factory=dict)
    """Type and NOT NULL of the columns by name; empty if there is no table."""

    @property
    def missing_columns(self) -> list[str]:
        """The dump's columns that the table lacks; all of them when there is no table."""
        wanted = [*self.entry.columns, *self.entry.computed]
        return [column.name for column in wanted if clip(column.name) not in self.types]

    @property
    def columns(self) -> list[SqlColumn]:
        """The columns that are loaded, in the dump's order."""
        return [self._column(column) for column in self.entry.columns]

    @property
    def computed(self) -> list[SqlColumn]:
        """The columns that PostgreSQL computes, in the dump's order."""
        return [self._column(column) for column in self.entry.computed]

    def _column(self, column: ColumnEntry) -> SqlColumn:
        name = clip(column.name)
        type_oid, not_null = self.types[name]
        return SqlColumn(
            name, column.escaped, nullable=not not_null, boolean=type_oid == _BOOLEAN, plain=type_oid in _PLAIN
        )


def read_stored_tables(connection: Any, entries: Iterable[TableEntry]) -> list[StoredTable]:
    """Look the tables up in PostgreSQL's catalog."""
    wanted = {(clip(entry.schema), clip(entry.name)): entry for entry in entries}
    pages: dict[tuple[str, str], int] = {}
    types: dict[tuple[str, str], dict[str, tuple[int, bool]]] = {place: {} for place in wanted}
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS, (sorted({schema for schema, _name in wanted}),))
        for schema, table, table_pages, column, type_oid, not_null in cursor.fetchall():
            if (schema, table) in wanted:
                pages[schema, table] = table_pages
                if column is not None:
                    types[schema, table][column] = (type_oid, not_null)
    return [StoredTable(entry, pages.get(place, 0), types[place]) for place, entry in wanted.items()]
