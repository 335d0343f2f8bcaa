# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The tables that SHOW REGIONS, SHOW REGIONS FROM DATABASE and SHOW REGIONS FROM ALL DATABASES print, inside a text.

Their columns: pkg/sql/delegate/show_regions.go; those of secondary regions since v22.2.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ...._model.names import quote
from .beginnings import is_record

_SEPARATORS = "|,\t"
_OF_DATABASE = ("database", "region", "primary")
_OF_ALL_DATABASES = ("database_name", "regions", "primary_region")
_OF_REGIONS = ("region", "zones", "database_names", "primary_region_of")
_BORDER = re.compile(r"[-+ ]*-[-+ ]*")
_STATUS = re.compile(r"(\(\d+ rows?\)|# \d+ rows?|Time: .*|Server Execution Time: .*|Network Latency: .*)\s*")
_LONGEST = 10_000
"""No row of such a table has more characters."""
_TRUE = ("t", "true")


@dataclass(frozen=True)
class DatabaseRegion:
    """A region of a database, and the number of the line that names it."""

    database: str
    region: str
    primary: bool
    line: int

    @property
    def statement(self) -> str:
        """The statement that says the same."""
        verb = "SET PRIMARY REGION" if self.primary else "ADD REGION IF NOT EXISTS"
        return f"ALTER DATABASE {quote(self.database)} {verb} {quote(self.region)}"


def take_region_tables(text: str) -> tuple[str, list[DatabaseRegion]]:
    """Return the text with empty lines instead of such tables, and what they say."""
    lines = text.split("\n")
    found: list[DatabaseRegion] = []
    number = 0
    while number < len(lines):
        separator, names = _header(lines[number])
        if names:
            end = _end_of_rows(lines, number + 1, separator, len(names))
            for at in range(number + 1, end):
                if not _BORDER.fullmatch(lines[at]):
                    found += _regions(dict(zip(names, _cells(lines[at], separator))), at + 1)
        else:
            end = _end_of_record(lines, number)
            if end > number:
                pairs = (_cells(line, "|") for line in lines[number:end] if not is_record(line))
                found += _regions({pair[0]: pair[-1] for pair in pairs}, number + 1)
        if end > number:
            while end < len(lines) and _STATUS.fullmatch(lines[end]):
                end += 1
            lines[number:end] = [""] * (end - number)
        number = max(end, number + 1)
    return "\n".join(lines), found


def _cells(line: str, separator: str) -> list[str]:
    lines = line.splitlines() if len(line) < _LONGEST else []
    return [cell.strip() for row in csv.reader(lines, delimiter=separator) for cell in row]


def _header(line: str) -> tuple[str, list[str]]:
    """Return the separator and the names of the columns; none if it is no header of such a table."""
    for separator in _SEPARATORS if "region" in line else "":
        names = _cells(line, separator) if separator in line else []
        if any(tuple(names[: len(kind)]) == kind for kind in (_OF_DATABASE, _OF_ALL_DATABASES, _OF_REGIONS)):
            return separator, names
    return "", []


def _end_of_rows(lines: list[str], begin: int, separator: str, columns: int) -> int:
    end = begin
    while end < len(lines) and (
        (separator == "|" and _BORDER.fullmatch(lines[end])) or len(_cells(lines[end], separator)) == columns
    ):
        end += 1
    return end


def _end_of_record(lines: list[str], begin: int) -> int:
    """Return where the record that begins in this line ends; ``begin`` if it is none of a region."""
    if not is_record(lines[begin]):
        return begin
    names = tuple("".join(_cells(line, "|")[:1]) for line in lines[begin + 1 : begin + 4])
    if names not in (_OF_DATABASE, _OF_ALL_DATABASES, _OF_REGIONS[:3]):
        return begin
    end = begin + 1
    while end < len(lines) and len(_cells(lines[end], "|")) == 2:
        end += 1
    return end


def _regions(row: dict[str, str], line: int) -> Iterator[DatabaseRegion]:
    if "database" in row:
        yield DatabaseRegion(row["database"], row["region"], row.get("primary") in _TRUE, line)
    elif "regions" in row:
        for region in _elements(row["regions"]):
            yield DatabaseRegion(row["database_name"], region, region == row["primary_region"], line)
    elif "database_names" in row:
        for database in _elements(row["database_names"]):
            yield DatabaseRegion(database, row["region"], database in _elements(row.get("primary_region_of", "")), line)


def _elements(text: str) -> list[str]:
    """Return the elements of an array as it is printed: ``{a,"b c"}``."""
    return [element for row in csv.reader([text.strip("{}")], escapechar="\\") for element in row]
