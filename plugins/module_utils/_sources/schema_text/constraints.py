# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Constraints, in CREATE TABLE and by ALTER TABLE … ADD CONSTRAINT."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Optional

from ..._model.catalog import Check, Column, ForeignKey, Table, UniqueWithoutIndex
from ..._model.unreadable import omitted_key
from .cursor import Cursor
from .indexes import read_index, read_primary_key
from .table_place import TablePlace

try:
    from sqlglot import exp
except ImportError:  # named by libraries.missing()
    exp = None

_ACTIONS = (("NO", "ACTION"), ("SET", "NULL"), ("SET", "DEFAULT"), ("CASCADE",), ("RESTRICT",))
_MATCHES = ("SIMPLE", "FULL", "PARTIAL")


def read_constraint(cursor: Cursor, place: TablePlace, name: str) -> None:
    """Read a constraint of a table, from its kind on, and add it."""
    if cursor.accept("PRIMARY", "KEY"):
        read_primary_key(cursor, place, name)
    elif cursor.accept("UNIQUE", "WITHOUT", "INDEX"):
        add_unique(place, name, _bare_names(cursor, place), cursor)
    elif cursor.accept("UNIQUE"):
        if cursor.accept("INDEX") and not cursor.at("("):
            name = cursor.name()
        read_index(cursor, place, True, "forward", name)
    elif cursor.accept("CHECK"):
        inside = cursor.parenthesis()
        add_check(inside, place, name, validated=not cursor.accept("NOT", "VALID"))
    elif cursor.accept("FOREIGN", "KEY"):
        read_foreign_key(cursor, place, name, cursor.names())()
    else:
        cursor.fail(f"the constraint {cursor.peek().text!r} is not known")
    cursor.end()


def _bare_names(cursor: Cursor, place: TablePlace) -> list[str]:
    """Read column names that CockroachDB prints without the quotes that they need."""
    names = []
    for item in cursor.parenthesis().items():
        word = item.name_word()
        item.end()
        names.append(word.identifier if place.has_column(word.identifier) else word.text)
    return names


def add_unique(place: TablePlace, name: str, columns: list[str], cursor: Optional[Cursor] = None) -> None:
    """Add a UNIQUE WITHOUT INDEX; the cursor, if any, is after its columns."""
    end = cursor or Cursor(place.statement, (0, 0))
    place.require_free(name, end)
    ids = [place.column(column, end).id for column in columns]
    constraint = UniqueWithoutIndex(name or place.free_constraint_name(f"unique_{'_'.join(columns)}"), ids)
    if end.accept("WHERE"):
        constraint.predicate = place.builder.expression(end.statement, end.expression(frozenset(("NOT",))))
    constraint.validated = not end.accept("NOT", "VALID")
    place.own_table.unique_without_index.append(constraint)


def add_check(inside: Cursor, place: TablePlace, name: str, validated: bool = True) -> None:
    """Add a check; ``inside`` is what the parentheses hold."""
    place.require_free(name, inside)
    text = place.builder.expression(inside.statement, inside.rest())
    used = place.builder.column_names(text, place.full_name)
    columns = [column for column in place.table.columns if column.name in used and not column.inaccessible]
    check = Check(name or _free_name(text, columns, place), text, [column.id for column in columns], validated)
    place.own_table.checks.append(check)


def _free_name(text: str, columns: list[Column], place: TablePlace) -> str:
    """Return the name that CockroachDB makes: of all column names in the order of the expression, repeated like there
    (CheckConstraintBuilder.DefaultName in its pkg/sql/catalog/schemaexpr/check_constraint.go)."""
    known = {column.name for column in columns}
    tree = place.builder.tree(text, str(place.full_name))
    found = [] if tree is None else [node.this for node in tree.find_all(exp.Column)]
    written = sorted(
        (node.meta.get("start", 0), node.name if node.args.get("quoted") else node.name.lower()) for node in found
    )
    return place.free_index_name("_".join(["check", *(name for _start, name in written if name in known)]))


def read_foreign_key(cursor: Cursor, place: TablePlace, name: str, columns: list[str]) -> Callable[[], None]:
    """Read REFERENCES … and return what adds the foreign key; the referenced table is looked up when every table has
    been read."""
    cursor.expect("REFERENCES")
    path = cursor.path()
    referenced = cursor.names() if cursor.at("(") else []
    key = ForeignKey(name, [], 0, [])
    _read_actions(cursor, key)

    def add() -> None:
        place.require_free(name, cursor)
        key.name = name or place.free_constraint_name(f"{place.table.name}_{'_'.join(columns)}_fkey")
        place.own_table.foreign_keys.append(key)
        place.builder.defer(find_columns)

    def find_columns(at_end: bool = False) -> None:
        key.column_ids = [place.column(column, cursor).id for column in columns]
        refused = place.builder.refused_relation(path, place.statement)
        if refused:
            table = place.own_table
            table.foreign_keys = [item for item in table.foreign_keys if item is not key]
            about = place.full_name.part("constraint", key.name)
            place.builder.catalog.findings.append(omitted_key(about, refused))
            return
        other = place.builder.relation(path, place.statement)
        if not isinstance(other, Table):
            if not at_end:
                place.builder.defer_to_end(partial(find_columns, True))
            return
        there = TablePlace(place.builder, place.statement, place.database, place.schema, other)
        key.referenced_table_id = other.id
        visible = [part.column_id for part in other.primary_index.columns]
        key.referenced_column_ids = [there.column(column, cursor).id for column in referenced] or visible

    return add


def _read_actions(cursor: Cursor, key: ForeignKey) -> None:
    while True:
        if cursor.accept("MATCH"):
            key.match = cursor.accept_one(*_MATCHES) or cursor.fail("expected SIMPLE, FULL or PARTIAL")
        elif cursor.accept("ON", "DELETE"):
            key.on_delete = _action(cursor)
        elif cursor.accept("ON", "UPDATE"):
            key.on_update = _action(cursor)
        elif cursor.accept("NOT", "VALID"):
            key.validated = False
        else:
            return


def _action(cursor: Cursor) -> str:
    for action in _ACTIONS:
        if cursor.accept(*action):
            return " ".join(action)
    return cursor.fail("expected an action")


def validate(place: TablePlace, name: str, cursor: Cursor) -> None:
    """Mark a constraint as validated."""
    table = place.own_table
    constraints: list[Any] = [*table.checks, *table.foreign_keys, *table.unique_without_index]
    named = [item for item in constraints if item.name == place.known_name(name)]
    if not named and not place.has_constraint(place.known_name(name)):
        cursor.fail(f"{place.full_name} has no constraint {name!r}")
    for item in named:
        item.validated = True
