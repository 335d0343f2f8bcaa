# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""From the text of SHOW CREATE … to PostgreSQL's SQL in files, for people who want only the schema."""

from __future__ import annotations

import codecs
import json
import os
from dataclasses import dataclass, field, replace

from .._arrange.refused_objects import without_refused
from .._convert.computed import keep_unconvertible_as_data
from .._convert.database import convert_database
from .._convert.roles import convert_roles
from .._convert.server_features import ConvertOptions, ServerFeatures
from .._convert.statements import Conversion, render
from .._dump.paths import path_name
from .._errors import ConfigurationError
from .._model.catalog import Catalog, Database, UnreadableObject
from .._model.findings import Finding
from .._model.json_form import to_json
from .._model.unreadable import RefusedObjectsError
from .._sources.schema_text.catalog_of_text import ReadStatement, read_statements
from .._system.text_file import difference, write_text
from .conversion_summary import (
    ConversionSummary,
    RefusedStatement,
    key_of,
    refused_statement,
    summarize,
    summary_text,
    without_findings_about_refused,
)

ROLES, PRE_DATA, POST_DATA = "roles.sql", "pre-data.sql", "post-data.sql"
FINDINGS, SUMMARY = "findings.json", "summary.txt"
_SHOWN = 20
"""The number of refused statements that a message names."""
_COUNTED = ("schemas", "types", "sequences", "tables", "views", "functions")


@dataclass
class SchemaFiles:
    """The texts of the files, by their paths below the destination, what was found, how many objects were converted,
    and what became of each statement. There are no files if every object was refused."""

    files: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    objects: dict[str, int] = field(default_factory=dict)
    refused: list[RefusedStatement] = field(default_factory=list)
    summary: ConversionSummary = field(default_factory=lambda: ConversionSummary({}, []))


_NO_TEXTS = {
    b"PGDMP": "an archive of pg_dump: give what pg_restore --file=schema.sql makes of it",
    b"PK\x03\x04": "a zip archive: give its file crdb_internal.create_statements.txt and its neighbours create_*.txt",
    b"\x1f\x8b": "compressed: unpack it",
}
"""What files begin with that hold no text, and what they are."""


def read_source(path: str) -> str:
    """Return the text of a file, which is UTF-8, or UTF-16 with its mark. Raises ConfigurationError."""
    try:
        with open(path, "rb") as file:
            data = file.read()
        for beginning, problem in _NO_TEXTS.items():
            if data.startswith(beginning):
                raise ConfigurationError(f"{path} is {problem}")
        return data.decode("utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{path} is not UTF-8 text (byte {error.start}): write the shell's output as UTF-8"
        ) from error


def convert_text(text: str, database: str, features: ServerFeatures, options: ConvertOptions) -> SchemaFiles:
    """Return what becomes of a schema's text. A text of several databases gives a directory for each.

    ``database`` is the name of the database that the text does not name itself, '' when it does. What is not understood
    is refused, together with what needs it. Raises MigrationError for the output of a shell that is not complete,
    ConfigurationError for a text without any object.
    """
    read = read_statements(text, database)
    catalog, refused = read.catalog, list(read.catalog.unreadable)
    if not refused and not any(map(_count, catalog.databases)):
        raise ConfigurationError(
            "the schema text holds no CREATE statement: give it the output of SHOW CREATE ALL TABLES"
        )
    keep_unconvertible_as_data(catalog, options.policies)
    roles = convert_roles(catalog.roles, features, options)
    result = SchemaFiles(findings=[*catalog.findings, *(roles.findings if roles.statements else [])])
    converted: list[tuple[Database, Conversion]] = []
    for item in catalog.databases:
        kept, conversion = _convert(item, catalog, features, options, result, refused)
        if _count(kept):
            result.findings += conversion.findings
            converted.append((kept, conversion))
    placed = [_placed(item, read.statements) for item in refused]
    # The sequence of an identity column has a statement of its own only in the output of SHOW CREATE.
    placed = [item for item in placed if item.line or item.kind != "sequence" or not item.because]
    refused = sorted(placed, key=lambda item: item.line)
    kept_databases = [database for database, _conversion in converted]
    result.findings = without_findings_about_refused(result.findings, kept_databases, refused)
    result.summary = summarize(read.statements, kept_databases, result.findings, refused)
    result.refused = [refused_statement(item) for item in refused]
    result.objects = {
        "databases": len(converted),
        **{name: sum(len(getattr(database, name)) for database in kept_databases) for name in _COUNTED},
    }
    if roles.statements or not refused or any(map(_holds_something, kept_databases)):
        result.files = _files(roles, converted, result)
    return result


def _files(roles: Conversion, converted: list[tuple[Database, Conversion]], result: SchemaFiles) -> dict[str, str]:
    files = {ROLES: "".join(render(roles)).strip() + "\n"} if roles.statements else {}
    for database, conversion in converted:
        directory = "" if len(converted) == 1 else path_name(database.name)
        for name, sql in zip((PRE_DATA, POST_DATA), render(conversion)):
            files[os.path.join(directory, name)] = sql
    files[FINDINGS] = json.dumps(to_json(result.findings), indent=1, ensure_ascii=False) + "\n"
    files[SUMMARY] = summary_text(result.summary, result.refused)
    return files


def _count(database: Database) -> int:
    return sum(len(getattr(database, name)) for name in _COUNTED)


def _holds_something(database: Database) -> bool:
    """Tell whether there is more than the schema public, which every database has."""
    return _count(database) > len([schema for schema in database.schemas if schema.name == "public"])


def _convert(
    database: Database,
    catalog: Catalog,
    features: ServerFeatures,
    options: ConvertOptions,
    result: SchemaFiles,
    refused: list[UnreadableObject],
) -> tuple[Database, Conversion]:
    """Convert a database without the objects that cannot be converted; these are added to ``refused``. Return what was
    converted of it."""
    while True:
        try:
            return database, convert_database(database, catalog.roles, features, options)
        except RefusedObjectsError as error:
            database, users, findings = without_refused(database, error.objects)
            result.findings += findings
            refused += [*error.objects, *users]


def _placed(item: UnreadableObject, statements: list[ReadStatement]) -> UnreadableObject:
    """Return a refused object with the statement that makes it, if it was refused after its statement had been read;
    none makes one that has been renamed."""
    if item.line:
        return item
    for made in statements:
        if made.creates and not made.refused and key_of(made.name) == key_of(item.name):
            return replace(item, line=made.line, command=made.command, statement=made.beginning)
    return replace(item, command=f"CREATE {item.kind.upper()}")


def refusal_message(result: SchemaFiles, dest: str) -> str:
    """Return the message of a failure for refused statements, each of which has a line. If they are too many, those
    that only need another one come last."""
    refused, count = result.refused, len(result.summary.statements)
    verb = "is" if len(refused) == 1 else "are"
    lines = [f"{len(refused)} of {count} statements of the schema text {verb} refused."]
    if result.files:
        lines[0] += f" {dest} has what could be converted, and {SUMMARY} there what became of each statement."
        lines[0] += " Correct or remove the refused ones, or set allow_partial to true to do without them."
    else:
        lines[0] += " Nothing is left that could be converted."
    shown = refused if len(refused) <= _SHOWN else sorted(refused, key=lambda item: item.because != "")
    lines += map(str, shown[:_SHOWN])
    others = len(refused) - _SHOWN
    return "\n".join([*lines, *([f"and {others} more"] if others > 0 else [])])


def write_files(dest: str, files: dict[str, str], check_mode: bool) -> list[dict[str, str]]:
    """Write the files that do not hold this very text, each whole or not at all; return the difference of each of them.

    With ``check_mode`` nothing is written. Raises ConfigurationError.
    """
    paths = {os.path.join(dest, name): text for name, text in files.items()}
    differences = {path: difference(path, text) for path, text in paths.items()}
    outdated = [path for path in paths if differences[path]]
    if not check_mode:
        for path in outdated:
            write_text(path, paths[path])
    return [differences[path] for path in outdated]
