# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Commands that PostgreSQL refuses and no row depends on: they are left out, noted beside the ledger, and each is a finding."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..catalog.model import Finding
from ..convert.statements import Statement

Key = tuple[str, str]

CREATE = """
CREATE TABLE IF NOT EXISTS cockroach_migrator.left_out (
    step text NOT NULL, object text NOT NULL, kind text NOT NULL, name text NOT NULL, reason text NOT NULL, command text NOT NULL, PRIMARY KEY (step, object)
);
COMMENT ON TABLE cockroach_migrator.left_out IS 'Commands of the import that PostgreSQL refused, to be written anew by hand.'
"""

_KINDS = frozenset((
    "view", "materialized_view", "function", "procedure", "trigger", "constraint_trigger", "policy", "check", "domain_check", "column_default", "index",
    "unique_index", "comment", "owner", "grant", "routine_comment", "routine_owner", "routine_grant",
))
"""Rows, types and keys need none of these. What hangs on one that is left out is refused, too."""
_CLASSES = ("0A", "22", "42")
"""SQLSTATE: feature not supported, data exception, syntax error or access rule violation."""
_CLASSES_OF_ROWS = ("21", "23", "2F", "38", "39", "55", "P0")
"""What the query of a materialized view, which runs at once, can meet besides."""
_STOPPING = frozenset(("42501", "42P04", "42P06", "42P07", "42710", "42723"))
"""Privileges that are missing and names that are taken are for the user to mend."""
_UNIQUE_VIOLATION = "23505"


@dataclass(frozen=True)
class LeftOut:
    """A command that was refused: what it makes, PostgreSQL's words, and its text."""

    kind: str
    name: str
    reason: str
    command: str


def may_be_left_out(statement: Statement, sqlstate: str) -> bool:
    """Whether an import goes on without a command that PostgreSQL refuses with this SQLSTATE.

    Rows of a materialized view, which is computed anew, may break its unique indexes; those of a table may not.
    """
    if sqlstate == _UNIQUE_VIOLATION:
        return statement.kind == "unique_index" and statement.step == "view"
    classes = _CLASSES + _CLASSES_OF_ROWS if statement.kind == "materialized_view" else _CLASSES
    return statement.kind in _KINDS and sqlstate[:2] in classes and sqlstate not in _STOPPING


def note(cursor: Any, key: Key, statement: Statement, reason: str) -> None:
    """Note a command that was refused, in the transaction of ``cursor``."""
    name = ".".join(part for part in (statement.schema, statement.table, statement.name) if part)
    cursor.execute(
        "INSERT INTO cockroach_migrator.left_out (step, object, kind, name, reason, command) VALUES (%s, %s, %s, %s, %s, %s)",
        (*key, statement.kind, name, reason, statement.sql),
    )


def read(connection: Any) -> dict[Key, LeftOut]:
    """Return what was left out, by its key in the ledger; empty when there is no such table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('cockroach_migrator.left_out') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return {}
        cursor.execute("SELECT step, object, kind, name, reason, command FROM cockroach_migrator.left_out ORDER BY step, object")
        return {(step, name): LeftOut(*rest) for step, name, *rest in cursor.fetchall()}


def findings(database: str, items: Iterable[LeftOut]) -> list[Finding]:
    """Return a finding for each."""
    return [
        Finding(
            "refused_by_postgresql", "error", f"{database}.{item.name}",
            f"The {item.kind.replace('_', ' ')} is left out: PostgreSQL refuses it: {item.reason.rstrip('.')}.",
            f"Write it by hand. The command was: {item.command}",
        )
        for item in items
    ]
