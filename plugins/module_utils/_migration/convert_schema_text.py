# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""From the text of SHOW CREATE … to PostgreSQL's SQL in files, for people who want only the schema."""

from __future__ import annotations

import codecs
import json
import os
from dataclasses import dataclass, field

from .._convert.computed import keep_unconvertible_as_data
from .._convert.database import convert_database
from .._convert.roles import convert_roles
from .._convert.server_features import ConvertOptions, ServerFeatures
from .._convert.statements import render
from .._dump.paths import path_name
from .._errors import ConfigurationError
from .._model.catalog import Catalog, Database
from .._model.findings import Finding
from .._model.json_form import to_json
from .._sources.schema_text.catalog_of_text import read_schema_text
from .._system.text_file import difference, write_text

ROLES, PRE_DATA, POST_DATA, FINDINGS = "roles.sql", "pre-data.sql", "post-data.sql", "findings.json"
_COUNTED = ("schemas", "types", "sequences", "tables", "views", "functions")


@dataclass
class SchemaFiles:
    """The texts of the files, by their paths below the destination, what was found, and how many objects the source
    has."""

    files: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    objects: dict[str, int] = field(default_factory=dict)


def read_source(path: str) -> str:
    """Return the text of a file, which is UTF-8, or UTF-16 with its mark. Raises ConfigurationError."""
    try:
        with open(path, "rb") as file:
            data = file.read()
        return data.decode("utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{path} is not UTF-8 text (byte {error.start}): write the shell's output as UTF-8"
        ) from error


def convert_text(text: str, database: str, features: ServerFeatures, options: ConvertOptions) -> SchemaFiles:
    """Return what becomes of a schema's text. A text of several databases gives a directory for each.

    ``database`` is the name of the database that the text does not name itself, '' when it does. Raises MigrationError
    for text that is not understood, ConfigurationError for one without any object.
    """
    catalog = read_schema_text(text, database)
    found = [item for item in catalog.databases if _count(item)]
    if not found:
        raise ConfigurationError(
            "the schema text holds no CREATE statement: give it the output of SHOW CREATE ALL TABLES"
        )
    keep_unconvertible_as_data(catalog, options.policies)
    result = SchemaFiles(
        findings=list(catalog.findings), objects={"databases": len(found), **dict.fromkeys(_COUNTED, 0)}
    )
    roles = convert_roles(catalog.roles, features, options)
    if roles.statements:
        result.files[ROLES] = "".join(render(roles)).strip() + "\n"
        result.findings += roles.findings
    for item in found:
        _convert(item, catalog, "" if len(found) == 1 else path_name(item.name), features, options, result)
    result.files[FINDINGS] = json.dumps(to_json(result.findings), indent=1, ensure_ascii=False) + "\n"
    return result


def _count(database: Database) -> int:
    return sum(len(getattr(database, name)) for name in _COUNTED)


def _convert(
    database: Database,
    catalog: Catalog,
    directory: str,
    features: ServerFeatures,
    options: ConvertOptions,
    result: SchemaFiles,
) -> None:
    conversion = convert_database(database, catalog.roles, features, options)
    result.findings += conversion.findings
    for name in _COUNTED:
        result.objects[name] += len(getattr(database, name))
    for name, text in zip((PRE_DATA, POST_DATA), render(conversion)):
        result.files[os.path.join(directory, name)] = text


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
