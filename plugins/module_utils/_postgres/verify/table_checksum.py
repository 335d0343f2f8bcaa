# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Numbers of rows and checksums of tables in PostgreSQL: computed by the server, or here from the rows that it
sends."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

try:
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    sql = None

from ..._dump.manifest import TableEntry
from ..._model.names import clip
from ..._values.row_checksum import sql_copy_columns, sql_row_checksum
from .pieces import Piece, Work
from .read_rows import ReadRows

WIDE_ROW_BYTES = 1 << 20
"""Tables whose rows are longer on average do not travel: a connection would need several times a row's text."""


@dataclass(frozen=True)
class PieceResult:
    """The rows of a piece; ``checksum`` is the sum of theirs."""

    table_id: int
    rows: int
    checksum: int
    seconds: float


def read_back(connection: Any, work: Work) -> list[PieceResult]:
    """Have the server send the rows of a piece, and compute their checksum here. Small tables, whose round trips
    would last longer, and wide rows are left to the server."""
    if len(work) > 1 or _is_wide(work[0].table.entry):
        return by_server(connection, work)
    started = time.monotonic()
    (piece,) = work
    columns, computed = piece.table.columns, piece.table.computed
    read = ReadRows(any(column.escaped for column in (*columns, *computed)))
    query = sql.SQL("COPY (SELECT {} FROM {}{}) TO STDOUT").format(
        sql.SQL(", ").join(sql_copy_columns(columns, computed)), _name(piece), _pages(piece)
    )
    with connection.cursor() as cursor:
        cursor.copy_expert(query, read)
    read.end()
    return [PieceResult(piece.table.entry.id, read.rows, read.checksum, time.monotonic() - started)]


def by_server(connection: Any, work: Work) -> list[PieceResult]:
    """Have the server count the rows and sum up their checksums, with one query for all pieces."""
    started = time.monotonic()
    queries = [
        sql.SQL("SELECT {}, count(*), coalesce(sum({}), 0) FROM {}{}").format(
            sql.Literal(number),
            sql_row_checksum(piece.table.columns, piece.table.computed),
            _name(piece),
            _pages(piece),
        )
        for number, piece in enumerate(work)
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(" UNION ALL ").join(queries))
        found = {number: (rows, int(checksum)) for number, rows, checksum in cursor.fetchall()}
    seconds = (time.monotonic() - started) / len(work)
    return [PieceResult(piece.table.entry.id, *found[number], seconds) for number, piece in enumerate(work)]


def _is_wide(table: TableEntry) -> bool:
    return table.text_bytes > WIDE_ROW_BYTES * table.rows


def _name(piece: Piece) -> sql.Composable:
    """Return the table's name. Without ONLY: rows of a table that inherits from it are among its rows for everybody."""
    return sql.Identifier(clip(piece.table.entry.schema), clip(piece.table.entry.name))


def _pages(piece: Piece) -> sql.Composable:
    """Return the condition for the piece's pages, which PostgreSQL reads without looking at others."""
    bounds = []
    if piece.first:
        bounds.append(sql.SQL("ctid >= {}::tid").format(sql.Literal(f"({piece.first},0)")))
    if piece.end is not None:
        bounds.append(sql.SQL("ctid < {}::tid").format(sql.Literal(f"({piece.end},0)")))
    return sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(bounds)) if bounds else sql.SQL("")
