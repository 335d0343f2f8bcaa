# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Everything beside tables: types, sequences, views, functions, triggers, policies, comments, grants, databases."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import (
    ConfigurationError,
    UnsupportedError,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    DefaultPrivileges,
    Grant,
    Policy,
    SqlType,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)

MOST = 2**63 - 1
TABLE = "CREATE TABLE public.t (id INT8 NOT NULL, b STRING NULL, CONSTRAINT t_pkey PRIMARY KEY (id ASC), INDEX i (b ASC), CONSTRAINT ck CHECK (id > 0));\n"
FUNCTION = "CREATE FUNCTION public.f() RETURNS TRIGGER LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;\n"


@pytest.mark.parametrize(("text", "expected"), [
    ("MINVALUE 1 MAXVALUE 9223372036854775807 INCREMENT 5 START 1000", (5, 1, MOST, 1000, 1, False, "")),
    ("MINVALUE -50 MAXVALUE 50 INCREMENT -2 START -10", (-2, -50, 50, -10, 1, False, "")),
    ("MINVALUE 1 MAXVALUE 9223372036854775807 INCREMENT 1 START 1 VIRTUAL", (1, 1, MOST, 1, 1, True, "")),
    ("AS INT4 MINVALUE 1 MAXVALUE 2147483647 INCREMENT 1 START 1 CACHE 10", (1, 1, 2**31 - 1, 1, 10, False, "INT4")),
    ("MINVALUE 1 MAXVALUE 9 INCREMENT 1 START 1 PER NODE CACHE 7", (1, 1, 9, 1, 7, False, "")),
    ("MINVALUE 1 MAXVALUE 9 INCREMENT 1 START 1 PER SESSION CACHE 7", (1, 1, 9, 1, 7, False, "")),
    ("", (1, 1, MOST, 1, 1, False, "")),
    ("INCREMENT BY -1 NO CYCLE", (-1, -2**63, -1, -1, 1, False, "")),
    ("AS SMALLINT START WITH 7 NO MAXVALUE", (1, 1, 32767, 7, 1, False, "SMALLINT")),
])
def test_sequences(read, text, expected):
    item = read(f"CREATE SEQUENCE public.s {text};").sequences[0]
    assert (item.increment, item.minimum, item.maximum, item.start, item.cache, item.virtual, item.integer_type) == expected
    assert item.value is None


@pytest.mark.parametrize(("text", "value"), [("12, false", 9), ("12, true", 12), ("12", 12)])
def test_values_of_sequences(read, text, value):
    assert read(f"CREATE SEQUENCE s INCREMENT 3;\nSELECT setval('s', {text});").sequences[0].value == value


@pytest.mark.parametrize("arguments", ["'gone', 1", "'s'", "'s', x", "'s', 1, maybe"])
def test_values_that_are_not_understood(read, arguments):
    with pytest.raises(UnsupportedError, match="the schema text is not understood"):
        read(f"CREATE SEQUENCE s;\nSELECT setval({arguments});")


def test_domains(read):
    database = read("""CREATE TABLE t (a q NOT NULL, b q[] NULL, c "S".r NULL);
CREATE DOMAIN public.q AS INT8 DEFAULT 5:::INT8 CONSTRAINT given NOT NULL CHECK (VALUE > 0) CHECK (value < 9) CONSTRAINT late CHECK (value != 7) NOT VALID;
CREATE DOMAIN "S".r VARCHAR(3) NULL;
ALTER DOMAIN q DROP CONSTRAINT q_check;
ALTER DOMAIN q ADD CONSTRAINT later CHECK (value != 8);
ALTER DOMAIN q RENAME CONSTRAINT later TO latest;
ALTER DOMAIN q DROP DEFAULT;
ALTER DOMAIN q DROP CONSTRAINT IF EXISTS gone CASCADE;
ALTER DOMAIN "S".r SET NOT NULL;
ALTER DOMAIN "S".r SET DEFAULT 'x':::STRING;
""")
    q, r = database.types
    assert [(check.name, check.expression, check.validated) for check in q.checks] == [
        ("q_check1", "value < 9", True), ("late", "value != 7", False), ("latest", "value != 8", True)]
    assert (q.kind, q.base, q.not_null, q.not_null_name, q.default) == ("domain", SqlType("int", 20, 64), True, "given", "")
    assert (r.base, r.not_null, r.not_null_name, r.default) == (SqlType("string", 1043, 3), True, "", "'x':::STRING")
    a, b, c = database.tables[0].columns[:3]
    assert a.type == SqlType("int", 20, 64, domain_id=q.id) and b.type == SqlType("array", 100000 + q.array_type_id, element=a.type)
    assert c.type == SqlType("string", 1043, 3, domain_id=r.id) and not a.nullable


def test_sequences_and_their_columns(read):
    database = read("""CREATE SEQUENCE public.s OWNED BY public.t.a;
CREATE SEQUENCE "S p"."Odd.Seq";
CREATE TABLE public.t (
	a INT8 NOT NULL DEFAULT nextval('public.s'::REGCLASS),
	b INT8 NULL DEFAULT nextval('"S p"."Odd.Seq"'::REGCLASS) + nextval('d.public.s':::STRING),
	c INT8 NULL DEFAULT nextval('gone'::REGCLASS)
);
ALTER SEQUENCE public.s INCREMENT BY 3 CACHE 5;
""")
    plain, odd = database.sequences
    first, second, third = database.tables[0].columns[:3]
    assert (plain.owner_table_id, plain.owner_column_id, plain.increment, plain.cache) == (database.tables[0].id, first.id, 3, 5)
    assert (first.owns_sequence_ids, first.uses_sequence_ids, second.uses_sequence_ids, third.uses_sequence_ids) == ([plain.id], [plain.id], [odd.id, plain.id], [])
    assert first.default == "nextval('public.s'::REGCLASS)"


def test_identity_columns_with_their_sequences_and_without(read):
    database = read("""CREATE SEQUENCE public.t_a_seq MINVALUE 1 MAXVALUE 9223372036854775807 INCREMENT 3 START 5;
CREATE TABLE public.t (
	a INT8 NOT NULL GENERATED ALWAYS AS IDENTITY (START 5 INCREMENT 3),
	b INT8 NOT NULL GENERATED BY DEFAULT AS IDENTITY,
	c INT8 NOT NULL GENERATED BY DEFAULT AS IDENTITY (MINVALUE -5 START -5 PER NODE CACHE 3)
);""")
    table, (a, b, c) = database.tables[0], database.sequences
    assert [(item.name, item.identity, item.identity_options) for item in table.columns[:3]] == [
        ("a", "ALWAYS", "START 5 INCREMENT 3"), ("b", "BY DEFAULT", ""), ("c", "BY DEFAULT", "MINVALUE -5 START -5 PER NODE CACHE 3")]
    assert [(item.name, item.start, item.increment, item.minimum, item.cache) for item in (a, b, c)] == [
        ("t_a_seq", 5, 3, 1, 1), ("t_b_seq", 1, 1, 1, 1), ("t_c_seq", -5, 1, -5, 3)]
    assert [item.owns_sequence_ids for item in table.columns[:3]] == [[a.id], [b.id], [c.id]]
    assert [(item.owner_table_id, item.owner_column_id) for item in (a, b, c)] == [(table.id, column.id) for column in table.columns[:3]]


def test_an_identity_column_whose_sequences_name_was_taken(read):
    database = read("CREATE SEQUENCE t_a_seq; CREATE SEQUENCE t_a_seq1 START 7; CREATE TABLE t_b_seq (x INT8); "
                    "CREATE TABLE t (a INT8 GENERATED ALWAYS AS IDENTITY, b INT8 GENERATED ALWAYS AS IDENTITY)")
    owned = {item.owner_column_id: item.name for item in database.sequences if item.owner_table_id}
    assert owned == {1: "t_a_seq1", 2: "t_b_seq1"}


def test_types(read):
    database = read("""CREATE TYPE public.mood AS ENUM ('sad', e'q\\'uote', e'\\u00FC', 'a, b');
CREATE TYPE s."Pair" AS (a INT8, "B c" public.mood[], d STRING);
CREATE TYPE s.inner AS (x DECIMAL(5,2));
ALTER TYPE public.mood ADD VALUE 'first' BEFORE 'sad';
ALTER TYPE public.mood ADD VALUE 'last';
CREATE TYPE public.empty AS ENUM ();
""")
    by_name = {item.name: item for item in database.types}
    assert [member.name for member in by_name["mood"].members] == ["first", "sad", "q'uote", "ü", "a, b", "last"]
    assert (by_name["Pair"].kind, by_name["Pair"].field_names) == ("composite", ["a", "B c", "d"])
    assert by_name["Pair"].fields[1] == SqlType(
        "array", 100000 + by_name["mood"].array_type_id, element=SqlType("enum", 100000 + by_name["mood"].id, user_type_id=by_name["mood"].id))
    assert by_name["inner"].fields == [SqlType("decimal", 1700, 2, 5)]
    assert by_name["empty"].members == []
    assert len({member.physical for member in by_name["mood"].members}) == 6


def test_views(read):
    database = read(TABLE + """CREATE VIEW public.later (
	id
) AS SELECT id FROM d.public.first;
CREATE VIEW public.first (
	id,
	"B ig"
) AS WITH t AS (SELECT 1 AS one), x AS (SELECT id FROM d.public.t) SELECT x.id, b FROM x, public.t AS y, t WHERE nextval('s') > 0;
CREATE MATERIALIZED VIEW s.m (id, n, rowid) AS SELECT id, count(*) AS n FROM d.public.t GROUP BY id WITH DATA;
CREATE VIEW public.plain AS SELECT id AS x, b FROM public.t;
CREATE SEQUENCE s;
CREATE INDEX mi ON s.m (n DESC);
""")
    by_name = {view.name: view for view in database.views}
    table = database.tables[0]
    assert [column.name for column in by_name["first"].columns] == ["id", "B ig"]
    assert set(by_name["first"].depends_on) == {table.id, database.sequences[0].id}
    assert by_name["later"].depends_on == [by_name["first"].id]
    assert by_name["later"].query == "SELECT id FROM d.public.first"
    made = by_name["m"]
    assert (made.materialized, made.query) == (True, "SELECT id, count(*) AS n FROM d.public.t GROUP BY id")
    assert [(column.name, column.hidden) for column in made.columns] == [("id", False), ("n", False), ("rowid", True)]
    assert [(index.name, index.columns[0].column_id, index.columns[0].descending) for index in made.indexes] == [("mi", 2, True)]
    assert [column.name for column in by_name["plain"].columns] == ["x", "b"]


def test_a_materialized_view_that_is_printed_as_a_view():
    """As v20.2 to v22.1 do it."""
    catalog = read_schema_text(TABLE + "CREATE VIEW public.m (id, rowid) AS SELECT id FROM d.public.t;CREATE VIEW public.v (id, rowid) AS SELECT id, id FROM t", "d")
    assert [view.materialized for view in catalog.databases[0].views] == [True, False]
    assert [(item.code, item.object) for item in catalog.findings] == [("materialized_view_recognized", "d.public.m")]


def test_a_types_name_in_a_view(read):
    database = read("CREATE TYPE public.mood AS ENUM ('a');CREATE VIEW v (x) AS SELECT m::d.public.mood, CAST('a' AS public.mood), 'x':::public.mood[] AS mood FROM (SELECT 1 AS mood)")
    mood = database.types[0]
    assert database.views[0].query == (
        f"SELECT m::@{100000 + mood.id}, CAST('a' AS @{100000 + mood.id}), 'x':::@{100000 + mood.array_type_id} AS mood FROM (SELECT 1 AS mood)")


def test_functions(read):
    database = read("""CREATE TYPE public.mood AS ENUM ('a');
CREATE FUNCTION public.add_one(IN x INT8, y public.mood DEFAULT 'a':::public.mood)
	RETURNS INT8
	IMMUTABLE
	LEAKPROOF
	STRICT
	LANGUAGE SQL
	AS $$
	SELECT x + 1; -- not the end
$$;
CREATE OR REPLACE PROCEDURE s.double(INOUT double INT8, OUT triple INT8, VARIADIC more INT8[])
	LANGUAGE plpgsql
	AS $body$
	BEGIN
	double := double * 2; $$x$$;
	END;
$body$;
CREATE FUNCTION public.none() RETURNS VOID VOLATILE NOT LEAKPROOF CALLED ON NULL INPUT LANGUAGE SQL AS 'SELECT ''x''';
CREATE FUNCTION public.some(INT8, double precision) RETURNS SETOF STRING STABLE RETURNS NULL ON NULL INPUT LANGUAGE SQL AS $$ SELECT 'a' $$;
CREATE FUNCTION public.rows() RETURNS TABLE (a INT8, b STRING) LANGUAGE SQL AS $$ SELECT 1, 'a' $$;
CREATE FUNCTION public.record() RETURNS RECORD LANGUAGE SQL AS $$ SELECT 1, 'a' $$;
""")
    by_name = {item.name: item for item in database.functions}
    one = by_name["add_one"]
    assert (one.volatility, one.leakproof, one.strict, one.language, one.procedure, one.return_type) == ("IMMUTABLE", True, True, "SQL", False, SqlType("int", 20, 64))
    assert one.body == "\n\tSELECT x + 1; -- not the end\n"
    assert [(item.mode, item.name, item.type.family, item.default) for item in one.parameters] == [
        ("IN", "x", "int", ""), ("IN", "y", "enum", f"'a':::@{100000 + database.types[0].id}")]
    double = by_name["double"]
    assert (double.procedure, double.language, double.return_type) == (True, "PLPGSQL", None)
    assert double.body == "\n\tBEGIN\n\tdouble := double * 2; $$x$$;\n\tEND;\n"
    assert [(item.mode, item.name, item.type.family) for item in double.parameters] == [("INOUT", "double", "int"), ("OUT", "triple", "int"), ("VARIADIC", "more", "array")]
    assert (by_name["none"].body, by_name["none"].return_type.family, by_name["none"].strict) == ("SELECT 'x'", "void", False)
    some = by_name["some"]
    assert ([item.name for item in some.parameters], [item.type.family for item in some.parameters]) == (["", ""], ["int", "float"])
    assert (some.returns_set, some.strict, some.volatility) == (True, True, "STABLE")
    assert [(item.mode, item.name) for item in by_name["rows"].parameters] == [("OUT", "a"), ("OUT", "b")]


def test_what_functions_need_and_whose_rights_they_have(read):
    database = read("""CREATE TYPE public.mood AS ENUM ('a'); CREATE SEQUENCE s;
CREATE FUNCTION g() RETURNS INT8 SECURITY INVOKER LANGUAGE SQL AS $$ SELECT public.f('a':::d.public.mood) $$;
CREATE FUNCTION f(m public.mood) RETURNS INT8 SECURITY DEFINER LANGUAGE SQL AS $$ SELECT count(*) FROM d.public.t WHERE nextval('s') > 0 $$;
""" + TABLE)
    g, f = database.functions
    assert (g.security_definer, f.security_definer) == (False, True)
    assert (g.depends_on, set(f.depends_on)) == ([f.id], {database.tables[0].id, database.sequences[0].id})
    assert g.body == f" SELECT public.f('a':::@{100000 + database.types[0].id}) "


def test_functions_of_one_name(read):
    """As SHOW CREATE ALL ROUTINES of v25.3 prints them."""
    body = "\n\tVOLATILE\n\tNOT LEAKPROOF\n\tCALLED ON NULL INPUT\n\tLANGUAGE SQL\n\tSECURITY INVOKER\n\tAS $$\n\tSELECT x + 1;\n$$;\n"
    database = read(f"CREATE FUNCTION public.add_one(x INT8)\n\tRETURNS INT8{body}CREATE FUNCTION public.add_one(x FLOAT8)\n\tRETURNS FLOAT8{body}"
                    "COMMENT ON FUNCTION public.add_one(INT8) IS 'a';\nGRANT EXECUTE ON FUNCTION add_one(x FLOAT8) TO fred;\nALTER FUNCTION add_one OWNER TO boss;\n")
    first, second = database.functions
    assert (first.comment, first.grants, second.comment, second.grants) == ("a", [], "", [Grant("public", ["EXECUTE"]), Grant("fred", ["EXECUTE"])])
    assert (first.owner, second.owner, first.security_definer) == ("boss", "boss", False)


def test_default_privileges():
    catalog = read_schema_text("""CREATE TABLE t (a INT8);
ALTER DEFAULT PRIVILEGES FOR ROLE fred, boss IN SCHEMA public, s GRANT SELECT, INSERT ON TABLES TO readers, public WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ALL ROLES GRANT ALL ON ROUTINES TO readers;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO readers;
ALTER DEFAULT PRIVILEGES FOR ROLE fred REVOKE SELECT ON TABLES FROM readers;
""", "d")
    database = catalog.databases[0]
    both = [Grant("readers", ["SELECT", "INSERT"], ["SELECT", "INSERT"]), Grant("public", ["SELECT", "INSERT"], ["SELECT", "INSERT"])]
    for schema in database.schemas:
        assert schema.default_privileges == [DefaultPrivileges("fred", "TABLES", both), DefaultPrivileges("boss", "TABLES", both)]
    assert database.default_privileges == [DefaultPrivileges("", "FUNCTIONS", [Grant("readers", ["ALL"])])]
    assert [role.name for role in catalog.roles] == ["boss", "fred", "readers"]
    assert [item.code for item in catalog.findings] == ["statement_left_out", "statement_left_out"]


def test_triggers():
    catalog = read_schema_text(TABLE + FUNCTION + """CREATE TRIGGER tr AFTER INSERT OR UPDATE OR DELETE ON d.public.t FOR EACH ROW WHEN ((NEW).id > 3) EXECUTE FUNCTION d.public.f('a', 'b');
CREATE TRIGGER "T 2" BEFORE UPDATE OF id, b ON public.t REFERENCING NEW TABLE AS n OLD TABLE "O" EXECUTE FUNCTION public.gone();
""", "d")
    table, function = catalog.databases[0].tables[0], catalog.databases[0].functions[0]
    first, second = table.triggers
    assert (first.name, first.action_time, first.events, first.for_each_row) == ("tr", "AFTER", ["INSERT", "UPDATE", "DELETE"], True)
    assert (first.when, first.function_id, first.function_arguments) == ("(NEW).id > 3", function.id, ["a", "b"])
    assert (second.name, second.action_time, second.events, second.for_each_row, second.function_id) == ("T 2", "BEFORE", ["UPDATE"], False, 0)
    assert (second.update_columns, second.new_alias, second.old_alias) == (["id", "b"], "n", "O")
    assert [(item.code, item.object) for item in catalog.findings] == [("trigger_function_missing", "d.public.t.T 2")]


def test_row_level_security(read_table):
    table = read_table(TABLE + """ALTER TABLE public.t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON public.t AS PERMISSIVE FOR ALL TO public USING (id > 3) WITH CHECK (b = current_user());
CREATE POLICY "P 2" ON d.public.t AS RESTRICTIVE FOR SELECT TO fred, "Weird User" USING (true);
CREATE POLICY p3 ON t;
""")
    assert (table.row_level_security, table.row_level_security_forced) == (True, True)
    assert table.policies == [
        Policy("p", "PERMISSIVE", "ALL", ["public"], "id > 3", "b = current_user()"),
        Policy("P 2", "RESTRICTIVE", "SELECT", ["fred", "Weird User"], "true", ""),
        Policy("p3", "PERMISSIVE", "ALL", ["public"], "", ""),
    ]


def test_comments(read):
    database = read(TABLE + FUNCTION + """CREATE SEQUENCE s; CREATE TYPE e AS ENUM ('a'); CREATE VIEW v (a) AS SELECT 1 AS a;
COMMENT ON DATABASE d IS 'the database';
COMMENT ON SCHEMA public IS 'the schema';
COMMENT ON TABLE public.t IS e'it\\'s';
COMMENT ON COLUMN public.t.b IS 'column';
COMMENT ON INDEX public.t@i IS 'index';
COMMENT ON INDEX t_pkey IS 'key';
COMMENT ON CONSTRAINT ck ON public.t IS 'check';
COMMENT ON TYPE e IS 'type';
COMMENT ON SEQUENCE s IS 'sequence';
COMMENT ON VIEW v IS 'view';
COMMENT ON COLUMN v.a IS 'column of a view';
COMMENT ON FUNCTION public.f() IS 'function';
COMMENT ON TABLE public.t IS NULL;
""")
    table = database.tables[0]
    assert [database.comment, database.schemas[0].comment, table.comment, table.columns[1].comment, table.indexes[0].comment, table.primary_index.comment] == [
        "the database", "the schema", "", "column", "index", "key"]
    assert [table.checks[0].comment, database.types[0].comment, database.sequences[0].comment, database.views[0].comment] == ["check", "type", "sequence", "view"]
    assert [database.views[0].columns[0].comment, database.functions[0].comment] == ["column of a view", "function"]


def test_grants_and_owners():
    catalog = read_schema_text(TABLE + FUNCTION + """CREATE SEQUENCE s; CREATE TYPE e AS ENUM ('a'); CREATE SCHEMA x AUTHORIZATION fred;
CREATE ROLE readers WITH NOLOGIN;
CREATE USER IF NOT EXISTS "Weird User" WITH PASSWORD 'pencil' VALID UNTIL '2030-01-01' CREATEDB NOCREATEROLE;
ALTER ROLE readers WITH CREATEROLE;
GRANT readers TO fred, "Weird User" WITH ADMIN OPTION;
GRANT SELECT, INSERT ON TABLE public.t, s TO readers WITH GRANT OPTION;
GRANT ALL ON public.t TO fred;
GRANT UPDATE ON t TO readers;
GRANT USAGE, CREATE ON SCHEMA public TO PUBLIC;
GRANT CONNECT ON DATABASE d TO public;
GRANT USAGE ON TYPE public.e TO fred;
GRANT EXECUTE ON FUNCTION public.f() TO fred;
GRANT ALL PRIVILEGES ON ALL TABLES IN SCHEMA public TO boss;
ALTER TABLE public.t OWNER TO fred;
ALTER DATABASE d OWNER TO boss;
ALTER TYPE public.e OWNER TO "Weird User";
ALTER FUNCTION public.f() OWNER TO fred;
""", "d")
    database = catalog.databases[0]
    table = database.tables[0]
    assert table.grants == [
        Grant("readers", ["SELECT", "INSERT", "UPDATE"], ["SELECT", "INSERT"]), Grant("fred", ["ALL"]), Grant("boss", ["ALL"])]
    assert (table.owner, database.owner, database.types[0].owner, database.functions[0].owner) == ("fred", "boss", "Weird User", "fred")
    assert [database.schemas[1].owner, database.schemas[0].grants, database.grants, database.functions[0].grants] == [
        "fred", [Grant("public", ["USAGE", "CREATE"])], [Grant("public", ["CONNECT"])], [Grant("public", ["EXECUTE"]), Grant("fred", ["EXECUTE"])]]
    roles = {role.name: role for role in catalog.roles}
    assert sorted(roles) == ["Weird User", "boss", "fred", "readers"]
    assert (roles["readers"].login, roles["Weird User"].login, roles["Weird User"].options, roles["Weird User"].valid_until) == (False, True, ["CREATEDB"], "2030-01-01")
    assert (roles["fred"].member_of, roles["Weird User"].admin_of) == (["readers"], ["readers"])
    assert "pencil" not in repr(catalog)
    assert [item.code for item in catalog.findings] == ["password_left_out"]


@pytest.mark.parametrize("text", [
    "CREATE USER u WITH PASSWORD 'pencil' FROB", "ALTER ROLE u WITH PASSWORD 'pencil' FROB", "CREATE FROB INTO 'kafka://me:pencil@h'",
    "ALTER USER u PASSWORD e'pencil' VALID UNTIL FROB",
])
def test_passwords_are_not_in_errors(text):
    with pytest.raises(UnsupportedError) as caught:
        read_schema_text(text, "d")
    assert "pencil" not in str(caught.value) and "'…'" in str(caught.value)


def test_databases_with_regions_and_settings():
    catalog = read_schema_text("""CREATE DATABASE "My Db" PRIMARY REGION "us-east1" REGIONS = "us-east1", "us-west1" SURVIVE REGION FAILURE SECONDARY REGION "us-west1";
ALTER DATABASE "My Db" ADD REGION "eu";
ALTER DATABASE "My Db" SET statement_timeout = '5s';
ALTER DATABASE "My Db" SET sql.defaults.x TO on;
ALTER DATABASE "My Db" CONFIGURE ZONE USING num_replicas = 5, gc.ttlseconds = 60;
CREATE SCHEMA "My Db"."S";
CREATE TABLE "S".t (a INT8);
""")
    database = catalog.databases[0]
    assert (database.name, database.regions, database.settings) == ("My Db", ["us-east1", "us-west1", "eu"], ["statement_timeout=5s", "sql.defaults.x=on"])
    assert ([schema.name for schema in database.schemas], [table.name for table in database.tables]) == (["public", "S"], ["t"])
    assert [(item.code, item.object) for item in catalog.findings] == [("zone_configuration", "My Db")]


@pytest.mark.parametrize("regions", ["CREATE TYPE public.crdb_internal_region AS ENUM ('a', 'b');", "CREATE DATABASE d PRIMARY REGION \"b\" REGIONS = \"a\", \"b\";"])
def test_the_type_of_regions(read, regions):
    """SHOW CREATE ALL TYPES prints it, SHOW CREATE DATABASE names the regions."""
    database = read(regions + "CREATE TABLE public.t (r public.crdb_internal_region NOT NULL, a INT8) LOCALITY REGIONAL BY ROW AS r")
    assert [(item.kind, [member.name for member in item.members]) for item in database.types] == [("multi-region enum", ["a", "b"])]
    assert (sorted(database.regions), database.tables[0].columns[0].type.user_type_id) == (["a", "b"], database.types[0].id)


@pytest.mark.parametrize(("text", "name"), [
    ("CREATE TABLE t (a INT8)", "defaultdb"),
    ("CREATE TABLE t (a INT8); ALTER TABLE shop.public.t CONFIGURE ZONE USING gc.ttlseconds = 5", "shop"),
    ("CREATE TABLE t (a INT8); CREATE VIEW v (a) AS SELECT t.a FROM shop.public.t", "shop"),
    ("CREATE DATABASE x; CREATE TABLE t (a INT8)", "x"),
    ("USE y; CREATE TABLE t (a INT8)", "y"),
])
def test_the_database_that_the_text_names(text, name):
    databases = read_schema_text(text).databases
    assert [database.name for database in databases if database.tables] == [name]


def test_several_databases_without_a_word_which_is_current():
    with pytest.raises(ConfigurationError, match=r"several databases \(a, b\): say which one"):
        read_schema_text("CREATE DATABASE a; CREATE DATABASE b; CREATE TABLE t (x INT8)")


def test_statements_without_a_counterpart_are_findings():
    catalog = read_schema_text(TABLE + """BEGIN;
SET sql_safe_updates = false;
ALTER TABLE public.t CONFIGURE ZONE USING range_min_bytes = 1, range_max_bytes = 2;
ALTER INDEX d.public.t@i CONFIGURE ZONE USING gc.ttlseconds = 3;
ALTER TABLE public.t SPLIT AT VALUES (1), (2);
ALTER TABLE public.t EXPERIMENTAL_AUDIT SET READ WRITE;
ALTER INDEX public.t@i NOT VISIBLE;
CREATE EXTENSION postgis;
CREATE STATISTICS st ON id FROM public.t;
REVOKE ALL ON public.t FROM fred;
COMMIT;
""", "d")
    assert [(item.code, item.object) for item in catalog.findings] == [
        ("zone_configuration", "d.public.t"), ("zone_configuration", "INDEX d.public.t@i"),
        ("statement_left_out", "d.public.t"), ("statement_left_out", "d.public.t"),
        ("session_setting", "d"), ("statement_left_out", "d"), ("statement_left_out", "d"), ("statement_left_out", "d"),
    ]
    assert catalog.databases[0].tables[0].indexes[0].not_visible


def test_what_only_newer_releases_print(read):
    catalog = read_schema_text("""CREATE TABLE t (a INT8); CREATE VIEW v (a) AS SELECT a FROM t;
CREATE FUNCTION f(a ANYELEMENT, b ANYELEMENT[]) RETURNS ANYELEMENT LANGUAGE plpgsql AS $$ BEGIN RETURN a; END $$;
CREATE TRIGGER tr INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION f(); SET CLUSTER SETTING sql.stats.canary_fraction = 0.1;
CREATE POLICY p ON t TO reader, CURRENT_USER; GRANT SYSTEM VIEWJOB, REPLICATION TO watcher; GRANT USAGE ON EXTERNAL CONNECTION "My Bucket" TO watcher;
GRANT system TO watcher;
""", "d")
    assert [(item.code, item.object) for item in catalog.findings] == [
        ("cluster_settings", "the cluster"), ("trigger_left_out", "d.public.v.tr"), ("system_privileges", "watcher"), ("system_privileges", "watcher")]
    assert catalog.findings[-1].message == "The privileges on external connection My Bucket are omitted: USAGE."
    assert sorted(role.name for role in catalog.roles) == ["reader", "system", "watcher"] and catalog.roles[0].member_of == ["system"]
    assert [parameter.type.oid for parameter in catalog.databases[0].functions[0].parameters] == [2283, 2277]


@pytest.mark.parametrize(("text", "message"), [
    ("CREATE SEQUENCE s FROB", "the sequence option 'FROB' is not known"),
    ("CREATE SEQUENCE s OWNED BY t.a", "the column t.a that owns the sequence is not there"),
    ("CREATE TYPE e AS ENUM ('a') FROB", "'FROB' is not expected here"),
    ("CREATE TYPE e AS RANGE (x)", "the type|expected"),
    ("CREATE DOMAIN q AS INT8 FROB", "'FROB' is not known in a domain"),
    ("CREATE DOMAIN q AS INT8[]", "domain d.public.q: its base type is an array, a composite type or a domain"),
    ("CREATE DOMAIN q AS INT8; CREATE DOMAIN r AS q", "domain d.public.r: its base type is"),
    ("CREATE DOMAIN q AS gone", "the type gone is not known"),
    ("CREATE DOMAIN q AS INT8; CREATE TYPE q AS ENUM ()", "the type d.public.q is there twice"),
    ("CREATE TYPE q AS ENUM (); ALTER DOMAIN q SET NOT NULL", "q is not a domain"),
    ("CREATE DOMAIN q AS INT8; ALTER DOMAIN q FROB", "ALTER DOMAIN … FROB is not known"),
    ("CREATE DOMAIN q AS INT8; ALTER DOMAIN q VALIDATE CONSTRAINT c", "the domain q has no check 'c'"),
    ("CREATE DOMAIN q AS INT8; ALTER DOMAIN q DROP CONSTRAINT c", "the domain q has no check 'c'"),
    ("SELECT pg_catalog.set_config('search_path', '', false)", "as pg_dump writes it: load it with psql"),
    ("CREATE TABLE t (v VECTOR(3), VECTOR INDEX i (v frob_ops))", "the operator class frob_ops is not known in a vector index"),
    ("CREATE VIEW v AS SELECT * FROM t", r"the columns that \* means are not known: those of t"),
    ("CREATE FUNCTION f() RETURNS INT8 WINDOW", "'WINDOW' is not known in a function"),
    ("CREATE TRIGGER t SOMETIME INSERT ON x", "expected BEFORE, AFTER or INSTEAD OF"),
    ("CREATE POLICY p ON gone", "the table gone is not there"),
    ("COMMENT ON FROB x IS 'a'", "a comment on 'FROB' is not known"),
    ("COMMENT ON COLUMN t.a IS 'a'", "the column t.a is not there"),
    ("COMMENT ON INDEX t@i IS 'a'", "the index 'i' is not there"),
    ("GRANT SELECT ON gone TO fred", "gone is not there"),
    ("CREATE ROLE r WITH FROB", "the role's option is not known"),
    ("CREATE DATABASE x FROB", "'FROB' is not known in a database"),
    ("ALTER FROB x", "ALTER FROB is not known"),
    ("CREATE SEQUENCE s; ALTER TABLE s ADD COLUMN a INT8", "the table s is not there"),
    ("CREATE SEQUENCE s; CREATE INDEX i ON s (a)", "the table s is not there"),
    ("CREATE VIEW v (a) AS SELECT 1; ALTER TABLE v ADD CONSTRAINT c CHECK (a > 1)", "d.public.v is a view"),
    ("CREATE FUNCTION f() RETURNS INT8 LANGUAGE plpgsql AS $$ BEGIN RETURN 'x; END $$", "a quote or comment does not end, in CREATE FUNCTION f"),
])
def test_what_is_not_understood(text, message):
    with pytest.raises(UnsupportedError, match=message) as caught:
        read_schema_text(text, "d")
    assert "line 1, column" in str(caught.value) or "does not end" in str(caught.value)
