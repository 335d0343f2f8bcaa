# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Rows of tables with hidden columns: stars, INSERT without column names, and the types of rows."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.convert_schema_text import (
    convert_text,
)

TABLES = """CREATE TABLE public.t (a INT8, b STRING, rowid INT8 NOT VISIBLE NOT NULL DEFAULT unique_rowid(), CONSTRAINT t_pkey PRIMARY KEY (rowid ASC));
CREATE TABLE public.u (x INT8 NOT NULL, "Secret" STRING NOT VISIBLE NULL, y INT8 NULL AS (x + 1) VIRTUAL, z STRING NULL, CONSTRAINT u_pkey PRIMARY KEY (x ASC));
CREATE TABLE public.w (x INT8 NOT NULL, v INT8, CONSTRAINT w_pkey PRIMARY KEY (x ASC));
CREATE TABLE public.s (k INT8 NOT NULL, crdb_internal_k_shard_4 INT4 NOT VISIBLE NOT NULL AS (mod(fnv32(md5(crdb_internal.datums_to_bytes(k))), 4:::INT8)) VIRTUAL,
  CONSTRAINT s_pkey PRIMARY KEY (k ASC) USING HASH WITH (bucket_count=4));
CREATE TABLE public.g (place GEOMETRY NULL, rowid INT8 NOT VISIBLE NOT NULL DEFAULT unique_rowid(), CONSTRAINT g_pkey PRIMARY KEY (rowid ASC));
CREATE TABLE public.t_row (n INT8 NOT NULL, CONSTRAINT t_row_pkey PRIMARY KEY (n ASC));
"""
T, U = '"t"."a", "t"."b"', '"u"."x", "u"."y", "u"."z"'


def converted(text: str) -> tuple[str, list[str]]:
    result = convert_text(TABLES + text, "d", ServerFeatures(17, True, frozenset()), ConvertOptions("create", frozenset()))
    return "".join(text for name, text in result.files.items() if name.endswith(".sql")), [
        f"{item.code} {item.object}" + f" {item.message}" * (item.severity == "error") for item in result.findings]


@pytest.mark.parametrize(("query", "made"), [
    ("SELECT * FROM t", f'SELECT {T} FROM "t"'),
    ("SELECT * FROM T AS Q", 'SELECT "q"."a", "q"."b" FROM "t" AS "q"'),
    ("TABLE public.t", f'SELECT {T} FROM "public"."t"'),
    ("SELECT t.*, v FROM t, w", f'SELECT {T}, "v" FROM "t", "w"'),
    ("SELECT *, 1 FROM u JOIN w ON w.x = u.x", f'SELECT {U}, "w"."x", "w"."v", 1 FROM "u" JOIN "w" ON "w"."x" = "u"."x"'),
    ("SELECT w.* FROM t JOIN w ON w.x = t.a", 'SELECT "w".* FROM "t" JOIN "w" ON "w"."x" = "t"."a"'),
    ("SELECT * FROM (t JOIN u ON u.x = t.a)", f'SELECT {T}, {U} FROM ("t" JOIN "u" ON "u"."x" = "t"."a")'),
    ("SELECT * FROM t, (SELECT 1 AS one) AS q", f'SELECT {T}, "q".* FROM "t", (SELECT 1 AS "one") AS "q"'),
    ("SELECT * FROM (SELECT * FROM t) AS q", f'SELECT * FROM (SELECT {T} FROM "t") AS "q"'),
    ("SELECT * FROM t UNION SELECT z, y FROM u", f'SELECT {T} FROM "t" UNION SELECT "z", "y" FROM "u"'),
    ("WITH t AS (SELECT 1) SELECT * FROM t", 'WITH "t" AS (SELECT 1) SELECT * FROM "t"'),
    ("SELECT * FROM w", 'SELECT * FROM "w"'),
    ("SELECT * FROM w JOIN s USING (x)", 'SELECT * FROM "w" JOIN "s" USING ("x")'),
    ("SELECT count(*) FROM t", 'SELECT count(*) FROM "t"'),
    ("SELECT a FROM t WHERE EXISTS (SELECT * FROM u)", f'SELECT "a" FROM "t" WHERE EXISTS(SELECT {U} FROM "u")'),
    ("INSERT INTO t VALUES (1, 'x'), (2, 'y') RETURNING *", f'INSERT INTO "t" ("a", "b") VALUES (1, \'x\'), (2, \'y\') RETURNING {T}'),
    ("INSERT INTO u VALUES (1)", 'INSERT INTO "u" ("x") VALUES (1)'),
    ("INSERT INTO t SELECT x, 'z' FROM w", 'INSERT INTO "t" ("a", "b") SELECT "x", \'z\' FROM "w"'),
    ("INSERT INTO t SELECT * FROM t", f'INSERT INTO "t" ("a", "b") SELECT {T} FROM "t"'),
    ("INSERT INTO t (b) VALUES ('x')", 'INSERT INTO "t" ("b") VALUES (\'x\')'),
    ("INSERT INTO t DEFAULT VALUES RETURNING t.*", f'INSERT INTO "t" DEFAULT VALUES RETURNING {T}'),
    ("INSERT INTO w VALUES (1, 2) RETURNING *", 'INSERT INTO "w" VALUES (1, 2) RETURNING *'),
    ("UPSERT INTO u VALUES (1)", 'INSERT INTO "u" ("x") VALUES (1) ON CONFLICT("x") DO NOTHING'),
    ("UPDATE u AS q SET z = 'a' RETURNING *", 'UPDATE "u" AS "q" SET "z" = \'a\' RETURNING "q"."x", "q"."y", "q"."z"'),
    ("UPDATE t SET b = 'a' FROM w WHERE w.x = t.a RETURNING *", f'UPDATE "t" SET "b" = \'a\' FROM "w" WHERE "w"."x" = "t"."a" RETURNING {T}, "w"."x", "w"."v"'),
    ("DELETE FROM t USING w WHERE w.x = t.a RETURNING t.*", f'DELETE FROM "t" USING "w" WHERE "w"."x" = "t"."a" RETURNING {T}'),
])
def test_columns_that_a_query_does_not_name(query, made):
    sql, findings = converted(f"CREATE PROCEDURE public.p() LANGUAGE SQL AS $${query}$$;")
    assert f"AS $${made}$$;" in sql, (sql[sql.find("CREATE PROCEDURE"):], findings)


@pytest.mark.parametrize(("query", "reason"), [
    ("SELECT * FROM t NATURAL JOIN w", "the columns of * over tables that are joined by USING are not known"),
    ("SELECT * FROM t JOIN w USING (a)", "the columns of * over tables that are joined by USING are not known"),
    ("SELECT * FROM t, (SELECT 1)", "the columns of * are not known"),
    ("INSERT INTO t SELECT * FROM w", "INSERT INTO t without column names takes * of other tables"),
])
def test_columns_that_nobody_knows(query, reason):
    findings = converted(f"CREATE PROCEDURE public.p() LANGUAGE SQL AS $${query}$$;")[1]
    assert any(item.startswith("function_left_out d.public.p") and reason in item for item in findings)


@pytest.mark.parametrize(("function", "made", "row_types"), [
    ("f() RETURNS SETOF t LANGUAGE SQL AS 'SELECT a, b FROM t'", 'RETURNS SETOF "public"."t_row_', ["t"]),
    ("f() RETURNS public.u LANGUAGE SQL AS 'SELECT * FROM u'", 'RETURNS "public"."u_row" ', ["u"]),
    ("f() RETURNS u[] LANGUAGE SQL AS 'SELECT array_agg(u) FROM u'", f'RETURNS "public"."u_row"[] LANGUAGE sql AS $$SELECT array_agg(CAST(row({U}) AS "public"."u_row")) FROM "u"$$', ["u"]),
    ("f() RETURNS JSONB LANGUAGE SQL AS 'SELECT to_jsonb(g.*) FROM g'", 'to_jsonb(CAST(row("g"."place") AS "public"."g_row")) FROM "g"', ["g"]),
    ("f() RETURNS SETOF u LANGUAGE SQL AS 'SELECT q FROM u AS q'", 'SELECT CAST(row("q"."x", "q"."y", "q"."z") AS "public"."u_row") FROM "u" AS "q"', ["u"]),
    ("f() RETURNS INT8 LANGUAGE SQL AS 'SELECT z FROM u AS z LIMIT 1'", 'SELECT "z" FROM "u" AS "z" LIMIT 1', []),
    ("f() RETURNS SETOF w LANGUAGE SQL AS 'SELECT w FROM w'", 'SELECT "w" FROM "w"', []),
    ("f(INOUT r u) LANGUAGE SQL AS 'SELECT r'", 'FUNCTION "public"."f"(INOUT "r" "public"."u_row")', ["u"]),
    ("f() RETURNS w LANGUAGE SQL AS 'SELECT * FROM w'", 'RETURNS "public"."w" ', []),
    ("f() RETURNS SETOF s LANGUAGE SQL AS 'SELECT * FROM s'", 'RETURNS SETOF "public"."s" ', []),
    ("f() RETURNS INT8 LANGUAGE SQL AS 'SELECT ((1, 2, NULL)::u).x'", '(CAST((1, 2, NULL) AS "public"."u_row"))."x"', ["u"]),
    ("f() RETURNS INT8 LANGUAGE plpgsql AS 'DECLARE r u; BEGIN SELECT * INTO r FROM u; RETURN (r).x; END'", f'"r" "public"."u_row";\nBEGIN\n    SELECT {U} FROM "u" INTO "r";', ["u"]),
    ("f() RETURNS INT8 LANGUAGE plpgsql AS 'DECLARE r public.u%ROWTYPE; BEGIN SELECT * INTO r FROM u; RETURN (r).x; END'", '"r" "public"."u_row";', ["u"]),
    ("f() RETURNS INT8 LANGUAGE plpgsql AS 'DECLARE r RECORD; BEGIN SELECT * INTO r FROM u; RETURN r.x; END'", f'"r" record;\nBEGIN\n    SELECT {U} FROM "u" INTO "r";', []),
    ("f() RETURNS SETOF u LANGUAGE plpgsql AS 'DECLARE r u; BEGIN RETURN QUERY SELECT * FROM u; RETURN NEXT r; END'", f'RETURN QUERY SELECT {U} FROM "u";\n    RETURN NEXT "r";', ["u"]),
    ("f() RETURNS g LANGUAGE SQL AS 'SELECT * FROM g'", 'CREATE TYPE "public"."g_row" AS ("place" text);', ["g"]),
])
def test_types_of_rows(function, made, row_types):
    sql, findings = converted(f"CREATE FUNCTION public.{function};")
    assert made in sql, (sql, findings)
    assert [item for item in findings if item.startswith("row_type")] == [f"row_type d.public.{name}" for name in row_types]
    assert findings.count("type_as_text d.public.g.place") == 1 and not [item for item in findings if "left_out" in item]


@pytest.mark.parametrize("function", [
    "f() RETURNS INT8 LANGUAGE plpgsql AS 'DECLARE r w; BEGIN SELECT * INTO r FROM w; RETURN (r).x; END'",
    "f() RETURNS INT8 LANGUAGE SQL AS 'SELECT ((1, 2)::w).x'",
])
def test_a_function_comes_after_the_table_whose_rows_it_uses(function):
    sql = converted(f"CREATE FUNCTION public.{function};")[0]
    assert sql.index('CREATE TABLE "public"."w"') < sql.index("CREATE FUNCTION")
