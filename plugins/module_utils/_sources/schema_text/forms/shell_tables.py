# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Tables as shells draw them: psql (aligned, unaligned, expanded) and ``cockroach sql`` (table, records).

A reader begins at a line and returns the pieces of one table and the number of the line after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...._model.finding_codes import FindingCode
from ...._model.findings import Finding
from ...._model.full_name import FullName
from .beginnings import begins_table, cells, is_aligned, is_json, is_record, is_unaligned_header
from .pieces import Found, Piece, is_error, refuse_error, refuse_line
from .statement_rows import COLUMN, holds_statement, is_column, pieces_of_row
from .transcript import begins_statement, is_prompt, is_status

ROW_COUNT = re.compile(r"\((\d+) rows?\)\s*")
NAMED_ROW = re.compile(r"[^\s'(][^']*?\|(?=CREATE [A-Z]+ )")
"""Matches the first line of a row of psql -A, up to its statement."""
_CUT = ("…", "(truncated)")
"""What stands at the end of a text that was cut."""
_WRAPPED = "was wrapped, or does not stand below its header; print it as CSV, or with --format=raw"


def read_aligned(lines: list[str], number: int) -> Found:
    """Read an aligned table. A row begins where the first column is not empty; with one column, each line without a
    continuation mark ends a row of psql's, and the rows of ``cockroach sql`` are one piece.

    A table whose row count is missing ends where its form does, and has a finding. Raises UnsupportedError for rows
    that the terminal has wrapped or cut, and for another number of rows than the table says that it has.
    """
    names, border = cells(lines[number]), lines[number + 1]
    begin = number + 2
    end = _end_of_table(lines, begin, len(names) > 1)
    counted = ROW_COUNT.fullmatch(lines[end]) if end < len(lines) else None
    rows = _Rows(lines, names, border, begin, end)
    pieces = [piece for row, line in rows.read() for piece in pieces_of_row(row, line)]
    if counted and rows.are_separate and rows.count != int(counted.group(1)):
        refuse_line(lines, end, f"does not count the {rows.count} rows of the table above it; a part is missing")
    if counted:
        return pieces, end + 1
    return [*pieces, _without_row_count(number)], end


def _without_row_count(number: int) -> Piece:
    finding = Finding.of(
        FindingCode.TEXT_MAY_BE_INCOMPLETE,
        FullName("object", name="the text"),
        f"The table that begins in line {number + 1} of the text ends without its row count: whether rows are missing "
        "is not known.",
    )
    return Piece("", number + 1, findings=(finding,))


def _end_of_table(lines: list[str], begin: int, has_bars: bool) -> int:
    """Return the number of the line with the row count; without one, that of the first line that is no row."""
    for number in range(begin, len(lines)):
        line = lines[number]
        if _is_no_row(lines, number):
            return number
        if not line.strip():
            if has_bars or not _goes_on(lines, number):
                return number
        elif not ("|" in line if has_bars else line.startswith(" ")):
            refuse_line(lines, number, _WRAPPED)
    return len(lines)


def _is_no_row(lines: list[str], number: int) -> bool:
    line = lines[number]
    is_session = is_status(line) or is_prompt(line) or begins_statement(line)
    return is_session or is_json(line) or begins_table(lines, number)


def _goes_on(lines: list[str], number: int) -> bool:
    """Tell whether a row follows an empty line, which a cell of ``cockroach sql`` may hold."""
    after = next((at for at in range(number, len(lines)) if lines[at].strip()), len(lines))
    if after == len(lines) or is_aligned(lines, after):
        return False
    return lines[after].startswith("  ") or bool(ROW_COUNT.fullmatch(lines[after]))


class _Rows:
    """Reads the rows between two lines."""

    def __init__(self, lines: list[str], names: list[str], border: str, begin: int, end: int) -> None:
        self.lines, self.names, self.begin, self.end = lines, names, begin, end
        self.starts = [0, *(at + 1 for at, mark in enumerate(border) if mark == "+")]
        self.is_cockroach = self._has_no_marks()
        self.are_separate = len(names) > 1 or not self.is_cockroach
        self.count = 0

    def _has_no_marks(self) -> bool:
        """Tell whether the cockroach shell drew the table: it does not mark the lines of a cell that goes on, and
        indents a single column by two."""
        if len(self.starts) == 1:
            return self.begin < len(self.lines) and self.lines[self.begin].startswith("  ")
        for number in range(self.begin + 1, self.end):
            if not self.lines[number].split("|")[0].strip():
                before = self.lines[number - 1]
                edges = [*(start - 2 for start in self.starts[1:]), len(before) - 1]
                return not any(before[edge : edge + 1] == "+" for edge in edges)
        return True

    def read(self) -> Iterator[tuple[dict[str, str], int]]:
        """Yield each row with the number of its first line."""
        row: dict[str, list[str]] = {}
        first = self.begin
        for number in range(self.begin, self.end):
            texts = self._cells(number)
            is_new = bool(texts[0].strip()) if len(self.names) > 1 else self._ends_before(number)
            if row and is_new:
                yield self._joined(row, first)
                row = {}
            if not row:
                first = number
            for name, text in zip(self.names, texts):
                row.setdefault(name, []).append(text)
        if row:
            yield self._joined(row, first)

    def _joined(self, row: dict[str, list[str]], first: int) -> tuple[dict[str, str], int]:
        self.count += 1
        return {
            name: "\n".join(texts) if holds_statement(name) else "\n".join(texts).strip() for name, texts in row.items()
        }, first + 1

    def _ends_before(self, number: int) -> bool:
        """Tell whether the line above ends its row: psql marks the others."""
        return not self.is_cockroach and number > self.begin and not self.lines[number - 1].endswith("+")

    def _cells(self, number: int) -> list[str]:
        line = self.lines[number]
        starts = self._starts(number)
        edges = [*(start - 1 for start in starts[1:]), len(line)]
        found = []
        for start, edge in zip(starts, edges):
            if line[start : start + 1] not in ("", " "):
                refuse_line(self.lines, number, _WRAPPED)
            indent = 2 if self.is_cockroach and start == 0 else 1
            text = self._without_mark(line[start + indent : edge])
            if text.endswith(_CUT):
                refuse_line(self.lines, number, "is cut off by what displayed it; give the whole text")
            found.append(text)
        return found

    def _starts(self, number: int) -> list[int]:
        """Return where the columns start; wide characters before the last of two columns move it."""
        line = self.lines[number]
        if all(line[start - 1 : start] == "|" for start in self.starts[1:]):
            return self.starts
        if len(self.starts) == 2 and "|" in line:
            return [0, line.index("|") + 1]
        return refuse_line(self.lines, number, _WRAPPED)

    def _without_mark(self, text: str) -> str:
        """Remove psql's continuation mark, a plus at the end of each line of a cell that continues."""
        return (text if self.is_cockroach else text.removesuffix("+")).rstrip(" ")


def read_records(lines: list[str], number: int) -> Found:
    """Read the records of both shells: ``column | value``, continued lines are marked with a plus."""
    pieces: list[Piece] = []
    row: dict[str, str] = {}
    line = number
    while number < len(lines):
        if is_record(lines[number]):
            pieces += _pieces_of_record(row, line)
            row, line, number = {}, number + 1, number + 1
            continue
        if "|" not in lines[number] or begins_table(lines, number):
            break
        label, _bar, value = lines[number].partition("|")
        name = label.strip()
        if not is_column(name):
            refuse_line(lines, number, "belongs to no record of the shell's output")
        goes_on = " " * len(label) + "|"
        if holds_statement(name):
            line = number + 1
        cell: list[str] = []
        while value.endswith("+") and number + 1 < len(lines) and lines[number + 1].startswith(goes_on):
            cell.append(value[1:-1].rstrip(" "))
            number += 1
            value = lines[number][len(goes_on) :]
        cell.append(value[1:].rstrip(" "))
        row[name] = "\n".join(cell)
        number += 1
    return [*pieces, *_pieces_of_record(row, line)], number


def _pieces_of_record(row: dict[str, str], line: int) -> list[Piece]:
    return list(pieces_of_row(row, line)) if any(map(holds_statement, row)) else []


def is_unaligned(lines: list[str], number: int) -> bool:
    """Tell whether psql -A printed the table whose header is in this line: CSV has no bars and no row count."""
    return is_unaligned_header(lines[number]) or (
        lines[number] == COLUMN and ROW_COUNT.fullmatch(lines[_end_of_unaligned(lines, number + 1)]) is not None
    )


def _end_of_unaligned(lines: list[str], begin: int) -> int:
    """Return the number of the line with the row count, or of the one with which other output begins."""
    for number in range(begin, len(lines)):
        line = lines[number]
        if ROW_COUNT.fullmatch(line) or is_prompt(line) or begins_table(lines, number):
            return number
    return len(lines) - 1


def read_unaligned(lines: list[str], number: int) -> Found:
    """Read a table of psql -A, which prints line breaks as they are. SHOW CREATE ALL … has one column, and each of its
    statements ends with a semicolon."""
    begin, end = number + 1, _end_of_unaligned(lines, number + 1)
    counted = ROW_COUNT.fullmatch(lines[end])
    if not counted and end == len(lines) - 1:
        end += 1
    if begin < end and is_error(lines[begin]):
        refuse_error(lines, begin)
    if "|" in lines[number]:
        pieces = rows_with_name(lines[begin:end], begin)
    else:
        pieces = [Piece("\n".join(lines[begin:end]), begin + 1)]
    return (pieces, end + 1) if counted else ([*pieces, _without_row_count(number)], end)


def rows_with_name(lines: list[str], offset: int) -> list[Piece]:
    """Return the pieces of rows ``name|CREATE …``; the text before the first row is SQL."""
    pieces: list[Piece] = []
    cell: list[str] = []
    first = offset
    for number, line in enumerate(lines, offset):
        named = NAMED_ROW.match(line)
        if named and cell:
            pieces.append(Piece("\n".join(cell), first + 1))
            cell = []
        if not cell:
            first = number
        cell.append(line[named.end() :] if named else line)
    if cell:
        pieces.append(Piece("\n".join(cell), first + 1))
    return pieces
