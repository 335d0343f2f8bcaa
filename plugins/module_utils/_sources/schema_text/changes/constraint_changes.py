# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""ALTER TABLE … ALTER PRIMARY KEY, DROP CONSTRAINT and RENAME CONSTRAINT."""

from __future__ import annotations

import copy
from typing import Any

from ...._model.catalog import Index
from ..constraints import read_constraint
from ..cursor import Cursor
from ..indexes import read_primary_key
from ..table_place import TablePlace
from .index_changes import drop_index, remove_columns

_ROW_ID = "rowid"


def alter_primary_key(cursor: Cursor, place: TablePlace) -> None:
    """Read the part after ALTER PRIMARY KEY. The old key becomes a unique index, unless it was the hidden rowid or has
    the same columns (shouldCopyPrimaryKey in CockroachDB's pkg/sql/alter_primary_key.go)."""
    cursor.expect("USING", "COLUMNS")
    table = place.own_table
    old = table.primary_index
    read_primary_key(cursor, place, "")
    new = table.primary_index
    if old.columns and _is_row_id(old, place):
        _drop_row_id(old, place)
        return
    if not old.columns or _declared(old, place) == _declared(new, place):
        return
    kept = copy.deepcopy(old)
    columns = {column.id: column for column in table.columns}
    names = "_".join(columns[part.column_id].name for part in old.columns if not _is_shard(part.column_id, old, place))
    kept.id, kept.name = place.next_index_id(), place.free_index_name(f"{table.name}_{names}_key")
    kept.stored_column_ids, kept.comment, kept.partitioned = [], "", False
    table.indexes.append(kept)


def _declared(index: Index, place: TablePlace) -> list[tuple[int, bool]]:
    return [(part.column_id, part.descending) for part in index.columns if not _is_shard(part.column_id, index, place)]


def _is_shard(column_id: int, index: Index, place: TablePlace) -> bool:
    return any(column.id == column_id and column.name == index.shard_column for column in place.table.columns)


def _is_row_id(index: Index, place: TablePlace) -> bool:
    """Whether the key is the column that CockroachDB adds to a table without a primary key."""
    columns = [column for column in place.table.columns if column.id == index.columns[0].column_id]
    return len(index.columns) == 1 and columns[0].hidden and columns[0].name.startswith(_ROW_ID)


def add_primary_key(cursor: Cursor, place: TablePlace, name: str) -> None:
    """Read the part after ADD [CONSTRAINT …]: PRIMARY KEY … of a table that has none."""
    old = place.own_table.primary_index
    is_row_id = bool(old.columns) and _is_row_id(old, place)
    if old.columns and not is_row_id:
        cursor.fail(f"{place.full_name} has a primary key")
    read_constraint(cursor, place, name)
    if is_row_id:
        _drop_row_id(old, place)


def is_key_by_index(made: Index, old: Index, place: TablePlace) -> bool:
    """Make a new unique index the primary key if that is still the hidden rowid and has its name; tell whether it was.

    pg_catalog does not show a key over hidden columns as a constraint (CockroachDB's pull request 13870), so that
    pg_dump writes its index.
    """
    table = place.own_table
    nullable = {column.id for column in table.columns if column.nullable}
    is_key = made.unique and not made.predicate and not any(part.column_id in nullable for part in made.columns)
    if not (is_key and old is table.primary_index and _is_row_id(old, place)):
        return False
    made.id, made.created_explicitly = 1, False
    table.primary_index = made
    _drop_row_id(old, place)
    return True


def _drop_row_id(old: Index, place: TablePlace) -> None:
    """Drop the hidden rowid, which was the key, unless an index or a foreign key has it, as CockroachDB does since
    v22.2 (release note of its pull request 86195)."""
    number = old.columns[0].column_id
    indexed = any(number in [part.column_id for part in index.columns] for index in place.indexes())
    stored = any(number in index.stored_column_ids for index in place.indexes())
    keys = [key for table in place.builder.tables() for key in table.foreign_keys]
    referenced = any(key.referenced_table_id == place.table.id and number in key.referenced_column_ids for key in keys)
    if not (indexed or stored or referenced):
        remove_columns(place, {number})


def drop_constraint(cursor: Cursor, place: TablePlace) -> None:
    """Read the rest of DROP CONSTRAINT. A primary key that is dropped has to be added again."""
    optional = cursor.accept("IF", "EXISTS")
    at = Cursor(cursor.statement, (cursor.index, cursor.last))
    name = place.known_name(cursor.name())
    cascade = cursor.accept_one("CASCADE", "RESTRICT") == "CASCADE"
    table = place.own_table
    lists: tuple[list[Any], ...] = (table.checks, table.foreign_keys, table.unique_without_index)
    for items in lists:
        for item in list(items):
            if item.name == name:
                items.remove(item)
                return
    index = next((index for index in place.indexes() if index.name == name), None)
    if index is table.primary_index:
        table.primary_index = Index(1, name, True)
        place.builder.defer_to_end(lambda: _require_key(at, place))
    elif index is not None:
        drop_index(place, index, cascade, at)
    elif not optional:
        at.fail(f"{place.full_name} has no constraint {name!r}")


def _require_key(cursor: Cursor, place: TablePlace) -> None:
    if not place.own_table.primary_index.columns:
        cursor.fail(f"the primary key of {place.full_name} is dropped, and no other is added")


def rename_constraint(cursor: Cursor, place: TablePlace) -> None:
    """Read ``old TO new`` of RENAME CONSTRAINT; keys and unique constraints are indexes."""
    at = Cursor(cursor.statement, (cursor.index, cursor.last))
    old = place.known_name(cursor.name())
    cursor.expect("TO")
    new = cursor.name()
    table = place.own_table
    items: list[Any] = [*place.indexes(), *table.checks, *table.foreign_keys, *table.unique_without_index]
    if new != old and any(item.name == new for item in items):
        at.fail(f"{place.full_name} has a constraint {new!r}")
    renamed = next((item for item in items if item.name == old), None)
    if renamed is None:
        at.fail(f"{place.full_name} has no constraint {old!r}")
    renamed.name = new
