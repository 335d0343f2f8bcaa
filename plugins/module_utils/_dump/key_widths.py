# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""How long the keys of indexes are in a dump's rows: which ones may be too long for PostgreSQL is known before an
import."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .._model.catalog import Database, Index, Table
from .._model.catalog_names import full_names
from .._model.finding_codes import FindingCode
from .._model.findings import Finding
from .._model.full_name import FullName
from .._model.postgres_limits import MAX_INDEX_COLUMNS, MAX_KEY_BYTES, can_exceed_key
from .._model.stored_columns import written_keys
from .._values.copy_text import NULL, unescape
from .manifest import DatabaseEntry, TableEntry

Widths = dict[FullName, int]
"""The bytes of the longest key by index."""

_NUMBER_BYTES = 8
_LEAST_LINE = MAX_KEY_BYTES - MAX_INDEX_COLUMNS * _NUMBER_BYTES
"""A shorter line holds no key that is too long: only numbers, times and the like may be shorter as text."""
_HEXADECIMAL = "\\x"


class KeyColumns(NamedTuple):
    """An index, and where its columns are in a line of COPY text."""

    name: FullName
    positions: tuple[int, ...]


def long_keys(database: Database, entry: DatabaseEntry) -> dict[int, list[KeyColumns]]:
    """Return the indexes and keys of a database whose values may be too long, by table id."""
    names, entries = full_names(database), {table.id: table for table in entry.tables}
    found = {}
    for table in database.tables:
        if table.id in entries:
            found[table.id] = _of_table(table, entries[table.id], names[table.id])
    return {number: keys for number, keys in found.items() if keys}


def _of_table(table: Table, entry: TableEntry, where: FullName) -> list[KeyColumns]:
    place = {column.name: position for position, column in enumerate(entry.columns)}
    columns = {column.id: column for column in table.columns}
    found = []
    for index in [table.primary_index, *table.indexes]:
        used = [columns[number] for number in _column_ids(index, table)]
        positions = tuple(place[column.name] for column in used if column.name in place)
        if positions and any(can_exceed_key(column.type) for column in used if column.name in place):
            found.append(KeyColumns(where.part("index", index.name), positions))
    return found


def _column_ids(index: Index, table: Table) -> list[int]:
    """Return the columns whose values an index holds: of an inverted one only those of arrays and texts before others,
    as other types are cut into short keys."""
    columns = {column.id: column for column in table.columns}
    keys = [part.column_id for part in written_keys(index, columns)]
    if index.kind == "forward":
        return keys + index.stored_column_ids
    return keys if index.kind == "inverted" and columns[keys[-1]].type.family == "array" else keys[:-1]


def measure(lines: Iterable[bytes], keys: Iterable[KeyColumns]) -> Widths:
    """Return the longest keys of some lines, about as many bytes as PostgreSQL has before it compresses them."""
    widths: Widths = {}
    for line in lines:
        if len(line) > _LEAST_LINE:
            values = [_length(value) for value in line.decode("utf-8").split("\t")]
            for key in keys:
                width = sum(values[position] for position in key.positions)
                widths[key.name] = max(width, widths.get(key.name, 0))
    return widths


def _length(value: str) -> int:
    if value == NULL:
        return 0
    text = unescape(value)
    return (len(text) - len(_HEXADECIMAL)) // 2 if text.startswith(_HEXADECIMAL) else len(text.encode("utf-8"))


def findings(widths: Mapping[FullName, int]) -> list[Finding]:
    """Return a finding for each index with a key that PostgreSQL may not take."""
    return [
        Finding.of(
            FindingCode.KEY_TOO_LONG,
            name,
            f"A key of the index has about {width:,} bytes. PostgreSQL's indexes take {MAX_KEY_BYTES:,} after the "
            "compression of long values: if it is longer then, the index is made in another form, or omitted.",
            "Rehearse: the findings of the rehearsal say what becomes of it.",
            severity="warning",
        )
        for name, width in widths.items()
        if width > MAX_KEY_BYTES
    ]
