# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Calls of functions that PostgreSQL has in an extension, in another form, or not."""
from __future__ import annotations

import pglast
import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.context import Context
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.expressions import (
    function_calls,
    functions,
    spatial_functions,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.expressions.expressions import convert
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import Database, Schema, SqlType
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.full_name import FullName

HERE = FullName("object", name="here")

GEOMETRY, GEOGRAPHY = SqlType("geometry", 90000), SqlType("geography", 90002)
COLUMNS = {
    "g": GEOMETRY, "h": GEOMETRY, "geo": GEOGRAPHY, "n": SqlType("int", 20, 64), "small": SqlType("int", 23, 32), "s": SqlType("string", 25),
    "b": SqlType("bytes", 17), "j": SqlType("json", 3802), "a": SqlType("array", 1016, element=SqlType("int", 20, 64)), "ip": SqlType("inet", 869),
    "iv": SqlType("interval", 1186), "tz": SqlType("timestamptz", 1184), "ti": SqlType("time", 1083), "u": SqlType("uuid", 2950),
}
EXTENSIONS = frozenset(("postgis", "fuzzystrmatch", "uuid-ossp", "pgcrypto", "unaccent"))
CONVERTED = {
    "geometrytype(g)": 'substr(st_geometrytype("g"), 4)',
    "_st_touches(g, h)": 'st_touches("g", "h")',
    "st_pointn(g, n)": 'st_pointn("g", CAST("n" AS integer))',
    "st_asewkb(geo)": 'st_asewkb(CAST("geo" AS GEOMETRY))',
    "st_swapordinates(g, 'xy':::STRING)": "st_swapordinates(\"g\", 'xy')",
    "st_minimumboundingcircle(g)": 'st_minimumboundingcircle("g", 8)',
    "st_dwithinexclusive(g, h, 1.0:::FLOAT8)":
        '(st_dwithin("g", "h", CAST(1.0 AS DOUBLE PRECISION)) AND st_distance("g", "h") < CAST(1.0 AS DOUBLE PRECISION))',
    "g ~ h": '"g" ~ "h"',
    "g::JSONB": 'CAST(st_asgeojson("g", 17, 0) AS JSONB)',
    "to_hex(small)": 'to_hex(CAST("small" AS BIGINT))',
    "inet_contains_or_equals(ip, ip)": 'network_supeq("ip", "ip")',
    "similar_to_escape(s, 'a%':::STRING, '#':::STRING)": "((\"s\" SIMILAR TO CAST('a%' AS TEXT) ESCAPE '#'))",
    "concat_agg(s ORDER BY n)": "string_agg(\"s\", '' ORDER BY \"n\" NULLS FIRST)",
    "array_to_string(a, ',':::STRING, s)": "array_to_string(\"a\", CAST(',' AS TEXT), coalesce(\"s\", ''))",
    "date_trunc('hour':::STRING, ti)": "date_trunc(CAST('hour' AS TEXT), \"ti\" + CAST('00:00:00' AS INTERVAL))",
    "j || '{}'": "\"j\" || '{}'",
    "j - 1:::INT8": '"j" - 1',
    "n < ALL a": '"n" < ALL ("a")',
    "json_to_record(j)": 'jsonb_to_record("j")',
    "metaphone(s, n)": 'metaphone("s", CAST("n" AS integer))',
    "uuid_generate_v5(u, s)": 'uuid_generate_v5("u", "s")',
    "unaccent(s)": 'unaccent("s")',
    "num_nulls(n, s)": 'num_nulls("n", "s")',
}
REFUSED = {
    "soundex(s)": "soundex", "difference(s, s)": "difference", "st_geogfromtext(s, n)": "2 arguments", "replace(s, '':::STRING, s)": "an empty string",
    "split_part(s, '':::STRING, 1:::INT8)": "an empty string", "string_to_array(s, NULL)": "without a separator", "a || NULL": "an array and NULL",
    "st_s2covering(g)": "st_s2covering", "concat_agg(b)": "concat_agg", "parse_date(s, 'German':::STRING)": "with the style", "gateway_region()": "gateway_region",
    "similar_to_escape(s)": "1 arguments", "st_swapordinates(g, s)": "computed ordinates",
}
NOTED = {
    "st_astext(g)": "blanks", "st_area(geo)": "on the earth", "replace(s, s, 'x':::STRING)": "an empty string", "iv * 0.5:::DECIMAL": "fractions",
    "'1-2':::INTERVAL * 0.5:::DECIMAL": "fractions",
    "ip < ip": "networks", "a < a": "NULL in an array", "g < h": "another order", "max(ip)": "networks", "to_jsonb(tz)": "zone",
    "pg_typeof(n)": "pg_typeof", "has_table_privilege('t':::STRING, 'SELECT':::STRING)": "own objects", "n::OID": "oid", "sqrdiff(n)": "digits",
    "g::GEOMETRY(POINT,4326)": "SRID", "jsonb_set(j, ARRAY['x','y'], j)": "a path of words", "current_setting('search_path':::STRING)": "settings",
}
EQUAL = (
    "iv * 2:::INT8", "n::FLOAT8 * '1 second':::INTERVAL", "1.5:::FLOAT8 * '00:00:01':::INTERVAL", "jsonb_set(j, ARRAY['x':::STRING]:::STRING[], j)",
    "current_setting('app.tenant':::STRING, true)", "replace(s, 'x':::STRING, s)", "st_x(g)", "sinh(n::DECIMAL)",
)


@pytest.fixture(name="context")
def _context():
    return Context(Database(1, "sample", [Schema(2, "public")]), ServerFeatures(extensions=EXTENSIONS), ConvertOptions())


def _noted(context):
    return " ".join(finding.message for finding in context.conversion.findings if finding.code == "expression_differs")


@pytest.mark.parametrize("text", CONVERTED)
def test_call(context, text):
    found = convert(text, context, HERE, COLUMNS).sql
    assert found == CONVERTED[text]
    pglast.parse_sql("SELECT " + found)


@pytest.mark.parametrize("text", REFUSED)
def test_what_means_something_else_is_refused(context, text):
    with pytest.raises(UnsupportedError, match=f"here: .*{REFUSED[text]}"):
        convert(text, context, HERE, COLUMNS)


@pytest.mark.parametrize("text", NOTED)
def test_what_is_a_little_different_is_found(context, text):
    convert(text, context, HERE, COLUMNS)
    assert NOTED[text] in _noted(context)


@pytest.mark.parametrize("text", EQUAL)
def test_what_is_the_same_is_not_found(context, text):
    convert(text, context, HERE, COLUMNS)
    assert not _noted(context)


@pytest.mark.parametrize("text", ["st_x(g)", "geometrytype(g)", "g::BYTES", "g ~ h", "unaccent(s)", "uuid_nil()", "st_point(1.0:::FLOAT8, 2.0:::FLOAT8)"])
def test_what_needs_an_extension_is_refused_without_it(text):
    bare = Context(Database(1, "sample", [Schema(2, "public")]), ServerFeatures(), ConvertOptions())
    with pytest.raises(UnsupportedError, match="here: .* the extension"):
        convert(text, bare, HERE, COLUMNS)


def test_a_spatial_call_has_the_extension_made(context):
    convert("st_point(1.0:::FLOAT8, 2.0:::FLOAT8)", context, HERE)
    assert [statement.sql for statement in context.conversion.statements] == ['CREATE EXTENSION IF NOT EXISTS "postgis"']


def test_tables_do_not_contradict_each_other():
    assert not functions.IMMUTABLE & functions.OTHER
    assert not spatial_functions.SAME & (functions.IMMUTABLE | functions.OTHER)
    assert not set(spatial_functions.RENAMED) & set(functions.RENAMED)
    assert spatial_functions.NOT_IMMUTABLE < spatial_functions.SAME
    assert set(spatial_functions.RENAMED.values()) <= spatial_functions.SAME
    assert {name for name in functions.RENAMED.values() if not function_calls.is_known(name)} <= {"any"}
