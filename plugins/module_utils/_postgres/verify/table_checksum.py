# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Numbers of rows and checksums of tables in PostgreSQL, large tables in pieces."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Optional

try:
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    sql = None

from ..._dump.manifest import ColumnEntry, TableEntry
from ..._model.names import clip
from ..._values.row_checksum import SqlColumn, sql_row_checksum

PIECE_PAGES = 4096
"""Pages of 8 KiB that one query reads."""

_BOOLEAN = 16
_PLAIN = frozenset((20, 21, 23, 26, 700, 701, 1082, 1083, 1114, 1184, 1700, 2950))
"""Integers, oid, floats, date, time, timestamps, numeric, uuid."""


@dataclass(frozen=True)
class Piece:
    """Part of a table: its pages from ``first`` up to ``end``, to the last one when ``end`` is None."""

    table: TableEntry
    first: int
    end: Optional[int]


@dataclass(frozen=True)
class PieceResult:
    """The result of one query; ``checksum`` is the sum over the piece."""

    table: TableEntry
    rows: int
    checksum: int
    seconds: float


def missing_columns(connection: Any, table: TableEntry) -> list[str]:
    """Return the dump's columns that the table in PostgreSQL lacks; all of them when there is no table."""
    known = _columns(connection, table)
    return [column.name for column in [*table.columns, *table.computed] if clip(column.name) not in known]


def pieces(connection: Any, table: TableEntry) -> list[Piece]:
    """Split a table into pieces that several connections read at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::int",
            (_identifier(table).as_string(cursor),),
        )
        pages = cursor.fetchone()[0]
    starts = list(range(0, max(pages, 1), PIECE_PAGES))
    return [Piece(table, first, end) for first, end in zip(starts, [*starts[1:], None])]


def checksum_piece(connection: Any, piece: Piece) -> PieceResult:
    """Count and sum up the rows of a piece in one pass."""
    started = time.monotonic()
    known = _columns(connection, piece.table)
    columns = [_sql_column(column, known) for column in piece.table.columns]
    computed = [_sql_column(column, known) for column in piece.table.computed]
    until = (
        sql.SQL(" AND ctid < {}::tid").format(sql.Literal(f"({piece.end},0)")) if piece.end is not None else sql.SQL("")
    )
    query = sql.SQL("SELECT count(*), coalesce(sum({}), 0) FROM ONLY {} WHERE ctid >= {}::tid{}").format(
        sql_row_checksum(columns, computed),
        _identifier(piece.table),
        sql.Literal(f"({piece.first},0)"),
        until,
    )
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        cursor.execute(query)
        rows, checksum = cursor.fetchone()
    connection.commit()
    return PieceResult(piece.table, rows, int(checksum), time.monotonic() - started)


def _identifier(table: TableEntry) -> sql.Identifier:
    return sql.Identifier(clip(table.schema), clip(table.name))


def _columns(connection: Any, table: TableEntry) -> dict[str, tuple[int, bool]]:
    """Return type and NOT NULL of the table's columns by name; the type of a domain is the one that it is based on, as
    which it prints itself."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname, (CASE typtype WHEN 'd' THEN typbasetype ELSE atttypid END)::int8, attnotnull FROM "
            "pg_attribute JOIN pg_type t ON t.oid = atttypid "
            "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
            (_identifier(table).as_string(cursor),),
        )
        return {name: (type_oid, not_null) for name, type_oid, not_null in cursor.fetchall()}


def _sql_column(column: ColumnEntry, known: dict[str, tuple[int, bool]]) -> SqlColumn:
    name = clip(column.name)
    type_oid, not_null = known[name]
    return SqlColumn(
        name, column.escaped, nullable=not not_null, boolean=type_oid == _BOOLEAN, plain=type_oid in _PLAIN
    )
