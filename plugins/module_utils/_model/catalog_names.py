# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The full names of what a catalog holds."""

from __future__ import annotations

from typing import Any, Union

from .catalog import Database, Function, Sequence, Table, UserType, View
from .full_name import FullName, Kind

SchemaObject = Union[Table, View, Sequence, UserType, Function]


def full_name(item: SchemaObject, database: str, schema: str) -> FullName:
    """Return the full name of what lies in a schema."""
    if isinstance(item, (Table, View)):
        return FullName("view" if isinstance(item, View) else "table", database, schema, table=item.name)
    kind: Kind = "sequence" if isinstance(item, Sequence) else "function"
    if isinstance(item, UserType):
        kind = "domain" if item.kind == "domain" else "type"
    return FullName(kind, database, schema, name=item.name)


def objects(database: Database) -> list[Any]:
    """Return all objects in the schemas of a database."""
    return [*database.tables, *database.views, *database.sequences, *database.types, *database.functions]


def full_names(database: Database) -> dict[int, FullName]:
    """Return the full names of all that lies in the schemas of a database, by descriptor id."""
    schemas = {schema.id: schema.name for schema in database.schemas}
    return {item.id: full_name(item, database.name, schemas[item.schema_id]) for item in objects(database)}
