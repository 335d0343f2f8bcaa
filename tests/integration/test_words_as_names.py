# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Every key word of CockroachDB, sqlglot and PostgreSQL as the name of a column, table, parameter, variable, alias …: nothing is omitted,
and PostgreSQL takes all of it."""
from __future__ import annotations

import contextlib
import functools
import pathlib
import re
from collections import defaultdict

import pytest
from postgres_servers import query

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert import dialect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.convert_schema_text import (
    POST_DATA,
    PRE_DATA,
    convert_text,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect

FIXTURE = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "cockroach_words.txt"
SYSTEM_COLUMNS = ("cmax", "cmin", "ctid", "xmax", "xmin")
PLAIN = "harmless"
"""A word that is no key word anywhere."""
PLPGSQL_RESERVED = frozenset(
    "all begin by case declare else end execute for foreach from if in into loop not null or strict then to using when while next query".split()
)
"""Words that PL/pgSQL takes for no variable without quotes: reserved_keyword in CockroachDB's pkg/sql/plpgsql/parser/plpgsql.y and in
PostgreSQL's pl_reserved_kwlist.h; and after RETURN, next and query."""


@functools.cache
def of_cockroach() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Return the words that are no bare name, those that CockroachDB quotes though it need not, and those that it prints bare."""
    parts = FIXTURE.read_text(encoding="utf-8").split("\n## ")[1:]
    reserved, quoted, bare = (frozenset(part.split("\n", 1)[1].split()) for part in parts)
    return reserved, quoted, bare


def of_sqlglot() -> set[str]:
    """Return the words of all key words of PostgreSQL's dialect and of ours."""
    keywords = (*dialect.Postgres.Tokenizer.KEYWORDS, *dialect.Cockroach.Tokenizer.KEYWORDS)
    keywords += (*dialect.Postgres.Parser.FUNCTION_PARSERS, *dialect.Postgres.Parser.NO_PAREN_FUNCTION_PARSERS)
    return {word.lower() for keyword in keywords for word in re.findall(r"[A-Za-z_]\w*", keyword)}


def quoted(name: str) -> str:
    return f'"{name}"'


def objects(word: str, name: str, place: str) -> str:
    """Return one object of each kind, in the form of SHOW CREATE, named by the word: ``name`` is the word as CockroachDB prints it where a
    key word could be. After a dot or AS it prints every word bare. ``place`` begins the names of the schemas."""
    variable = quoted(word) if word in PLPGSQL_RESERVED else name
    parameter = quoted(word) if word in of_cockroach()[1] else name
    return f"""
CREATE SEQUENCE {place}.{name};
CREATE TABLE {place}_t.{name} (
	{name} STRING NOT NULL,
	id INT8 NOT NULL DEFAULT nextval('{place}.{name}'::REGCLASS),
	c STRING NULL AS (lower({name}) || {name}) STORED,
	CONSTRAINT "{word}_pkey" PRIMARY KEY (id ASC),
	INDEX "{word}_idx" (upper({name}) DESC, {name} ASC) WHERE {name} > 'a':::STRING,
	CONSTRAINT "{word}_check" CHECK (({name} != 'a':::STRING) AND ({name} BETWEEN {name} AND CAST({name} AS STRING)))
);
CREATE POLICY {name} ON {place}_t.{name} USING ({name} = 'a':::STRING);
CREATE VIEW {place}_v.{name} ({name}) AS WITH {name} AS (SELECT {name} AS {word} FROM d.{place}_t.{name})
	SELECT {name}.{word} AS {word} FROM {name}, d.{place}_t.{name} AS x WHERE {name}.{word} > x.{word};
CREATE FUNCTION {place}_s.{name}({parameter} STRING) RETURNS VOID LANGUAGE SQL AS $$
	INSERT INTO d.{place}_t.{name} ({name}) SELECT {name} ON CONFLICT (id) DO UPDATE SET {name} = excluded.{word};
	UPDATE d.{place}_t.{name} SET {name} = {name} || ';'
$$;
CREATE FUNCTION {place}_p.{name}({parameter} STRING) RETURNS STRING LANGUAGE plpgsql AS $$
	BEGIN
	IF {variable} IS NULL THEN
		{variable} := {variable} || ';';
	END IF;
	RETURN {variable};
	END
$$;
"""


def printed_as(words: set[str]) -> list[tuple[str, str, str]]:
    """Return what objects() takes for each word: once as CockroachDB prints it, and once as people write it where its grammar takes the bare
    word for a name, too."""
    reserved, quoted_only, _bare = of_cockroach()
    written = [(word, word, "written") for word in sorted(quoted_only | {"index", "nothing"})]
    return [(word, quoted(word) if word in reserved | quoted_only else word, "shown") for word in sorted(words)] + written


@pytest.fixture(scope="module", name="words")
def _words(postgres17):
    """Every key word; PostgreSQL's are those of the server."""
    known = {word for word, in query(postgres17, "postgres", "SELECT word FROM pg_get_keywords()")}
    found = set().union(*of_cockroach(), of_sqlglot(), known)
    assert len(of_sqlglot()) > 300 and len(known) > 400 and len(found) > 900
    return found


@pytest.fixture(scope="module", name="converted")
def _converted(words):
    text = "".join(objects(*form) for form in [*printed_as({*words, *SYSTEM_COLUMNS}), (PLAIN, PLAIN, "shown"), (PLAIN, PLAIN, "written")])
    return convert_text(text, "d", ServerFeatures(major=17), ConvertOptions())


def test_nothing_is_omitted(words, converted):
    """Every word has the findings of the plain one, no others; a system column's name is changed, and reported."""
    found = defaultdict(set)
    for finding in converted.findings:
        parts = [re.sub(r"^(shown|written)(?=_|$)|_(pkey|idx|check)$", "", part) for part in str(finding.object).split(".")]
        word = next((part for part in reversed(parts) if part in words or part in (*SYSTEM_COLUMNS, PLAIN)), "")
        found[word].add((str(finding.code), ".".join("…" if part == word else part for part in parts)))
    cut = {word for word in found if {code for code, _object in found[word]} - {code for code, _object in found[PLAIN]} == {"name_cut"}}
    assert cut == set(SYSTEM_COLUMNS)
    assert {word: found[word] - found[PLAIN] for word in found if word and word not in cut and found[word] != found[PLAIN]} == {}
    assert not [code for code, _object in (*found[PLAIN], *found[""]) if "left_out" in code]


def test_postgresql_takes_all_of_it(postgres17, words, converted):
    with contextlib.closing(connect(postgres17)) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        cursor.execute("CREATE DATABASE words TEMPLATE template0 ENCODING 'UTF8'")
        try:
            with contextlib.closing(connect(postgres17, "words")) as connection, connection.cursor() as own:
                own.execute(converted.files[PRE_DATA])
                own.execute(converted.files[POST_DATA])
                own.execute("SELECT attname FROM pg_attribute WHERE attrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r') AND attnum = 1")
                assert words <= {name for name, in own.fetchall()}
        finally:
            cursor.execute("DROP DATABASE words")
