# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CREATE TYPE and ALTER TYPE."""

from __future__ import annotations

from ..._model.catalog import REGION_TYPE, Database, EnumMember, UserType
from ..._model.finding_codes import FindingCode
from ..._model.full_name import FullName
from .cursor import Cursor
from .enum_values import follow_value
from .model_builder import Builder
from .types import read_type


def create_type(cursor: Cursor, builder: Builder) -> None:
    """Read an enum or composite type from its name on."""
    optional = cursor.accept("IF", "NOT", "EXISTS")
    database, schema, name = builder.place(cursor)
    about = FullName("type", database.name, schema.name, name=name)
    if builder.exists(cursor, about, builder.has_type(database, schema, name), optional):
        return
    item = UserType(builder.new_id(), name, schema.id)
    item.array_type_id = builder.new_id()
    cursor.expect("AS")
    if cursor.accept("ENUM"):
        labels: set[str] = set()
        for value in cursor.parenthesis().items():
            label = value.string()
            if label in labels:
                value.fail(f"the enum has the value {label!r} twice")
            labels.add(label)
            _add_member(item, label)
            value.end()
    else:
        item.kind = "composite"
        for part in cursor.parenthesis().items():
            item.field_names.append(part.name())
            item.fields.append(read_type(part, lambda path: builder.user_type(path, cursor.statement)))
            part.end()
    cursor.end()
    if name == REGION_TYPE:
        item.kind = "multi-region enum"
        database.regions = [member.name for member in item.members]
    if not builder.add_type(database, schema, item):
        cursor.fail(f"the type {database.name}.{schema.name}.{name} is there twice")


def add_regions(database: Database, named: bool, builder: Builder) -> None:
    """Add the type of a database's regions, which SHOW CREATE ALL TYPES does not print; ``named``: the text uses it.

    Without the regions, which SHOW CREATE DATABASE and SHOW REGIONS print, it is read as text (read_type).
    Source: pkg/sql/crdb_internal.go, MULTIREGION_ENUM in crdb_internal.create_type_statements.
    """
    if any(item.name == REGION_TYPE for item in database.types):
        return
    if database.regions:
        schema = builder.schema(database, "public")
        item = UserType(builder.new_id(), REGION_TYPE, schema.id, "multi-region enum")
        item.array_type_id = builder.new_id()
        for region in sorted(database.regions):
            _add_member(item, region)
        builder.add_type(database, schema, item)
    elif named:
        builder.find(FindingCode.REGIONS_NOT_KNOWN, FullName("type", database.name, "public", name=REGION_TYPE))


def alter_type(cursor: Cursor, item: UserType, builder: Builder) -> None:
    """Read ADD VALUE, RENAME VALUE or DROP VALUE of an enum."""
    if cursor.accept("RENAME", "VALUE"):
        old = cursor.string()
        member = _member(old, item, cursor)
        cursor.expect("TO")
        new = cursor.string()
        if any(other.name == new for other in item.members if other is not member):
            cursor.fail(f"the enum has the value {new!r}")
        member.name = new
        follow_value(item, old, new, builder)
    elif cursor.accept("DROP", "VALUE"):
        item.members.remove(_member(cursor.string(), item, cursor))
    else:
        _add_value(cursor, item)
    _number(item)


def _add_value(cursor: Cursor, item: UserType) -> None:
    cursor.expect("ADD", "VALUE")
    optional = cursor.accept("IF", "NOT", "EXISTS")
    value = cursor.string()
    names = [member.name for member in item.members]
    position = len(names)
    if not cursor.at_end:
        before = cursor.accept_one("BEFORE", "AFTER") == "BEFORE"
        position = item.members.index(_member(cursor.string(), item, cursor)) + (not before)
    if value not in names:
        item.members.insert(position, EnumMember(value, ""))
    elif not optional:
        cursor.fail(f"the enum has the value {value!r}")


def _member(name: str, item: UserType, cursor: Cursor) -> EnumMember:
    found = next((member for member in item.members if member.name == name), None)
    return found or cursor.fail(f"the enum has no value {name!r}")


def _add_member(item: UserType, name: str) -> None:
    item.members.append(EnumMember(name, _physical(len(item.members) + 1)))


def _number(item: UserType) -> None:
    for position, member in enumerate(item.members, 1):
        member.physical = _physical(position)


def _physical(position: int) -> str:
    """Return the physical representation of a value: its position, as the text does not show the bytes that rows
    hold."""
    return f"{position:04x}"
