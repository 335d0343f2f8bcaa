# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""ALTER … RENAME TO and SET SCHEMA of objects: what names them follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...._arrange.full_names import follow_names, names_by_id, rename_findings
from ...._errors import ConfigurationError
from ...._model.catalog import Database, Function, Schema, UserType
from ...._model.catalog_names import full_names
from ..cursor import Cursor
from ..model_builder import Builder


def read_new_place(cursor: Cursor, items: list[Any], builder: Builder) -> bool:
    """Read RENAME TO or SET SCHEMA of objects of one name if it comes; return whether it did."""
    if cursor.accept("RENAME", "TO"):
        _rename(cursor, items, builder)
    elif cursor.accept("SET", "SCHEMA"):
        _set_schema(cursor, items, builder)
    else:
        return False
    return True


def _rename(cursor: Cursor, items: list[Any], builder: Builder) -> None:
    name = cursor.path()[-1].identifier
    for item in items:
        _require_free(name, item.schema_id, item, cursor, builder)

    def give_name() -> None:
        for item in items:
            item.name = name

    change_names(give_name, cursor, builder)


def _set_schema(cursor: Cursor, items: list[Any], builder: Builder) -> None:
    name = cursor.name()
    for item in items:
        schema = builder.find_schema(builder.home(item), name) or cursor.fail(f"the schema {name} is not there")
        _require_free(item.name, schema.id, item, cursor, builder)

    def give_schema() -> None:
        for item in items:
            item.schema_id = builder.schema(builder.home(item), name).id

    change_names(give_schema, cursor, builder)


def _require_free(name: str, schema_id: int, item: Any, cursor: Cursor, builder: Builder) -> None:
    database = builder.home(item)
    if isinstance(item, Function):
        return
    others: list[Any] = (
        [*database.types] if isinstance(item, UserType) else [*database.tables, *database.views, *database.sequences]
    )
    if any(other.name == name and other.schema_id == schema_id and other is not item for other in others):
        cursor.fail(f"{name} is there twice")


def rename_schema(cursor: Cursor, schema: Schema, builder: Builder) -> None:
    """Give a schema the name that comes."""
    database = next(item for item in builder.catalog.databases if schema in item.schemas)
    name = cursor.name()
    if builder.find_schema(database, name) is not None:
        cursor.fail(f"the schema {name} is there twice")

    def give_name() -> None:
        schema.name = name

    change_names(give_name, cursor, builder)


def rename_database(cursor: Cursor, database: Database, builder: Builder) -> None:
    """Give a database the name that comes."""
    name = cursor.name()
    if builder.known_database(name) is not None:
        cursor.fail(f"the database {name} is there twice")

    def give_name() -> None:
        database.name = name

    change_names(give_name, cursor, builder)


def change_names(change: Callable[[], None], cursor: Cursor, builder: Builder) -> None:
    """Change names, and every SQL text and finding that has them. Raises UnsupportedError for a text that cannot
    follow."""
    catalog = builder.catalog
    before = names_by_id(catalog)
    homes = {number: name[0] for number, name in before.items()}
    shown = _shown_names(builder)
    change()
    after = _shown_names(builder)
    catalog.findings = rename_findings(catalog.findings, {shown[key]: after[key] for key in shown if key in after})
    try:
        follow_names(catalog, before, homes)
    except ConfigurationError as error:
        cursor.fail(str(error))
    builder.refresh_names()


def _shown_names(builder: Builder) -> dict[int, str]:
    """Return the full names of databases, schemas and what lies in them, by id."""
    names = {}
    for database in builder.catalog.databases:
        names[database.id] = database.name
        names.update({schema.id: f"{database.name}.{schema.name}" for schema in database.schemas})
        names.update({number: str(name) for number, name in full_names(database).items()})
    return names
