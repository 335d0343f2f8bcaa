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
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.expressions.expressions import convert
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.types import type_name
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
ANSWERS = pathlib.Path(__file__).parent.parent / "fixtures" / "cockroach_answers"
RECORDED = {name: json.loads((ANSWERS / f"{name}.json").read_text(encoding="utf-8")) for name in ("functions", "rarer_functions")}
COLUMNS = {
    name: {column.name: column.type for column in read_schema_text(f"CREATE TABLE r ({recorded['columns']})", "d").databases[0].tables[0].columns if not column.hidden}
    for name, recorded in RECORDED.items()
}


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
        context = Context(Database(1, "sample", [Schema(2, "public")]), probe(connection), ConvertOptions())
        for table, recorded in RECORDED.items():
            columns = ", ".join(f"{name} {type_name(kind, context, HERE)}" for name, kind in COLUMNS[table].items())
            cursor.execute(f"CREATE TABLE {table} ({columns})")
            for row in recorded["rows"]:
                cursor.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(row))})", row)
        yield cursor, context


@pytest.mark.parametrize(("table", "text"), [(table, text) for table, recorded in RECORDED.items() for text in recorded["values"]])
def test_results_are_those_of_cockroachdb(server, table, text):
    """Only rows for which CockroachDB gave an error are not compared."""
    cursor, context = server
    made = len(context.conversion.statements)
    converted = convert(text, context, HERE, COLUMNS[table]).sql.replace("%", "%%")
    for statement in context.conversion.statements[made:]:
        cursor.execute(statement.sql)
    wanted = {number: value for number, value in enumerate(RECORDED[table]["values"][text], 1) if not isinstance(value, dict)}
    cursor.execute(f"SELECT pg_typeof({converted})::text FROM {table} WHERE id = %s", (min(wanted),))
    (kind,) = cursor.fetchone()
    cursor.execute(f"""SELECT id, CAST({converted} AS text), CAST(CAST(value AS {kind}) AS text)
        FROM unnest(%s::bigint[], %s::text[]) AS recorded (number, value) JOIN {table} ON id = number""", (list(wanted), list(wanted.values())))
    rows = cursor.fetchall()
    assert len(rows) == len(wanted)
    assert [row for row in rows if row[1] != row[2]] == []


def test_the_verification_finds_every_function_and_a_changed_one(server, module_postgres):
    """Each is created once, however many expressions call it."""
    cursor, known = server
    tables = []
    for table, recorded in RECORDED.items():
        columns = ", ".join(f"c{number} STRING AS (({text})::STRING) STORED" for number, text in enumerate(recorded["values"]))
        tables.append(f"CREATE TABLE {table} ({recorded['columns']}, {columns}, INDEX (left(b, 2:::INT8)), CHECK (mod(crc32c(b), 8:::INT8) >= 0:::INT8))")
    tables.append("CREATE TABLE texts (j STRING, CHECK (json_valid(j)))")
    catalog = read_schema_text(";\n".join(tables), "d")
    keep_unconvertible_as_data(catalog)
    conversion = convert_database(catalog.databases[0], [], known.features, ConvertOptions("skip"))
    made = [statement.name for statement in conversion.statements if statement.step == "written_function"]
    assert not [finding for finding in conversion.findings if finding.code in ("index_left_out", "check_left_out")]
    assert set(made) >= {"fnv32", "fnv32a", "fnv64", "fnv64a", "crc32c", "crc32ieee", "md5", "sha512", "to_english", "uuid_to_ulid", "datums_to_bytes", "to_char_iso_8601", "from_ip", "to_ip", "left", "right",
                         "json_valid"}
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
    "crdb_internal.datums_to_bytes()", "sha1(s, t)", "fnv32(s) + length(compress(b, 'gzip':::STRING))", "md5(to_english(n), soundex(s))",
    "uuid_to_ulid(gen_random_ulid()) || cluster_logical_timestamp()::STRING",
])
def test_what_would_be_another_value_is_refused(text):
    context = Context(Database(1, "sample", [Schema(2, "public")]), ServerFeatures(), ConvertOptions())
    with pytest.raises(UnsupportedError, match="here: "):
        convert(text, context, HERE, COLUMNS["functions"])
    assert context.conversion.statements == context.conversion.findings == []
    convert("fnv32(s)", context, HERE, COLUMNS["functions"])
    assert [statement.name for statement in context.conversion.statements] == ["fnv32"]
