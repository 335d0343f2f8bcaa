# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Every key word of CockroachDB, sqlglot and PostgreSQL as the name of a column, table, parameter, variable, alias …: nothing is omitted,
and PostgreSQL takes all of it."""
from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import pathlib
import re

import psycopg2
import pytest
from cockroach_nodes import BINARY, node
from journey import export_backup
from postgres_servers import query

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.expressions import dialect
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
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.backup_request import (
    BackupRequest,
)

FIXTURE = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "cockroach_words.txt"
SYSTEM_COLUMNS = ("cmax", "cmin", "ctid", "xmax", "xmin")
OTHER_BARE_NAMES = ("a$b", "_x", "ünï", "日本", "x1")
OTHER_QUOTED_NAMES = ("Upper", "SELECT", "two words", 'quo"te', "d.o.t", "$a", "1st", "é😀", "tab\tx", "apo's", "semi;colon", "(", "--x", "a, b", "\\")
"""Names that are no words, as v22.1 prints them."""
PLAIN = "harmless"
"""A word that is no key word anywhere."""
OBJECTS = {
    "pg_sequence": 1, "pg_enum": 2, "pg_class WHERE relkind = 'r' AND oid >= 16384": 1, "pg_class WHERE relkind = 'v' AND oid >= 16384": 1,
    "pg_index WHERE indrelid >= 16384 AND indpred IS NOT NULL AND indexprs IS NOT NULL": 1, "pg_attribute WHERE attgenerated = 's'": 1,
    "pg_attrdef WHERE adrelid >= 16384": 3, "pg_constraint WHERE contype = 'c' AND conrelid >= 16384": 1, "pg_policy": 1,
    "pg_proc WHERE oid >= 16384": 2, "pg_description WHERE description = 'a word'": 1,
}
"""What is counted, and how many of it one word has; 16384 is the first id of objects that are not PostgreSQL's own."""
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
    return '"' + name.replace('"', '""') + '"'


@dataclasses.dataclass(frozen=True)
class Form:
    """One name as a text writes it: ``name`` wherever CockroachDB's grammar takes key words, ``label`` after a dot or AS."""

    word: str
    name: str
    label: str
    place: str
    """The beginning of the names of the schemas of its objects."""

    @property
    def objects(self) -> str:
        """One object of each kind, in the form of SHOW CREATE, named by the word."""
        word, name, label, place = quoted(self.word)[1:-1], self.name, self.label, self.place
        variable = quoted(self.word) if self.word in PLPGSQL_RESERVED else name
        parameter = quoted(self.word) if self.word in of_cockroach()[1] else name
        literal = f"{place}.{name}".replace("'", "''")
        return f"""
CREATE SEQUENCE {place}.{name};
CREATE TYPE {place}_e.{name} AS ENUM ('a', 'b');
CREATE TABLE {place}_t.{name} (
	{name} STRING NOT NULL,
	id INT8 NOT NULL DEFAULT nextval('{literal}'::REGCLASS),
	e {place}_e.{label} NOT NULL DEFAULT 'a':::{place}_e.{label},
	c STRING NULL AS (lower({name}) || {name}) STORED,
	CONSTRAINT "{word} pkey" PRIMARY KEY (id ASC),
	INDEX "{word} idx" (upper({name}) DESC, {name} ASC) WHERE {name} > 'a':::STRING,
	FAMILY {name} ({name}, id, e, c),
	CONSTRAINT {name} CHECK ({name} BETWEEN 'a':::STRING AND CAST({name} AS STRING))
);
COMMENT ON COLUMN {place}_t.{name}.{name} IS 'a word';
CREATE POLICY {name} ON {place}_t.{name} USING ({name} = 'a':::STRING);
CREATE VIEW {place}_v.{name} ({name}) AS WITH {name} AS (SELECT {name} AS {label} FROM d.{place}_t.{name} AS {name})
	SELECT {name}.{label} AS {label} FROM {name} WHERE {name} > 'a';
CREATE FUNCTION {place}_s.{name}({parameter} STRING) RETURNS VOID LANGUAGE SQL AS $$
	INSERT INTO d.{place}_t.{name} ({name}) SELECT {name} ON CONFLICT (id) DO UPDATE SET {name} = excluded.{label}
$$;
CREATE FUNCTION {place}_p.{name}({parameter} STRING) RETURNS STRING LANGUAGE plpgsql AS $$
	BEGIN
	IF {variable} IS NULL THEN
		{variable} := {place}_p.{label}({variable}) || ';';
	END IF;
	RETURN {variable};
	END
$$;
"""


def forms_of(words: set[str]) -> list[Form]:
    """Return each word as CockroachDB prints it, once more as people write it where its grammar takes the bare word for a name, too, and the
    names of other kinds."""
    reserved, quoted_only, _bare = of_cockroach()
    shown = [Form(word, quoted(word) if word in reserved | quoted_only else word, word, "shown") for word in sorted(words)]
    written = [Form(word, word, word, "written") for word in sorted(quoted_only | {"index", "nothing"})]
    others = [Form(name, name, name, "shown") for name in OTHER_BARE_NAMES] + [Form(name, quoted(name), quoted(name), "shown") for name in OTHER_QUOTED_NAMES]
    return [*shown, *written, *others, Form(PLAIN, PLAIN, PLAIN, "shown"), Form(PLAIN, PLAIN, PLAIN, "written")]


@pytest.fixture(scope="module", name="words")
def _words(postgres17):
    """Every key word; PostgreSQL's are those of the server."""
    known = {word for word, in query(postgres17, "postgres", "SELECT word FROM pg_get_keywords()")}
    found = set().union(*of_cockroach(), of_sqlglot(), known)
    assert len(of_sqlglot()) > 300 and len(known) > 400 and len(found) > 900
    return found


@pytest.mark.slow
def test_nothing_is_omitted_and_postgresql_takes_all_of_it(postgres17, words):
    """One database holds an object of each kind for every form, with the columns' names as they were. Every sequence has the finding that any
    has, and a system column's name is changed; there is no other finding. Both in one test: the conversion takes some seconds."""
    forms = forms_of({*words, *SYSTEM_COLUMNS})
    converted = convert_text("".join(form.objects for form in forms), "d", ServerFeatures(major=17), ConvertOptions())
    found = collections.Counter(str(finding.code) for finding in converted.findings)
    assert {finding.object.split(".")[-1] for finding in converted.findings if str(finding.code) == "name_cut"} == set(SYSTEM_COLUMNS)
    # The words integer and bigint are names here, which is no reason to ask.
    assert set(found) - {"integer_width"} == {"name_cut", "null_order", "sequence_value_unknown"}
    assert not converted.refused and found["sequence_value_unknown"] == len(forms)
    with contextlib.closing(connect(postgres17)) as admin, admin.cursor() as cursor:
        admin.autocommit = True
        cursor.execute("CREATE DATABASE words TEMPLATE template0 ENCODING 'UTF8'")
        try:
            with contextlib.closing(connect(postgres17, "words")) as connection, connection.cursor() as own:
                own.execute(converted.files[PRE_DATA])
                own.execute(converted.files[POST_DATA])
                for catalog, count in OBJECTS.items():
                    own.execute(f"SELECT count(*) FROM {catalog}")
                    assert (catalog, own.fetchone()[0]) == (catalog, len(forms) * count)
                own.execute("SELECT attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE relkind = 'r' AND c.oid >= 16384 AND attnum = 1")
                assert {form.word for form in forms} - {name for name, in own.fetchall()} == set(SYSTEM_COLUMNS)
        finally:
            cursor.execute("DROP DATABASE words")


@pytest.fixture(scope="module", name="cockroach")
def _cockroach(tmp_path_factory):
    """A real CockroachDB's cursor, and the directory of its backups."""
    directory = tmp_path_factory.mktemp("cockroach")
    (directory / "backups").mkdir()
    with node("real", directory, directory / "backups", "") as parameters, contextlib.closing(
        psycopg2.connect(host="127.0.0.1", port=parameters.port, user="root", dbname="defaultdb", sslmode="disable")
    ) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        yield cursor, directory / "backups"


@pytest.mark.skipif(not BINARY, reason="COCKROACH_BINARY names no CockroachDB program")
def test_cockroach_prints_words_as_the_fixture_says(cockroach, words):
    cursor, _backups = cockroach
    cursor.execute("SELECT word FROM pg_get_keywords()")
    known = {word for word, in cursor.fetchall()}
    cursor.execute(f"CREATE TABLE words ({', '.join(f'{quoted(word)} INT8' for word in sorted(words))})")
    cursor.execute("SELECT create_statement FROM [SHOW CREATE TABLE words]")
    printed = set(re.findall(r'^\t("?\w+"?) INT8 NULL', cursor.fetchone()[0], re.MULTILINE))
    reserved, quoted_only, bare = of_cockroach()
    assert {word for word in known if quoted(word) in printed} == (reserved | quoted_only) & known
    assert bare | (words - known) <= printed | quoted_only
    assert len(printed) == len(words)


@pytest.mark.skipif(not BINARY, reason="COCKROACH_BINARY names no CockroachDB program")
def test_its_own_text_and_its_backup_give_the_same(cockroach, tmp_path):
    """The tables, indexes, checks and views of names that were once lost, from what a real CockroachDB prints and from its descriptors."""
    cursor, backups = cockroach
    cursor.execute("CREATE DATABASE d; USE d; CREATE SCHEMA s; CREATE SCHEMA t; CREATE SCHEMA v; CREATE SCHEMA e")
    for word in ("begin", "case", "comment", "end", "if", "insert", "left", "pivot", "select", "set", "update", "values", "Upper", "ünï"):
        name = quoted(word)
        cursor.execute(f"""
CREATE SEQUENCE s.{name}; CREATE TYPE e.{name} AS ENUM ('a');
CREATE TABLE t.{name} (
	{name} STRING NOT NULL, id INT8 PRIMARY KEY DEFAULT nextval('s.{name}'), e e.{name} DEFAULT 'a', c STRING AS (lower({name}) || {name}) STORED,
	INDEX {name} (upper({name}) DESC, {name}) WHERE {name} > 'a', CONSTRAINT {name} CHECK ({name} != 'a' AND {name} BETWEEN {name} AND CAST({name} AS STRING))
);
CREATE VIEW v.{name} AS WITH {name} AS (SELECT {name} AS {name} FROM d.t.{name})
	SELECT {name}.{name} AS {name}, x.{name} AS y FROM {name}, d.t.{name} AS x WHERE {name}.{name} > x.{name}
""")
    text = []
    for what in ("SCHEMAS", "TYPES", "TABLES"):
        cursor.execute(f"SHOW CREATE ALL {what}")
        text += [statement if statement.endswith(";") else statement + ";" for statement, in cursor.fetchall()]
    cursor.execute("BACKUP DATABASE d INTO 'nodelocal://1/words'")
    converted = convert_text("\n".join(text), "d", ServerFeatures(), ConvertOptions())
    export_backup(BackupRequest(locations=(f"file://{backups}/words",)), tmp_path / "dump")
    assert not converted.refused
    for file in (PRE_DATA, POST_DATA):
        of_text, of_backup = (
            {statement for statement in re.split(r";\n+", text) if statement.startswith(("CREATE", "ALTER TABLE"))}
            for text in (converted.files[file], (tmp_path / "dump" / "d" / file).read_text(encoding="utf-8"))
        )
        assert of_text ^ of_backup == set()
