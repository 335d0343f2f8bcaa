# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A history and what CockroachDB showed after running it become the same commands in PostgreSQL."""
from __future__ import annotations

import pathlib
import sys

import pytest
import sqlglot
from sqlglot import exp

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.computed import (
    keep_unconvertible_as_data,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import UserType
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.conversion_policies import (
    ConversionPolicies,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text import parsing
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.cursor import (
    Cursor,
    Statement,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.types import read_type

FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures"
sys.path.insert(0, str(FIXTURES))
from write_histories import HEAD, HISTORIES, read_histories

FEATURES = ServerFeatures(extensions=frozenset(("postgis", "pg_trgm", "btree_gin")))
NOT_SHOWN = frozenset(("rows_left_out", "statement_left_out", "session_setting", "zone_configuration", "materialized_view_recognized", "integer_width"))
"""Findings about statements that leave nothing behind, about INTEGER, and about how v22.1 prints a materialized view."""
NAMES = [(path.name, name) for path in sorted(HISTORIES.glob("*.sql")) if ".shown." not in path.name for name in read_histories(path)]


def _shown(path):
    found = {}
    for text in path.read_text(encoding="utf-8").split(HEAD)[1:]:
        name, _newline, shown = text.partition("\n")
        found[name] = shown
    return found


def _without_types_of_constants(text):
    """Return a text without ``:::INT8`` and the like: CockroachDB prints the types of constants, which people do not write."""
    words = parsing.words(text, "the test")
    statement = Statement(words, text, 1)
    cuts = []
    for number, word in enumerate(words):
        if word.is_symbol(":::"):
            cursor = Cursor(statement, (number + 1, len(words)))
            read_type(cursor, lambda path: UserType(0, path[-1].text, 0))
            cuts.append((word.start, words[cursor.index - 1].end))
    for start, end in reversed(cuts):
        text = text[:start] + text[end:]
    return text


def _plain(command):
    """Return a command without needless parentheses."""
    if command.startswith(("CREATE FUNCTION", "CREATE TRIGGER")):
        return command
    try:
        tree = sqlglot.parse_one(command, dialect="postgres")
    except sqlglot.errors.SqlglotError:
        return command
    for node in [*tree.find_all(exp.Paren)]:
        node.replace(node.this)
    return tree.sql("postgres")


def _converted(text):
    catalog = read_schema_text(text, "h")
    (database,) = catalog.databases
    for table in database.tables:
        # v22.1 keeps the hidden rowid of a table that gets a primary key; v22.2 drops it.
        keys = [part.column_id for index in [table.primary_index, *table.indexes] for part in index.columns]
        table.columns = [column for column in table.columns if not column.hidden or column.name != "rowid" or column.id in keys]
        for index in table.indexes:
            index.created_explicitly = False  # UNIQUE and CREATE UNIQUE INDEX are printed alike
    keep_unconvertible_as_data(catalog, ConversionPolicies())
    conversion = convert_database(database, [], FEATURES, ConvertOptions(grants="skip"))
    findings = {(finding.code.value, finding.severity, finding.object) for finding in [*catalog.findings, *conversion.findings]}
    return sorted(_plain(item.sql) for item in conversion.statements), sorted(item for item in findings if item[0] not in NOT_SHOWN)


@pytest.mark.parametrize(("file", "name"), NAMES)
def test_a_history_ends_as_in_cockroachdb(file, name):
    commands, findings = _converted("\n".join(read_histories(HISTORIES / file)[name]))
    shown = _converted(_without_types_of_constants(_shown(HISTORIES / file.replace(".sql", ".shown.sql"))[name]))
    assert (commands, findings) == shown


def test_there_are_enough_histories():
    assert len(NAMES) >= 60
