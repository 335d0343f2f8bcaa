# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The lines with which each form of output begins."""

from __future__ import annotations

import csv
import re
from typing import Optional

from .statement_rows import is_header, may_be_header

_RECORD = re.compile(r"-\[ RECORD \d+ \]-*(\+-*)?\s*")
_RAW = re.compile(r"# \d+ columns?\s*")
_INSERTS = "CREATE TABLE results ("
_INSERTED_ROWS = re.compile(r"INSERT INTO .*\bcreate_statement\b.*\bVALUES\b.*", re.IGNORECASE)
_BOX = re.compile(r"[+|]-|[┌├│└╒╞╘]|[-─]+┼|─\[ RECORD|<table\b")
_UNICODE_BAR = "│"
_HEADLESS = re.compile(r" (\S.*\| )?CREATE [A-Z].*\+\s*")
_DESCRIPTION = re.compile(r"\s+(Table|View|Materialized view|Sequence|Index) \".*\"\s*")
_SEPARATORS, _NO_SEPARATOR = ",\t;", "\x1f"


def cells(line: str) -> list[str]:
    """Return what stands between bars."""
    return [cell.strip() for cell in line.split("|")]


def is_aligned(lines: list[str], number: int) -> bool:
    """Tell whether an aligned table begins: a header of known columns above a border."""
    return number + 1 < len(lines) and _is_border(lines[number + 1]) and is_header(cells(lines[number]))


def _is_border(line: str) -> bool:
    stripped = line.strip()
    return bool(stripped) and set(stripped) <= set("-+")


def is_boxed(line: str) -> bool:
    """Tell whether the line belongs to a table with lines around it, or to one of HTML."""
    return bool(_BOX.match(line)) or (_UNICODE_BAR in line and may_be_header(line))


def is_headless(line: str) -> bool:
    """Tell whether an aligned table begins without its header, as psql -t prints it."""
    return bool(_HEADLESS.fullmatch(line))


def is_description(line: str) -> bool:
    """Tell whether the output of psql's backslash-d begins."""
    return bool(_DESCRIPTION.fullmatch(line))


def is_record(line: str) -> bool:
    """Tell whether a record of an expanded table begins."""
    return bool(_RECORD.fullmatch(line))


def is_unaligned_header(line: str) -> bool:
    """Tell whether the line is the header of psql -A with several columns."""
    return "|" in line and may_be_header(line) and is_header(line.split("|"))


def is_raw(line: str) -> bool:
    """Tell whether output of ``--format=raw`` begins."""
    return bool(_RAW.fullmatch(line))


def is_inserts(line: str) -> bool:
    """Tell whether output of ``--format=sql`` begins."""
    return line.startswith(_INSERTS)


def is_inserted_rows(line: str) -> bool:
    """Tell whether the line begins an INSERT of rows of statements, as IDEs export a grid."""
    return bool(_INSERTED_ROWS.fullmatch(line))


def is_json(line: str) -> bool:
    """Tell whether an array or object begins."""
    return line.startswith(("[", "{"))


def header_of_values(line: str) -> Optional[tuple[str, list[str]]]:
    """Return the separator and the names of the columns, if the line is the header of CSV or TSV.

    With only one column, only the quotes matter.
    """
    if not may_be_header(line):
        return None
    for separator in (*_SEPARATORS, _NO_SEPARATOR):
        try:
            names = next(csv.reader([line], delimiter=separator, strict=True), [])
        except csv.Error:
            continue
        if is_header(names):
            return (_NO_SEPARATOR if len(names) == 1 else separator), names
    return None


def begins_table(lines: list[str], number: int) -> bool:
    """Tell whether output of any form but JSON begins in the line."""
    line = lines[number]
    is_header_line = is_unaligned_header(line) or header_of_values(line) is not None
    return (
        is_header_line
        or is_inserted_rows(line)
        or is_record(line)
        or is_raw(line)
        or is_inserts(line)
        or is_aligned(lines, number)
    )
