# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""How many bytes PostgreSQL needs for the keys of indexes and for whole rows of a dump: what is too long for it is
known before an import."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional, Union

from .._model.catalog import Database, Index, SqlType, Table
from .._model.catalog_names import full_names
from .._model.finding_codes import FindingCode
from .._model.findings import Finding
from .._model.full_name import FullName
from .._model.postgres_limits import MAX_INDEX_COLUMNS, MAX_KEY_BYTES, MAX_ROW_BYTES, can_exceed_key
from .._model.row_width import bytes_of, full_bytes
from .._model.stored_columns import computed_columns, loaded_columns, written_keys
from .manifest import DatabaseEntry, TableEntry

Sizes = dict[FullName, int]
"""The bytes of the longest key by index, and of the largest row by table."""

_NUMBER_BYTES = 8
_NULL = b"\\N"
_HEXADECIMAL = b"\\\\x"
"""What byte strings begin with: two characters, of which one is escaped."""
_PREFIX_BYTES = 2


@dataclass(frozen=True)
class KeySize:
    """The key of an index, from the positions of its columns: about as many bytes as PostgreSQL has before it
    compresses them."""

    name: FullName
    positions: tuple[int, ...]
    least_line: int = MAX_KEY_BYTES - MAX_INDEX_COLUMNS * _NUMBER_BYTES
    """A shorter line holds no key that is too long: only numbers, times and the like may be shorter as text."""

    def size(self, lengths: Sequence[Optional[int]]) -> int:
        """Return the bytes for values of these lengths."""
        return sum(lengths[position] or 0 for position in self.positions)


@dataclass(frozen=True)
class RowSize:
    """A row, from the types of its columns: the bytes that it needs at least."""

    name: FullName
    types: tuple[SqlType, ...]
    columns: int
    """With those that PostgreSQL computes."""
    least_line: int = 0

    def size(self, lengths: Sequence[Optional[int]]) -> int:
        """Return the bytes for values of these lengths."""
        return bytes_of(self.types, lengths, self.columns)


Measured = Union[KeySize, RowSize]
"""What is measured in each line of COPY text that is longer than its ``least_line``: ``size`` takes the lengths of its
values, None for NULL."""


def measured(database: Database, entry: DatabaseEntry) -> dict[int, list[Measured]]:
    """Return what may be too long in the rows of each table, by table id."""
    names, entries = full_names(database), {table.id: table for table in entry.tables}
    found: dict[int, list[Measured]] = {}
    for table in database.tables:
        if table.id in entries:
            found[table.id] = [*_rows(table, names[table.id]), *_keys(table, entries[table.id], names[table.id])]
    return found


def _rows(table: Table, name: FullName) -> list[RowSize]:
    loaded, columns = loaded_columns(table), [*loaded_columns(table), *computed_columns(table)]
    types = tuple(column.type for column in loaded)
    return [RowSize(name, types, len(columns))] if full_bytes(columns) > MAX_ROW_BYTES else []


def _keys(table: Table, entry: TableEntry, where: FullName) -> list[KeySize]:
    place = {column.name: position for position, column in enumerate(entry.columns)}
    columns = {column.id: column for column in table.columns}
    found = []
    for index in [table.primary_index, *table.indexes]:
        used = [columns[number] for number in _column_ids(index, table)]
        positions = tuple(place[column.name] for column in used if column.name in place)
        if positions and any(can_exceed_key(column.type) for column in used if column.name in place):
            found.append(KeySize(where.part("index", index.name), positions))
    return found


def _column_ids(index: Index, table: Table) -> list[int]:
    """Return the columns whose values an index holds: of an inverted one only those of arrays and texts before others,
    as other types are cut into short keys."""
    columns = {column.id: column for column in table.columns}
    keys = [part.column_id for part in written_keys(index, columns)]
    if index is table.primary_index:
        # A backup's primary index names the table's other columns as stored ones.
        return keys
    if index.kind == "forward":
        return keys + index.stored_column_ids
    return keys if index.kind == "inverted" and columns[keys[-1]].type.family == "array" else keys[:-1]


def measure(lines: Iterable[bytes], wanted: Sequence[Measured]) -> Sizes:
    """Return the largest sizes in some lines of a table."""
    sizes: Sizes = {}
    least = min((item.least_line for item in wanted), default=0)
    for line in lines:
        if len(line) > least:
            lengths = [_length(value) for value in line.split(b"\t")]
            for item in wanted:
                if len(line) > item.least_line:
                    sizes[item.name] = max(item.size(lengths), sizes.get(item.name, 0))
    return sizes


def _length(value: bytes) -> Optional[int]:
    """Return how many bytes a value of COPY text has, without a copy of it: each escape sequence is one byte, that of a
    backslash is two of them."""
    if value == _NULL:
        return None
    length = len(value) - value.count(b"\\") + value.count(b"\\\\")
    return (length - _PREFIX_BYTES) // 2 if value.startswith(_HEXADECIMAL) else length


def merge(sizes: Sizes, others: Mapping[FullName, int]) -> None:
    """Take over what is larger in others."""
    for name, size in others.items():
        sizes[name] = max(size, sizes.get(name, 0))


def findings(sizes: Mapping[FullName, int]) -> list[Finding]:
    """Return a finding for each table with a row that PostgreSQL cannot store, and for each index with a key that it
    may not take."""
    rows = [_row(name, size) for name, size in sizes.items() if name.kind == "table" and size > MAX_ROW_BYTES]
    keys = [_key(name, size) for name, size in sizes.items() if name.kind == "index" and size > MAX_KEY_BYTES]
    return rows + keys


def _row(name: FullName, size: int) -> Finding:
    return Finding.of(
        FindingCode.WIDE_ROW,
        name,
        f"A row of the table needs at least {size:,} bytes, and a row of PostgreSQL has to fit into "
        f"{MAX_ROW_BYTES:,}: the import ends at it.",
        "Exclude the table, or divide it in CockroachDB.",
        severity="error",
    )


def _key(name: FullName, size: int) -> Finding:
    return Finding.of(
        FindingCode.KEY_TOO_LONG,
        name,
        f"A key of the index has about {size:,} bytes. PostgreSQL's indexes take {MAX_KEY_BYTES:,} after the "
        "compression of long values: if it is longer then, the index is made in another form, or omitted.",
        "Rehearse: the findings of the rehearsal say what becomes of it.",
        severity="warning",
    )
