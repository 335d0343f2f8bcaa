# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Reading schema text into a catalog, statement by statement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Optional

from ..._convert.nesting import room_for_nesting
from ..._errors import ConfigurationError, UnsupportedError
from ..._model.built_in_roles import BUILT_IN_ROLES
from ..._model.catalog import REGION_TYPE, Catalog, Role, UnreadableObject
from ..._model.catalog_names import full_names
from ..._model.finding_codes import FindingCode
from ..._model.full_name import CLUSTER, FullName
from . import parsing
from .alterations import alter
from .comments import read_comment
from .copied_rows import report_copied_rows
from .created_indexes import create_index
from .cursor import Cursor, Statement, StatementError
from .databases import create_database, create_schema
from .domains import create_domain
from .down_sections import without_down_sections
from .drops import drop
from .history import steps
from .model_builder import Builder
from .omitted_statements import is_omitted, omit
from .pieces import Piece
from .postgres_dump import ambiguous_integers, with_int4
from .privileges import create_role, read_grant
from .refused_statements import RefusedStatements
from .revocations import read_revoke
from .rolled_back import rolled_back
from .routines import create_policy, create_routine, create_trigger
from .search_path import set_schemas
from .sequences import create_sequence, set_value
from .shards import settle_shards
from .shell_output import read_pieces
from .statement_subject import subject_of
from .tables import create_table
from .tables_of_queries import is_of_query
from .unended_quotes import Part, begins_statement, parts_of, swallows_statements
from .user_types import add_regions, create_type
from .views import create_view

_FIRST_DATABASE = "defaultdb"
_PHASES = _DATABASES, _ENUMS, _DOMAINS, _COMPOSITES, _SEQUENCES, _TABLES, _VIEWS, _OTHERS = range(8)
"""The order in which the statements of one step are read (see history.py), so that dependencies need no order in the
text; statements of one phase keep theirs."""
_ELLIPSIS = "…"
_TEMPORARY = ("TEMPORARY", "TEMP")
_CURRENT_ROLES = frozenset(("current_user", "session_user", "current_role"))
"""Words that a policy may have instead of a role."""
_CHANGES_TYPES = {
    "default_int_size": "8",
    "serial_normalization": "rowid",
    "experimental_serial_normalization": "rowid",
}
"""Settings that change what types mean, with their defaults."""

Handler = Callable[[Cursor, Builder], None]


@dataclass(frozen=True)
class ReadStatement:
    """What a statement of the text is, and whether it is in the catalog."""

    line: int
    command: str
    """Such as CREATE TABLE or GRANT."""
    name: FullName
    """What it is about; the current database where its first words name nothing."""
    beginning: str
    refused: bool
    """It is not understood, or needs what is refused."""
    omitted: bool
    """It has no counterpart, or does not describe a schema."""

    @property
    def creates(self) -> bool:
        """Whether it makes the object that it names."""
        return self.command.startswith("CREATE ")


@dataclass(frozen=True)
class SchemaText:
    """What a text says."""

    catalog: Catalog
    """What is understood; the statements that are not are in ``unreadable``."""
    statements: list[ReadStatement]
    """All statements, in the order of the text."""


def read_schema_text(text: str, default_database: str = "") -> Catalog:
    """Return the catalog that the output of SHOW CREATE … or a file of such statements describes.

    ``default_database`` is the database of names that do not say theirs; without it, it is the one that the text
    creates or names, else ``defaultdb``. Ids are given out in order, from 101 on. Raises UnsupportedError with a line
    for each statement that is not understood, and what read_statements raises.
    """
    catalog = read_understood_text(text, default_database)
    if catalog.unreadable:
        raise UnsupportedError("\n".join(item.message for item in catalog.unreadable))
    return catalog


@room_for_nesting()
def read_understood_text(text: str, default_database: str = "") -> Catalog:
    """Return the catalog of the statements that are understood (see read_statements)."""
    return read_statements(text, default_database).catalog


def read_statements(text: str, default_database: str = "") -> SchemaText:
    """Return what the statements say that are understood; the others, and those that depend on them, are in
    ``unreadable``, in the order of the text.

    Raises UnsupportedError for the output of a shell that is not complete, and ConfigurationError when the text names
    several databases and does not say which one is current.
    """
    text, down_sections = without_down_sections(text)
    pieces = read_pieces(text)
    statements = split(pieces)
    builder = _understood(statements, default_database)
    if any(swallows_statements(statement, statement.number in builder.refused.by_number) for statement in statements):
        statements = split(pieces, apart=True)
        builder = _understood(statements, default_database)
    of_pieces = [finding for piece in pieces for finding in piece.findings]
    builder.catalog.findings[:0] = [*down_sections, *of_pieces, *ambiguous_integers(statements)]
    refused = builder.refused.by_number
    _report_refused_changes(refused, builder)
    in_order = sorted(statements, key=lambda statement: (statement.first_line, statement.number))
    builder.catalog.unreadable = [refused[item.number] for item in in_order if item.number in refused]
    return SchemaText(builder.catalog, [_read_statement(statement, builder) for statement in in_order])


def _report_refused_changes(refused: dict[int, UnreadableObject], builder: Builder) -> None:
    """Say of each object whose change is refused that it is as it was before."""
    for item in refused.values():
        if item.command.startswith(("ALTER ", "DROP ")):
            builder.find(
                FindingCode.CHANGE_REFUSED,
                item.name,
                f"{item.command} at line {item.line} is refused: the {item.kind} is as it was before that statement.",
            )


def _read_statement(statement: Statement, builder: Builder) -> ReadStatement:
    subject = subject_of(statement, builder.split)
    return ReadStatement(
        statement.first_line,
        subject.command,
        subject.name,
        statement.beginning,
        statement.number in builder.refused.by_number,
        statement.number in builder.omitted.numbers,
    )


def _understood(statements: list[Statement], default_database: str) -> Builder:
    """Return what the statements that are understood say, and the refused ones."""
    _set_databases(statements, default_database)
    set_schemas(statements)
    refused = RefusedStatements()
    # A statement may have done a part of its work when it is refused: the others are read again without it.
    while True:
        builder = Builder(refused.copy())
        _read(statements, builder)
        if builder.refused == refused:
            return builder
        refused = builder.refused


def _read(statements: list[Statement], builder: Builder) -> None:
    """Read the statements that are not refused, and refuse those that are not understood."""
    for statement in rolled_back(statements):
        builder.omitted.add("rolled back", statement, severity="info")
    statements = [item for item in statements if item.number not in builder.omitted.numbers]
    later = _names_of_renamed_databases(statements)
    for statement in statements:
        cursor = Cursor(statement)
        if cursor.at("CREATE") and not cursor.at("CREATE", "DATABASE") and statement.database not in later:
            builder.database(statement.database)
    with_region_type = _with_region_type(statements)
    for step in steps(statements):
        _read_step(step, with_region_type, builder)
    builder.do_deferred(at_end=True)
    builder.catalog.findings += builder.omitted.findings()
    for database in builder.catalog.databases:
        names = full_names(database)
        for table in database.tables:
            settle_shards(table, names[table.id], builder)
    _name_roles(builder)


def _read_step(statements: list[Statement], with_region_type: set[str], builder: Builder) -> None:
    """Read statements of which none needs to stand before another, apart from those of its phase."""
    found: list[tuple[int, Handler, Cursor]] = []
    for statement in statements:
        builder.attempt(statement, partial(_add_step, statement, found, builder))
    for phase in _PHASES:
        for its_phase, handler, cursor in found:
            if its_phase == phase:
                builder.attempt(cursor.statement, partial(_handle, handler, cursor, builder))
        if phase == _ENUMS:
            for database in builder.catalog.databases:
                add_regions(database, database.name in with_region_type, builder)
        if phase >= _VIEWS:
            builder.do_deferred()


def _add_step(statement: Statement, steps: list[tuple[int, Handler, Cursor]], builder: Builder) -> None:
    step = _step(statement)
    if step is not None:
        steps.append(step)
    else:
        builder.omitted.numbers.add(statement.number)


def _handle(handler: Handler, cursor: Cursor, builder: Builder) -> None:
    handler(cursor, builder)
    cursor.end()


def _names_of_renamed_databases(statements: list[Statement]) -> set[str]:
    """Return the names that databases get by ALTER DATABASE."""
    begin, end = ["ALTER", "DATABASE"], ["RENAME", "TO"]
    texts = [statement.words for statement in statements]
    return {
        words[5].identifier
        for words in texts
        if [word.keyword for word in words[:2]] == begin and [word.keyword for word in words[3:5]] == end and words[5:]
    }


def _with_region_type(statements: list[Statement]) -> set[str]:
    """Return the databases whose statements use the type of regions."""
    return {
        statement.database for statement in statements for word in statement.words if word.identifier == REGION_TYPE
    }


def split(pieces: list[Piece], apart: bool = False) -> list[Statement]:
    """Return the statements of the pieces, numbered; a semicolon or the end of its piece ends each. With ``apart`` a
    line that begins like a statement ends the one before, too (see unended_quotes.py)."""
    statements: list[Statement] = []
    for piece in pieces:
        statements += _apart(piece) if apart else _whole_or_apart(piece)
    for number, statement in enumerate(statements):
        statement.number = number
    return statements


def _whole_or_apart(piece: Piece) -> list[Statement]:
    try:
        return _statements(piece)
    except UnsupportedError:
        return _apart(piece)


def _apart(piece: Piece) -> list[Statement]:
    return [statement for part in parts_of(piece) for statement in _statements_of_part(part)]


def _statements(piece: Piece, apart: bool = False) -> list[Statement]:
    statements = []
    where = f"line {piece.line} or later"
    text = with_int4(piece.text, where) if piece.of_catalog else piece.text
    words = parsing.words(text, where)
    begin = 0
    for position, word in enumerate([*words, parsing.Word(parsing.SYMBOL, ";", 0, 0)]):
        if word.is_symbol(";") or (apart and begins_statement(word, text)):
            if position > begin:
                statement = Statement(words[begin:position], text, piece.line, piece.database)
                statement.broken = piece.broken or _why_cut(statement)
                statement.copied_rows = piece.copied_rows
                statements.append(statement)
            begin = position + word.is_symbol(";")
    return statements


def _why_cut(statement: Statement) -> str:
    """Return why a statement is not whole; '' if it is. CockroachDB prints no such name without quotes."""
    for word in statement.words:
        if word.kind == parsing.WORD and _ELLIPSIS in word.text:
            line = statement.line + statement.source.count("\n", 0, word.start)
            return f"it is cut off ({_ELLIPSIS}) at line {line}; give the whole text"
    return ""


def _statements_of_part(part: Part) -> list[Statement]:
    """Return the statements of a part of a text; the one that does not end is marked as broken."""
    statements = _statements(part.piece, apart=True)
    if not part.unended:
        return statements
    words = parsing.words(part.piece.text, "")
    if not words or words[-1].is_symbol(";"):
        end = len(part.piece.text)
        statements.append(
            Statement(
                [parsing.Word(parsing.SYMBOL, "", end, end)], part.piece.text, part.piece.line, part.piece.database
            )
        )
    statements[-1].broken = f"a quote or comment does not end, which begins at {part.unended}"
    return statements


def _set_databases(statements: list[Statement], default_database: str) -> None:
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


def _step(statement: Statement) -> Optional[tuple[int, Handler, Cursor]]:
    """Return the phase and the reader of a statement; None if it does not describe the schema."""
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
            if words == ("TABLE",) and _is_table_of_query(cursor):
                phase = _VIEWS
            is_enum = words == ("TYPE",) and any(word.keyword == "ENUM" for word in statement.words)
            return _ENUMS if is_enum else phase, handler, cursor
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
