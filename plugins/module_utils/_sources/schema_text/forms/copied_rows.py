# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""COPY … FROM stdin with its rows, as pg_dump writes it: src/bin/pg_dump/pg_dump.c, dumpTableData_copy()."""

from __future__ import annotations

import re

from ...._errors import UnsupportedError
from ...._model.finding_codes import FindingCode
from ...._model.full_name import FullName
from ..cursor import Cursor
from ..model_builder import Builder
from .pieces import Piece

_COPY = re.compile(r"COPY .* FROM stdin( .*)?;\s*", re.IGNORECASE)
_END = "\\."


def begins_copy(line: str) -> bool:
    """Tell whether rows follow the line."""
    return bool(_COPY.fullmatch(line))


def read_copy(lines: list[str], number: int) -> tuple[list[Piece], int]:
    """Return the statement, if it has rows, and the number of the line after their end.

    Raises UnsupportedError for rows that do not end.
    """
    end = next((at for at in range(number + 1, len(lines)) if lines[at] == _END), None)
    if end is None:
        raise UnsupportedError(f"the rows after COPY in line {number + 1} of the schema text do not end")
    rows = end - number - 1
    return [Piece(lines[number], number + 1, copied_rows=rows)] if rows else [], end + 1


def report_copied_rows(cursor: Cursor, builder: Builder) -> None:
    """Add the finding for rows, which are omitted."""
    rows = cursor.statement.copied_rows
    cursor.expect("COPY")
    database, schema, table = builder.split(cursor.path(), cursor.statement)
    cursor.rest()
    builder.omitted.numbers.add(cursor.statement.number)
    builder.find(
        FindingCode.ROWS_LEFT_OUT,
        FullName("table", database, schema, table),
        f"The text contains {rows:,} row{'s' * (rows != 1)} of the table, which "
        f"{'are' if rows != 1 else 'is'} omitted: only the schema is read.",
    )
