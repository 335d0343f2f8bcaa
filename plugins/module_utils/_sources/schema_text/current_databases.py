# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The database that is current for each statement."""

from __future__ import annotations

from ..._errors import ConfigurationError
from . import parsing
from .cursor import Cursor, Statement

_FIRST_DATABASE = "defaultdb"


def set_databases(statements: list[Statement], default_database: str) -> None:
    """Set the current database of every statement."""
    current = default_database or _only_database(statements)
    for statement in statements:
        cursor = Cursor(statement)
        is_set = cursor.accept("USE") or cursor.accept("SET", "DATABASE", "=") or cursor.accept("SET", "DATABASE", "TO")
        if is_set and not cursor.at_end:
            word = cursor.take()
            current = word.text if word.kind == parsing.STRING else word.identifier
        statement.database = statement.database or current


def _only_database(statements: list[Statement]) -> str:
    created: list[str] = []
    named: list[str] = []
    for statement in statements:
        cursor = Cursor(statement)
        if cursor.accept("CREATE", "DATABASE"):
            cursor.accept("IF", "NOT", "EXISTS")
            created += _names_here(cursor)
        cursor.index = 0
        if cursor.accept("ALTER", "DATABASE"):
            cursor.accept("IF", "EXISTS")
            named += _names_here(cursor)
        if not statement.database:
            named += _databases_in_names(statement)
    found = created or sorted(set(named))
    uses = any(statement.words[0].keyword in ("USE", "SET") for statement in statements)
    if len(found) > 1 and not uses:
        raise ConfigurationError(
            f"the schema text names several databases ({', '.join(found[:5])}): say which one the others belong to"
        )
    return found[0] if found else _FIRST_DATABASE


def _names_here(cursor: Cursor) -> list[str]:
    return [word.identifier for word in [cursor.peek()] if word.kind in (parsing.WORD, parsing.NAME)]


def _databases_in_names(statement: Statement) -> list[str]:
    """Return the databases of names in three parts, as views and ALTER TABLE … CONFIGURE ZONE have them: those with the
    schema public."""
    words, found = statement.words, []
    for position in range(len(words) - 4):
        first, dot, schema, second_dot, last = words[position : position + 5]
        is_path = (
            dot.is_symbol(".") and second_dot.is_symbol(".") and {first.kind, last.kind} <= {parsing.WORD, parsing.NAME}
        )
        goes_before = position > 0 and words[position - 1].is_symbol(".")
        if is_path and not goes_before and schema.identifier == "public":
            found.append(first.identifier)
    return found
