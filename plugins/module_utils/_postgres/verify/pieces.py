# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What one query reads: a piece of a large table, or many small tables together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Optional

from .stored_tables import StoredTable

PIECE_PAGES = 4096
"""About how many pages of 8 KiB one query reads."""
_PAGE_BYTES = 8192
_ROW_BYTES = 28
"""A row's header and line pointer."""
SMALL_PAGES = 4
"""Tables of up to so many pages are read together."""
_MOST_TABLES = 50
_MOST_COLUMNS = 1000
"""Of the small tables that one query reads."""


@dataclass(frozen=True)
class Piece:
    """Part of a table: its pages from ``first`` up to ``end``, to the last one when ``end`` is None."""

    table: StoredTable
    first: int = 0
    end: Optional[int] = None


Work = list[Piece]
"""What one query reads: a single piece, or whole small tables."""


def divide(tables: Iterable[StoredTable], most_together: int) -> list[Work]:
    """Divide tables into what several connections read at once, the most work first, so that all end at about the same
    time. One query reads no more than ``most_together`` tables."""
    tables = list(tables)
    large = [piece for table in tables if _pages(table) > SMALL_PAGES for piece in _pieces(table)]
    large.sort(key=lambda piece: (piece.end is None, -piece.table.entry.text_bytes))
    small = [table for table in tables if _pages(table) <= SMALL_PAGES]
    return [*([piece] for piece in large), *_batches(small, min(_MOST_TABLES, most_together))]


def _pages(table: StoredTable) -> int:
    """Return about how many pages a table's rows fill, those outside of the table's own pages (TOAST) included."""
    rows = table.entry.text_bytes + _ROW_BYTES * table.entry.rows
    return max(table.pages, rows // _PAGE_BYTES, 1)


def _pieces(table: StoredTable) -> list[Piece]:
    own = table.pages or _pages(table)
    number = -(-_pages(table) // PIECE_PAGES)
    starts = list(range(0, own, -(-own // number)))
    return [Piece(table, first, end) for first, end in zip(starts, [*starts[1:], None])]


def _batches(tables: list[StoredTable], most: int) -> Iterator[Work]:
    batch: Work = []
    columns = 0
    for table in tables:
        more = len(table.entry.columns) + len(table.entry.computed)
        if batch and (len(batch) == most or columns + more > _MOST_COLUMNS):
            yield batch
            batch, columns = [], 0
        batch.append(Piece(table))
        columns += more
    if batch:
        yield batch
