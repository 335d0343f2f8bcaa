# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""PostgreSQL computes from converted expressions what CockroachDB computed from its own.

``cockroach_expressions.json`` holds sample rows, each expression as a descriptor of CockroachDB stores it, and what
that CockroachDB returned for each row (as its STRING, or the error). An expression that CockroachDB takes in no computed
column (aggregates, what depends on the session) is recorded as the descriptor of a view has it; a shorter list of values
leaves out the last rows.
"""
from __future__ import annotations

import json
import pathlib

import pytest
from psycopg2 import sql

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.context import Context
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.expressions import (
    functions,
    spatial_functions,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.expressions.expressions import convert
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.types import type_name
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import Database, Schema, SqlType
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.full_name import FullName
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target.probe_features import probe

HERE = FullName("object", name="here")

RECORDED = json.loads((pathlib.Path(__file__).parent / "cockroach_expressions.json").read_text(encoding="utf-8"))
INT, INT4, TEXT = SqlType("int", 20, 64), SqlType("int", 23, 32), SqlType("string", 25)
GEOMETRY, GEOGRAPHY = SqlType("geometry", 90000), SqlType("geography", 90002)
TYPES = {
    "id": INT, "i": INT, "j": INT, "f": SqlType("float", 701, 64), "g": SqlType("float", 701, 64), "d": SqlType("decimal", 1700),
    "e": SqlType("decimal", 1700, 4, 12), "s": TEXT, "t": TEXT, "b": SqlType("bytes", 17), "ok": SqlType("bool", 16), "da": SqlType("date", 1082),
    "dz": SqlType("date", 1082), "ts": SqlType("timestamp", 1114), "tu": SqlType("timestamp", 1114), "tz": SqlType("timestamptz", 1184),
    "iv": SqlType("interval", 1186), "u": SqlType("uuid", 2950), "ip": SqlType("inet", 869), "js": SqlType("json", 3802),
    "ia": SqlType("array", 1016, element=INT), "sa": SqlType("array", 1009, element=TEXT), "ti": SqlType("time", 1083), "bi": SqlType("bit", 1562), "i4": INT4,
    "tt": SqlType("timetz", 1266), "ge": GEOMETRY, "gh": GEOMETRY, "gp": GEOMETRY, "gl": GEOMETRY, "gy": GEOMETRY, "gg": GEOGRAPHY, "gi": GEOGRAPHY,
}
EQUAL = {True: 946, False: 642}
"""How many expressions give the same, with PostGIS and without: too few would mean that the test compares nothing."""


def new_context(features=None):
    return Context(Database(1, "sample", [Schema(2, "public")]), features or ServerFeatures(), ConvertOptions())


@pytest.fixture(name="server", scope="module")
def _server(module_postgres):
    """A connection to a database with the sample rows, and the server's features."""
    connection = connect(module_postgres)
    connection.autocommit = True
    features = probe(connection)
    context = new_context(features)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS sample_rows")
        columns = ", ".join(f"{name} {type_name(TYPES[name], context, HERE)}" for name in RECORDED["columns"])
        for statement in context.conversion.statements:
            cursor.execute(statement.sql)
        cursor.execute(f"CREATE TABLE sample_rows ({columns})")
        for row in RECORDED["rows"]:
            cursor.execute(sql.SQL("INSERT INTO sample_rows VALUES ({})").format(sql.SQL(", ").join(map(sql.Literal, row))))
        cursor.execute("SET timezone = 'UTC'")
        yield cursor, features
    connection.close()


def test_results_are_those_of_cockroachdb(server):
    cursor, features = server
    same, wrong = 0, []
    for item in RECORDED["expressions"]:
        context = new_context(features)
        try:
            converted = convert(item["text"], context, HERE, TYPES).sql
        except UnsupportedError as error:
            assert "does not have" in str(error) or "without the extension" in str(error)
            continue
        differs = any(finding.code == "expression_differs" for finding in context.conversion.findings)
        assert differs == item.get("differs", False), item["text"]
        for statement in context.conversion.statements:
            cursor.execute(statement.sql)
        for number, value in enumerate(item["values"], 1):
            if not differs and not isinstance(value, dict) and not _equal(cursor, converted, number, value):
                wrong.append((item["text"], converted, number, value))
        same += not differs
    assert not wrong
    assert same >= EQUAL["postgis" in features.extensions]


def _equal(cursor, converted, number, value):
    """Compare in the expression's own type, by its text: decimals with their scale, JSON whatever the order of its keys."""
    cursor.execute(f"SELECT pg_typeof({converted})::text FROM sample_rows WHERE id = {number}")
    kind = cursor.fetchone()[0]
    kind = "bit varying" if kind == "bit" else kind  # a bare bit has the length 1
    wanted = sql.Literal(value).as_string(cursor)
    cursor.execute(f"SELECT CAST({converted} AS text) IS NOT DISTINCT FROM CAST(CAST({wanted} AS {kind}) AS text) FROM sample_rows WHERE id = {number}")
    return cursor.fetchone()[0]


def test_immutable_functions_are_so_to_the_server(server):
    """Generated columns and indexes call them. length() has a form for names and an encoding, which CockroachDB lacks."""
    cursor, _features = server
    names = sorted((functions.IMMUTABLE | spatial_functions.SAME - spatial_functions.NOT_IMMUTABLE) - functions.TEXT_SEARCH - {"length"})
    cursor.execute("SELECT DISTINCT proname FROM pg_proc WHERE proname = ANY(%s) AND provolatile <> 'i'", (names,))
    assert cursor.fetchall() == []


@pytest.mark.parametrize("text", RECORDED["refused"])
def test_what_means_something_else_is_refused(text):
    with pytest.raises(UnsupportedError, match="here: "):
        convert(text, new_context(), HERE, TYPES)
