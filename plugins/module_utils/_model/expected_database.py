# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The objects that a target is expected to receive for one database: names only, taken from the backup's table of
contents before anything is exported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .built_in_roles import BUILT_IN_ROLES
from .catalog import Database
from .names import clip


@dataclass(frozen=True)
class ExpectedDatabase:
    """Names in PostgreSQL. ``relations`` (tables, views, sequences) and ``types`` are pairs of schema and name."""

    name: str
    schemas: tuple[str, ...] = ()
    relations: tuple[tuple[str, str], ...] = ()
    types: tuple[tuple[str, str], ...] = ()
    owners: tuple[str, ...] = ()
    """Roles that will own an object."""
    grantees: tuple[str, ...] = ()
    """Roles that will be granted a privilege."""


def expected_of(database: Database) -> ExpectedDatabase:
    """Return the names that the objects of a database will have in PostgreSQL."""
    schemas = {schema.id: clip(schema.name) for schema in database.schemas}
    owned = list(_owned(database))
    return ExpectedDatabase(
        clip(database.name),
        tuple(schemas.values()),
        tuple(
            (schemas[item.schema_id], clip(item.name))
            for items in (database.tables, database.views, database.sequences)
            for item in items
        ),
        tuple((schemas[item.schema_id], clip(item.name)) for item in database.types),
        tuple(sorted({item.owner for item in owned if item.owner} - BUILT_IN_ROLES)),
        tuple(sorted({grant.role for item in owned for grant in item.grants} - BUILT_IN_ROLES)),
    )


def _owned(database: Database) -> Iterator[Any]:
    yield database
    for items in (
        database.schemas,
        database.types,
        database.sequences,
        database.tables,
        database.views,
        database.functions,
    ):
        yield from items
