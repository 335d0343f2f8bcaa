# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""ALTER TABLE … ALTER COLUMN, RENAME COLUMN and DROP COLUMN."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...._convert.expressions.families import declared_family
from ...._convert.expressions.references import rename_column as rename_in_text
from ...._errors import UnsupportedError
from ...._model.catalog import Column, Table, View
from ..columns import add_identity, read_column_expression, set_default
from ..cursor import Cursor
from ..expression_types import expression_type
from ..table_place import TablePlace
from ..types import read_type, with_collation
from .drops import drop_owned_sequences, drop_relation, refuse
from .index_changes import drop_index, remove_columns

_ASSIGNABLE = (frozenset(("int", "float", "decimal")), frozenset(("date", "timestamp", "timestamptz")))
"""Families of types whose values may be assigned to each other (CockroachDB's pkg/sql/sem/cast/cast_map.go)."""


def rename_column(cursor: Cursor, place: TablePlace) -> None:
    """Read ``old TO new`` of RENAME COLUMN."""
    begin = cursor.index
    old = cursor.name()
    column = place.column(old, cursor)
    cursor.expect("TO")
    new = cursor.name()
    if new == old:
        return
    if place.has_column(new):
        cursor.fail(f"{place.full_name} has a column {new!r}")
    reader = next(_readers(column, place), None)
    if reader is not None:
        cursor.index = begin
        cursor.fail(f"the view {reader.name} reads {old!r}, so that CockroachDB does not rename it")
    column.name = new
    if not isinstance(place.table, Table):
        return
    try:
        _follow(place.table, old, new, place)
    except UnsupportedError as error:
        cursor.fail(f"an expression cannot follow the new name: {error}")


def _follow(table: Table, old: str, new: str, place: TablePlace) -> None:
    """Change the column's name in every expression of its table."""

    def followed(text: str) -> str:
        return rename_in_text(text, old, new, place.full_name) if text else text

    for column in table.columns:
        column.computed = followed(column.computed)
    for item in [table.primary_index, *table.indexes, *table.unique_without_index]:
        item.predicate = followed(item.predicate)  # type: ignore[attr-defined]
    for check in table.checks:
        check.expression = followed(check.expression)
    for trigger in table.triggers:
        trigger.when = followed(trigger.when)
        trigger.update_columns = [new if name == old else name for name in trigger.update_columns]
    for policy in table.policies:
        policy.using, policy.with_check = followed(policy.using), followed(policy.with_check)
    if table.ttl.get("expiration"):
        table.ttl["expiration"] = followed(table.ttl["expiration"])
    if table.locality == f"REGIONAL BY ROW AS {old}":
        table.locality = f"REGIONAL BY ROW AS {new}"


def _readers(column: Column, place: TablePlace) -> Iterator[View]:
    """Yield the views that read the column: those that read its table and name it, unless another table that they read
    has a column of that name."""
    for database in place.builder.catalog.databases:
        relations: list[Any] = [*database.tables, *database.views]
        for view in database.views:
            if place.table.id not in view.depends_on:
                continue
            others = [item for item in relations if item.id in view.depends_on and item is not place.table]
            elsewhere = {other.name for item in others for other in item.columns}
            if column.name not in elsewhere and column.name in place.builder.column_names(view.query, view.name):
                yield view


def drop_column(cursor: Cursor, place: TablePlace) -> None:
    """Read the rest of DROP COLUMN, and drop the column with the indexes, constraints and sequences that it is part
    of."""
    if cursor.accept("IF", "EXISTS") and not place.has_column(cursor.peek().identifier):
        cursor.take()
        cursor.accept_one("CASCADE", "RESTRICT")
        return
    at = Cursor(cursor.statement, (cursor.index, cursor.last))
    column = place.column(cursor.name(), at)
    cascade = cursor.accept_one("CASCADE", "RESTRICT") == "CASCADE"
    table = place.own_table
    if column.id in [part.column_id for part in table.primary_index.columns]:
        at.fail(f"the column {column.name} is part of the primary key")
    _require_unused(column, place, at)
    for view in list(_readers(column, place)):
        if not cascade:
            refuse(at, f"the column {column.name}", f"the view {view.name}")
        drop_relation(view, True, set(), at, place.builder)
    _drop_constraints(column, cascade, place, at)
    remove_columns(place, {column.id})
    drop_owned_sequences(table, {column.id}, cascade, at, place.builder)


def _require_unused(column: Column, place: TablePlace, cursor: Cursor) -> None:
    """Refuse to drop a column that a computed column, an expression index, a policy or the TTL uses."""
    table = place.own_table
    for other in table.columns:
        if other.computed and _names(column, other.computed, place) and not _is_shard(other, table):
            refuse(cursor, f"the column {column.name}", f"the computed column or expression index {other.name}")
    texts = [text for policy in table.policies for text in (policy.using, policy.with_check)]
    if any(text and _names(column, text, place) for text in [*texts, table.ttl.get("expiration", "")]):
        refuse(cursor, f"the column {column.name}", "a policy or the TTL of its table")


def _is_shard(column: Column, table: Table) -> bool:
    return any(index.shard_column == column.name for index in [table.primary_index, *table.indexes])


def _names(column: Column, text: str, place: TablePlace) -> bool:
    return column.name in place.builder.column_names(text, place.full_name)


def _drop_constraints(column: Column, cascade: bool, place: TablePlace, cursor: Cursor) -> None:
    table = place.own_table
    for index in list(table.indexes):
        keys = [part.column_id for part in index.columns]
        if column.id in [*keys, *index.stored_column_ids] or (
            index.predicate and _names(column, index.predicate, place)
        ):
            drop_index(place, index, cascade, cursor)
    table.checks = [check for check in table.checks if column.id not in check.column_ids]
    table.foreign_keys = [key for key in table.foreign_keys if column.id not in key.column_ids]
    table.unique_without_index = [item for item in table.unique_without_index if column.id not in item.column_ids]
    for other in place.builder.tables():
        to_column = [
            key
            for key in other.foreign_keys
            if key.referenced_table_id == table.id and column.id in key.referenced_column_ids
        ]
        if to_column and not cascade:
            refuse(cursor, f"the column {column.name}", f"the foreign key {to_column[0].name} of {other.name}")
        other.foreign_keys = [key for key in other.foreign_keys if key not in to_column]


def alter_column(cursor: Cursor, place: TablePlace) -> None:
    """Read the part of ALTER TABLE after ALTER [COLUMN]."""
    column = place.column(cursor.name(), cursor)
    changes: tuple[tuple[tuple[str, ...], Callable[[Cursor, Column, TablePlace], None]], ...] = (
        (("SET", "DATA", "TYPE"), _set_type),
        (("TYPE",), _set_type),
        (("SET", "DEFAULT"), set_default),
        (("DROP", "DEFAULT"), _drop_default),
        (("SET", "NOT", "NULL"), lambda at, item, of: _set_nullable(at, item, of, False)),
        (("DROP", "NOT", "NULL"), lambda at, item, of: _set_nullable(at, item, of, True)),
        (("SET", "ON", "UPDATE"), _set_on_update),
        (("DROP", "ON", "UPDATE"), lambda at, item, of: setattr(item, "on_update", "")),
        (("DROP", "STORED"), _drop_stored),
        (("SET", "VISIBLE"), lambda at, item, of: setattr(item, "hidden", False)),
        (("SET", "NOT", "VISIBLE"), lambda at, item, of: setattr(item, "hidden", True)),
        (("ADD", "GENERATED"), add_identity),
        (("SET", "GENERATED"), _set_identity),
        (("DROP", "IDENTITY"), _drop_identity),
    )
    for words, change in changes:
        if cursor.accept(*words):
            change(cursor, column, place)
            return
    cursor.fail(f"ALTER COLUMN … {cursor.peek().text} is not known")


def _set_type(cursor: Cursor, column: Column, place: TablePlace) -> None:
    builder, before = place.builder, declared_family(column.type)
    at = Cursor(cursor.statement, (cursor.index, cursor.last))
    column.type = read_type(cursor, lambda path: builder.user_type(path, cursor.statement))
    if cursor.accept("COLLATE"):
        column.type = with_collation(cursor, column.type)
    if declared_family(column.type) != before:
        _require_retypable(column, before, place, at)
    if cursor.accept("USING"):
        cursor.expression()
    for other in place.table.columns:
        if other.inaccessible:
            other.type = expression_type(other.computed, place.table.columns, builder, cursor.statement)


def _require_retypable(column: Column, before: str, place: TablePlace, cursor: Cursor) -> None:
    """Refuse another kind of type where the default or an expression that reads the column would not fit to it."""
    after = declared_family(column.type)
    if any({before, after} <= kinds for kinds in _ASSIGNABLE):
        return
    if column.default and after != "string":
        cursor.fail(f"the default of the column {column.name} cannot be cast to its new type: drop it first")
    if isinstance(place.table, Table):
        reader = next(_expressions_with(column, place.table, place), "")
        if reader:
            cursor.fail(f"{reader} computes with the column {column.name}: drop it first")
    for view in _readers(column, place):
        cursor.fail(f"the view {view.name} reads {column.name!r}, so that CockroachDB does not change its type")


def _expressions_with(column: Column, table: Table, place: TablePlace) -> Iterator[str]:
    """Yield what has an expression that names the column."""
    found = [(other.computed, f"the column or expression index {other.name}") for other in table.columns]
    found += [(index.predicate, f"the index {index.name}") for index in table.indexes]
    found += [(check.expression, f"the check constraint {check.name}") for check in table.checks]
    for policy in table.policies:
        found += [(text, f"the policy {policy.name}") for text in (policy.using, policy.with_check)]
    yield from (name for text, name in found if text and _names(column, text, place))


def _drop_default(_cursor: Cursor, column: Column, _place: TablePlace) -> None:
    column.default, column.uses_sequence_ids = "", []


def _set_nullable(cursor: Cursor, column: Column, place: TablePlace, nullable: bool) -> None:
    if nullable and column.id in [part.column_id for part in place.own_table.primary_index.columns]:
        cursor.fail(f"the column {column.name} is part of the primary key")
    column.nullable = nullable


def _set_on_update(cursor: Cursor, column: Column, place: TablePlace) -> None:
    column.on_update = read_column_expression(cursor, place, column)


def _drop_stored(cursor: Cursor, column: Column, _place: TablePlace) -> None:
    if not column.computed or column.virtual:
        cursor.fail(f"the column {column.name} is not a stored computed column")
    column.computed = ""


def _set_identity(cursor: Cursor, column: Column, _place: TablePlace) -> None:
    if not column.identity:
        cursor.fail(f"the column {column.name} is not an identity column")
    column.identity = "ALWAYS" if cursor.accept("ALWAYS") else "BY DEFAULT"
    if column.identity == "BY DEFAULT":
        cursor.expect("BY", "DEFAULT")


def _drop_identity(cursor: Cursor, column: Column, place: TablePlace) -> None:
    cursor.accept("IF", "EXISTS")
    column.identity, column.identity_options, column.default, column.uses_sequence_ids = "", "", "", []
    drop_owned_sequences(place.own_table, {column.id}, True, cursor, place.builder)
