# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Output that quotes its values: CSV, TSV, JSON, and ``cockroach sql --format=raw`` and ``--format=sql``.

A reader begins at a line and returns the pieces of one output and the number of the line after it.
"""

from __future__ import annotations

import csv
import json
import re
from typing import Any

from ...._errors import UnsupportedError
from .. import parsing
from ..cursor import Cursor, Statement
from .beginnings import begins_table, header_of_values, is_json
from .pieces import Found, Piece, is_ended, is_whole, refuse_line
from .statement_rows import holds_statement, is_grid, pieces_of_row
from .transcript import begins_statement, is_prompt, is_status

_RAW_COLUMNS, _RAW_ROW, _RAW_SIZE, _RAW_END = (
    re.compile(r"# (\d{1,9}) columns?\s*"),
    re.compile(r"# row \d+\s*"),
    re.compile(r"## (\d{1,18})\s*"),
    re.compile(r"(# \d+ rows?|SHOW [A-Z ]+ 0)\s*"),
)
_SQL_END = re.compile(r"(-- \d+ rows?|SHOW [A-Z ]+ 0)\s*")
"""The shell of v22.1 ends what has no rows with the command's tag, such as ``SHOW CREATE ALL TYPES 0``."""


def read_raw(lines: list[str], number: int) -> Found:
    """Read raw output: every value follows its length in bytes; the last column is the statement."""
    pieces: list[Piece] = []
    columns = seen = 0
    while number < len(lines):
        size, head = _RAW_SIZE.fullmatch(lines[number]), _RAW_COLUMNS.fullmatch(lines[number])
        if size:
            seen += 1
            value, after = _raw_value(lines, number + 1, int(size.group(1)))
            if seen == columns:
                pieces.append(Piece(value, number + 2))
            number = after
            continue
        if head:
            columns = int(head.group(1))
        elif _RAW_ROW.fullmatch(lines[number]):
            seen = 0
        elif _RAW_END.fullmatch(lines[number]):
            return pieces, number + 1
        else:
            refuse_line(lines, number, "belongs to no value of the raw output")
        number += 1
    return pieces, number


def _raw_value(lines: list[str], number: int, size: int) -> tuple[str, int]:
    begin, left = number, size
    while number < len(lines):
        left -= len(lines[number].encode("utf-8"))
        number += 1
        if left <= 0:
            break
        left -= 1
    if left:
        raise UnsupportedError(f"the value after line {begin} of the schema text is cut off, or has another length")
    return "\n".join(lines[begin:number]), number


def read_inserts(lines: list[str], number: int) -> Found:
    """Read ``cockroach sql --format=sql``: INSERT INTO results with the statement as the last value."""
    end = next((at for at in range(number, len(lines)) if _SQL_END.fullmatch(lines[at])), len(lines))
    text = "\n".join(lines[number:end])
    words = parsing.words(text, "what the shell printed")
    pieces, begin = [], 0
    for position, word in enumerate([*words, parsing.Word(parsing.SYMBOL, ";", len(text), len(text))]):
        if not word.is_symbol(";"):
            continue
        if position > begin:
            line = number + text.count("\n", 0, words[begin].start)
            head = [item.text for item in words[begin : begin + 3]]
            if head == ["INSERT", "INTO", "results"] and words[position - 2].kind == parsing.STRING:
                pieces.append(Piece(words[position - 2].text, line + 1))
            elif head != ["CREATE", "TABLE", "results"]:
                refuse_line(lines, line, "inserts no statement")
        begin = position + 1
    return pieces, end + 1


def read_inserted_rows(lines: list[str], number: int) -> Found:
    """Read an INSERT whose rows have statements in one of their columns; that of another table stays SQL."""
    end = number + 1
    while end < len(lines) and not is_ended("\n".join(lines[number:end])):
        end += 1
    text = "\n".join(lines[number:end])
    cursor = Cursor(Statement(parsing.words(text, f"line {number + 1}"), text, number + 1))
    cursor.expect("INSERT", "INTO")
    cursor.path()
    names = cursor.names()
    if not is_grid(names):
        return [Piece(text, number + 1)], end
    cursor.expect("VALUES")
    pieces: list[Piece] = []
    while True:
        values = cursor.parenthesis().items()
        if len(values) != len(names):
            cursor.fail(f"{len(names)} values are expected")
        row = {name: _inserted_value(value) for name, value in zip(names, values)}
        pieces += pieces_of_row(row, number + 1)
        if not cursor.accept(","):
            break
    cursor.accept(";")
    cursor.end()
    return pieces, end


def _inserted_value(value: Cursor) -> str:
    word = value.take()
    value.end()
    return "" if word.keyword == "NULL" else word.text


def read_values(lines: list[str], number: int) -> Found:
    """Read CSV, and the tab-separated form of the shell and of its archive, which quotes in the same way."""
    header = header_of_values(lines[number])
    if header is None:
        refuse_line(lines, number, "is no header of columns")
    separator, names = header
    begin = number + 1
    csv.field_size_limit(max(csv.field_size_limit(), sum(map(len, lines)) + len(lines)))
    reader = csv.reader((line + "\n" for line in lines[begin:]), delimiter=separator, strict=True)
    pieces: list[Piece] = []
    while True:
        at = begin + reader.line_num
        if at < len(lines) and _ends_values(lines, at, len(names)):
            return pieces, at
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise UnsupportedError(
                f"the schema text is not understood: near line {at + 1} a quote does not end ({error})"
            ) from error
        if row is None:
            return pieces, len(lines)
        if row and len(row) != len(names):
            refuse_line(lines, at, f"has {len(row)} values instead of {len(names)}")
        if row:
            pieces += pieces_of_row(dict(zip(names, row)), at + 1)


def _ends_values(lines: list[str], number: int, columns: int) -> bool:
    """Tell whether a line is no row: in a single column, what is not quoted is a statement of one line."""
    line = lines[number]
    if is_status(line) or is_prompt(line) or begins_table(lines, number) or is_json(line):
        return True
    if columns > 1:
        return begins_statement(line)
    return not line.startswith('"') and not is_whole(line)


def read_json(lines: list[str], number: int) -> Found:
    """Read an array of rows, or one row of NDJSON. What is around the rows does not matter."""
    text = "\n".join(lines[number:])
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except ValueError as error:
        raise UnsupportedError(
            f"the schema text is not understood: the JSON that begins in line {number + 1} does not end, or is "
            f"wrong ({error})"
        ) from error
    rows = _rows_of_json(value)
    if not rows and value:
        refuse_line(lines, number, "begins JSON without a create_statement")
    pieces = [piece for row in rows for piece in pieces_of_row(row, number + 1)]
    last = number + text.count("\n", 0, end)
    if text[end:].split("\n", 1)[0].strip(" ,"):
        refuse_line(lines, last, "goes on after the end of its JSON")
    return pieces, last + 1


def _rows_of_json(value: Any) -> list[dict[str, str]]:
    if isinstance(value, list):
        return [row for item in value for row in _rows_of_json(item)]
    if not isinstance(value, dict):
        return []
    if any(holds_statement(name) for name in value):
        return [{name: _text_of_json(item) for name, item in value.items()}]
    return [row for item in value.values() for row in _rows_of_json(item)]


def _text_of_json(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
