# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CREATE TABLE … (LIKE other INCLUDING …): replaceLikeTableOpts in CockroachDB's pkg/sql/create_table.go."""

from __future__ import annotations

import copy
from dataclasses import replace

from ..._model.catalog import Column, Index, Table
from .cursor import Cursor
from .table_place import TablePlace

_OPTIONS = ("CONSTRAINTS", "DEFAULTS", "GENERATED", "INDEXES")
_ROW_ID = "rowid"


def read_like(cursor: Cursor, place: TablePlace) -> None:
    """Read the part after LIKE, and add what the new table has of the other one."""
    begin = cursor.index
    other = place.builder.relation(cursor.path(), cursor.statement)
    if not isinstance(other, Table):
        cursor.index = begin
        cursor.fail("the table that this one is like is not there")
    options: set[str] = set()
    while not cursor.at_end:
        included = cursor.accept("INCLUDING")
        if not included:
            cursor.expect("EXCLUDING")
        option = cursor.accept_one("ALL", *_OPTIONS) or cursor.fail(f"expected ALL or one of {', '.join(_OPTIONS)}")
        named = set(_OPTIONS if option == "ALL" else (option,))
        options = options | named if included else options - named
    numbers = _copy_columns(other, options, place)
    place.then(lambda: _copy_parts(other, options, numbers, place))


def _copy_columns(other: Table, options: set[str], place: TablePlace) -> dict[int, int]:
    """Add the columns; return their new ids by the old ones."""
    hidden = {index.shard_column for index in [other.primary_index, *other.indexes]}
    keys = [part.column_id for part in other.primary_index.columns]
    numbers = {}
    for column in other.columns:
        if column.inaccessible or column.name in hidden:
            continue
        is_row_id = column.hidden and column.name.startswith(_ROW_ID) and keys == [column.id]
        with_default = "DEFAULTS" in options or ("INDEXES" in options and is_row_id)
        made = Column(place.next_column_id(), column.name, column.type, column.nullable, hidden=column.hidden)
        if with_default:
            made.default, made.uses_sequence_ids = column.default, list(column.uses_sequence_ids)
        if "DEFAULTS" in options:
            made.on_update = column.on_update
        if "GENERATED" in options:
            made.computed, made.virtual = column.computed, column.virtual
        numbers[column.id] = made.id
        place.table.columns.append(made)
    return numbers


def _copy_parts(other: Table, options: set[str], numbers: dict[int, int], place: TablePlace) -> None:
    table = place.own_table
    if "CONSTRAINTS" in options:
        for check in other.checks:
            table.checks.append(replace(check, column_ids=[numbers[number] for number in check.column_ids], comment=""))
        for unique in other.unique_without_index:
            ids = [numbers[number] for number in unique.column_ids]
            table.unique_without_index.append(replace(unique, column_ids=ids, comment=""))
    if "INDEXES" in options:
        table.primary_index = _copied(other.primary_index, other, numbers, place)
        for index in other.indexes:
            made = _copied(index, other, numbers, place)
            made.id = place.next_index_id()
            table.indexes.append(made)


def _copied(index: Index, other: Table, numbers: dict[int, int], place: TablePlace) -> Index:
    """Return the index over the new columns; hidden columns that only indexes have are made for it."""
    columns = {column.id: column for column in other.columns}
    for part in index.columns:
        if part.column_id not in numbers:
            made = replace(columns[part.column_id], id=place.next_column_id())
            numbers[part.column_id] = made.id
            place.table.columns.append(made)
    found = copy.deepcopy(index)
    found.comment, found.partitioned = "", False
    for part in found.columns:
        part.column_id = numbers[part.column_id]
    found.stored_column_ids = [numbers[number] for number in index.stored_column_ids]
    return found
