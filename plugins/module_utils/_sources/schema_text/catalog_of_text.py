# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Reading schema text into a catalog, statement by statement."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ..._convert.expressions.nesting import deep
from ..._errors import UnsupportedError
from ..._model.catalog import REGION_TYPE, Catalog, UnreadableObject
from ..._model.catalog_names import full_names
from ..._model.finding_codes import FindingCode
from ..._model.full_name import FullName
from .current_databases import set_databases
from .cursor import Cursor, Statement
from .down_sections import without_down_sections
from .forms.postgres_dump import ambiguous_integers
from .forms.shell_output import read_pieces
from .history import steps
from .model_builder import Builder
from .named_roles import add_named_roles
from .refused_statements import RefusedStatements
from .rolled_back import rolled_back
from .search_path import set_schemas
from .shards import settle_shards
from .split_statements import split
from .statement_readers import ENUMS, PHASES, VIEWS, Handler, reader_of
from .statement_subject import subject_of
from .unended_quotes import swallows_statements
from .user_types import add_regions


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


def read_understood_text(text: str, default_database: str = "") -> Catalog:
    """Return the catalog of the statements that are understood (see read_statements)."""
    return read_statements(text, default_database).catalog


@deep
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
    set_databases(statements, default_database)
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
    add_named_roles(builder)


def _read_step(statements: list[Statement], with_region_type: set[str], builder: Builder) -> None:
    """Read statements of which none needs to stand before another, apart from those of its phase."""
    found: list[tuple[int, Handler, Cursor]] = []
    for statement in statements:
        builder.attempt(statement, partial(_add_step, statement, found, builder))
    for phase in PHASES:
        for its_phase, handler, cursor in found:
            if its_phase == phase:
                builder.attempt(cursor.statement, partial(_handle, handler, cursor, builder))
        if phase == ENUMS:
            for database in builder.catalog.databases:
                add_regions(database, database.name in with_region_type, builder)
        if phase >= VIEWS:
            builder.do_deferred()


def _add_step(statement: Statement, steps: list[tuple[int, Handler, Cursor]], builder: Builder) -> None:
    step = reader_of(statement)
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
