# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The reader of each kind of statement, and the phase in which it is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from ..._model.finding_codes import FindingCode
from ..._model.full_name import CLUSTER, FullName
from .changes.alterations import alter
from .changes.drops import drop
from .comments import read_comment
from .created_indexes import create_index
from .cursor import Cursor, Statement, StatementError
from .databases import create_database, create_schema
from .domains import create_domain
from .forms.copied_rows import report_copied_rows
from .model_builder import Builder
from .omitted_statements import is_omitted, omit
from .privileges import create_role, read_grant
from .revocations import read_revoke
from .routines import create_policy, create_routine, create_trigger
from .sequences import create_sequence, set_value
from .tables import create_table
from .tables_of_queries import is_of_query
from .user_types import create_type
from .views import create_view

PHASES = _DATABASES, ENUMS, _DOMAINS, _COMPOSITES, _SEQUENCES, _TABLES, VIEWS, _OTHERS = range(8)
"""The order in which the statements of one step are read (see history.py), so that dependencies need no order in the
text; statements of one phase keep theirs."""
_TEMPORARY = ("TEMPORARY", "TEMP")
_CHANGES_TYPES = {
    "default_int_size": "8",
    "serial_normalization": "rowid",
    "experimental_serial_normalization": "rowid",
}
"""Settings that change what types mean, with their defaults."""
Handler = Callable[[Cursor, Builder], None]


def reader_of(statement: Statement) -> Optional[tuple[int, Handler, Cursor]]:
    """Return the phase and the reader of a statement; None if it does not describe the schema. Raises
    UnsupportedError."""
    if statement.broken:
        raise StatementError(statement.broken, statement)
    cursor = Cursor(statement)
    if cursor.accept("SELECT", "SETVAL") or cursor.accept("SELECT", "PG_CATALOG", ".", "SETVAL"):
        return _OTHERS, set_value, cursor
    if cursor.at("\\") or cursor.at("SELECT", "PG_CATALOG", ".", "SET_CONFIG"):
        cursor.fail("this is PostgreSQL's own SQL, as pg_dump writes it: load it with psql")
    if cursor.at("USE"):
        return None
    if statement.copied_rows:
        return _OTHERS, report_copied_rows, cursor
    if is_omitted(cursor):
        return _OTHERS, _omit, cursor
    if cursor.accept("CREATE"):
        return _creation(cursor)
    if cursor.at("ALTER", "DATABASE"):
        # Its regions are the values of a type.
        cursor.take()
        return _DATABASES, alter, cursor
    if cursor.accept("COMMENT", "ON"):
        return _OTHERS, read_comment, cursor
    if cursor.accept("SET"):
        return _DATABASES, _session_setting, cursor
    handlers: dict[str, Handler] = {"ALTER": alter, "DROP": drop, "GRANT": read_grant, "REVOKE": read_revoke}
    word = cursor.accept_one(*handlers)
    if not word:
        cursor.fail("the statement is not one of a schema")
    return _OTHERS, handlers[word], cursor


def _creation(cursor: Cursor) -> tuple[int, Handler, Cursor]:
    cursor.accept("OR", "REPLACE")
    statement = cursor.statement
    temporary = bool(cursor.accept_one(*_TEMPORARY))
    if temporary:
        return _OTHERS, _temporary, cursor
    cursor.accept("UNLOGGED")
    choices: tuple[tuple[tuple[str, ...], int, Handler], ...] = (
        (("TABLE",), _TABLES, create_table),
        (("TYPE",), _COMPOSITES, create_type),
        (("DOMAIN",), _DOMAINS, create_domain),
        (("SEQUENCE",), _SEQUENCES, create_sequence),
        (("SCHEMA",), _DATABASES, create_schema),
        (("DATABASE",), _DATABASES, create_database),
        (("VIEW",), VIEWS, lambda at, builder: create_view(at, builder, False)),
        (("MATERIALIZED", "VIEW"), VIEWS, lambda at, builder: create_view(at, builder, True)),
        (("INDEX",), _OTHERS, lambda at, builder: create_index(at, builder, False, "forward")),
        (("UNIQUE", "INDEX"), _OTHERS, lambda at, builder: create_index(at, builder, True, "forward")),
        (("INVERTED", "INDEX"), _OTHERS, lambda at, builder: create_index(at, builder, False, "inverted")),
        (("VECTOR", "INDEX"), _OTHERS, lambda at, builder: create_index(at, builder, False, "vector")),
        (("FUNCTION",), VIEWS, lambda at, builder: create_routine(at, builder, False)),
        (("PROCEDURE",), VIEWS, lambda at, builder: create_routine(at, builder, True)),
        (("TRIGGER",), _OTHERS, create_trigger),
        (("POLICY",), _OTHERS, create_policy),
        (("ROLE",), _DATABASES, lambda at, builder: create_role(at, builder, False)),
        (("USER",), _DATABASES, lambda at, builder: create_role(at, builder, True)),
    )
    for words, phase, handler in choices:
        if cursor.accept(*words):
            if words == ("TABLE",) and _is_table_of_query(cursor):
                phase = VIEWS
            is_enum = words == ("TYPE",) and any(word.keyword == "ENUM" for word in statement.words)
            return ENUMS if is_enum else phase, handler, cursor
    return cursor.fail(f"CREATE {cursor.peek().text} is not known")


def _is_table_of_query(cursor: Cursor) -> bool:
    """Whether the statement whose cursor stands after CREATE TABLE is CREATE TABLE … AS."""
    ahead = Cursor(cursor.statement, (cursor.index, cursor.last))
    ahead.accept("IF", "NOT", "EXISTS")
    ahead.path()
    return is_of_query(ahead)


def _temporary(cursor: Cursor, builder: Builder) -> None:
    cursor.take()
    name = ".".join(word.text for word in cursor.path())
    cursor.rest()
    builder.find(FindingCode.TEMPORARY_TABLE, FullName("object", cursor.statement.database, name=name))


def _omit(cursor: Cursor, builder: Builder) -> None:
    omit(cursor, builder.omitted)


def _session_setting(cursor: Cursor, builder: Builder) -> None:
    if cursor.accept("CLUSTER", "SETTING"):
        name = ".".join(word.text for word in cursor.path())
        cursor.rest()
        builder.find(FindingCode.CLUSTER_SETTINGS, CLUSTER, f"The cluster setting {name} is omitted.")
        return
    cursor.accept_one("SESSION", "LOCAL")
    name = cursor.take().text.lower()
    if name in _CHANGES_TYPES and not _is_set_to(_CHANGES_TYPES[name], cursor):
        cursor.fail(
            f"{name} changes what the statements after it mean; give the output of SHOW CREATE, which names the types "
            "in full"
        )
    cursor.rest()
    if name not in ("database", "search_path", "schema"):
        builder.omitted.add(f"SET {name}", cursor.statement, FindingCode.SESSION_SETTING)


def _is_set_to(value: str, cursor: Cursor) -> bool:
    """Read ``= value`` and tell whether it is this one."""
    return bool(cursor.accept_one("=", "TO")) and not cursor.at_end and cursor.peek().text.lower() == value
