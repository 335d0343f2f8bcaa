# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Every key word of CockroachDB, sqlglot and PostgreSQL as the name of a column, table, parameter, variable, alias …: nothing is omitted,
and PostgreSQL takes all of it."""
from __future__ import annotations

import contextlib
import pathlib
import re
from collections import defaultdict

import pytest
from postgres_servers import query
from psycopg2 import sql

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
    "all begin by case declare else end execute for foreach from if in into loop not null or strict then to using when while".split()
)
"""Words that PL/pgSQL takes for no variable without quotes: reserved_keyword in CockroachDB's pkg/sql/plpgsql/parser/plpgsql.y and in
PostgreSQL's pl_reserved_kwlist.h."""


def of_cockroach() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Return the words that are no bare name, those that CockroachDB quotes though it need not, and those that it prints bare."""
    parts = FIXTURE.read_text(encoding="utf-8").split("\n## ")[1:]
    reserved, quoted, bare = (frozenset(part.split("\n", 1)[1].split()) for part in parts)
    return reserved, quoted, bare


def of_sqlglot() -> set[str]:
    """Return the words of all key words of PostgreSQL's dialect and of ours."""
    keywords = (*dialect.Postgres.Tokenizer.KEYWORDS, *dialect.Cockroach.Tokenizer.KEYWORDS, *dialect.Postgres.Parser.FUNCTIONS)
    keywords += (*dialect.Postgres.Parser.FUNCTION_PARSERS, *dialect.Postgres.Parser.NO_PAREN_FUNCTION_PARSERS)
    return {word.lower() for keyword in keywords for word in re.findall(r"[A-Za-z_]\w*", keyword)}


def quoted(name: str) -> str:
    return f'"{name}"'


def objects(word: str, name: str, variable: str, place: str) -> str:
    """Return one object of each kind, in the form of SHOW CREATE, named by the word: ``name`` is the word as CockroachDB prints it where a
    key word could be, ``variable`` in PL/pgSQL. After a dot or AS it prints every word bare. ``place`` begins the names of the schemas."""
    return f"""
CREATE SEQUENCE {place}_sequences.{name} MINVALUE 1 MAXVALUE 9223372036854775807 INCREMENT 1 START 1;
CREATE TABLE {place}_tables.{name} (
	{name} STRING NOT NULL,
	id INT8 NOT NULL DEFAULT nextval('{place}_sequences.{name}'::REGCLASS),
	computed STRING NULL AS (CASE WHEN {name} IS NULL THEN 'none':::STRING ELSE lower({name}) || {name} END) STORED,
	CONSTRAINT "{word}_pkey" PRIMARY KEY (id ASC),
	INDEX "{word}_idx" (lower({name}) DESC, {name} ASC) STORING (computed) WHERE ({name} > 'a':::STRING) AND (NOT ({name} IN ('b':::STRING, {name}))),
	UNIQUE INDEX "{word}_key" ({name} ASC),
	CONSTRAINT "{word}_check" CHECK (({name} != '':::STRING) AND ({name} BETWEEN {name} AND CAST({name} AS STRING)) AND ({name}::STRING LIKE 'a%':::STRING) AND (length({name}) < 9:::INT8))
);
CREATE POLICY {name} ON {place}_tables.{name} AS PERMISSIVE FOR ALL TO public USING ({name} = 'a':::STRING) WITH CHECK ({name} IS NOT NULL);
CREATE VIEW {place}_views.{name} (
	{name},
	second
) AS WITH {name} AS (SELECT {name}, id AS {word} FROM d.{place}_tables.{name}),
	second ({name}) AS (SELECT {name} FROM d.{place}_tables.{name} WHERE {name} > 'a')
	SELECT {name}.{word} AS {word}, upper(second.{word})
	FROM d.{place}_tables.{name} AS {name} CROSS JOIN second LEFT JOIN d.{place}_tables.{name} AS x ON x.{word} = {name}.{word}
	WHERE {name}.{word} > 'a' AND {name}.id > 0 ORDER BY {name}.{word}, second.{word} DESC;
CREATE FUNCTION {place}_sql.{name}({name} STRING) RETURNS STRING VOLATILE NOT LEAKPROOF CALLED ON NULL INPUT LANGUAGE SQL AS $$
	INSERT INTO d.{place}_tables.{name}({name}) VALUES ('a');
	INSERT INTO d.{place}_tables.{name} AS x ({name}, id) SELECT {name}, 1 ON CONFLICT ({name}) DO UPDATE SET {name} = excluded.{word};
	UPDATE d.{place}_tables.{name} SET {name} = {name} || ';' WHERE {name}.{word} != '';
	DELETE FROM d.{place}_tables.{name} WHERE {name} = 'a' RETURNING {name};
$$;
CREATE FUNCTION {place}_plpgsql.{name}({name} STRING) RETURNS STRING VOLATILE NOT LEAKPROOF CALLED ON NULL INPUT LANGUAGE plpgsql AS $$
	DECLARE
	n INT8 := length({variable});
	BEGIN
	IF {variable} IS NULL THEN
		RETURN {variable};
	END IF;
	{variable} := upper({variable}) || ';';
	SELECT x.{word} AS {word} FROM d.{place}_tables.{name} AS x WHERE x.{word} > 'a' INTO {variable};
	RETURN {variable};
	END;
$$;
"""


def printed_as(words: set[str]) -> list[tuple[str, str, str, str]]:
    """Return for each word the word, the two forms of it for objects() and a place: once as CockroachDB prints it, and once as people write it
    where its grammar takes the bare word for a name, too."""
    reserved, quoted_only, _bare = of_cockroach()
    forms = []
    for word in sorted(words):
        name = quoted(word) if word in reserved | quoted_only else word
        forms.append((word, name, quoted(word) if word in PLPGSQL_RESERVED else name, "shown"))
        if word in quoted_only or word in ("index", "nothing"):
            forms.append((word, word, quoted(word) if word in PLPGSQL_RESERVED else word, "written"))
    return forms


@pytest.fixture(scope="module", name="words")
def _words(postgres17):
    """Every key word; PostgreSQL's are those of the server."""
    known = {word for word, in query(postgres17, "postgres", "SELECT word FROM pg_get_keywords()")}
    found = set().union(*of_cockroach(), of_sqlglot(), known)
    assert len(of_sqlglot()) > 300 and len(known) > 400 and len(found) > 1000
    return found


@pytest.fixture(scope="module", name="converted")
def _converted(words):
    text = "".join(objects(*form) for form in [*printed_as({*words, *SYSTEM_COLUMNS}), (PLAIN, PLAIN, PLAIN, "shown"), (PLAIN, PLAIN, PLAIN, "written")])
    return convert_text(text, "d", ServerFeatures(major=17), ConvertOptions())


def test_nothing_is_omitted(words, converted):
    """Every word has the findings of the plain one, no others; a system column's name is changed, and reported."""
    found = defaultdict(set)
    for finding in converted.findings:
        parts = str(finding.object).split(".")
        word = next((part for part in (re.sub(r"_(pkey|idx|key|check)$", "", parts[-1]), *parts[1:]) if part in words or part in SYSTEM_COLUMNS or part == PLAIN), "")
        found[word].add((finding.code, re.sub(rf"\b{word}(?![a-z])", "…", str(finding.object)) if word else str(finding.object), ))
    expected = found[PLAIN]
    problems = {word: sorted(map(str, found[word] - expected)) for word in found if word not in SYSTEM_COLUMNS and found[word] - expected}
    assert not problems
    assert not {code for code, *_ in expected if "left_out" in code}
    assert all("name_cut" in {str(code) for code, *_ in found[word]} for word in SYSTEM_COLUMNS)
    assert converted.objects["tables"] == converted.objects["views"] == converted.objects["sequences"]


def test_postgresql_takes_all_of_it(postgres17, words, converted):
    with contextlib.closing(connect(postgres17, "postgres")) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        cursor.execute("CREATE DATABASE words TEMPLATE template0 ENCODING 'UTF8'")
        try:
            with contextlib.closing(connect(postgres17, "words")) as connection, connection.cursor() as own:
                own.execute(converted.files[PRE_DATA])
                own.execute(converted.files[POST_DATA])
                own.execute("SELECT nspname, count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'v', 'S', 'i') AND nspname ~ '^(shown|written)_' GROUP BY 1")
                print(own.fetchall())
        finally:
            cursor.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier("words")))
