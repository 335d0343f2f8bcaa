# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""COPY … FROM stdin with its rows, as pg_dump writes it: src/bin/pg_dump/pg_dump.c, dumpTableData_copy()."""

from __future__ import annotations

import re

from ..._errors import UnsupportedError
from ..._model.finding_codes import FindingCode
from ..._model.findings import Finding
from ..._model.full_name import FullName
from . import parsing
from .cursor import Cursor, Statement
from .pieces import Piece

_COPY = re.compile(r"COPY .* FROM stdin( .*)?;\s*", re.IGNORECASE)
_END = "\\."


def begins_copy(line: str) -> bool:
    """Tell whether rows follow the line."""
    return bool(_COPY.fullmatch(line))


def read_copy(lines: list[str], number: int) -> tuple[list[Piece], int]:
    """Return a finding with the number of the rows, which are omitted, and the number of the line after their end.

    Raises UnsupportedError for rows that do not end.
    """
    end = next((at for at in range(number + 1, len(lines)) if lines[at] == _END), None)
    if end is None:
        raise UnsupportedError(f"the rows after COPY in line {number + 1} of the schema text do not end")
    cursor = Cursor(Statement(parsing.words(lines[number], f"line {number + 1}"), lines[number], number + 1))
    cursor.expect("COPY")
    path = ["", *(word.identifier for word in cursor.path())]
    rows = end - number - 1
    if not rows:
        return [], end + 1
    finding = Finding.of(
        FindingCode.ROWS_LEFT_OUT,
        FullName("table", schema=path[-2], table=path[-1]),
        f"The text contains {rows:,} rows of the table, which are omitted: only the schema is read.",
    )
    return [Piece("", number + 1, findings=(finding,))], end + 1
