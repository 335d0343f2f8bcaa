# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""CockroachDB's expression text becomes PostgreSQL's."""
from __future__ import annotations

import pglast
import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.context import Context
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.expressions.expressions import convert
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import SqlType
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.full_name import FullName

HERE = FullName("object", name="here")

EXPRESSIONS = {
    "x'20':::@100362": "CAST('new' AS \"public\".\"order_status\")",
    "status = b'@':::@100362": "\"status\" = CAST('paid' AS \"public\".\"order_status\")",
    "x'c0':::@100364": "CAST('ünïcode' AS \"billing\".\"currency\")",
    "ARRAY[x'20':::@100362]:::@100363": "CAST(ARRAY[CAST('new' AS \"public\".\"order_status\")] AS \"public\".\"order_status\"[])",
    "nextval(366:::REGCLASS)": "nextval(CAST('\"public\".\"invoice_no\"' AS regclass))",
    "nextval('shop.public.invoice_no':::STRING)": "nextval(CAST('\"public\".\"invoice_no\"' AS regclass))",
    "nextval('invoice_no'::REGCLASS)": "nextval(CAST('\"public\".\"invoice_no\"' AS regclass))",
    r"b'\x00a\'b'": r"CAST('\x00612762' AS bytea)",
    r"e'don\'t \u00fc\\ \x41'": r"'don''t ü\ A'",
    "B'101'": "b'101'",
    "7:::INT8 // 2:::INT8": "CAST(7 AS BIGINT) / CAST(2 AS BIGINT)",
    "7:::INT8 / 2:::INT8": "CAST((CAST(7 AS BIGINT)) AS DECIMAL) / CAST(2 AS BIGINT)",
    "x::STRING(10)": 'CAST("x" AS VARCHAR(10))',
    "a = ANY ARRAY[1, 2]": '"a" = ANY(ARRAY[1, 2])',
    "a != ALL b": '"a" <> ALL ("b")',
    "a > SOME (b)": '"a" > ANY("b")',
    "a IS NOT DISTINCT FROM b": '"a" IS NOT DISTINCT FROM "b"',
    "(old).* IS DISTINCT FROM (new).*": '"old" IS DISTINCT FROM "new"',
    "ifnull(a, b)": 'coalesce("a", "b")',
    "current_date():::DATE": "CAST(CURRENT_DATE AS DATE)",
    "split_part(a, '@':::STRING, n)": "split_part(\"a\", CAST('@' AS TEXT), CAST(\"n\" AS integer))",
    "j->0:::INT8": '"j" -> 0',
    "d + 1:::INT8": '"d" + 1',
    "'x':::STRING COLLATE de": "CAST('x' AS TEXT) COLLATE \"public\".\"de\"",
    "SELECT a FROM shop.public.t@{FORCE_INDEX=p} AS x": 'SELECT "a" FROM "public"."t" AS "x"',
    "SELECT a FROM t@p INNER HASH JOIN u@{NO_FULL_SCAN} ON t.a = u.a": 'SELECT "a" FROM "t" INNER JOIN "u" ON "t"."a" = "u"."a"',
    "SELECT a FROM t ORDER BY a, b DESC, c NULLS LAST": 'SELECT "a" FROM "t" ORDER BY "a" NULLS FIRST, "b" DESC NULLS LAST, "c"',
    "SELECT z.id FROM [368 AS z]": 'SELECT "z"."id" FROM "public"."customers" AS "z"',
    "UPSERT INTO shop.public.no_pk (rowid, a) VALUES (1, 2)":
        'INSERT INTO "public"."no_pk" ("rowid", "a") VALUES (1, 2) ON CONFLICT("rowid") DO UPDATE SET "a" = "excluded"."a"',
    "SELECT total / id FROM orders": 'SELECT "total" / "id" FROM "orders"',
    "SELECT id / 2 FROM orders": 'SELECT CAST(("id") AS DECIMAL) / 2 FROM "orders"',
    "SELECT weight_kg / 2:::FLOAT8 FROM products": 'SELECT "weight_kg" / CAST(2 AS DOUBLE PRECISION) FROM "products"',
    "a[1:::INT8]": '"a"[1]',
    "SELECT CamelCase, \"CamelCase\" FROM T": 'SELECT "camelcase", "CamelCase" FROM "t"',
    "0x1F + n": '31 + "n"',
    "n:::INT8 << 2:::INT8": 'CAST("n" AS BIGINT) << 2',
    "small * small": 'CAST("small" AS bigint) * "small"',
    "2:::INT8 ^ n": 'CAST(power(CAST(CAST(2 AS BIGINT) AS DECIMAL), CAST("n" AS DECIMAL)) AS BIGINT)',
    "extract('epoch':::STRING, d)": "date_part('epoch', \"d\")",
    "array_to_string(a, ',':::STRING)": "array_to_string(\"a\", CAST(',' AS TEXT), '')",
    "x::VARBIT(4)": 'CAST("x" AS bit varying(4))',
    "x::shop.billing.currency": 'CAST("x" AS "billing"."currency")',
    "UPDATE t SET a = DEFAULT": 'UPDATE "t" SET "a" = DEFAULT',
}


@pytest.fixture
def context(shop):
    return Context(shop, ServerFeatures(), ConvertOptions())


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expression(context, text):
    found = convert(text, context, HERE, {"d": SqlType("date", 1082), "n": SqlType("int", 20, 64), "small": SqlType("int", 23, 32)}).sql
    assert found == EXPRESSIONS[text]
    pglast.parse_sql(found if found.split()[0] in ("SELECT", "INSERT", "UPDATE") else "SELECT " + found)


@pytest.mark.parametrize(("text", "word"), [
    ("crdb_internal.cluster_id()", "here"), ("fnv32(a)", "fnv32"), ("x'99':::@100362", "x'99'"), ("1:::@100999", "100999"),
    ("SELECT a FROM elsewhere.public.t", "elsewhere"), ("a +", "here"), ("now() nll", "not one expression"), ("nextval(999:::REGCLASS)", "999"),
    ("crdb_internal.cluster_id()", "crdb_internal.cluster_id"), ("SELECT 1 FROM crdb_internal.tables", "crdb_internal.tables"), ("SELECT * FROM [SHOW TABLES]", "SHOW"),
    ("SELECT a FROM t AS OF SYSTEM TIME '-1s'", "AS OF SYSTEM TIME"), ("SELECT @1 AS a FROM t", "by its number, @1"), ("a.b.f(1)", "b.f"), ("[FUNCTION 100999](1)", "100999"), ("SELECT a FROM [999 AS x]", "999"),
    ("x // y", "//"), ("1.5:::FLOAT8 % 2.0:::FLOAT8", "%"), ("round(1.25:::FLOAT8, 1:::INT8)", "round"), ("encode(b'x', a)", "encode"),
    ("experimental_strftime(d, '%Q':::STRING)", "strftime"), ("DELETE FROM t ORDER BY a LIMIT 1", "LIMIT"), ("5:::INT8::INTERVAL", "interval"), ("x::nowhere", "nowhere"),
    ("sha1('a':::STRING, 'b':::STRING)", "sha1"), ("cluster_logical_timestamp()", "cluster_logical_timestamp"), ("iferror(1, 2)", "iferror"),
])
def test_what_has_no_counterpart_is_refused_by_name(context, text, word):
    with pytest.raises(UnsupportedError, match=word):
        convert(text, context, HERE)
