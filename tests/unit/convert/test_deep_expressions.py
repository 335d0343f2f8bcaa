# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Long chains of operators and deep nesting, on real servers: what PostgreSQL's stack holds is there, the rest is omitted with a finding."""
from __future__ import annotations

import concurrent.futures
import multiprocessing
import random
import resource
import subprocess
import sys
import threading

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.computed import (
    keep_unconvertible_as_data,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.expressions.dialect import (
    generate,
    parse,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)

TERMS, SOME, LEVELS = 5000, 1500, 1000
COLUMNS = "k INT8 NOT NULL, a STRING NULL, b INT8 NULL, d DECIMAL NULL, e INT4 NULL, f FLOAT8 NULL, j JSONB NULL"
LEFT_OUT = {"check_left_out"}


def table(*parts: str) -> str:
    return f"CREATE TABLE public.t ({', '.join((COLUMNS, *parts, 'CONSTRAINT t_pkey PRIMARY KEY (k)'))});\n"


def chain(operator: str, operands: list[str]) -> str:
    """As CockroachDB prints it: each operand is one more pair of parentheses."""
    return "(" * (len(operands) - 1) + operands[0] + "".join(f" {operator} {operand})" for operand in operands[1:])


def equalities(count: int) -> list[str]:
    return [f"(b = {number}:::INT8)" for number in range(count)]


def read(text: str):
    catalog = read_schema_text(text, "db")
    keep_unconvertible_as_data(catalog)
    return catalog.databases[0], catalog.findings


def codes(*lists) -> set[str]:
    return {item.code for items in lists for item in items if item.code != "null_order"}


def test_chains(trial):
    mixed = chain("OR", [f"((b = {number}:::INT8) AND (a = 'x':::STRING))" for number in range(SOME)])
    database, findings = read(table(
        f"c STRING NULL AS ({chain('||', ['a'] * TERMS)}) STORED", f"g STRING NULL DEFAULT {chain('||', [repr('y') + ':::STRING'] * SOME)}",
        f"h DECIMAL NULL AS ({chain('+', ['d'] * SOME)}) STORED", f"i INT8 NULL AS ({chain('+', ['e'] * LEVELS)}) STORED",
        f"INDEX few (b ASC) WHERE {chain('OR', equalities(60))}", f"CONSTRAINT long CHECK ({chain('OR', equalities(TERMS))})", f"CONSTRAINT mixed CHECK ({mixed})",
        f"CONSTRAINT argument CHECK (length(concat('a':::STRING, {chain('||', ['a'] * TERMS)})) > 1:::INT8)",
    ) + f"CREATE VIEW public.v (k) AS SELECT k FROM db.public.t WHERE {chain('AND', [f'(b != {number}:::INT8)' for number in range(1, SOME)])};\n")
    result = trial(database)
    assert not codes(findings, result.conversion.findings) and not result.differences()
    result.cursor.execute("INSERT INTO t (k, a, b, d, e) VALUES (1, 'x', 0, 0.5, 7), (2, 'x', 9, 0.5, 7)")
    assert result.rows("SELECT length(c), length(g), h, i FROM t WHERE k = 1") == [(TERMS, SOME, SOME / 2, LEVELS * 7)]
    assert result.rows("SELECT k FROM v") == [(1,)]
    for row, constraint in ((f"(3, 'x', {TERMS})", "long"), ("(4, 'y', 1)", "mixed"), (f"(5, 'x', {SOME})", "mixed")):
        result.refuses(f"INSERT INTO t (k, a, b) VALUES {row}", f'violates check constraint "{constraint}"')


def test_lists_and_branches(trial):
    whens = " ".join(f"WHEN b = {number}:::INT8 THEN 'w{number}':::STRING" for number in range(3000))
    database, findings = read(table(
        f"CONSTRAINT listed CHECK (b IN ({', '.join(f'{number}:::INT8' for number in range(10_000))}))", f"c STRING NULL AS (CASE {whens} ELSE a END) STORED",
    ) + "CREATE VIEW public.v (k, n) AS " + " UNION ALL ".join(f"SELECT k, {number} FROM db.public.t" for number in range(2000)) + ";\n")
    result = trial(database)
    assert not codes(findings, result.conversion.findings) and not result.differences()
    result.cursor.execute("INSERT INTO t (k, a, b) VALUES (1, 'x', 2999), (2, 'x', 9999)")
    assert result.rows("SELECT k, c FROM t ORDER BY k") == [(1, "w2999"), (2, "x")]
    assert result.rows("SELECT count(*), sum(n) FROM v") == [(4000, 2 * sum(range(2000)))]
    result.refuses("INSERT INTO t (k, b) VALUES (3, 10000)", 'violates check constraint "listed"')


NESTED = {
    "parentheses": lambda levels: f"{'(' * levels}b > 1:::INT8{')' * levels}",
    "AND and OR in turns": lambda levels: "(" * levels + "(b > 1:::INT8)" + "".join(f" {'OR' if number % 2 else 'AND'} (b > 0:::INT8))" for number in range(levels)),
    "NOT": lambda levels: f"{'NOT (' * levels}b > 1:::INT8{')' * levels}",
    "calls": lambda levels: f"{'lower(' * levels}a{')' * levels} = 'x':::STRING",
    "casts": lambda levels: f"(b{'::STRING::INT8' * (levels // 2)}) > 1:::INT8",
    "CASE": lambda levels: f"{'CASE WHEN b > 1:::INT8 THEN 2:::INT8 ELSE ' * levels}b{' END' * levels} > 1:::INT8",
    "a difference": lambda levels: f"{chain('-', ['b'] * levels)} < 1:::INT8",
    "differences on the right": lambda levels: f"{'(b - ' * levels}b{')' * levels} < 10:::INT8",
    "floats": lambda levels: f"{chain('+', ['f'] * levels)} < 1.0:::FLOAT8",
    "JSON": lambda levels: f"{'(' * levels}j{'->' + repr('a') + ')' * levels} IS NULL",
}


@pytest.mark.parametrize("levels, expected", [(LEVELS, set()), (2000, LEFT_OUT)])
def test_levels(trial, levels, expected):
    database, findings = read(table(*(f"CONSTRAINT c{number} CHECK ({write(levels)})" for number, write in enumerate(NESTED.values()))))
    result = trial(database)
    assert codes(findings, result.conversion.findings) == expected and not result.differences()
    assert result.rows("SELECT count(*)::int FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c'") == [(0 if expected else len(NESTED),)]
    result.cursor.execute("INSERT INTO t (k, a, b, f) VALUES (1, 'x', 2, 0)")


def test_what_is_omitted_beyond_the_limit(trial):
    deep = f"{'(b - ' * 2000}b{')' * 2000}"
    database, findings = read(table(
        f"c INT8 NULL AS ({deep}) STORED", f"g INT8 NULL DEFAULT {deep.replace('b', '1:::INT8')}", f"INDEX few (b ASC) WHERE {deep} > 1:::INT8", f"CONSTRAINT c CHECK ({deep} > 1:::INT8)",
    ) + f"CREATE VIEW public.v (k) AS SELECT k FROM db.public.t WHERE {deep} > 1:::INT8;\nCREATE FUNCTION public.f(b INT8) RETURNS INT8 LANGUAGE SQL AS $$SELECT {deep}$$;\n")
    result = trial(database)
    assert codes(findings, result.conversion.findings) == {"computed_column_as_data", "default_left_out", "index_left_out", "check_left_out", "view_left_out", "function_left_out"}
    assert not result.differences()
    messages = [item.message for items in (findings, result.conversion.findings) for item in items if item.code != "null_order"]
    assert all("nested more than 1,500 levels deep" in message for message in messages)


@pytest.mark.parametrize("text, expected", [
    ("((a OR b) OR c)", '("a" OR "b" OR "c")'), ("(a OR b) OR (c OR d)", '"a" OR "b" OR "c" OR "d"'), ("a AND (b AND (c AND d))", '"a" AND "b" AND "c" AND "d"'),
    ("(a OR b) AND c", '("a" OR "b") AND "c"'), ("(a AND b) OR c", '("a" AND "b") OR "c"'), ("a AND (b OR c) AND d", '"a" AND ("b" OR "c") AND "d"'),
    ("((a OR b AND c) OR d) AND e", '("a" OR "b" AND "c" OR "d") AND "e"'), ("NOT (a OR b) OR c", 'NOT ("a" OR "b") OR "c"'), ("(NOT a AND b) AND c", 'NOT "a" AND "b" AND "c"'),
    ("(a BETWEEN 1 AND 2) AND (b AND c)", '("a" BETWEEN 1 AND 2) AND "b" AND "c"'), ("(a BETWEEN 1 AND 2 AND b) AND c", '"a" BETWEEN 1 AND 2 AND "b" AND "c"'),
    ("a BETWEEN 1 AND (b AND c)", '"a" BETWEEN 1 AND ("b" AND "c")'), ("(a - b) - c", '"a" - "b" - "c"'), ("a - (b - c)", '"a" - ("b" - "c")'), ("a - (b + c) + d", '"a" - ("b" + "c") + "d"'),
    ("(a + b) * c", '("a" + "b") * "c"'), ("(a * b) + c", '("a" * "b") + "c"'), ("d * (a + b) + c", '"d" * ("a" + "b") + "c"'), ("(a || b) || c", '"a" || "b" || "c"'),
    ("a || (b || c)", '"a" || ("b" || "c")'), ("x = ((a || b) || c)", '"x" = ("a" || "b" || "c")'), ("((1, 2) = (a, b)) AND c", '((1, 2) = ("a", "b")) AND "c"'),
    ("f(((a OR b) OR c), d)", 'f(("a" OR "b" OR "c"), "d")'), ("CASE WHEN (a OR b) OR c THEN (a AND b) AND c END", 'CASE WHEN "a" OR "b" OR "c" THEN "a" AND "b" AND "c" END'),
    ("(a IS DISTINCT FROM b OR c) OR d", '"a" IS DISTINCT FROM "b" OR "c" OR "d"'), ("(a, b OR c) IN ((1, 2))", '("a", "b" OR "c") IN ((1, 2))'),
    ("EXISTS (SELECT 1 WHERE a OR b) OR c", 'EXISTS(SELECT 1 WHERE "a" OR "b") OR "c"'), ("(SELECT a OR b) OR c", '(SELECT "a" OR "b") OR "c"'),
])
def test_parentheses_that_chains_do_not_need(text, expected):
    assert generate(parse(text, "here")) == expected


def _random_condition(chance: random.Random, depth: int) -> str:
    if not depth:
        return chance.choice(("a", "b", "c", "(x + y - x) > 1", "x BETWEEN 1 AND y", "(x - (y - x)) * 2 < y", "a IS DISTINCT FROM b", "(x * 2) % 3 = 1", "CAST(NULL AS BOOL)"))
    parts = [_random_condition(chance, depth - 1) for _number in range(chance.choice((1, 2, 2, 3)))]
    joined = parts[0]
    for part in parts[1:]:
        word = chance.choice(("AND", "OR"))
        joined = chance.choice((f"({joined}) {word} {part}", f"({joined} {word} {part})", f"{joined} {word} ({part})", f"({joined}) {word} ({part})"))
    return chance.choice((joined, joined, f"({joined})", f"NOT ({joined})", f"CASE WHEN {joined} THEN {parts[0]} END", f"x BETWEEN 0 AND CASE WHEN ({joined}) THEN 1 END"))


def test_parentheses_are_dropped_only_where_the_meaning_stays(trial):
    """PostgreSQL computes random conditions, as they are written and as they are read, for all values."""
    result, chance = trial(read(table())[0]), random.Random(1)
    values = "(VALUES (true), (false), (NULL)) a (a), (VALUES (true), (false), (NULL)) b (b), (VALUES (true), (false)) c (c), generate_series(0, 2) x, generate_series(0, 2) y"
    conditions = [_random_condition(chance, 3) for _number in range(200)]
    outputs = ", ".join(f"bool_and(({text}) IS NOT DISTINCT FROM ({generate(parse(text, 'here'))}))" for text in conditions)
    (same,) = result.rows(f"SELECT {outputs} FROM {values}")
    assert [text for text, is_same in zip(conditions, same) if not is_same] == []


def _convert(levels: int) -> str:
    database, _findings = read(table(f"CONSTRAINT c CHECK ({NESTED['CASE'](levels)})"))
    return " ".join(sorted(codes(convert_database(database, [], ServerFeatures(), ConvertOptions("skip")).findings)))


def test_the_number_of_calls_that_python_allows_stays():
    before = sys.getrecursionlimit()
    assert _convert(LEVELS) == "" and sys.getrecursionlimit() == before


def test_in_a_thread_with_a_small_stack():
    usual = threading.stack_size(256 << 10)
    try:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            assert list(pool.map(_convert, (LEVELS, 2000))) == ["", "check_left_out"]
            assert threading.stack_size() == 256 << 10
    finally:
        threading.stack_size(usual)


def test_in_a_worker_process():
    """Forked, as the collection's are."""
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        assert pool.submit(_convert, LEVELS).result() == ""


def test_where_the_shell_allows_a_small_stack():
    """As after `ulimit -s 1024`, in a process of its own."""
    script = f"import sys; sys.path[:0] = {sys.path!r}; from test_deep_expressions import _convert; print(_convert({LEVELS}) or 'converted', _convert(2000))"
    path = str(__import__("pathlib").Path(__file__).parent)
    result = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": path}, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 20)),
    )
    assert (result.returncode, result.stdout.split()) == (0, ["converted", "check_left_out"]), result.stderr


def test_what_is_nested_more_deeply_than_a_stack_holds_is_refused():
    for text in ("(" * 30_000, "[" * 30_000, "NOT " * 30_000 + "a", "- " * 30_000 + "1", "CASE WHEN " * 30_000):
        with pytest.raises(UnsupportedError, match="nested more than 1,500 levels deep"):
            parse(text, "here")
