# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Arrays without a type of their own get that of their place, and PostgreSQL takes them there."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.computed import (
    keep_unconvertible_as_data,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)

DEFAULTS = {
    "STRING[] DEFAULT ARRAY[]": "{}", "STRING[] DEFAULT (ARRAY[])": "{}", "INT8[] DEFAULT ARRAY[]": "{}", "DECIMAL(10,2)[] DEFAULT ARRAY[]": "{}", "VARCHAR(3)[] DEFAULT ARRAY[]": "{}",
    "public.mood[] DEFAULT ARRAY[]": "{}", "UUID[] DEFAULT ARRAY[]": "{}", "BYTES[] DEFAULT ARRAY[]": "{}", "INET[] DEFAULT ARRAY[]:::INET[]": "{}", "BOOL[] DEFAULT '{}'": "{}", "BIT(3)[] DEFAULT ARRAY[]": "{}",
    "INT8[] DEFAULT ARRAY[NULL]": "{NULL}", "DATE[] DEFAULT ARRAY[NULL, '2024-02-29']": "{NULL,2024-02-29}", "public.mood[] DEFAULT ARRAY['a', 'b']": "{a,b}", "JSONB[] DEFAULT ARRAY['{}', '[]']": '{"{}",[]}',
    "TIMESTAMPTZ[] DEFAULT ARRAY['2024-01-01 00:00:00+00']": '{"2024-01-01 00:00:00+00"}', "STRING[] DEFAULT ARRAY['a', 'b']": "{a,b}", "INT8[] DEFAULT ARRAY[1, 2]": "{1,2}",
    "STRING[] DEFAULT CASE WHEN true THEN ARRAY[] ELSE ARRAY['a'] END": "{}", "INT8[] DEFAULT CASE WHEN false THEN ARRAY[1] END": None, "INT8[] DEFAULT CASE WHEN true THEN ARRAY[] ELSE ARRAY[1] END": "{}",
    "INT8[] DEFAULT COALESCE(NULL, ARRAY[])": "{}", "INT8[] DEFAULT IFNULL(NULL, ARRAY[])": "{}", "DATE[] DEFAULT IF(true, ARRAY[], NULL)": "{}", "INT8[] DEFAULT array_append(ARRAY[], 3)": "{3}",
    "STRING[] DEFAULT array_cat(ARRAY[], ARRAY['x':::STRING])": "{x}", "INT8[] DEFAULT ARRAY[] || ARRAY[4:::INT8]": "{4}", "INT8[] DEFAULT array_remove(ARRAY[NULL], 5:::INT8)": "{NULL}",
    "STRING[] DEFAULT NULL": None, "JSONB DEFAULT '{}'": "{}", "JSONB DEFAULT '[]':::JSONB": "[]", "BYTES DEFAULT b''": "\\x", "BYTES DEFAULT ''": "\\x", "STRING DEFAULT ''": "", "STRING DEFAULT e''": "", "VARBIT DEFAULT B''": "",
    "public.mood[] DEFAULT CASE WHEN true THEN ARRAY['a'] ELSE ARRAY[] END": "{a}", "INT8[] DEFAULT ARRAY[] || ARRAY[-1]": "{-1}", "INT8[] DEFAULT COALESCE(ARRAY[], ARRAY[1])": "{}",
    "BOOL DEFAULT COALESCE(ARRAY['a'], ARRAY[]) = ARRAY['a']": "true", "BOOL DEFAULT 1 = ANY ARRAY[]": "false", "BOOL DEFAULT 'x':::STRING IN (NULL, 'x')": "true", "BOOL DEFAULT ARRAY[1] @> ARRAY[]": "true", "BOOL DEFAULT ARRAY['2024-01-01':::DATE] = ARRAY['2024-01-01']": "true",
    "BOOL DEFAULT array_length(ARRAY[]:::STRING[], 1) IS NULL": "true", "INT8[] DEFAULT NULLIF(ARRAY[1], ARRAY[])": "{1}",
}
"""Columns, and the text of the default's value."""
COMPUTED = {
    "t": ("STRING[]", "COALESCE(texts, ARRAY[])", "{}"), "u": ("STRING[]", "CASE WHEN n = 1 THEN ARRAY[] ELSE texts END", "{}"), "v": ("BOOL", "texts = ARRAY[]", None), "w": ("BOOL", "moods @> ARRAY['a']", None),
    "x": ("BOOL", "n = ANY ARRAY[]", "false"), "y": ("INT8[]", "array_append(ARRAY[], n)", "{1}"), "z": ("BOOL", "days IN (ARRAY[], ARRAY['2024-02-29'])", None), "aa": ("public.mood[]", "IFNULL(moods, ARRAY['b'])", "{b}"),
}
CHECKS = ["texts != ARRAY[]", "ARRAY[] <@ texts", "COALESCE(texts, ARRAY[]) @> ARRAY[]", "NOT (moods && ARRAY['b'])", "NOT (n = ANY ARRAY[])", "days IN (ARRAY[], ARRAY['2024-01-01'])"]


@pytest.fixture(name="loaded")
def _loaded(trial):
    text = ["CREATE TYPE public.mood AS ENUM ('a', 'b');"]
    text.append(f"CREATE TABLE public.defaults ({', '.join(f'c{number} {column}' for number, column in enumerate(DEFAULTS))});")
    computed = ", ".join(f"{name} {kind} AS ({expression}) STORED" for name, (kind, expression, _value) in COMPUTED.items())
    checks = ", ".join(f"CHECK ({condition})" for condition in CHECKS)
    text.append(f"CREATE TABLE public.t (n INT8, texts STRING[], moods public.mood[], days DATE[], {computed}, {checks}, INDEX i (n) WHERE texts = ARRAY[]);")
    text.append("CREATE VIEW public.seen (n, texts) AS SELECT n, COALESCE(texts, ARRAY[]) FROM d.public.t WHERE texts IS NULL OR texts = ARRAY[];")
    text.append("""CREATE FUNCTION public.put(IN words STRING[] DEFAULT ARRAY[]) RETURNS INT8 VOLATILE NOT LEAKPROOF CALLED ON NULL INPUT LANGUAGE SQL AS $$
        INSERT INTO d.public.t(n, texts) VALUES (7, ARRAY['x']); UPDATE d.public.t SET texts = ARRAY[NULL] WHERE n = 7; SELECT n FROM d.public.t WHERE texts = ARRAY[NULL];
    $$;""")
    text.append("""CREATE FUNCTION public.work(IN p STRING[], IN q public.mood[]) RETURNS STRING[] VOLATILE NOT LEAKPROOF CALLED ON NULL INPUT LANGUAGE plpgsql AS $$
        DECLARE words STRING[] := ARRAY[]; numbers INT8[] := ARRAY[1]; moods public.mood[] := ARRAY['a'];
        BEGIN
            IF p = ARRAY['x'] OR q = ARRAY['b'] OR words != ARRAY[] THEN RETURN ARRAY[]; END IF;
            numbers := array_append(ARRAY[], 3); moods := ARRAY['b']; words := p || ARRAY[]; p := ARRAY[NULL]; RETURN words || p;
        END;
    $$;""")
    catalog = read_schema_text("\n".join(text), "d")
    keep_unconvertible_as_data(catalog)
    return trial(catalog.databases[0])


def test_postgresql_takes_them(loaded):
    assert not [finding for finding in loaded.conversion.findings if finding.severity == "error"]
    loaded.cursor.execute("INSERT INTO defaults DEFAULT VALUES")
    columns = ", ".join(f"c{number}::text" for number in range(len(DEFAULTS)))
    assert dict(zip(DEFAULTS, loaded.rows(f"SELECT {columns} FROM defaults")[0])) == DEFAULTS
    loaded.cursor.execute("INSERT INTO t (n) VALUES (1)")
    assert loaded.rows(f"SELECT {', '.join(f'{name}::text' for name in COMPUTED)} FROM t") == [tuple(value for _kind, _expression, value in COMPUTED.values())]
    assert loaded.rows("SELECT n, texts FROM seen") == [(1, [])]
    loaded.refuses("INSERT INTO t (n, texts) VALUES (2, '{}')", "check")
    loaded.refuses("INSERT INTO t (n, moods) VALUES (2, '{b}')", "check")
    loaded.refuses("INSERT INTO t (n, days) VALUES (2, '{2024-02-29}')", "check")
    loaded.cursor.execute("INSERT INTO t (n, days, texts) VALUES (2, '{2024-01-01}', '{x}')")
    assert loaded.rows("SELECT put()") == [(7,)]
    assert loaded.rows("SELECT work('{x}', NULL), work(NULL, '{b}'), work('{a}', '{}')") == [([], [], ["a", None])]
    assert loaded.differences() == []


def test_rows_of_triggers(trial):
    """Fields of NEW and OLD, in the trigger's condition and in its function, which PostgreSQL only reads when it runs."""
    catalog = read_schema_text("""CREATE TYPE public.mood AS ENUM ('a', 'b');
    CREATE TABLE public.t (n INT8, "Texts" STRING[], numbers INT8[], mood public.mood, moods public.mood[]);
    CREATE FUNCTION public.put() RETURNS TRIGGER VOLATILE NOT LEAKPROOF CALLED ON NULL INPUT LANGUAGE plpgsql AS $$
        BEGIN
            IF (NEW)."Texts" = ARRAY[] AND NEW.numbers @> ARRAY[NULL] THEN RETURN OLD; END IF;
            NEW."Texts" := ARRAY[]; NEW.Numbers := array_append(ARRAY[], 3); NEW.MOODS := ARRAY['b']; NEW.mood := CASE WHEN NEW.n > 1 THEN 'a' ELSE 'b' END; RETURN NEW;
        END;
    $$;
    CREATE TRIGGER put BEFORE UPDATE ON public.t FOR EACH ROW WHEN (((NEW).numbers != ARRAY[]) AND (COALESCE((OLD)."Texts", ARRAY['x']) != ARRAY[])) EXECUTE FUNCTION public.put();
    """, "d")
    loaded = trial(catalog.databases[0])
    loaded.cursor.execute("INSERT INTO t VALUES (1, NULL, '{1}', 'a', NULL), (2, '{}', '{1}', NULL, NULL), (3, '{x}', '{}', NULL, NULL); UPDATE t SET n = n + 1")
    assert loaded.rows('SELECT n, "Texts", numbers, mood::text, moods::text FROM t ORDER BY n') == [
        (2, [], [3], "a", "{b}"), (3, [], [1], None, None), (4, ["x"], [], None, None)]


CHOICES = {
    "public.mood AS (CASE WHEN n = 1 THEN 'a' ELSE 'b' END) STORED": "a", "DATE AS (CASE WHEN n > 1 THEN '2020-01-01' WHEN n > 5 THEN NULL ELSE '2021-02-03' END) STORED": "2021-02-03",
    "JSONB AS (IF(n > 1, '{}', '[]')) STORED": "[]", "public.mood AS (CASE WHEN n > 3 THEN 'a' ELSE CASE WHEN n > 1 THEN 'a' ELSE 'b' END END) STORED": "b",
    "BOOL AS (mood = CASE WHEN n > 1 THEN 'a' ELSE 'b' END) STORED": "false", "BOOL AS ('a'::public.mood = CASE WHEN n > 1 THEN 'b' ELSE 'a' END) STORED": "true",
    "BOOL AS (mood IN (IF(n = 1, 'a', 'b'))) STORED": "true", "UUID DEFAULT COALESCE(NULL, 'f47ac10b-58cc-4372-a567-0e02b2c3d479')": "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "INET DEFAULT IFNULL('127.0.0.1', '::1')": "127.0.0.1/32", "STRING AS (CASE WHEN n > 1 THEN 'x' ELSE 'y' END) STORED": "y", "VARCHAR(5) AS (CASE WHEN n > 1 THEN 'x' ELSE word END) STORED": "w",
}
"""Columns that choose between strings, and the text of the value of a row."""


def test_choices_between_strings(trial):
    columns = ", ".join(f"c{number} {column}" for number, column in enumerate(CHOICES))
    catalog = read_schema_text(
        f"CREATE TYPE public.mood AS ENUM ('a', 'b'); CREATE TABLE public.t (n INT8, mood public.mood, word STRING, {columns}, CHECK (mood = CASE WHEN n = 1 THEN 'a' ELSE 'b' END));", "d")
    keep_unconvertible_as_data(catalog)
    loaded = trial(catalog.databases[0])
    assert not [finding for finding in loaded.conversion.findings if finding.severity != "info"]
    loaded.cursor.execute("INSERT INTO t (n, mood, word) VALUES (1, 'a', 'w')")
    assert dict(zip(CHOICES, loaded.rows(f"SELECT {', '.join(f'c{number}::text' for number in range(len(CHOICES)))} FROM t")[0])) == CHOICES
    loaded.refuses("INSERT INTO t (n, mood) VALUES (1, 'b')", "check")


@pytest.mark.parametrize("expression", [
    "CASE WHEN n = 1 THEN 'b' ELSE 'c' END || s", "s || NULLIF('b', 'c')", "COALESCE(least('b', 'c'), 'd') || least('b', 'c')", "NULLIF('b', 'c') = ANY (texts)",
    "CASE WHEN n = 1 THEN 'b' ELSE 'c' END < ANY (texts)",
])
def test_choices_between_strings_that_stay_text(trial, expression):
    """What is joined to text, and what is compared with the elements of an array."""
    catalog = read_schema_text(f"CREATE TABLE public.t (n INT8, s STRING, texts STRING[]); CREATE VIEW public.v (x) AS SELECT {expression} FROM d.public.t;", "d")
    loaded = trial(catalog.databases[0])
    loaded.cursor.execute("INSERT INTO t VALUES (1, 'x', ARRAY['b'])")
    assert loaded.rows("SELECT x FROM v")[0][0] in ("bx", "xb", "bb", True, False)
