# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Functions of CockroachDB that the conversion writes for PostgreSQL, and those that upgrades of CockroachDB write, return CockroachDB's values.

``functions.json`` holds sample rows, and what a real CockroachDB returned for each of them.
"""
from __future__ import annotations

import contextlib
import json
import pathlib

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.computed import (
    keep_unconvertible_as_data,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.context import Context
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.expressions import convert
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import Database, Schema
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.full_name import FullName
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.target.probe_features import probe
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.catalog_check import (
    check_catalog,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)

HERE = FullName("object", name="here")
RECORDED = json.loads((pathlib.Path(__file__).parent.parent / "fixtures" / "cockroach_answers" / "functions.json").read_text(encoding="utf-8"))
COLUMNS = {column.name: column.type for column in read_schema_text(f"CREATE TABLE r ({RECORDED['columns']})", "d").databases[0].tables[0].columns}


@pytest.fixture(scope="module", params=[15, 18], name="major")
def _major(request):
    """PostgreSQL 18 has some of the functions itself."""
    return request.param


@pytest.fixture(name="server", scope="module")
def _server(module_postgres):
    """A cursor of a database with the sample rows, and the server's features."""
    with contextlib.closing(connect(module_postgres)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SET timezone = 'UTC'")
        cursor.execute("CREATE TABLE r (id bigint, s text, t text, b bytea, c bytea, n bigint, u uuid, da date, ts timestamp, iv interval)")
        for row in RECORDED["rows"]:
            cursor.execute("INSERT INTO r VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", row)
        context = Context(Database(1, "sample", [Schema(2, "public")]), probe(connection), ConvertOptions())
        yield cursor, context


@pytest.mark.parametrize("text", RECORDED["values"])
def test_results_are_those_of_cockroachdb(server, text):
    cursor, context = server
    made = len(context.conversion.statements)
    converted = convert(text, context, HERE, COLUMNS).sql
    for statement in context.conversion.statements[made:]:
        cursor.execute(statement.sql)
    recorded = [None if isinstance(value, dict) else value for value in RECORDED["values"][text]]
    cursor.execute(f"SELECT pg_typeof({converted})::text FROM r LIMIT 1")
    (kind,) = cursor.fetchone()
    cursor.execute(f"SELECT CAST({converted} AS text) FROM r ORDER BY id")
    found = [value for (value,) in cursor.fetchall()]
    cursor.execute(f"SELECT CAST(CAST(value AS {kind}) AS text) FROM unnest(%s::text[]) WITH ORDINALITY AS recorded (value, place) ORDER BY place", (recorded,))
    wanted = [value for (value,) in cursor.fetchall()]
    wrong = {number: pair for number, pair in enumerate(zip(found, wanted), 1) if pair[0] != pair[1] and not isinstance(RECORDED["values"][text][number - 1], dict)}
    assert len(found) == len(wanted) == len(RECORDED["rows"])
    assert not wrong


def test_the_verification_finds_every_function_and_a_changed_one(server, module_postgres):
    """Each is created once, however many expressions call it."""
    cursor, known = server
    columns = ", ".join(f"c{number} STRING AS (({text})::STRING) STORED" for number, text in enumerate(RECORDED["values"]))
    catalog = read_schema_text(f"CREATE TABLE t ({RECORDED['columns']}, {columns}, INDEX i (fnv32(s)), CHECK (mod(crc32c(b), 8:::INT8) >= 0:::INT8))", "d")
    keep_unconvertible_as_data(catalog)
    conversion = convert_database(catalog.databases[0], [], known.features, ConvertOptions("skip"))
    made = [statement.name for statement in conversion.statements if statement.step == "written_function"]
    assert not [finding for finding in conversion.findings if finding.code in ("index_left_out", "check_left_out")]
    assert set(made) >= {"fnv32", "fnv32a", "fnv64", "fnv64a", "crc32c", "crc32ieee", "md5", "sha512", "to_english", "uuid_to_ulid", "datums_to_bytes", "to_char_iso_8601"}
    assert made.count("fnv32") == 2 and made.count("datums_to_bytes") == 5
    cursor.execute("CREATE DATABASE other")
    with contextlib.closing(connect(module_postgres, "other")) as connection, connection.cursor() as other:
        for statement in conversion.statements:
            other.execute(statement.sql)
        connection.commit()
        assert check_catalog(connection, catalog.databases[0], conversion.statements, rights_migrated=False)[1] == []
        connection.rollback()
        other.execute("CREATE OR REPLACE FUNCTION to_english(number bigint) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$SELECT 'many'$$")
        problems = check_catalog(connection, catalog.databases[0], conversion.statements, rights_migrated=False)[1]
        assert problems == ["function public.to_english: has another body"]


@pytest.mark.parametrize("text", [
    "to_char_with_style(iv, 'sql_standard':::STRING)", "parse_interval(s, 'sql_standard':::STRING)", "to_char_with_style(da, 'German':::STRING)",
    "to_char_with_style(da, s)", "parse_date(s, t)", "parse_date(s, 'SQL, MDY':::STRING)", "parse_interval(s, t)", "regexp_extract(s, 'a|(b)':::STRING)",
    "substring(s, '(a)?b':::STRING)", "regexp_extract(s, t)", "substring(s, t)", "fnv32(unknown)", "crdb_internal.datums_to_bytes(da)", "crdb_internal.datums_to_bytes(ts, n)",
    "crdb_internal.datums_to_bytes()", "sha1(s, t)",
])
def test_what_would_be_another_value_is_refused(text):
    context = Context(Database(1, "sample", [Schema(2, "public")]), ServerFeatures(), ConvertOptions())
    with pytest.raises(UnsupportedError, match="here: "):
        convert(text, context, HERE, COLUMNS)
    assert context.conversion.statements == []
