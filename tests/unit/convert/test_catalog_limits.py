# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Schemas beyond PostgreSQL's limits, on real servers: each object comes in the nearest form that loses nothing, is omitted with a finding, or is refused."""
from __future__ import annotations

import psycopg2
import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.computed import (
    keep_unconvertible_as_data,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError, UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import Column, SqlType
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.row_width import least_bytes
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)

LONG_LABEL = "ü" * 32
TYPE_OF_A = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'a'"
INDEXES = "SELECT indexrelid::regclass::text, indisunique, indnkeyatts::int, indnatts::int FROM pg_index WHERE indrelid = 't'::regclass ORDER BY 1"


def table(columns: str, *parts: str, key: str = "k", name: str = "t") -> str:
    rest = "".join(f",\n\t{part}" for part in (f"CONSTRAINT {name}_pkey PRIMARY KEY ({key})", *parts))
    return f"CREATE TABLE public.{name} (\n\tk INT8 NOT NULL,\n\t{columns}{rest}\n);\n"


def many(count: int, kind: str = "INT8 NULL") -> str:
    """Columns c1, c2 …"""
    return ",\n\t".join(f"c{number} {kind}" for number in range(1, count + 1))


def names(count: int, first: int = 1) -> str:
    return ", ".join(f"c{number}" for number in range(first, count + 1))


def read(text: str):
    catalog = read_schema_text(text, "db")
    keep_unconvertible_as_data(catalog)
    return catalog.databases[0], catalog.findings


def converted(text: str):
    return convert_database(read(text)[0], [], ServerFeatures(), ConvertOptions("skip"))


def found(*lists) -> set[tuple[str, str]]:
    """Severity and code of findings, without those of other things."""
    return {(item.severity, item.code) for items in lists for item in items if item.code not in ("null_order", "shard_column", "collation_left_off")}


@pytest.mark.parametrize("declared, made", [
    ("VARCHAR(20000000)", "character varying"), ("STRING(10485761)", "text"), ("CHAR(20000000)", "bpchar"), ("VARCHAR(10485761)[]", "character varying[]"),
    ("VARCHAR(20000000) COLLATE de", "character varying"), ("BIT(83886081)", "bit varying"), ("VARBIT(2147483647)", "bit varying"), ("BIT(100000000)[]", "bit varying[]"),
    ("DECIMAL(1001)", "numeric"), ("DECIMAL(2000,1500)", "numeric"), ("DECIMAL(2147483647,3)[]", "numeric[]"),
])
def test_a_type_loses_a_length_that_postgresql_does_not_take(trial, declared, made):
    result = trial(read(table(f"a {declared} NULL"))[0])
    assert result.rows(TYPE_OF_A) == [(made,)] and found(result.conversion.findings) == {("warning", "length_left_off")} and not result.differences()


@pytest.mark.parametrize("declared, made", [
    ("VARCHAR(10485760)", "character varying(10485760)"), ("CHAR(10485760)", "character(10485760)"), ("BIT(83886080)", "bit(83886080)"),
    ("VARBIT(83886080)", "bit varying(83886080)"), ("DECIMAL(1000,1000)", "numeric(1000,1000)"), ("TIMESTAMPTZ(6)", "timestamp(6) with time zone"),
])
def test_the_largest_length_stays(trial, declared, made):
    result = trial(read(table(f"a {declared} NULL"))[0])
    assert result.rows(TYPE_OF_A) == [(made,)] and not found(result.conversion.findings)


@pytest.mark.parametrize("columns, part, expected", [
    ("a STRING NULL", "CONSTRAINT c CHECK (a::VARCHAR(20000000) != 'x':::STRING)", {("error", "check_left_out")}),
    ("a STRING NULL DEFAULT now()::VARCHAR(20000000)", "", {("error", "default_left_out")}),
    ("a VARBIT NULL DEFAULT B'1'::VARBIT(100000000)", "", {("error", "default_left_out")}),
    ("a STRING NULL, b INT8 NULL AS (a::DECIMAL(1200,3)::INT8) STORED", "", {("warning", "computed_column_as_data")}),
    ("a DECIMAL(2000,5) NULL, b DECIMAL(2000,2) NULL AS (a * 2:::DECIMAL) STORED", "", {("warning", "computed_column_as_data"), ("warning", "length_left_off")}),
    ("a DECIMAL NULL, b DECIMAL(2000,2) NULL AS (a * 2:::DECIMAL) VIRTUAL", "INDEX i (b ASC)", {("error", "virtual_column_left_out"), ("error", "needs_left_out_column")}),
])
def test_an_expression_of_such_a_type(trial, columns, part, expected):
    database, findings = read(table(columns, *filter(None, [part])))
    result = trial(database)
    assert found(findings, result.conversion.findings) == expected and not result.differences()


@pytest.mark.parametrize("text, message", [
    (table("a TIMESTAMP(7) NULL"), "precision 7 is out of range"), (table("a INTERVAL(9) NULL"), "precision 9 is out of range"), (table("a VARCHAR(0) NULL"), "at least 1"),
    ("CREATE SEQUENCE public.s INCREMENT 0;", "INCREMENT must not be zero"), ("CREATE SEQUENCE public.s CACHE 0;", "CACHE must be greater than zero"),
])
def test_what_cockroachdb_refuses_is_refused(text, message):
    with pytest.raises(MigrationError, match=message):
        read_schema_text(text, "db")


@pytest.mark.parametrize("part, indexes, expected", [
    (f"INDEX i ({names(32)})", [("i", False, 32, 32)], set()),
    (f"INDEX i ({names(40)})", [("i", False, 32, 32)], {("warning", "index_too_wide")}),
    (f"INDEX i (c1) STORING ({names(40, 2)})", [("i", False, 1, 1)], {("warning", "index_too_wide")}),
    (f"UNIQUE INDEX i (c1) STORING ({names(32, 2)})", [("i", True, 1, 32)], set()),
    (f"UNIQUE INDEX i (c1) STORING ({names(33, 2)})", [("i", True, 1, 1)], {("warning", "index_too_wide")}),
    (f"UNIQUE INDEX i ({names(33)})", [("i", False, 32, 32)], {("warning", "unique_without_index")}),
    (f"CONSTRAINT i UNIQUE WITHOUT INDEX ({names(33)})", [("i", False, 32, 32)], {("warning", "unique_without_index")}),
    (f"UNIQUE INDEX i ({names(33)}) WHERE c34 > 0:::INT8", [("i", False, 32, 32)], {("warning", "unique_without_index")}),
    (f"UNIQUE INDEX i ({names(33)}) USING HASH WITH (bucket_count=8)", [("i", False, 32, 32)], {("warning", "unique_without_index")}),
    ("UNIQUE INDEX i (" + ", ".join(f"(c{number} + 1:::INT8)" for number in range(1, 34)) + ")", [], {("error", "index_left_out")}),
    ("INDEX i (" + ", ".join(f"(c{number} + 1:::INT8)" for number in range(1, 34)) + ")", [("i", False, 32, 32)], {("warning", "index_too_wide")}),
])
def test_an_index_of_many_columns(trial, part, indexes, expected):
    result = trial(read(table(many(40) + ",\n\tj JSONB NULL", part))[0])
    assert [row for row in result.rows(INDEXES) if row[0] != "t_pkey"] == indexes
    assert found(result.conversion.findings) == expected and not result.differences()


def test_a_key_of_many_columns_stays_unique(trial):
    text = table(many(40, "INT8 NOT NULL"), f"UNIQUE INDEX u ({names(33)})", key=names(40)) + table(
        many(40, "INT8 NOT NULL"), f"CONSTRAINT fk FOREIGN KEY ({names(40)}) REFERENCES public.t ({names(40)})", name="f")
    result = trial(read(text)[0])
    assert found(result.conversion.findings) == {("warning", "unique_without_index"), ("error", "foreign_key_left_out")} and not result.differences()
    insert = "INSERT INTO t VALUES (1, {})".format(", ".join(map(str, range(40))))
    result.cursor.execute(insert)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        result.cursor.execute(insert)


def test_a_materialized_view_with_wide_indexes(trial):
    text = table(many(40)) + f"CREATE MATERIALIZED VIEW public.v ({names(40)}, rowid) AS SELECT {names(40)} FROM db.public.t;\n"
    result = trial(read(f"{text}CREATE UNIQUE INDEX u ON public.v ({names(40)});\nCREATE INDEX i ON public.v ({names(40)});\n")[0])
    assert found(result.conversion.findings) == {("error", "index_left_out"), ("warning", "index_too_wide"), ("info", "materialized_view")}
    assert result.rows("SELECT indexrelid::regclass::text, indnatts::int FROM pg_index WHERE indrelid = 'v'::regclass") == [("i", 32)]


def test_the_most_columns_and_the_largest_row(trial):
    """The limits are PostgreSQL's own: a table at each of them takes a row, one beyond it none."""
    assert found(trial(read(table(many(1599)))[0]).conversion.findings) == {("warning", "wide_row")}
    result = trial(read(table(many(1016, "INT8 NOT NULL")))[0])
    result.cursor.execute(f"INSERT INTO t SELECT {', '.join(['1'] * 1017)}")
    assert not found(result.conversion.findings)
    result.refuses(f"ALTER TABLE t ADD COLUMN more int2 DEFAULT 1; INSERT INTO t SELECT {', '.join(['1'] * 1018)}", "row is too big: size 8168, maximum size 8160")


KINDS = [
    SqlType("bool", 16), SqlType("int", 21, 16), SqlType("int", 23, 32), SqlType("int", 20, 64), SqlType("float", 700, 32), SqlType("float", 701, 64), SqlType("date", 1082),
    SqlType("time", 1083), SqlType("timetz", 1266), SqlType("timestamp", 1114), SqlType("interval", 1186), SqlType("uuid", 2950), SqlType("oid", 26), SqlType("pg_lsn", 3220),
    SqlType("string", 18, 1), SqlType("string", 19),
]


def test_the_bytes_of_a_row_are_those_of_a_server(trial):
    """pg_column_size() of a row counts its header as 24 bytes, too."""
    result = trial(read(table("a BOOL NULL"))[0])
    result.cursor.execute(
        "SELECT pg_column_size(ROW(true, 1::int2, 1::int4, 1::int8, 1::float4, 1::float8, current_date, localtime, current_time, localtimestamp, interval '1 s', "
        "gen_random_uuid(), 1::oid, '0/0'::pg_lsn, 'a'::\"char\", 'n'::name))")
    size = result.cursor.fetchone()[0]
    assert least_bytes([Column(number, "c", kind, False) for number, kind in enumerate(KINDS)]) == -(-size // 8) * 8


@pytest.mark.parametrize("columns, message", [
    (many(1600), r"db\.public\.t: it has 1601 columns.*at most 1600: exclude the table"),
    (many(1017, "INT8 NOT NULL"), r"db\.public\.t: each row needs at least 8,168 bytes.*8,160: exclude the table"),
    (many(511, "UUID NOT NULL"), r"at least 8,208 bytes"),
])
def test_a_table_that_postgresql_cannot_have_is_refused(columns, message):
    with pytest.raises(UnsupportedError, match=message):
        converted(table(columns))


def test_a_composite_type_that_postgresql_cannot_have_is_refused():
    with pytest.raises(UnsupportedError, match=r"db\.public\.c: it has 1601 fields.*at most 1600"):
        converted(f"CREATE TYPE public.c AS ({', '.join(f'a{number} INT8' for number in range(1601))});" + table("a INT8 NULL"))


@pytest.mark.parametrize("columns, expected", [(many(338, "STRING NULL"), set()), (many(339, "STRING NULL"), {("warning", "wide_row")}), (many(1017), {("warning", "wide_row")})])
def test_a_row_that_may_be_too_big_is_a_finding(columns, expected):
    assert found(converted(table(columns)).findings) == expected


@pytest.mark.parametrize("text, code", [
    (table("a INT8 NULL") + f"CREATE VIEW public.v ({names(1601)}) AS SELECT {', '.join(f'k AS c{number}' for number in range(1, 1602))} FROM db.public.t;", "view_left_out"),
    ("CREATE FUNCTION public.f(" + ", ".join(f"a{number} INT8" for number in range(101)) + ")\n\tRETURNS INT8\n\tLANGUAGE SQL\n\tAS $$\n\tSELECT 1;\n$$;", "function_left_out"),
])
def test_a_view_or_function_beyond_a_limit_is_omitted(text, code):
    conversion = converted(text)
    assert found(conversion.findings) == {("error", code)} and not {item.kind for item in conversion.statements} & {"view", "function"}


@pytest.mark.parametrize("text", [
    "CREATE TABLE public.t (k INT8 NOT NULL, CONSTRAINT t_pkey PRIMARY KEY (k ASC)) PARTITION BY NOTHING;",
    "CREATE TABLE public.t (k INT8 NOT NULL, CONSTRAINT t_pkey PRIMARY KEY (k ASC), INDEX i (k ASC) PARTITION BY NOTHING);",
    "CREATE TABLE public.t (k INT8 NOT NULL, CONSTRAINT t_pkey PRIMARY KEY (k ASC));\nALTER TABLE public.t PARTITION BY NOTHING;",
])
def test_partitions_of_nothing(trial, text):
    assert not found(trial(read(text)[0]).conversion.findings)


def test_an_enum_with_a_long_label_becomes_a_domain(trial):
    text = f"CREATE TYPE public.e AS ENUM ('{LONG_LABEL}', 'it''s', 'back\\slash');\nCREATE DOMAIN public.de AS public.e;\nCREATE TYPE public.pair AS (x public.e, y INT8);\n"
    text += table(
        "a public.e NOT NULL DEFAULT 'it''s':::public.e, b public.e[] NULL DEFAULT ARRAY['it''s':::public.e], p public.pair NULL, d public.de NULL,\n\t"
        "c STRING NULL AS (CASE a WHEN 'it''s':::public.e THEN 'x':::STRING ELSE 'y':::STRING END) STORED",
        "UNIQUE INDEX i (a ASC) WHERE a != 'back\\slash':::public.e", f"CONSTRAINT c CHECK (a IN ('it''s':::public.e, '{LONG_LABEL}':::public.e))",
    ) + "CREATE VIEW public.v (a) AS SELECT a FROM db.public.t WHERE a = 'it''s':::public.e AND 'it''s':::public.e = ANY b;\n"
    text += "CREATE FUNCTION public.f(p public.e)\n\tRETURNS public.e\n\tLANGUAGE SQL\n\tAS $$\n\tSELECT p;\n$$;"
    database, findings = read(text)
    result = trial(database)
    assert found(findings, result.conversion.findings) == {("warning", "enum_as_domain"), ("warning", "domain_operators")} and not result.differences()
    result.cursor.execute(f"INSERT INTO t (k, a, d) VALUES (1, '{LONG_LABEL}', '{LONG_LABEL}'), (2, DEFAULT, NULL)")
    assert result.rows("SELECT a, b::text, c, f(a) FROM t ORDER BY k") == [(LONG_LABEL, "{it's}", "y", LONG_LABEL), ("it's", "{it's}", "x", "it's")]
    assert result.rows("SELECT a FROM v") == [("it's",)]
    result.refuses("INSERT INTO t (k, a) VALUES (3, 'no label')", 'violates check constraint "e_check"')
    result.refuses("UPDATE t SET b = ARRAY['no label']", 'violates check constraint "e_check"')


def test_labels_by_their_stored_form(trial):
    """Descriptors hold labels in expressions by the bytes that rows have."""
    database, _findings = read(f"CREATE TYPE public.e AS ENUM ('{LONG_LABEL}', 'x');\n" + table("a public.e NULL"))
    item = database.types[0]
    database.tables[0].columns[1].default = f"x'{item.members[0].physical}':::@{100000 + item.id}"
    result = trial(database)
    result.cursor.execute("INSERT INTO t (k) VALUES (1)")
    assert result.rows("SELECT a FROM t") == [(LONG_LABEL,)]


def test_an_enum_with_labels_of_63_bytes_stays_one(trial):
    text = f"CREATE TYPE public.e AS ENUM ('{'x' * 63}', '{'ü' * 31}y');\n"
    assert trial(read(text)[0]).rows("SELECT count(*) FROM pg_enum") == [(2,)] and not found(converted(text).findings)


@pytest.mark.parametrize("columns, expected", [
    ("a STRING NULL DEFAULT concat({})", {("error", "default_left_out")}), ("a STRING NULL, b STRING NULL AS (concat({})) STORED", {("warning", "computed_column_as_data")}),
    ("a STRING NULL, b STRING NULL AS (COALESCE({})) STORED", set()),
])
def test_a_call_with_many_arguments(trial, columns, expected):
    database, findings = read(table(columns.format(", ".join(["'x':::STRING"] * 101))))
    assert found(findings, trial(database).conversion.findings) == expected


def test_names_that_begin_with_the_same_63_bytes_stay_apart(trial):
    a, b = "n" * 70 + "a", "n" * 70 + "b"
    text = f'''CREATE SCHEMA "{a}s";
CREATE SCHEMA "{b}s";
CREATE TYPE public."{a}t" AS ENUM ('x', 'y');
CREATE TYPE public."{b}t" AS ENUM ('x', 'y');
CREATE TYPE public."{a}ct" AS ("{a}" INT8, "{b}" INT8);
CREATE DOMAIN public."{a}d" AS INT8 CONSTRAINT "{a}" CHECK (value > 0) CONSTRAINT "{b}" CHECK (value < 10);
CREATE SEQUENCE public."{a}q" MINVALUE 1 MAXVALUE 9223372036854775807 INCREMENT 1 START 1;
CREATE SEQUENCE public."{b}q" MINVALUE 1 MAXVALUE 9223372036854775807 INCREMENT 1 START 1;
CREATE TABLE public."{a}tb" (
	"{a}" INT8 NOT NULL DEFAULT nextval('public."{a}q"'::REGCLASS),
	"{b}" INT8 NULL DEFAULT nextval('public."{b}q"'::REGCLASS),
	c public."{a}t" NULL,
	CONSTRAINT "{a}pk" PRIMARY KEY ("{a}" ASC),
	INDEX "{a}i" ("{b}" ASC),
	INDEX "{b}i" ("{b}" ASC),
	UNIQUE INDEX "{a}u" ("{b}" ASC),
	CONSTRAINT "{a}c" CHECK ("{a}" > 0:::INT8),
	CONSTRAINT "{b}c" CHECK ("{b}" > 0:::INT8),
	CONSTRAINT "{a}w" UNIQUE WITHOUT INDEX ("{b}")
);
CREATE TABLE "{a}s"."{b}tb" (
	"{a}" INT8 NOT NULL,
	CONSTRAINT "{a}pk" PRIMARY KEY ("{a}" ASC),
	CONSTRAINT "{a}f" FOREIGN KEY ("{a}") REFERENCES public."{a}tb"("{a}"),
	CONSTRAINT "{b}f" FOREIGN KEY ("{a}") REFERENCES public."{a}tb"("{b}")
);
CREATE VIEW public."{a}v" ("{a}", "{b}") AS SELECT "{a}", "{b}" FROM db.public."{a}tb";
CREATE FUNCTION public."{a}fn"("{a}" INT8, "{b}" INT8)
	RETURNS INT8
	LANGUAGE SQL
	AS $$
	SELECT "{a}" - "{b}";
$$;
CREATE FUNCTION public."{a}tf"()
	RETURNS TRIGGER
	LANGUAGE plpgsql
	AS $$
	BEGIN
	RETURN NEW;
	END;
$$;
CREATE TRIGGER "{a}tr" BEFORE INSERT ON db.public."{a}tb" FOR EACH ROW EXECUTE FUNCTION db.public."{a}tf"();
CREATE TRIGGER "{b}tr" BEFORE INSERT ON db.public."{a}tb" FOR EACH ROW EXECUTE FUNCTION db.public."{a}tf"();
CREATE POLICY "{a}p" ON db.public."{a}tb" AS PERMISSIVE FOR ALL TO public USING (true);
CREATE POLICY "{b}p" ON db.public."{a}tb" AS PERMISSIVE FOR ALL TO public USING (true);
COMMENT ON TABLE public."{a}tb" IS '{"x" * 100000}';
'''
    result = trial(read(text)[0])
    assert {code for _severity, code in found(result.conversion.findings)} == {"name_cut", "index_renamed", "unique_without_index", "sequence_value_unknown"}
    assert not result.differences()
    kinds = "SELECT (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal), (SELECT count(*) FROM pg_policy), (SELECT count(*) FROM pg_constraint WHERE contype = 'f')"
    assert result.rows(kinds) == [(2, 2, 2)]
