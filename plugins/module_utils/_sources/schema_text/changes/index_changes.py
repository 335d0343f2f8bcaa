# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""DROP INDEX, ALTER INDEX … RENAME, and what goes with an index that is dropped."""

from __future__ import annotations

from typing import Optional, Union

from ...._model.catalog import Index, Table, View
from ..cursor import Cursor
from ..model_builder import Builder
from ..parsing import Word
from ..table_place import TablePlace
from ..tables import place_for


def find_index(cursor: Cursor, builder: Builder) -> Optional[tuple[TablePlace, Index]]:
    """Read ``table@index``, or an index's name alone; None if it is not there."""
    path = cursor.path()
    if cursor.accept("@"):
        name = cursor.name()
        found = builder.relation(path, cursor.statement)
        if not isinstance(found, (Table, View)):
            return None
        place = place_for(found, path, cursor, builder)
        return _named(place.known_name(name), place)
    for place in _places(path, cursor, builder):
        index = _named(path[-1].identifier, place)
        if index is not None:
            return index
    return None


def _named(name: str, place: TablePlace) -> Optional[tuple[TablePlace, Index]]:
    return next(((place, index) for index in place.indexes() if index.name == name), None)


def _places(path: list[Word], cursor: Cursor, builder: Builder) -> list[TablePlace]:
    """Return the tables and materialized views that an index named ``[schema.]name`` may be of."""
    database_name, schema_name, _name = builder.split(path, cursor.statement)
    database = builder.known_database(database_name)
    if database is None:
        return []
    schemas = {schema.id: schema for schema in database.schemas}
    relations: list[Union[Table, View]] = [*database.tables, *database.views]
    return [
        TablePlace(builder, cursor.statement, database, schemas[item.schema_id], item)
        for item in relations
        if len(path) == 1 or schemas[item.schema_id].name == schema_name
    ]


def rename_index(cursor: Cursor, place: TablePlace, index: Index, name: str) -> None:
    """Give an index another name."""
    if index.name != name and _named(name, place) is not None:
        cursor.fail(f"{place.full_name} has an index {name!r}")
    index.name = name


def drop_index(place: TablePlace, index: Index, cascade: bool, cursor: Cursor) -> None:
    """Drop an index and the hidden columns that only it has. With ``cascade``, also the foreign keys that need it."""
    if isinstance(place.table, Table):
        if index is place.table.primary_index:
            cursor.fail(f"{index.name} is the primary key of {place.full_name}")
        if index.unique:
            _release_foreign_keys(place, index, cascade, cursor)
    place.table.indexes = [item for item in place.table.indexes if item is not index]
    _drop_hidden_columns(place, index)


def _release_foreign_keys(place: TablePlace, index: Index, cascade: bool, cursor: Cursor) -> None:
    """Drop the foreign keys that refer to columns which no other index keeps unique."""
    kept = [unique_columns(item, place) for item in place.indexes() if item.unique and item is not index]
    for table in place.builder.tables():
        for key in list(table.foreign_keys):
            columns = set(key.referenced_column_ids)
            if (
                key.referenced_table_id != place.table.id
                or columns != unique_columns(index, place)
                or columns in kept
                or columns in [set(item.column_ids) for item in place.own_table.unique_without_index]
            ):
                continue
            if not cascade:
                cursor.fail(f"{index.name} is needed by the foreign key {key.name} of {table.name}")
            table.foreign_keys = [item for item in table.foreign_keys if item is not key]


def unique_columns(index: Index, place: TablePlace) -> set[int]:
    """Return the ids of the columns that the index' declaration names."""
    shard = {column.id for column in place.table.columns if column.name == index.shard_column}
    return {part.column_id for part in index.columns} - shard


def _drop_hidden_columns(place: TablePlace, index: Index) -> None:
    """Drop the columns of the index' expressions and its shard column, unless another index has them."""
    used = {part.column_id for item in place.indexes() for part in item.columns}
    dropped = {
        column.id
        for column in place.table.columns
        if column.id in {part.column_id for part in index.columns} - used
        and (column.inaccessible or column.name == index.shard_column)
    }
    remove_columns(place, dropped)


def remove_columns(place: TablePlace, dropped: set[int]) -> None:
    """Remove columns that nothing uses any more."""
    place.table.columns = [column for column in place.table.columns if column.id not in dropped]
    if isinstance(place.table, Table):
        for family in place.table.families:
            family.column_ids = [number for number in family.column_ids if number not in dropped]
        place.table.families = [family for family in place.table.families if family.column_ids]
