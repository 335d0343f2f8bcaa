# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Names that nothing can have in PostgreSQL: empty ones, those with U+0000, and those of PostgreSQL's templates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Union

from .._errors import ConfigurationError
from .._model.catalog import Catalog, Database, Function, Sequence, Table, UserType, View
from .._model.catalog_names import objects

_KINDS = {Table: "table", View: "view", Sequence: "sequence", UserType: "type", Function: "function"}
_TEMPLATES = ("template0", "template1")


def refuse_impossible_names(catalog: Catalog) -> None:
    """Raise ConfigurationError for all names of databases, schemas, objects and columns that PostgreSQL cannot have."""
    problems = []
    for database in catalog.databases:
        if database.name in _TEMPLATES:
            problems.append(
                f"the database {database.name} would be PostgreSQL's own one of that name, from which it makes new "
                "databases"
            )
        for kind, place, name in _names(database):
            if not name:
                problems.append(f"a {kind}{place} has an empty name")
            elif "\0" in name:
                problems.append(f"the {kind} {name!r}{place} has the character U+0000 in its name")
    if problems:
        raise ConfigurationError(
            f"{'; '.join(problems)}. PostgreSQL cannot have that: give other names with rename (columns: in "
            "CockroachDB), or exclude the objects (databases: exclude)"
        )


def _names(database: Database) -> Iterator[tuple[str, str, str]]:
    """Yield kind, place and name."""
    yield "database", "", database.name
    schemas = {schema.id: schema.name for schema in database.schemas}
    for name in schemas.values():
        yield "schema", f" in the database {database.name!r}", name
    for item in objects(database):
        schema = f"{database.name}.{schemas[item.schema_id]}"
        yield _KINDS[type(item)], f" in {schema!r}", item.name
    relations: list[Union[Table, View]] = [*database.tables, *database.views]
    for table in relations:
        for column in table.columns:
            yield "column", f" of {f'{database.name}.{schemas[table.schema_id]}.{table.name}'!r}", column.name
