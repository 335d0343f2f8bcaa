# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The SQL inside what a shell prints: psql (aligned, unaligned, expanded, CSV) and ``cockroach sql`` (table, tsv, csv,
raw, records, sql).

The form is recognized by its first line that is no status; what is none of them is taken as SQL itself.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..._errors import UnsupportedError
from . import parsing
from .region_tables import take_region_tables

COLUMN = "create_statement"
"""The column that holds the statements, in every release."""
OTHER_COLUMNS = frozenset(
    (
        "table_name",
        "database_name",
        "type_name",
        "function_name",
        "procedure_name",
        "trigger_name",
        "view_name",
        "sequence_name",
        "schema_name",
        "schedule_id",
        "routine_name",
        "index_name",
    )
)
_OLD_COLUMNS = frozenset(("CreateTable", "CreateView", "CreateSequence"))
_STATUS = re.compile(
    r"(SET|USE|BEGIN|COMMIT|CREATE [A-Z]+( VIEW)?|\(\d+ rows?\)|# \d+ rows?|-- \d+ rows?|"
    r"Time: .*|Server Execution Time: .*|Network Latency: .*)\s*"
)
_RECORD = re.compile(r"-\[ RECORD \d+ \]-*(\+-*)?\s*")
_ERROR = re.compile(r"(psql:.*: )?(ERROR|FATAL):")
_RAW_COLUMNS, _RAW_ROW, _RAW_SIZE = (
    re.compile(r"# (\d+) columns?\s*"),
    re.compile(r"# row \d+\s*"),
    re.compile(r"## (\d+)\s*"),
)
_ROW_COUNT = re.compile(r"\(\d+ rows?\)\s*")
_NAMED_ROW = re.compile(r"[^\s'(][^']*?\|(?=CREATE [A-Z]+ )")
"""Matches the first line of a row of psql -A, up to its statement."""
_SEPARATORS, _NO_SEPARATOR = ",\t", "\x1f"
_SQL_HEADER = "CREATE TABLE results ("
_BORDER = "-+"


@dataclass(frozen=True)
class Piece:
    """A piece of SQL text, and the number of its first line in the input."""

    text: str
    line: int


def read_pieces(text: str) -> list[Piece]:
    """Return the SQL inside. Raises UnsupportedError for an error that the shell printed, or output that is cut off."""
    text, regions = take_region_tables(text.lstrip("\ufeff").replace("\r\n", "\n"))
    return [*(Piece(region.statement, region.line) for region in regions), *_pieces(text)]


def _pieces(text: str) -> list[Piece]:
    lines = text.split("\n")
    start = next(
        (number for number, line in enumerate(lines) if line.strip() and not _STATUS.fullmatch(line)), len(lines)
    )
    first = lines[start] if start < len(lines) else ""
    if _RECORD.fullmatch(first):
        return list(_records(lines))
    if _RAW_COLUMNS.fullmatch(first):
        return list(_raw(text))
    if first.startswith(_SQL_HEADER):
        return list(_inserts(text))
    if start + 1 < len(lines) and _is_border(lines[start + 1]) and _is_header(_cells(first, "|")):
        return list(_aligned(lines))
    if any(_is_header(first.split(separator)) for separator in _SEPARATORS + "|"):
        return list(
            _unaligned(lines)
            if any(_ROW_COUNT.fullmatch(line) for line in lines)
            else _separated(text, _separator(lines))
        )
    _refuse_errors(lines[start : start + 1], start)
    return list(_rows_with_name(lines)) if any(_NAMED_ROW.match(line) for line in lines) else [Piece(text, 1)]


def _separator(lines: list[str]) -> str:
    """Return the separator; with only one column, only the quotes matter."""
    return next(
        (
            separator
            for separator in _SEPARATORS
            if any(separator in line and _is_header(line.split(separator)) for line in lines)
        ),
        _NO_SEPARATOR,
    )


def _is_header(names: list[str]) -> bool:
    names = [name.strip() for name in names]
    if len(names) == 2 and names[1] in _OLD_COLUMNS:
        return True
    return COLUMN in names and all(name == COLUMN or name in OTHER_COLUMNS for name in names)


def _is_border(line: str) -> bool:
    stripped = line.strip()
    return bool(stripped) and set(stripped) <= set(_BORDER)


def _cells(line: str, separator: str) -> list[str]:
    return [cell.strip() for cell in line.split(separator)]


def _refuse_errors(lines: list[str], offset: int = 0) -> None:
    for number, line in enumerate(lines, offset + 1):
        if _ERROR.match(line):
            raise UnsupportedError(
                f"the schema text holds an error of the shell in line {number}: {line.strip()[:200]}"
            )


def _aligned(lines: list[str]) -> Iterator[Piece]:
    """Yield the pieces of an aligned table: a row begins where the first column is not empty; with one column, each
    line without a continuation mark ends a row."""
    number = 0
    while number < len(lines):
        header = lines[number]
        if not (number + 1 < len(lines) and _is_border(lines[number + 1]) and _is_header(_cells(header, "|"))):
            _require_status(header, number)
            number += 1
            continue
        border = lines[number + 1]
        end = next((at for at in range(number + 2, len(lines)) if _ROW_COUNT.fullmatch(lines[at])), None)
        if end is None:
            raise UnsupportedError(
                f"the table that begins in line {number + 1} of the schema text is cut off: its row count is missing"
            )
        yield from _aligned_rows(lines, number + 2, end, border.rfind("+") + 1)
        number = end + 1


def _require_status(line: str, number: int) -> None:
    """Raise UnsupportedError unless the lines between tables are empty or a status: otherwise SQL would be skipped."""
    _refuse_errors([line], number)
    if line.strip() and not _STATUS.fullmatch(line):
        raise UnsupportedError(
            f"the schema text is not understood: line {number + 1} belongs to no table of the shell's output: "
            f"{line.strip()[:80]}"
        )


def _aligned_rows(lines: list[str], begin: int, end: int, start: int) -> Iterator[Piece]:
    """Yield the rows. ``start`` is the position of the last column, 0 if it is the only one; the cockroach shell
    indents rows by two, psql by one."""
    is_cockroach = lines[begin].startswith("  ")
    cell: list[str] = []
    first = begin
    for number in range(begin, end):
        line = lines[number]
        edge = start if not start or line[start - 1 : start] == "|" else line.find("|") + 1
        text, marked = _without_mark(line[edge + (1 if edge or not is_cockroach else 2) :], is_cockroach)
        if cell and line[:edge].strip(" |"):
            yield Piece("\n".join(cell), first + 1)
            cell = []
        if not cell:
            first = number
        cell.append(text)
        if not start and not is_cockroach and not marked:
            yield Piece("\n".join(cell), first + 1)
            cell = []
    if cell:
        yield Piece("\n".join(cell), first + 1)


def _without_mark(text: str, is_cockroach: bool) -> tuple[str, bool]:
    """Remove psql's continuation mark, a plus at the end of each line of a cell that continues."""
    if is_cockroach or not text.endswith("+"):
        return text.rstrip(" "), False
    return text[:-1].rstrip(" "), True


def _records(lines: list[str]) -> Iterator[Piece]:
    """Yield the pieces of both shells' records: ``column | value``, continued lines are marked with a plus."""
    number = 0
    while number < len(lines):
        line = lines[number]
        name, _bar, value = line.partition("|")
        if name.strip() not in {COLUMN} | _OLD_COLUMNS:
            _check_record_line(line, name.strip(), number)
            number += 1
            continue
        first, cell = number, []
        goes_on = " " * len(name) + "|"
        while value.endswith("+") and number + 1 < len(lines) and lines[number + 1].startswith(goes_on):
            cell.append(value[1:-1].rstrip(" "))
            number += 1
            value = lines[number][len(name) + 1 :]
        cell.append(value[1:].rstrip(" "))
        yield Piece("\n".join(cell), first + 1)
        number += 1


def _check_record_line(line: str, name: str, number: int) -> None:
    _refuse_errors([line], number)
    if (
        line.strip()
        and not _RECORD.fullmatch(line)
        and not _STATUS.fullmatch(line)
        and name not in OTHER_COLUMNS | {"Table", "View", "Sequence"}
    ):
        raise UnsupportedError(
            f"the schema text is not understood: line {number + 1} belongs to no record of the shell's output: "
            f"{line.strip()[:80]}"
        )


def _raw(text: str) -> Iterator[Piece]:
    """Yield the pieces of raw output: every value follows its length in bytes; the last column is the statement."""
    data = text.encode("utf-8")
    position, line, columns, seen = 0, 1, 0, 0
    while position < len(data):
        end = data.find(b"\n", position)
        end = len(data) if end < 0 else end
        current = data[position:end].decode("utf-8")
        size = _RAW_SIZE.fullmatch(current)
        head = _RAW_COLUMNS.fullmatch(current)
        if size:
            seen += 1
            value = data[end + 1 : end + 1 + int(size.group(1))]
            if len(value) < int(size.group(1)):
                raise UnsupportedError(f"the value after line {line} of the schema text is cut off")
            if seen == columns:
                yield Piece(value.decode("utf-8"), line + 1)
            line += value.count(b"\n") + 1
            end += len(value) + 1
        elif head:
            columns = int(head.group(1))
        elif _RAW_ROW.fullmatch(current):
            seen = 0
        else:
            _require_status(current, line - 1)
        position, line = end + 1, line + 1


def _separated(text: str, separator: str) -> Iterator[Piece]:
    """Yield the pieces of CSV, and of the shell's tab-separated form, which quotes in the same way."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    column, line = -1, 1
    try:
        for row in reader:
            if _is_header(row):
                column = len(row) - 1
            elif row and len(row) == column + 1 and not (column == 0 and _STATUS.fullmatch(row[0])):
                _refuse_errors(row[:1], line - 1)
                yield Piece(row[column], line)
            else:
                _require_status(separator.join(row), line - 1)
            line = reader.line_num + 1
    except csv.Error as error:
        raise UnsupportedError(
            f"the schema text is not understood: near line {reader.line_num} a quote does not end ({error})"
        ) from error


def _inserts(text: str) -> Iterator[Piece]:
    """Yield the pieces of ``cockroach sql --format=sql``: INSERT INTO results with the statement as the last value."""
    words = parsing.words(text, "what the shell printed")
    begin = 0
    for position, word in enumerate([*words, parsing.Word(parsing.SYMBOL, ";", len(text), len(text))]):
        if not word.is_symbol(";"):
            continue
        if position > begin:
            line = text.count("\n", 0, words[begin].start) + 1
            if [item.text for item in words[begin : begin + 3]] == ["INSERT", "INTO", "results"] and words[
                position - 2
            ].kind == parsing.STRING:
                yield Piece(words[position - 2].text, line)
            elif [item.text for item in words[begin : begin + 3]] != ["CREATE", "TABLE", "results"]:
                raise UnsupportedError(
                    f"the schema text is not understood: line {line} inserts no statement: "
                    f"{text.splitlines()[line - 1][:80]}"
                )
        begin = position + 1


def _unaligned(lines: list[str]) -> Iterator[Piece]:
    """Yield the pieces of psql -A, which prints line breaks as they are. SHOW CREATE ALL … has one column, and each of
    its statements ends with a semicolon."""
    begin, named = 0, False
    for number, line in enumerate(lines):
        if _is_header(line.split("|")):
            for between in range(begin, number):
                _require_status(lines[between], between)
            begin, named = number + 1, "|" in line
        elif _ROW_COUNT.fullmatch(line):
            if named:
                yield from _rows_with_name(lines[begin:number], begin)
            else:
                _refuse_errors(lines[begin : begin + 1], begin)
                yield Piece("\n".join(lines[begin:number]), begin + 1)
            begin = number + 1
    for after in range(begin, len(lines)):
        _require_status(lines[after], after)


def _rows_with_name(lines: list[str], offset: int = 0) -> Iterator[Piece]:
    """Yield the pieces of rows ``name|CREATE …``; the text before the first row is SQL."""
    cell: list[str] = []
    first = offset
    for number, line in enumerate(lines, offset):
        named = _NAMED_ROW.match(line)
        if named and cell:
            yield Piece("\n".join(cell), first + 1)
            cell = []
        if not cell:
            _refuse_errors([line], number)
            first = number
        cell.append(line[named.end() :] if named else line)
    if cell:
        yield Piece("\n".join(cell), first + 1)
