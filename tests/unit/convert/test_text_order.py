# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Where the order of text decides what SQL means, in a database that does not sort it by its bytes."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.context import Context
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.expressions.expressions import (
    column_types,
    convert,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.conversion_policies import (
    conversion_policies,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.full_name import FullName
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)

LINGUISTIC = ServerFeatures(sorts_by_bytes=False)
WHERE = FullName("view", "d", "public", "v")
SCHEMA = """
CREATE TYPE public.mood AS ENUM ('sad', 'ok');
CREATE TYPE public.pair AS (word STRING, n INT8);
CREATE DOMAIN public.word AS STRING CONSTRAINT word_check CHECK (value > 'A':::STRING);
CREATE TABLE public.t (
	id INT8 NOT NULL,
	s STRING NULL,
	v VARCHAR(9) NOT NULL,
	n INT8 NULL,
	at TIMESTAMPTZ NULL,
	mood public.mood NULL,
	tags STRING[] NULL,
	label NAME NULL,
	c "char" NULL,
	german STRING COLLATE de NULL,
	j JSONB NULL,
	p public.pair NULL,
	w public.word NULL,
	u UUID NULL,
	CONSTRAINT t_pkey PRIMARY KEY (id ASC),
	CONSTRAINT t_check CHECK (s BETWEEN 'A':::STRING AND v)
) WITH (ttl_expiration_expression = 'CASE WHEN v < ''m'' THEN at END', ttl = 'on');
CREATE FUNCTION public.first_word(a STRING) RETURNS STRING LANGUAGE SQL AS $$ SELECT s FROM d.public.t WHERE s > a ORDER BY s LIMIT 1; $$;
CREATE FUNCTION public.later(a STRING, b STRING) RETURNS BOOL LANGUAGE PLpgSQL AS $$
DECLARE
	best STRING := least(a, b);
BEGIN
	IF best < 'm' THEN RETURN a > b; END IF;
	RETURN a = b;
END
$$;
CREATE FUNCTION public.note() RETURNS TRIGGER LANGUAGE PLpgSQL AS $$
BEGIN
	IF (new).s < (old).v AND (new).n > 3 THEN RETURN NULL; END IF;
	RETURN new;
END
$$;
CREATE TRIGGER noted BEFORE UPDATE ON public.t FOR EACH ROW WHEN ((new).s > (old).s) EXECUTE FUNCTION public.note();
CREATE POLICY seen ON public.t FOR SELECT TO public USING (s >= 'k':::STRING);
CREATE POLICY mine ON public.t FOR UPDATE TO public USING (s = 'k':::STRING) WITH CHECK (v < s);
CREATE VIEW public.words (s) AS SELECT s FROM d.public.t WHERE public.first_word(s) > 'x';
CREATE VIEW public.plain (s, n) AS SELECT s, count(*) FROM d.public.t WHERE s IN ('a', 'b') OR s LIKE 'a%' OR v != 'q' GROUP BY s ORDER BY count(*);
"""
C = ' COLLATE "C"'
WRITTEN = {
    "s > 'a':::STRING": f'"s"{C} > CAST(\'a\' AS TEXT)',
    "'a':::STRING <= s": f"CAST('a' AS TEXT){C} <= \"s\"",
    "s < v": f'"s"{C} < "v"',
    "v NOT BETWEEN 'a' AND 'b'": f'NOT "v"{C} BETWEEN \'a\' AND \'b\'',
    "s BETWEEN least(v, 'a') AND 'b'": f'"s"{C} BETWEEN ((least("v"{C}, \'a\') COLLATE "default"){C}) AND \'b\'',
    "n = position(least(s, v) IN v)": None,
    "least(s, v) || v": f'(least("s"{C}, "v") COLLATE "default") || "v"',
    "'m' BETWEEN s AND v": f"'m'{C} BETWEEN \"s\" AND \"v\"",
    "(s || v) > 'a'": f'("s" || "v"){C} > \'a\'',
    "lower(s) >= lower(v)": f'lower("s"){C} >= lower("v")',
    "n::STRING < s": f'CAST("n" AS TEXT){C} < "s"',
    "(j->>'a') < 'b'": f'("j" ->> \'a\'){C} < \'b\'',
    "tags < ARRAY['a']": f'"tags"{C} < CAST(ARRAY[\'a\'] AS text[])',
    "tags[1] < 'a'": f'("tags"[1]){C} < \'a\'',
    "(n, s) < (1, 'a')": f'("n", "s"{C}) < (1, \'a\')',
    "((n, s), v) >= ((1, 'a'), 'b')": f'(("n", "s"{C}), "v"{C}) >= ((1, \'a\'), \'b\')',
    "s > ANY ARRAY['a', 'b']": f'"s"{C} > ANY(CAST(ARRAY[\'a\', \'b\'] AS text[]))',
    "'x' > ALL (tags)": f"'x'{C} > ALL (\"tags\")",
    "CASE WHEN s < 'm' THEN 1 ELSE 2 END": f'CASE WHEN "s"{C} < \'m\' THEN 1 ELSE 2 END',
    "coalesce(s, 'x') < 'y'": f'coalesce("s", \'x\'){C} < \'y\'',
    "(CASE WHEN n = 1 THEN 'a' ELSE s END) < 'y'": f'(CASE WHEN "n" = 1 THEN \'a\' ELSE "s" END){C} < \'y\'',
    "greatest(s, v, 'x')": f'greatest("s"{C}, "v", \'x\') COLLATE "default"',
    "upper(least('x', s))": f'upper(least(\'x\'{C}, "s") COLLATE "default")',
    "greatest(s, v) < least(s, v)": f'(greatest("s"{C}, "v") COLLATE "default"){C} < (least("s"{C}, "v") COLLATE "default"){C}',
    "public.first_word(s) < 'a'": f'("public"."first_word"("s")){C} < \'a\'',
    "(p).word < 'a'": f'(("p")."word"){C} < \'a\'',
    "w < 'a'": f'"w"{C} < \'a\'',
    "s COLLATE \"default\" < 'a'": f'("s"){C} < \'a\'',
    "NULLIF(s, 'a') > 'b'": f'nullif("s", \'a\'){C} > \'b\'',
    "SELECT s FROM t ORDER BY s DESC": f'SELECT "s" FROM "t" ORDER BY "s"{C} DESC NULLS LAST',
    "SELECT upper(s) AS x FROM t ORDER BY x": f'SELECT upper("s") AS "x" FROM "t" ORDER BY upper("s"){C} NULLS FIRST',
    "SELECT upper(s) AS x, count(*) FROM t GROUP BY x ORDER BY x":
        f'SELECT upper("s") AS "x", count(*) FROM "t" GROUP BY "x" ORDER BY upper("s"){C} NULLS FIRST',
    "SELECT n, v FROM t ORDER BY 2": f'SELECT "n", "v" FROM "t" ORDER BY "v"{C}',
    "SELECT max(s) FROM t": f'SELECT max("s"{C}) COLLATE "default" FROM "t"',
    "SELECT min(s) FILTER (WHERE n > 1) OVER (PARTITION BY s) FROM t":
        f'SELECT (min("s"{C}) FILTER(WHERE "n" > 1) OVER (PARTITION BY "s")) COLLATE "default" FROM "t"',
    "SELECT max(DISTINCT v) FROM t": f'SELECT max(DISTINCT "v"{C}) COLLATE "default" FROM "t"',
    "SELECT array_agg(n ORDER BY s) FROM t": f'SELECT array_agg("n" ORDER BY "s"{C} NULLS FIRST) FROM "t"',
    "SELECT array_agg(DISTINCT s ORDER BY s) FROM t":
        f'SELECT array_agg(DISTINCT "s"{C} ORDER BY "s"{C} NULLS FIRST) COLLATE "default" FROM "t"',
    "SELECT string_agg(DISTINCT s, ',' ORDER BY s) FROM t": None,
    "SELECT rank() OVER w FROM t WINDOW w AS (ORDER BY s)": f'SELECT rank() OVER "w" FROM "t" WINDOW "w" AS (ORDER BY "s"{C} NULLS FIRST)',
    "SELECT DISTINCT s, n FROM t ORDER BY n, s LIMIT 2":
        f'SELECT * FROM (SELECT DISTINCT "s", "n" FROM "t") AS "sorted" ORDER BY "sorted"."n" NULLS FIRST, "sorted"."s"{C} NULLS FIRST LIMIT 2',
    "SELECT DISTINCT lower(s) FROM t ORDER BY lower(s)":
        f'SELECT * FROM (SELECT DISTINCT lower("s") AS "lower" FROM "t") AS "sorted" ORDER BY "sorted"."lower"{C} NULLS FIRST',
    "SELECT DISTINCT ON (s) s, n FROM t ORDER BY s, n": f'SELECT DISTINCT ON ("s"{C}) "s", "n" FROM "t" ORDER BY "s"{C} NULLS FIRST, "n" NULLS FIRST',
    "SELECT s FROM t UNION ALL SELECT v FROM t ORDER BY s OFFSET 1":
        f'SELECT * FROM (SELECT "s" FROM "t" UNION ALL SELECT "v" FROM "t") AS "sorted" ORDER BY "sorted"."s"{C} NULLS FIRST OFFSET 1',
    "SELECT d.x FROM (SELECT v AS x FROM t) AS d WHERE d.x > 'a' ORDER BY d.x":
        f'SELECT "d"."x" FROM (SELECT "v" AS "x" FROM "t") AS "d" WHERE "d"."x"{C} > \'a\' ORDER BY "d"."x"{C} NULLS FIRST',
    "WITH q (y) AS (SELECT max(s) FROM t) SELECT y FROM q WHERE y < 'b'":
        f'WITH "q"("y") AS (SELECT max("s"{C}) COLLATE "default" FROM "t") SELECT "y" FROM "q" WHERE "y"{C} < \'b\'',
    "WITH q AS (SELECT s FROM t) SELECT DISTINCT s FROM q ORDER BY s":
        f'SELECT * FROM (WITH "q" AS (SELECT "s" FROM "t") SELECT DISTINCT "s" FROM "q") AS "sorted" ORDER BY "sorted"."s"{C} NULLS FIRST',
    "UPDATE t SET n = 1 WHERE s < 'a'": f'UPDATE "t" SET "n" = 1 WHERE "s"{C} < \'a\'',
    "INSERT INTO t (id, v) SELECT id, max(v) FROM t GROUP BY id": f'INSERT INTO "t" ("id", "v") SELECT "id", max("v"{C}) COLLATE "default" FROM "t" GROUP BY "id"',
    "SELECT s FROM t WHERE s > (SELECT max(v) FROM t)":
        f'SELECT "s" FROM "t" WHERE "s"{C} > ((SELECT max("v"{C}) COLLATE "default" FROM "t")){C}',
    "SELECT s FROM t WHERE (s, n) > (SELECT v, 1 FROM t)": f'SELECT "s" FROM "t" WHERE ("s"{C}, "n") > (SELECT "v", 1 FROM "t")',
    "SELECT s, count(*) FROM t GROUP BY s HAVING min(s) < 'a'":
        f'SELECT "s", count(*) FROM "t" GROUP BY "s" HAVING (min("s"{C}) COLLATE "default"){C} < \'a\'',
}
"""CockroachDB's text, and PostgreSQL's; None: only that it depends on the order."""
UNCHANGED = (
    "s = 'a'", "s != v", "s IN ('a', 'b')", "s IS DISTINCT FROM v", "s LIKE 'a%'", "s ~ '[a-z]'", "n > 3", "at < '2024-01-01'", "mood > 'ok'", "u > '00000000-0000-0000-0000-000000000000'",
    "label < 'a'", "c < 'a'", "s COLLATE \"C\" < 'a'", "SELECT s FROM t ORDER BY s COLLATE \"POSIX\"", "german < 'z' COLLATE de", "greatest(german, german)", "greatest(n, 2)", "length(s) > 3", "s = ANY (tags)", "(s, n) = ('a', 1)", "s::INT8 > 3",
    "mood::public.mood > 'sad':::public.mood", "SELECT s FROM t ORDER BY n", "SELECT n AS s FROM t ORDER BY s", "SELECT german FROM t ORDER BY german", "SELECT DISTINCT s FROM t", "SELECT s FROM t GROUP BY s",
    "SELECT max(n), max(german), min(at) FROM t", "SELECT DISTINCT n, s FROM t ORDER BY n", "SELECT n FROM t UNION SELECT id FROM t ORDER BY n",
)
"""Text whose meaning does not depend on the database's collation."""
UNCLEAR = {
    "unknown < 'word'": "\"unknown\" < 'word' COLLATE \"C\"",
    "unknown < '2024-01-01'": "\"unknown\" < '2024-01-01'",
    "j < '\"a\"':::JSONB": None,
    "p < p": None,
    "SELECT max(x) FROM elsewhere": None,
    "SELECT x FROM elsewhere ORDER BY x": None,
}
"""What is compared has no known type, or takes no collation; a word that is compared with something unknown is text."""


@pytest.fixture(scope="module", name="database")
def _database():
    return read_schema_text(SCHEMA, "d").databases[0]


def converted(text, database, choice="bytes", features=LINGUISTIC):
    """Return the SQL, and what is noted for the findings: True where something is not clear, None where nothing depends on the order."""
    context = Context(database, features, ConvertOptions("skip", policies=conversion_policies({"text_order": choice})))
    sql = convert(text, context, WHERE, column_types(database.tables[0].columns)).sql
    return sql, context.depends_on_text_order.get(WHERE)


@pytest.mark.parametrize("text", WRITTEN)
def test_text_is_compared_by_its_bytes(database, text):
    made, noted = converted(text, database)
    assert noted is False and 'COLLATE "C"' in made
    assert WRITTEN[text] in (None, made)
    plain, noted = converted(text, database, "database")
    assert noted is False and "COLLATE" not in plain
    assert converted(text, database, features=ServerFeatures()) == (plain, None)


@pytest.mark.parametrize("text", UNCHANGED)
def test_the_rest_is_left_alone(database, text):
    assert converted(text, database) == (converted(text, database, features=ServerFeatures())[0], None)


@pytest.mark.parametrize("text", UNCLEAR)
def test_what_is_not_known_is_noted(database, text):
    made, noted = converted(text, database)
    assert noted is (text != "unknown < 'word'") and UNCLEAR[text] in (None, made)


def test_a_table_that_is_named_by_its_id(database):
    made, noted = converted(f"SELECT z.s, z.v FROM [{database.tables[0].id} AS z] WHERE z.s < 'a' ORDER BY z.v", database)
    assert made == f'SELECT "z"."s", "z"."v" FROM "public"."t" AS "z" WHERE "z"."s"{C} < \'a\' ORDER BY "z"."v"{C}' and noted is False


def test_every_kind_of_object(database):
    """Checks, domains, functions, triggers, policies and views; one finding names what is kept."""
    made = convert_database(database, [], LINGUISTIC, ConvertOptions("skip", policies=conversion_policies({"row_ttl": "job"})))
    sql = {statement.name: statement.sql for statement in made.statements}
    assert f'CHECK (VALUE{C} >' in sql["word_check"].replace('"value"', "VALUE")
    assert f'"s"{C} BETWEEN' in sql["t_check"] and f'WHERE "s"{C} > "a" ORDER BY "s"{C}' in sql["first_word"]
    assert f'least("a"{C}, "b")' in sql["later"] and f'"best"{C} < \'m\'' in sql["later"] and f'"a"{C} > "b"' in sql["later"] and '"a" = "b"' in sql["later"]
    assert f'(("new")."s"){C} < ("old")."v" AND ("new")."n" > 3' in sql["note"]
    assert f'(("new")."s"){C} > ("old")."s"' in sql["noted"]
    assert f'"s"{C} >=' in sql["seen"] and f'"v"{C} < "s"' in sql["mine"] and f'"v"{C} < \'m\'' in sql["t_delete_expired"]
    assert "COLLATE" not in sql["plain"]
    found = {finding.code: finding for finding in made.findings}
    assert not {"text_order", "text_order_of_queries"} & set(found)
    assert found["text_order_kept"].message.endswith(
        "These are: public.word (word_check), public.first_word, public.later, public.note, public.t (t_check, noted, seen, mine), public.words."
    ), found["text_order_kept"].message
    named = {"d.public.word.word_check", "d.public.t.t_check", "d.public.t", "d.public.first_word", "d.public.later", "d.public.note", "d.public.t.noted",
             "d.public.t.seen", "d.public.t.mine", "d.public.words"}
    plain = convert_database(database, [], LINGUISTIC, ConvertOptions("skip", policies=conversion_policies({"text_order": "database"})))
    assert {finding.object for finding in plain.findings if finding.code == "text_order"} == named
    assert not any('COLLATE "C"' in statement.sql for statement in plain.statements)


def test_the_locales_that_are_no_language(trial):
    """CockroachDB has C and POSIX for its own order since v23.1: they are no collations of ICU."""
    text = "CREATE TABLE public.t (id INT8 PRIMARY KEY, a STRING COLLATE \"C\", b STRING COLLATE \"POSIX\", c STRING COLLATE \"default\", CHECK (c < 'a'))"
    tried = trial(read_schema_text(text, "d").databases[0], sorts_by_bytes=False)
    assert tried.rows("SELECT attcollation::regcollation::text FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 1 ORDER BY attnum") == [
        ('"C"',), ('"C"',), ('"default"',)]
    assert tried.rows("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c'") == [("CHECK (((c COLLATE \"C\") < 'a'::text))",)]
    assert tried.differences() == []


def test_postgresql_takes_all_of_it(trial, database):
    tried = trial(database, sorts_by_bytes=False)
    for text in (*WRITTEN, *(text for text in UNCHANGED if "COLLATE" not in text)):
        sql, _noted = converted(text, database)
        tried.cursor.execute(f"EXPLAIN {sql}" if sql.split()[0] in ("SELECT", "WITH", "UPDATE", "INSERT") else f"EXPLAIN SELECT {sql} FROM t")
    assert tried.differences() == []
