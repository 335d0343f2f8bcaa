# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The tables whose rows are exported, each with the names and types that its rows need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional

from . import catalog_names
from .catalog import Database, Table, UserType
from .full_name import FullName

ObjectNames = Mapping[int, Mapping[int, str]]
"""Names by number for each object identifier type that becomes text, by the type's oid. Numbers of other types stay
numbers."""


@dataclass(frozen=True)
class TableSource:
    """A table with what reading its rows needs; ``user_types`` by descriptor id, ``object_names`` as in
    object_names.py."""

    database: str
    schema: str
    table: Table
    user_types: dict[int, UserType] = field(repr=False)
    object_names: ObjectNames = field(default_factory=dict, repr=False)

    @property
    def full_name(self) -> FullName:
        return catalog_names.full_name(self.table, self.database, self.schema)

    @property
    def name(self) -> str:
        """The full name, for messages."""
        return str(self.full_name)


def table_sources(database: Database, object_names: Optional[ObjectNames] = None) -> list[TableSource]:
    """Return the tables of a database in the catalog's order."""
    schemas = {schema.id: schema.name for schema in database.schemas}
    user_types = {user_type.id: user_type for user_type in database.types}
    return [
        TableSource(database.name, schemas[table.schema_id], table, user_types, object_names or {})
        for table in database.tables
    ]
