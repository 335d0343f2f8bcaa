# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CREATE DOMAIN and ALTER DOMAIN, which v26.3 brought (cockroachdb/cockroach#165187, #166947)."""

from __future__ import annotations

from ..._model.catalog import Check, UserType
from ..._model.domains import base_problem
from ..._model.full_name import FullName
from .cursor import Cursor
from .model_builder import Builder
from .types import read_type

_STOPS = frozenset(("NOT", "NULL", "CONSTRAINT", "CHECK", "DEFAULT"))


def create_domain(cursor: Cursor, builder: Builder) -> None:
    """Read a domain from its name on."""
    optional = cursor.accept("IF", "NOT", "EXISTS")
    database, schema, name = builder.place(cursor)
    about = FullName("domain", database.name, schema.name, name=name)
    if builder.exists(cursor, about, builder.has_type(database, schema, name), optional):
        return
    item = UserType(builder.new_id(), name, schema.id, "domain")
    item.array_type_id = builder.new_id()
    cursor.accept("AS")
    item.base = read_type(cursor, lambda path: builder.user_type(path, cursor.statement))
    if base_problem(item.base):
        cursor.fail(f"domain {database.name}.{schema.name}.{name}: {base_problem(item.base)}")
    while not cursor.at_end:
        if cursor.accept("DEFAULT"):
            _set_default(cursor, item, builder)
        else:
            _read_constraint(cursor, item, builder)
    if not builder.add_type(database, schema, item):
        cursor.fail(f"the type {database.name}.{schema.name}.{name} is there twice")


def alter_domain(cursor: Cursor, item: UserType, builder: Builder) -> None:
    """Read the part of ALTER DOMAIN after the name, except OWNER TO."""
    if item.kind != "domain":
        cursor.fail(f"{item.name} is not a domain")
    if cursor.accept("SET", "DEFAULT"):
        _set_default(cursor, item, builder)
    elif cursor.accept("DROP", "DEFAULT"):
        item.default = ""
    elif cursor.accept("SET", "NOT", "NULL"):
        item.not_null = True
    elif cursor.accept("DROP", "NOT", "NULL"):
        item.not_null, item.not_null_name = False, ""
    elif cursor.accept("ADD"):
        _read_constraint(cursor, item, builder)
    elif cursor.accept("VALIDATE", "CONSTRAINT"):
        _check(cursor.name(), item, cursor).validated = True
    elif cursor.accept("RENAME", "CONSTRAINT"):
        _rename(cursor, item)
    elif cursor.accept("DROP", "CONSTRAINT"):
        _drop(cursor, item)
    else:
        cursor.fail(f"ALTER DOMAIN … {cursor.peek().text} is not known")
    cursor.end()


def _set_default(cursor: Cursor, item: UserType, builder: Builder) -> None:
    default = builder.expression(cursor.statement, cursor.expression(_STOPS))
    item.default = "" if default.upper() == "NULL" else default


def _read_constraint(cursor: Cursor, item: UserType, builder: Builder) -> None:
    name = cursor.name() if cursor.accept("CONSTRAINT") else ""
    if cursor.accept("NOT", "NULL"):
        item.not_null, item.not_null_name = True, name
    elif cursor.accept("NULL"):
        pass
    elif cursor.accept("CHECK"):
        text = builder.expression(cursor.statement, cursor.parenthesis().rest())
        item.checks.append(Check(name or _free_name(item), text, validated=not cursor.accept("NOT", "VALID")))
    else:
        cursor.fail(f"{cursor.peek().text!r} is not known in a domain")


def _free_name(item: UserType) -> str:
    """Return the name that CockroachDB gives a check without one."""
    wanted, number = f"{item.name}_check", 0
    taken = {item.not_null_name, *(check.name for check in item.checks)}
    name = wanted
    while name in taken:
        number += 1
        name = f"{wanted}{number}"
    return name


def _check(name: str, item: UserType, cursor: Cursor) -> Check:
    found = next((check for check in item.checks if check.name == name), None)
    return found or cursor.fail(f"the domain {item.name} has no check {name!r}")


def _rename(cursor: Cursor, item: UserType) -> None:
    old = cursor.name()
    cursor.expect("TO")
    new = cursor.name()
    if item.not_null_name == old:
        item.not_null_name = new
    else:
        _check(old, item, cursor).name = new


def _drop(cursor: Cursor, item: UserType) -> None:
    gone = cursor.accept("IF", "EXISTS")
    name = cursor.name()
    cursor.accept_one("CASCADE", "RESTRICT")
    if item.not_null_name == name:
        item.not_null, item.not_null_name = False, ""
    elif any(check.name == name for check in item.checks) or not gone:
        item.checks.remove(_check(name, item, cursor))
