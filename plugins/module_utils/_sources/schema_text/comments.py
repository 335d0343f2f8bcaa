# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""COMMENT ON …"""

from __future__ import annotations

from typing import Any

from .cursor import Cursor
from .model_builder import Builder
from .routines import read_functions
from .tables import place_for, place_of

_RELATIONS = ("TABLE", "VIEW", "SEQUENCE", "MATERIALIZED")


def read_comment(cursor: Cursor, builder: Builder) -> None:
    """Read a comment from the kind of its object on."""
    items = _commented(cursor, builder)
    cursor.expect("IS")
    text = "" if cursor.accept("NULL") else cursor.string()
    cursor.end()
    for item in items:
        item.comment = text


def _commented(cursor: Cursor, builder: Builder) -> list[Any]:
    statement = cursor.statement
    if cursor.accept("DATABASE"):
        return [builder.database(cursor.name())]
    if cursor.accept("SCHEMA"):
        path = cursor.path()
        database = builder.database(path[0].identifier if len(path) > 1 else statement.database)
        return [builder.schema(database, path[-1].identifier)]
    if cursor.accept("TYPE"):
        return [builder.user_type(cursor.path(), statement) or cursor.fail("the type is not there")]
    if cursor.accept("COLUMN"):
        return [_column(cursor, builder)]
    if cursor.accept("INDEX"):
        return [named_index(cursor, builder)]
    if cursor.accept("CONSTRAINT"):
        name = cursor.name()
        cursor.expect("ON")
        return _constraints(name, cursor, builder)
    if cursor.accept_one("FUNCTION", "PROCEDURE"):
        return list(read_functions(cursor, builder))
    if cursor.accept_one(*_RELATIONS):
        cursor.accept("VIEW")
        return [builder.relation(cursor.path(), statement) or cursor.fail("the object is not there")]
    return cursor.fail(f"a comment on {cursor.peek().text!r} is not known")


def _column(cursor: Cursor, builder: Builder) -> Any:
    path = cursor.path()
    found = builder.relation(path[:-1], cursor.statement) if len(path) > 1 else None
    for column in getattr(found, "columns", []):
        if column.name == path[-1].identifier:
            return column
    return cursor.fail(f"the column {'.'.join(word.text for word in path)} is not there")


def named_index(cursor: Cursor, builder: Builder) -> Any:
    """Read ``table@index`` and return the index."""
    path = cursor.path()
    if not cursor.accept("@"):
        return _index_of_any_table(path[-1].identifier, cursor, builder)
    found = builder.relation(path, cursor.statement)
    name = cursor.name()
    indexes = place_for(found, path, cursor, builder).indexes() if hasattr(found, "indexes") else []  # type: ignore[arg-type]
    return next((index for index in indexes if index.name == name), None) or cursor.fail(
        f"the index {name!r} is not there"
    )


def _index_of_any_table(name: str, cursor: Cursor, builder: Builder) -> Any:
    tables = builder.database(cursor.statement.database).tables
    found = [index for table in tables for index in [table.primary_index, *table.indexes] if index.name == name]
    return found[0] if len(found) == 1 else cursor.fail(f"the index {name!r} is not there, or in several tables")


def _constraints(name: str, cursor: Cursor, builder: Builder) -> list[Any]:
    """Return the constraints of this name; a constraint may also be an index."""
    place = place_of(cursor, builder)
    table = place.own_table
    items: list[Any] = [*table.checks, *table.foreign_keys, *table.unique_without_index, *place.indexes()]
    name = place.known_name(name)
    return [item for item in items if item.name == name][:1] or cursor.fail(f"the constraint {name!r} is not there")
