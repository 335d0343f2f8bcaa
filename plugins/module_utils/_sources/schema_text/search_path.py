# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""SET search_path: the schemas in which a statement's names without a schema are."""

from __future__ import annotations

from .cursor import PUBLIC, Cursor, Statement
from .parsing import STRING

_NO_SCHEMAS = ("", "$user", "pg_catalog", "pg_extension")
"""Entries that hold no objects of the text."""


def set_schemas(statements: list[Statement]) -> None:
    """Give each statement the schemas that are current at its place."""
    current: tuple[str, ...] = (PUBLIC,)
    for statement in statements:
        current = _schemas_set_by(Cursor(statement)) or current
        statement.schemas = current


def sets_schemas(cursor: Cursor) -> bool:
    """Read ``SET [SESSION | LOCAL] search_path`` or ``SET SCHEMA`` up to the value if it comes; return whether it
    did."""
    begin = cursor.index
    if cursor.accept("SET"):
        cursor.accept_one("SESSION", "LOCAL")
        if cursor.accept("SCHEMA") or (cursor.accept("SEARCH_PATH") and (cursor.accept("=") or cursor.accept("TO"))):
            return True
    cursor.index = begin
    return False


def _schemas_set_by(cursor: Cursor) -> tuple[str, ...]:
    """Return the schemas that a statement makes current, none if it is another statement."""
    if cursor.at("RESET", "SEARCH_PATH"):
        return (PUBLIC,)
    if not sets_schemas(cursor):
        return ()
    if cursor.at("DEFAULT"):
        return (PUBLIC,)
    names = []
    for item in cursor.items():
        word = item.take()
        # One string may hold several names.
        names += [part.strip() for part in word.text.split(",")] if word.kind == STRING else [word.identifier]
    return tuple(name for name in names if name not in _NO_SCHEMAS) or (PUBLIC,)
