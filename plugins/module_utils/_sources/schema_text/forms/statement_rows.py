# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Rows that hold statements: of SHOW CREATE …, and of the tables crdb_internal.create_…_statements in an archive of
``cockroach debug zip``.

Their columns are those of pkg/sql/crdb_internal.go. With ``--redact`` the archive holds the columns of
pkg/cli/zip_table_registry.go: without the object's name, and with _ for each constant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...._errors import UnsupportedError
from ...._model.finding_codes import FindingCode
from ...._model.findings import Finding
from ...._model.full_name import FullName
from .. import parsing
from .pieces import Piece

COLUMN = "create_statement"
"""The column that holds the statements, in every release."""
_OLD_COLUMNS = frozenset(("CreateTable", "CreateView", "CreateSequence"))
_NAME = re.compile(r"[A-Za-z]\w*")
_ARCHIVED_COLUMNS = frozenset(
    (
        "database_id",
        "schema_id",
        "table_id",
        "descriptor_id",
        "function_id",
        "procedure_id",
        "trigger_id",
        "descriptor_type",
        "descriptor_name",
        "state",
        "create_nofks",
        "alter_statements",
        "fk_statements",
        "rls_statements",
        "validate_statements",
        "create_redactable",
        "has_partitions",
        "is_multi_region",
        "is_virtual",
        "is_temporary",
        "enum_members",
    )
)
_NAMES = ("descriptor_name", "function_name", "procedure_name", "trigger_name", "schema_name")
_OWN_SCHEMAS = frozenset(("crdb_internal", "information_schema", "pg_catalog", "pg_extension"))
_OWN_DATABASE = "system"
_TRUE = ("t", "true")
_REDACTED = "‹×›"
_HIDDEN = "_"
"""What crdb_internal.hide_sql_constants() writes for a constant."""


def is_header(names: Sequence[str]) -> bool:
    """Tell whether these are the names of columns, one of which holds the statements."""
    if len(names) == 2 and names[1] in _OLD_COLUMNS:
        return True
    return COLUMN in names and all(map(is_column, names))


def may_be_header(line: str) -> bool:
    """Tell whether a line contains the name of a column that holds the statements; most lines do not."""
    return COLUMN in line or any(name in line for name in _OLD_COLUMNS)


def is_grid(names: Sequence[str]) -> bool:
    """Tell whether SHOW CREATE … or an archive's table has these columns, and no other table."""
    return all(name == COLUMN or name.endswith("_name") or name in _ARCHIVED_COLUMNS for name in names)


def is_column(name: str) -> bool:
    """Tell whether this can be the name of a column of such rows."""
    return bool(_NAME.fullmatch(name))


def holds_statement(name: str) -> bool:
    """Tell whether the column of this name holds the statements."""
    return name == COLUMN or name in _OLD_COLUMNS


def pieces_of_row(row: dict[str, str], line: int) -> Iterator[Piece]:
    """Yield what a row holds: nothing of CockroachDB's own tables, a finding of an object that was not public.

    Raises UnsupportedError for a statement that is missing.
    """
    text = _statement_of(row)
    if not _ARCHIVED_COLUMNS & set(row):
        yield Piece(text, line)
        return
    database = _value(row, "database_name")
    is_own = database == _OWN_DATABASE or _value(row, "schema_name") in _OWN_SCHEMAS
    if is_own or _value(row, "is_virtual") in _TRUE or _is_public_schema(row):
        return
    if _value(row, "state") not in ("", "PUBLIC"):
        name = next(filter(None, (_value(row, column) for column in _NAMES)), "")
        about = FullName("object", database, _value(row, "schema_name"), name=name)
        yield Piece("", line, database, findings=(Finding.of(FindingCode.NOT_PUBLIC, about),))
        return
    if not text.strip():
        raise UnsupportedError(f"the row in line {line} of the schema text holds no statement")
    is_redacted = "state" in row and "descriptor_name" not in row
    yield Piece(text, line, database, _why_redacted(text, line) if is_redacted else "")


def marked_if_redacted(piece: Piece) -> Piece:
    """Return the piece, which cannot be read if a part of it was redacted."""
    position = piece.text.find(_REDACTED)
    if position < 0:
        return piece
    line = piece.line + piece.text.count("\n", 0, position)
    return replace(piece, broken=f"it is redacted ({_REDACTED}) at line {line}; give the text without redaction")


def _statement_of(row: dict[str, str]) -> str:
    return next(value for name, value in row.items() if holds_statement(name))


def _value(row: dict[str, str], name: str) -> str:
    value = row.get(name, "")
    return "" if value == "NULL" else value


def _is_public_schema(row: dict[str, str]) -> bool:
    """Tell whether the row is the schema public, which is in every database."""
    return set(row) <= {"database_id", "database_name", "schema_name", "descriptor_id", COLUMN} and (
        _value(row, "schema_name") == "public"
    )


def _why_redacted(text: str, line: int) -> str:
    """Return what is wrong with a statement of which constants are hidden; '' if none is."""
    words = parsing.words(text, f"line {line} or later")
    hidden = (word for word in words if word.text == _HIDDEN and word.kind in (parsing.WORD, parsing.STRING))
    first = next(hidden, None)
    if first is None:
        return ""
    at = line + text.count("\n", 0, first.start)
    return f"the archive is redacted, so that a constant is missing at line {at}; make it without --redact"
