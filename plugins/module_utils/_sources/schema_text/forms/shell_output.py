# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The SQL inside of what people hand over: files of SQL, pg_dump's text, and what shells print, in any order.

The form of each part is recognized by its first line. What begins like none of them is SQL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Optional

from . import shell_tables, value_lists
from .beginnings import (
    begins_table,
    header_of_values,
    is_aligned,
    is_boxed,
    is_description,
    is_headless,
    is_inserted_rows,
    is_inserts,
    is_json,
    is_raw,
    is_record,
    is_unaligned_header,
)
from .copied_rows import begins_copy, read_copy
from .pieces import Found, Piece, is_ended, is_error, is_whole, refuse_error, refuse_line
from .postgres_dump import lines_of_dumps
from .region_tables import take_region_tables
from .statement_rows import marked_if_redacted
from .terminal_text import plain_text
from .tool_scripts import end_sequences, is_of_catalog, report_integers
from .transcript import asks, begins_statement, is_prompt, is_status, is_tag, only_asks, read_command, shows_statements

_INSTEAD = "print it as CSV, or with --format=raw"

Reader = Callable[[list[str], int], Found]


def read_pieces(text: str) -> list[Piece]:
    """Return the SQL inside. Raises UnsupportedError for an error that the shell printed, for output that is cut off or
    wrapped, and for pg_dump's text of a PostgreSQL."""
    text, regions = take_region_tables(plain_text(text))
    lines = text.split("\n")
    dumped = lines_of_dumps(lines)
    by_tool = not dumped and is_of_catalog(lines)
    pieces = [*(Piece(region.statement, region.line) for region in regions), *end_sequences(lines)]
    pieces += report_integers(lines) if by_tool else []
    begin = number = 0
    while number < len(lines):
        reader = _reader(lines, begin, number)
        if reader is None:
            number += 1
            continue
        pieces += _sql(lines, begin, number)
        found, number = reader(lines, number)
        pieces += found
        begin = number
    pieces += _sql(lines, begin, len(lines))
    return [replace(marked_if_redacted(piece), of_catalog=by_tool or piece.line in dumped) for piece in pieces]


def _sql(lines: list[str], begin: int, end: int) -> list[Piece]:
    """Return the pieces of lines that are SQL, or rows of psql -At."""
    part = lines[begin:end]
    if not any(line.strip() for line in part):
        return []
    if any(shell_tables.NAMED_ROW.match(line) for line in part):
        return shell_tables.rows_with_name(part, begin)
    return [Piece("\n".join(part), begin + 1)]


def _reader(lines: list[str], begin: int, number: int) -> Optional[Reader]:
    """Return the reader of what begins in the line; None if the line goes on with the SQL that began at ``begin``."""
    line = lines[number]
    if not line.strip():
        return None
    reader, ends_any = _reader_of_table(lines, number), True
    if reader is None:
        reader, ends_any = _reader_of_line(lines, number)
    if reader is None:
        return None
    before = "\n".join(lines[begin:number])
    return reader if is_ended(before) or (ends_any and is_whole(before)) else None


def _reader_of_table(lines: list[str], number: int) -> Optional[Reader]:
    line = lines[number]
    if is_record(line):
        return shell_tables.read_records
    if is_raw(line):
        return value_lists.read_raw
    if is_inserts(line):
        return value_lists.read_inserts
    if is_aligned(lines, number):
        return shell_tables.read_aligned
    if header_of_values(line) is None and not is_unaligned_header(line):
        return None
    return shell_tables.read_unaligned if shell_tables.is_unaligned(lines, number) else value_lists.read_values


def _reader_of_line(lines: list[str], number: int) -> tuple[Optional[Reader], bool]:
    """Return the reader of what else may stand between statements, and whether it also ends one without semicolon."""
    line = lines[number]
    if is_error(line):
        return refuse_error, True
    if is_prompt(line):
        return _read_command, True
    if is_status(line):
        return _skip, True
    if asks(line) or (is_tag(line) and _ends_command(lines, number + 1)):
        return _skip, False
    if begins_copy(line):
        return read_copy, False
    if is_inserted_rows(line):
        return value_lists.read_inserted_rows, False
    return (value_lists.read_json if is_json(line) else _refusal(line)), False


def _read_command(lines: list[str], number: int) -> Found:
    """Read a command, and what another question than for statements has as its answer."""
    command, after = read_command(lines, number)
    if not only_asks(command):
        return [Piece(command, number + 1)], after
    if command.strip() and not shows_statements(command):
        while after < len(lines) and not _begins_other(lines, after):
            after += 1
    return [], after


def _begins_other(lines: list[str], number: int) -> bool:
    line = lines[number]
    return is_prompt(line) or is_error(line) or begins_statement(line) or is_json(line) or begins_table(lines, number)


def _ends_command(lines: list[str], number: int) -> bool:
    """Tell whether the words above the line are no beginning of a statement."""
    if number >= len(lines) or not lines[number].strip():
        return True
    line = lines[number]
    is_session = is_status(line) or is_prompt(line) or is_tag(line) or begins_statement(line)
    return is_session or begins_table(lines, number)


def _refusal(line: str) -> Optional[Reader]:
    if is_boxed(line):
        return partial(refuse_line, problem=f"begins a table with lines around it, or of HTML; {_INSTEAD}")
    if is_headless(line):
        return partial(refuse_line, problem=f"begins a table without its header; {_INSTEAD}")
    if is_description(line):
        return partial(refuse_line, problem="begins a description, which lacks much; give the output of SHOW CREATE")
    return None


def _skip(_lines: list[str], number: int) -> Found:
    return [], number + 1
