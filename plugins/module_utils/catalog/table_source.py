# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The tables whose rows are exported, each with the names and types that its rows need."""
from __future__ import annotations

from dataclasses import dataclass, field

from .model import Database, Table, UserType


@dataclass(frozen=True)
class TableSource:
    """A table with what reading its rows needs; ``user_types`` by descriptor id."""

    database: str
    schema: str
    table: Table
    user_types: dict[int, UserType] = field(repr=False)

    @property
    def name(self) -> str:
        """The full name, for messages."""
        return f"{self.database}.{self.schema}.{self.table.name}"


def table_sources(database: Database) -> list[TableSource]:
    """Return the tables of a database in the catalog's order."""
    schemas = {schema.id: schema.name for schema in database.schemas}
    user_types = {user_type.id: user_type for user_type in database.types}
    return [TableSource(database.name, schemas[table.schema_id], table, user_types) for table in database.tables]
