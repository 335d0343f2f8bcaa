# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What names a column that is not there is omitted, since PostgreSQL would reject its command; nothing else is."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.convert_schema_text import (
    convert_text,
)

TABLES = """CREATE SCHEMA s;
CREATE TABLE t (id INT PRIMARY KEY, a INT, tags STRING[]);
CREATE TABLE s.t (id INT PRIMARY KEY, b INT);
CREATE VIEW w AS SELECT a, count(*) AS n FROM t GROUP BY a;
ALTER TABLE t ADD COLUMN gone FROB;
"""
FUNCTION = "CREATE FUNCTION f(p INT) RETURNS INT LANGUAGE SQL AS $$ {} $$"


def _findings(text):
    result = convert_text(TABLES + text, "d", ServerFeatures(), ConvertOptions(grants="skip"))
    assert [item.line for item in result.refused] == [5]
    return {(finding.code.value, finding.message.rpartition(": ")[2]) for finding in result.findings if "is not there" in finding.message}


@pytest.mark.parametrize(("text", "code"), [
    ("CREATE VIEW v AS SELECT gone FROM t", "view_left_out"), ("CREATE VIEW v AS SELECT x.gone FROM t AS x", "view_left_out"),
    ("CREATE VIEW v AS SELECT a FROM t WHERE gone > 1", "view_left_out"), ("CREATE VIEW v AS SELECT a FROM t ORDER BY gone", "view_left_out"),
    ("CREATE VIEW v AS SELECT gone FROM w", "view_left_out"), ("CREATE VIEW v AS SELECT x.a FROM t AS x JOIN (SELECT 1 AS a) AS y ON x.gone = y.a", "view_left_out"),
    ("ALTER TABLE t ADD CONSTRAINT c CHECK (gone > 1)", "check_left_out"), ("CREATE INDEX ON t (a) WHERE gone > 1", "index_left_out"),
    ("CREATE INDEX ON t ((gone + 1))", "index_left_out"), ("ALTER TABLE t ADD COLUMN c INT AS (gone + 1) STORED", "computed_column_as_data"),
    ("ALTER TABLE t ADD COLUMN c INT AS (gone + 1) VIRTUAL", "virtual_column_left_out"), ("CREATE POLICY p ON t USING (gone > 1)", "policy_left_out"),
    (FUNCTION.format("SELECT gone FROM t"), "function_left_out"), (FUNCTION.format("UPDATE t SET gone = p RETURNING a"), "function_left_out"),
    (FUNCTION.format("INSERT INTO t (id, gone) VALUES (p, 1) RETURNING a"), "function_left_out"),
])
def test_a_column_that_is_not_there(text, code):
    assert _findings(text) == {(code, "it names the column gone, which is not there.")}


@pytest.mark.parametrize("text", [
    "CREATE VIEW v AS SELECT b FROM s.t", "CREATE VIEW v AS SELECT x.a, y.b FROM t AS x JOIN s.t AS y ON x.id = y.id",
    "CREATE VIEW v AS SELECT z FROM (SELECT a AS z FROM t) AS q", "CREATE VIEW v AS WITH q AS (SELECT a AS z FROM t) SELECT z FROM q",
    "CREATE VIEW v (k, n) AS SELECT k, n FROM (VALUES (1, 2)) AS q (k, n)", "CREATE VIEW v AS SELECT g, a FROM generate_series(1, 3) AS g JOIN t ON a = g",
    "CREATE VIEW v AS SELECT l.i FROM t CROSS JOIN LATERAL (SELECT t.a AS i) AS l", "CREATE VIEW v AS SELECT a AS c FROM t GROUP BY c ORDER BY c",
    "CREATE VIEW v AS SELECT n FROM w", "CREATE VIEW v AS SELECT a, sum(a) OVER o AS q FROM t WINDOW o AS (PARTITION BY a)",
    "CREATE VIEW v AS SELECT x.id FROM t AS x WHERE EXISTS (SELECT 1 FROM s.t AS x WHERE x.b = 1)", "CREATE VIEW v AS SELECT q.x FROM t, unnest(tags) AS q (x)",
    "CREATE VIEW v AS SELECT extract(epoch FROM now()) AS e, current_date AS d, tableoid FROM t", FUNCTION.format("SELECT a FROM t WHERE id = p"),
    FUNCTION.format("INSERT INTO t (id, a) VALUES (p, 1) ON CONFLICT (id) DO UPDATE SET a = excluded.a + t.a RETURNING t.a"),
    FUNCTION.format("DELETE FROM t WHERE id = p RETURNING a"), FUNCTION.format("SELECT b FROM t"),
    "CREATE FUNCTION f() RETURNS t LANGUAGE SQL AS $$ SELECT t FROM t $$", "CREATE POLICY p ON t USING (id IN (SELECT b FROM s.t))",
])
def test_a_column_that_is_there(text):
    assert _findings(text) == set()


def test_the_character_zero():
    """CockroachDB takes it in constants and comments, PostgreSQL nowhere."""
    result = convert_text(r"""CREATE TABLE t (id INT PRIMARY KEY, a STRING DEFAULT e'x\x00y', b STRING, INDEX i (b), CHECK (a != e'\x00'));
CREATE VIEW v AS SELECT e'\x00' AS x;
CREATE FUNCTION f() RETURNS INT LANGUAGE SQL AS $$ SELECT 1 $$;
COMMENT ON DATABASE d IS e'x\x00%y'; COMMENT ON TABLE t IS e'x\x00y'; COMMENT ON COLUMN t.b IS e'\x00'; COMMENT ON INDEX i IS e'\x00';
COMMENT ON FUNCTION f() IS e'\x00';
""", "d", ServerFeatures(), ConvertOptions(grants="skip"))
    assert result.refused == [] and not any("\0" in text for text in result.files.values())
    found = {(finding.code.value, finding.object) for finding in result.findings if finding.code.value != "null_order"}
    assert found == {
        ("default_left_out", "d.public.t.a"), ("check_left_out", "d.public.t.check_a"), ("view_left_out", "d.public.v"), ("comment_changed", "d"),
        ("comment_changed", "d.public.t"), ("comment_changed", "d.public.t.b"), ("comment_changed", "d.public.t.i"), ("comment_changed", "d.public.f"),
    }


@pytest.mark.parametrize(("own", "referenced", "omitted"), [
    ("STRING", "INT", True), ("UUID", "STRING", True), ("DATE", "INT", True), ("BYTES", "STRING", True), ("INT4", "INT8", False), ("VARCHAR(5)", "STRING", False),
    ("DECIMAL", "INT", False), ("DATE", "TIMESTAMPTZ", False),
])
def test_a_foreign_key_between_types(own, referenced, omitted):
    """PostgreSQL refuses one whose columns it cannot compare."""
    made = convert_text(f"CREATE TABLE p (id {referenced} PRIMARY KEY); CREATE TABLE c (id {own} PRIMARY KEY REFERENCES p)", "d", ServerFeatures(), ConvertOptions())
    assert ["cannot compare" in finding.message for finding in made.findings] == [True] * omitted
    assert ("FOREIGN KEY" in made.files["post-data.sql"]) is not omitted
