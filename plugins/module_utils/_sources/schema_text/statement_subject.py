# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""What a statement does and which object it is about, as far as its first words say so: for messages about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..._model.full_name import FullName, Kind
from .cursor import Cursor, Statement
from .parsing import NAME, WORD, Word

_KINDS: dict[str, Kind] = {
    "TABLE": "table",
    "VIEW": "view",
    "SEQUENCE": "sequence",
    "TYPE": "type",
    "DOMAIN": "domain",
    "FUNCTION": "function",
    "PROCEDURE": "function",
    "SCHEMA": "schema",
    "DATABASE": "database",
    "ROLE": "role",
    "USER": "role",
    "INDEX": "index",
    "TRIGGER": "trigger",
    "POLICY": "policy",
    "COLUMN": "column",
    "CONSTRAINT": "constraint",
}
_BEFORE_KIND = ("OR", "REPLACE", "TEMPORARY", "TEMP", "UNLOGGED", "MATERIALIZED", "UNIQUE", "INVERTED", "VECTOR")
_AFTER_KIND = ("CONCURRENTLY", "IF", "NOT", "EXISTS", "ONLY")
_OF_OBJECTS = ("CREATE", "ALTER", "DROP")

Split = Callable[[list[Word], Statement], tuple[str, str, str]]
"""Returns the database, schema and name of a written name."""


@dataclass(frozen=True)
class Subject:
    """The command in capitals, such as CREATE TABLE or GRANT, empty if the statement begins with no word; and the full
    name of what it is about, which is the current database where the first words name nothing."""

    command: str
    name: FullName


def subject_of(statement: Statement, split: Split) -> Subject:
    """Return what a statement is about. It may be one that nobody understands."""
    cursor = Cursor(statement)
    verb = cursor.accept_one(*_OF_OBJECTS)
    unknown = FullName("database", statement.database)
    if verb and cursor.at("DEFAULT", "PRIVILEGES"):
        return Subject(f"{verb} DEFAULT PRIVILEGES", unknown)
    if verb:
        while cursor.accept_one(*_BEFORE_KIND):
            pass
        word = cursor.accept_one(*_KINDS)
        command = f"{verb} {word or cursor.peek().text.upper()}".strip()
        return Subject(command, _named(_KINDS[word], cursor, split) if word else unknown)
    if cursor.accept("COMMENT", "ON"):
        cursor.accept("MATERIALIZED")
        word = cursor.accept_one(*_KINDS)
        return Subject("COMMENT", _named(_KINDS[word], cursor, split) if word else unknown)
    command = cursor.peek().keyword
    if command in ("GRANT", "REVOKE") and _skip_to("ON", cursor):
        return Subject(command, _named(_KINDS[cursor.accept_one(*_KINDS) or "TABLE"], cursor, split))
    return Subject(command, unknown)


def _skip_to(keyword: str, cursor: Cursor) -> bool:
    """Read up to this keyword and over it; return whether it was there."""
    while not cursor.at_end and not cursor.at(keyword):
        cursor.take()
    return cursor.accept(keyword)


def _path(cursor: Cursor) -> list[Word]:
    return cursor.path_here() if cursor.peek().kind in (WORD, NAME) else []


def _named(kind: Kind, cursor: Cursor, split: Split) -> FullName:
    """Read a name of this kind and return it in full."""
    while cursor.accept_one(*_AFTER_KIND):
        pass
    if kind in ("index", "trigger", "policy", "constraint"):
        return _part(kind, cursor, split)
    path, unknown = _path(cursor), FullName("database", cursor.statement.database)
    if not path:
        return unknown
    last = path[-1].identifier
    if kind in ("database", "role"):
        return FullName(kind, last) if kind == "database" else FullName(kind, name=last)
    if kind == "schema":
        return FullName(kind, path[0].identifier if len(path) > 1 else cursor.statement.database, last)
    if kind == "column":
        return _relation("table", path[:-1], cursor, split).column_named(last) if len(path) > 1 else unknown
    return _relation(kind, path, cursor, split)


def _relation(kind: Kind, path: list[Word], cursor: Cursor, split: Split) -> FullName:
    database, schema, name = split(path[:3], cursor.statement)
    return (
        FullName(kind, database, schema, table=name)
        if kind in ("table", "view")
        else FullName(kind, database, schema, name=name)
    )


def _part(kind: Kind, cursor: Cursor, split: Split) -> FullName:
    """Read ``name ON table``, or ``table@index``."""
    path = [] if cursor.at("ON") else _path(cursor)
    name = path[-1].identifier if path else ""
    if path and cursor.accept("@"):
        inner = _path(cursor)
        return _relation("table", path, cursor, split).part(kind, inner[-1].identifier if inner else "")
    table = _path(cursor) if _skip_to("ON", cursor) else []
    if not table:
        return FullName(kind, cursor.statement.database, name=name)
    return _relation("table", table, cursor, split).part(kind, name)
