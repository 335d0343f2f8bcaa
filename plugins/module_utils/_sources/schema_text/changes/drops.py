# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""DROP …, and what CASCADE takes along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, Optional

from ...._model.catalog import Database, Function, Sequence, SqlType, Table, UserType, View
from ...._model.catalog_names import full_names
from ...._model.full_name import FullName
from ..cursor import Cursor
from ..model_builder import Builder, Relation
from ..routines import read_functions
from .index_changes import drop_index, find_index


def drop(cursor: Cursor, builder: Builder) -> None:
    """Read a DROP statement from the kind of its object on. What is not there needs no drop."""
    kinds: dict[str, Callable[[Cursor, Builder], None]] = {
        "TABLE": _drop_relations,
        "VIEW": _drop_relations,
        "SEQUENCE": _drop_relations,
        "INDEX": _drop_indexes,
        "TYPE": _drop_types,
        "DOMAIN": _drop_types,
        "SCHEMA": _drop_schemas,
        "DATABASE": _drop_database,
        "FUNCTION": _drop_functions,
        "PROCEDURE": _drop_functions,
        "ROUTINE": _drop_functions,
        "TRIGGER": _drop_trigger,
        "POLICY": _drop_policy,
        "ROLE": _drop_roles,
        "USER": _drop_roles,
    }
    cursor.accept("MATERIALIZED")
    kind = cursor.accept_one(*kinds) or cursor.fail(f"DROP {cursor.peek().text} is not known")
    cursor.accept("CONCURRENTLY")
    cursor.accept("IF", "EXISTS")
    kinds[kind](cursor, builder)
    builder.refresh_names()


def _names(cursor: Cursor) -> tuple[list[tuple[Cursor, list]], bool]:
    """Read names up to the end; return each with a cursor at it for messages, and whether CASCADE follows them."""
    found = []
    while True:
        at = Cursor(cursor.statement, (cursor.index, cursor.last))
        found.append((at, cursor.path()))
        if not cursor.accept(","):
            return found, _cascades(cursor)


def _cascades(cursor: Cursor) -> bool:
    return cursor.accept_one("CASCADE", "RESTRICT") == "CASCADE"


def refuse(cursor: Cursor, what: object, user: object) -> NoReturn:
    """Refuse to drop what something else needs, as CockroachDB does."""
    cursor.fail(f"{what} is needed by {user}, which only CASCADE would drop, too")


def _drop_relations(cursor: Cursor, builder: Builder) -> None:
    names, cascade = _names(cursor)
    items = [(at, builder.known_relation(path, cursor.statement)) for at, path in names]
    together = {item.id for _at, item in items if item is not None}
    for at, item in items:
        if item is not None:
            drop_relation(item, cascade, together, at, builder)


def drop_relation(item: Relation, cascade: bool, together: set[int], cursor: Cursor, builder: Builder) -> None:
    """Drop a table, view or sequence with what belongs to it; ``together`` are the ids that are dropped anyway. With
    ``cascade``, drop what needs it, else refuse if there is such."""
    database = builder.home(item)
    forget_findings(item, database, builder)
    drop_readers(item, cascade, together, cursor, builder)
    if isinstance(item, Table):
        _drop_foreign_keys_to(item, cascade, together, cursor, builder)
        columns = {column.id for column in item.columns}
        database.tables.remove(item)
        drop_owned_sequences(item, columns, cascade, cursor, builder)
    elif isinstance(item, View):
        database.views.remove(item)
    else:
        _drop_uses_of_sequence(item, cascade, together, cursor, builder)
        database.sequences.remove(item)
    builder.refresh_names()


def forget_findings(item: Relation, database: Database, builder: Builder) -> None:
    """Remove what was said about an object that is dropped."""
    name = full_names(database)[item.id]

    def is_inside(other: FullName) -> bool:
        return bool(name.table) and (other.database, other.schema, other.table) == (
            name.database,
            name.schema,
            name.table,
        )

    builder.catalog.findings = [
        finding
        for finding in builder.catalog.findings
        if finding.full_name != name and not is_inside(finding.full_name)
    ]


def drop_readers(item: Any, cascade: bool, together: set[int], cursor: Cursor, builder: Builder) -> None:
    """Drop the views and functions that read a relation or call a function, and what needs those."""
    for database in builder.catalog.databases:
        readers: list[Any] = [*database.views, *database.functions]
        for reader in readers:
            if item.id not in reader.depends_on or reader.id in together or reader is item:
                continue
            if not cascade:
                refuse(cursor, item.name, reader.name)
            if reader in database.views:
                drop_relation(reader, True, together, cursor, builder)
            elif reader in database.functions:
                _drop_function(reader, True, cursor, builder)


def _drop_foreign_keys_to(item: Table, cascade: bool, together: set[int], cursor: Cursor, builder: Builder) -> None:
    for table in builder.tables():
        keys = [key for key in table.foreign_keys if key.referenced_table_id == item.id]
        if keys and not cascade and table.id not in together and table is not item:
            refuse(cursor, item.name, f"the foreign key {keys[0].name} of {table.name}")
        table.foreign_keys = [key for key in table.foreign_keys if key not in keys]


def drop_owned_sequences(table: Table, columns: set[int], cascade: bool, cursor: Cursor, builder: Builder) -> None:
    """Drop the sequences that these columns own, after the columns."""
    for database in builder.catalog.databases:
        for sequence in list(database.sequences):
            if sequence.owner_table_id == table.id and sequence.owner_column_id in columns:
                drop_relation(sequence, cascade, {table.id}, cursor, builder)


def _drop_uses_of_sequence(item: Sequence, cascade: bool, together: set[int], cursor: Cursor, builder: Builder) -> None:
    for table in builder.tables():
        for column in table.columns:
            column.owns_sequence_ids = [number for number in column.owns_sequence_ids if number != item.id]
            if item.id in column.uses_sequence_ids:
                if not cascade and table.id not in together:
                    refuse(cursor, item.name, f"the column {table.name}.{column.name}")
                column.uses_sequence_ids, column.default, column.identity = [], "", ""


def _drop_indexes(cursor: Cursor, builder: Builder) -> None:
    found = []
    while True:
        found.append(find_index(cursor, builder))
        if not cursor.accept(","):
            break
    cascade = _cascades(cursor)
    for item in found:
        if item is not None:
            drop_index(*item, cascade, cursor)


def _drop_types(cursor: Cursor, builder: Builder) -> None:
    names, _cascade = _names(cursor)
    for at, path in names:
        item = builder.user_type(path, cursor.statement)
        if item is None:
            continue
        for table in builder.tables():
            for column in table.columns:
                if uses_type(column.type, item):
                    refuse(at, item.name, f"the column {table.name}.{column.name}")
        builder.home(item).types.remove(item)


def uses_type(kind: SqlType, item: UserType) -> bool:
    """Whether a type is a user's type, or has it inside."""
    inner = [*kind.fields, *([kind.element] if kind.element is not None else [])]
    return item.id in (kind.user_type_id, kind.domain_id) or any(uses_type(part, item) for part in inner)


def _drop_schemas(cursor: Cursor, builder: Builder) -> None:
    names, cascade = _names(cursor)
    for at, path in names:
        name = path[0].identifier if len(path) > 1 else cursor.statement.database
        database = builder.known_database(name)
        schema = builder.find_schema(database, path[-1].identifier) if database is not None else None
        if database is None or schema is None:
            continue
        _empty(database, schema.id, cascade, at, builder)
        database.schemas.remove(schema)


def _empty(database: Database, schema_id: int, cascade: bool, cursor: Cursor, builder: Builder) -> None:
    relations: list[Any] = [*database.views, *database.tables, *database.sequences]
    inside = [item for item in [*relations, *database.functions, *database.types] if item.schema_id == schema_id]
    if inside and not cascade:
        refuse(cursor, "the schema", inside[0].name)
    together = {item.id for item in inside}
    for item in inside:
        if item in [*database.views, *database.tables, *database.sequences]:
            drop_relation(item, True, together, cursor, builder)
        elif item in database.functions:
            _drop_function(item, True, cursor, builder)
    database.types = [item for item in database.types if item.schema_id != schema_id]


def _drop_database(cursor: Cursor, builder: Builder) -> None:
    name = cursor.name()
    cursor.accept_one("CASCADE", "RESTRICT")
    database = builder.known_database(name)
    if database is not None:
        builder.catalog.databases.remove(database)
        builder.catalog.findings = [
            finding for finding in builder.catalog.findings if finding.full_name.database != name
        ]


def _drop_functions(cursor: Cursor, builder: Builder) -> None:
    found: list[Function] = []
    while True:
        begin = cursor.index
        is_known = bool(builder.functions(cursor.path(), cursor.statement))
        if is_known:
            cursor.index = begin
            found += read_functions(cursor, builder)
        elif cursor.at("("):
            cursor.parenthesis()
        if not cursor.accept(","):
            break
    cascade = _cascades(cursor)
    for item in found:
        _drop_function(item, cascade, cursor, builder)


def _drop_function(item: Function, cascade: bool, cursor: Cursor, builder: Builder) -> None:
    drop_readers(item, cascade, set(), cursor, builder)
    for table in builder.tables():
        triggers = [trigger for trigger in table.triggers if trigger.function_id == item.id]
        if triggers and not cascade:
            refuse(cursor, item.name, f"the trigger {triggers[0].name} of {table.name}")
        table.triggers = [trigger for trigger in table.triggers if trigger not in triggers]
    builder.home(item).functions.remove(item)


def _drop_trigger(cursor: Cursor, builder: Builder) -> None:
    name, table = _part_of_table(cursor, builder)
    if isinstance(table, Table):
        table.triggers = [trigger for trigger in table.triggers if trigger.name != name]


def _drop_policy(cursor: Cursor, builder: Builder) -> None:
    name, table = _part_of_table(cursor, builder)
    if isinstance(table, Table):
        table.policies = [policy for policy in table.policies if policy.name != name]


def _part_of_table(cursor: Cursor, builder: Builder) -> tuple[str, Optional[Relation]]:
    """Read ``name ON table``; return the name, and the table if it is there."""
    name = cursor.name()
    cursor.expect("ON")
    found = builder.known_relation(cursor.path(), cursor.statement)
    cursor.accept_one("CASCADE", "RESTRICT")
    return name, found


def _drop_roles(cursor: Cursor, builder: Builder) -> None:
    names = [cursor.name()]
    while cursor.accept(","):
        names.append(cursor.name())
    builder.catalog.roles = [role for role in builder.catalog.roles if role.name not in names]
    for role in builder.catalog.roles:
        role.member_of = [name for name in role.member_of if name not in names]
        role.admin_of = [name for name in role.admin_of if name not in names]
