# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Reading schema text into a catalog, statement by statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from ..._errors import ConfigurationError
from ..._model.built_in_roles import BUILT_IN_ROLES
from ..._model.catalog import Catalog, Role
from ..._model.catalog_names import full_names
from ..._model.finding_codes import FindingCode
from ..._model.full_name import CLUSTER, FullName
from . import parsing
from .alterations import alter
from .comments import read_comment
from .cursor import Cursor, Statement
from .databases import create_database, create_schema
from .domains import create_domain
from .drops import drop
from .history import steps
from .model_builder import Builder
from .omitted_statements import is_omitted, omit
from .privileges import create_role, read_grant
from .routines import create_policy, create_routine, create_trigger
from .sequences import create_sequence, set_value
from .shards import settle_shards
from .shell_output import Piece, read_pieces
from .tables import create_index, create_table
from .user_types import add_regions, create_type
from .views import create_view

_FIRST_DATABASE = "defaultdb"
_PHASES = _DATABASES, _ENUMS, _DOMAINS, _COMPOSITES, _SEQUENCES, _TABLES, _VIEWS, _OTHERS = range(8)
"""The order in which the statements of one step are read (see history.py), so that dependencies need no order in the
text; statements of one phase keep theirs."""
_TEMPORARY = ("TEMPORARY", "TEMP")
_CURRENT_ROLES = frozenset(("current_user", "session_user", "current_role"))
"""Words that a policy may have instead of a role."""
_CHANGES_TYPES = frozenset(("default_int_size", "serial_normalization", "experimental_serial_normalization"))

Handler = Callable[[Cursor, Builder], None]


def read_schema_text(text: str, default_database: str = "") -> Catalog:
    """Return the catalog that the output of SHOW CREATE … or a file of such statements describes.

    ``default_database`` is the database of names that do not say theirs; without it, it is the one that the text
    creates or names, else ``defaultdb``. Ids are given out in order, from 101 on. Raises UnsupportedError, naming
    the statement and its place, for what is not understood, and ConfigurationError when the text names several
    databases and does not say which one is current.
    """
    builder = Builder()
    statements = split(read_pieces(text))
    _set_databases(statements, default_database)
    for statement in statements:
        if statement.words[0].keyword == "CREATE":
            builder.database(statement.database)
    for step in steps(statements):
        _read_step(step, builder)
    for last in builder.at_end:
        last()
    builder.catalog.findings += builder.omitted.findings()
    for database in builder.catalog.databases:
        names = full_names(database)
        for table in database.tables:
            settle_shards(table, names[table.id], builder)
    _name_roles(builder)
    return builder.catalog


def _read_step(statements: list[Statement], builder: Builder) -> None:
    """Read statements of which none needs to stand before another."""
    found = [step for step in map(_step, statements) if step is not None]
    for phase in _PHASES:
        for its_phase, handler, cursor in found:
            if its_phase == phase:
                handler(cursor, builder)
                cursor.end()
        if phase == _ENUMS:
            for database in builder.catalog.databases:
                add_regions(database, builder)
        if phase >= _VIEWS:
            _finish_later(builder)


def split(pieces: list[Piece]) -> list[Statement]:
    """Return the statements of the pieces; a semicolon or the end of its piece ends each."""
    statements = []
    for piece in pieces:
        words = parsing.words(piece.text, f"line {piece.line} or later")
        begin = 0
        for position, word in enumerate([*words, parsing.Word(parsing.SYMBOL, ";", 0, 0)]):
            if word.is_symbol(";"):
                if position > begin:
                    statements.append(Statement(words[begin:position], piece.text, piece.line))
                begin = position + 1
    return statements


def _set_databases(statements: list[Statement], default_database: str) -> None:
    """Set the current database of every statement."""
    current = default_database or _only_database(statements)
    for statement in statements:
        cursor = Cursor(statement)
        if cursor.accept("USE") or cursor.accept("SET", "DATABASE", "=") or cursor.accept("SET", "DATABASE", "TO"):
            word = cursor.take()
            current = word.text if word.kind == parsing.STRING else word.identifier
        statement.database = current


def _only_database(statements: list[Statement]) -> str:
    created, named = [], []
    for statement in statements:
        cursor = Cursor(statement)
        if cursor.accept("CREATE", "DATABASE"):
            cursor.accept("IF", "NOT", "EXISTS")
            created.append(cursor.name())
        named += _databases_in_names(statement)
    found = created or sorted(set(named))
    uses = any(statement.words[0].keyword in ("USE", "SET") for statement in statements)
    if len(found) > 1 and not uses:
        raise ConfigurationError(
            f"the schema text names several databases ({', '.join(found[:5])}): say which one the others belong to"
        )
    return found[0] if found else _FIRST_DATABASE


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


def _step(statement: Statement) -> Optional[tuple[int, Handler, Cursor]]:
    """Return the phase and the reader of a statement; None if it does not describe the schema."""
    cursor = Cursor(statement)
    if cursor.accept("SELECT", "SETVAL"):
        return _OTHERS, set_value, cursor
    if cursor.at("\\") or cursor.at("SELECT", "PG_CATALOG", ".", "SET_CONFIG"):
        cursor.fail("this is PostgreSQL's own SQL, as pg_dump writes it: load it with psql")
    if cursor.at("USE"):
        return None
    if is_omitted(cursor):
        return _OTHERS, _omit, cursor
    if cursor.accept("CREATE"):
        return _creation(cursor)
    if cursor.accept("COMMENT", "ON"):
        return _OTHERS, read_comment, cursor
    if cursor.accept("SET"):
        return _DATABASES, _session_setting, cursor
    handlers: dict[str, Handler] = {"ALTER": alter, "DROP": drop, "GRANT": read_grant, "REVOKE": _omit_revoke}
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
        (("VIEW",), _VIEWS, lambda at, builder: create_view(at, builder, False)),
        (("MATERIALIZED", "VIEW"), _VIEWS, lambda at, builder: create_view(at, builder, True)),
        (("INDEX",), _OTHERS, lambda at, builder: create_index(at, builder, False, "forward")),
        (("UNIQUE", "INDEX"), _OTHERS, lambda at, builder: create_index(at, builder, True, "forward")),
        (("INVERTED", "INDEX"), _OTHERS, lambda at, builder: create_index(at, builder, False, "inverted")),
        (("VECTOR", "INDEX"), _OTHERS, lambda at, builder: create_index(at, builder, False, "vector")),
        (("FUNCTION",), _VIEWS, lambda at, builder: create_routine(at, builder, False)),
        (("PROCEDURE",), _VIEWS, lambda at, builder: create_routine(at, builder, True)),
        (("TRIGGER",), _OTHERS, create_trigger),
        (("POLICY",), _OTHERS, create_policy),
        (("ROLE",), _DATABASES, lambda at, builder: create_role(at, builder, False)),
        (("USER",), _DATABASES, lambda at, builder: create_role(at, builder, True)),
    )
    for words, phase, handler in choices:
        if cursor.accept(*words):
            is_enum = words == ("TYPE",) and any(word.keyword == "ENUM" for word in statement.words)
            return _ENUMS if is_enum else phase, handler, cursor
    return cursor.fail(f"CREATE {cursor.peek().text} is not known")


def _temporary(cursor: Cursor, builder: Builder) -> None:
    cursor.take()
    name = ".".join(word.text for word in cursor.path())
    cursor.rest()
    builder.find(FindingCode.TEMPORARY_TABLE, FullName("object", cursor.statement.database, name=name))


def _omit(cursor: Cursor, builder: Builder) -> None:
    omit(cursor, builder.omitted)


def _omit_revoke(cursor: Cursor, builder: Builder) -> None:
    cursor.rest()
    builder.omitted.add("REVOKE", cursor.statement)


def _session_setting(cursor: Cursor, builder: Builder) -> None:
    if cursor.accept("CLUSTER", "SETTING"):
        name = ".".join(word.text for word in cursor.path())
        cursor.rest()
        builder.find(FindingCode.CLUSTER_SETTINGS, CLUSTER, f"The cluster setting {name} is omitted.")
        return
    cursor.accept_one("SESSION", "LOCAL")
    name = cursor.take().text.lower()
    if name in _CHANGES_TYPES:
        cursor.fail(
            f"{name} changes what the statements after it mean; give the output of SHOW CREATE, which names the types "
            "in full"
        )
    cursor.rest()
    if name != "database":
        builder.omitted.add(f"SET {name}", cursor.statement, FindingCode.SESSION_SETTING)


def _finish_later(builder: Builder) -> None:
    steps = list(builder.later)
    builder.later.clear()
    for step in steps:
        step()


def _name_roles(builder: Builder) -> None:
    """Add the roles named by owners and grants, as the descriptors' reader does."""
    known = {role.name for role in builder.catalog.roles}
    named: set[str] = set()
    for database in builder.catalog.databases:
        items: list = [
            database,
            *database.schemas,
            *database.types,
            *database.sequences,
            *database.tables,
            *database.views,
            *database.functions,
        ]
        for item in items:
            named |= {grant.role for grant in item.grants} | ({item.owner} if item.owner else set())
        named |= {
            role for table in database.tables for policy in table.policies for role in policy.roles
        } - _CURRENT_ROLES
        for given in [
            *database.default_privileges,
            *(given for schema in database.schemas for given in schema.default_privileges),
        ]:
            named |= {grant.role for grant in given.grants} | ({given.role} if given.role else set())
    builder.catalog.roles += [Role(name, login=False) for name in sorted(named - known - BUILT_IN_ROLES)]
