# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Views and SQL functions that read what is not there are omitted: PostgreSQL would refuse them while they are loaded."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.convert_schema_text import (
    convert_text,
)

TEXT = """CREATE TABLE public.t (a INT8 NOT NULL, CONSTRAINT t_pkey PRIMARY KEY (a ASC));
CREATE TABLE other."Big T" (a INT8 NOT NULL, CONSTRAINT t_pkey PRIMARY KEY (a ASC));
CREATE SEQUENCE public.s;
CREATE VIEW public.first (a) AS SELECT a FROM public.t;
"""


def left_out(text: str) -> list[str]:
    result = convert_text(TEXT + text, "d", ServerFeatures(17, True, frozenset()), ConvertOptions("create", frozenset()))
    return [f"{item.code} {item.message}" for item in result.findings if item.code.value.endswith("left_out")]


@pytest.mark.parametrize(("query", "missing"), [
    ("SELECT a FROM gone", "gone"), ("SELECT a FROM public.gone", "gone"), ("SELECT a FROM other.t", "t"), ("SELECT a FROM t WHERE a IN (SELECT b FROM gone)", "gone"),
    ("SELECT q.a FROM (SELECT a FROM gone AS t) AS q", "gone"), ("SELECT t.a FROM t JOIN gone ON true", "gone"), ("SELECT a FROM \"T\"", "T"),
    ("SELECT a FROM t", ""), ("SELECT a FROM d.public.t AS x", ""), ("SELECT a FROM first", ""), ("SELECT a FROM \"Big T\"", ""), ("SELECT a FROM other.\"Big T\"", ""),
    ("SELECT last_value FROM s", ""), ("WITH gone AS (SELECT 1 AS a) SELECT a FROM gone", ""), ("SELECT i FROM generate_series(1, 2) AS g (i)", ""),
    ("SELECT relname FROM pg_class", ""), ("SELECT relname FROM pg_catalog.pg_class", ""), ("SELECT table_name FROM information_schema.tables", ""),
    ("SELECT x.column1 FROM (VALUES (1)) AS x", ""),
])
@pytest.mark.parametrize("kind", ["view", "function"])
def test_relations_that_are_not_there(query, missing, kind):
    made = f"CREATE VIEW public.v (a) AS {query};" if kind == "view" else f"CREATE FUNCTION public.f() RETURNS INT8 LANGUAGE SQL AS $${query}$$;"
    found = left_out(made)
    assert len(found) == bool(missing) and all(f"it reads {missing}, which is not there" in item for item in found), found


@pytest.mark.parametrize(("query", "reason"), [
    ("SELECT a FROM d...items", "a name between two dots is missing"), ("SELECT a FROM d..items", "a name between two dots is missing"),
    (f"SELECT a FROM t ORDER BY {'9' * 4301}", "more than 4,300 digits"), (f"SELECT a::VARCHAR({'9' * 4301}) FROM t", "more than 4,300 digits"),
    ("SELECT a FROM [² AS x]", "not understood"),
    (f"SELECT 0x{'9' * 4301} FROM t", "more than 4,300 digits"), (f"SELECT a FROM [{'9' * 4301} AS x]", "more than 4,300 digits"),
])
def test_what_cannot_be_a_name_or_number_is_omitted(query, reason):
    (found,) = left_out(f"CREATE VIEW public.v (a) AS {query};")
    assert reason in found


@pytest.mark.parametrize("query", ["SELECT a::VARCHAR(²) FROM t", "SELECT @² FROM t"])
def test_a_digit_that_only_python_knows_is_a_name(query):
    assert left_out(f"CREATE VIEW public.v (a) AS {query};") == []


def test_what_reads_an_omitted_view_is_omitted():
    assert len(left_out("CREATE VIEW v (a) AS SELECT a FROM gone; CREATE VIEW w (a) AS SELECT a FROM v;")) == 2


def test_plpgsql_looks_for_tables_when_it_runs():
    assert left_out("CREATE FUNCTION f() RETURNS INT8 LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT a FROM gone); END';") == []
