# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Statements that drop, rename and change what others created, in the order of the text."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
    read_understood_text,
)

OMITTED = [
    ("INSERT INTO t VALUES (1)", "rows_left_out", "error", "INSERT"), ("UPSERT INTO t VALUES (1)", "rows_left_out", "error", "UPSERT"),
    ("IMPORT INTO t CSV DATA ('x')", "rows_left_out", "error", "IMPORT"), ("UPDATE t SET a = 1", "statement_left_out", "info", "UPDATE"),
    ("DELETE FROM t", "statement_left_out", "info", "DELETE"), ("TRUNCATE t", "statement_left_out", "info", "TRUNCATE"),
    ("SELECT 1", "statement_left_out", "info", "SELECT"), ("SHOW TABLES", "statement_left_out", "info", "SHOW"),
    ("EXPLAIN SELECT 1", "statement_left_out", "info", "EXPLAIN"), ("ANALYZE t", "statement_left_out", "info", "ANALYZE"),
    ("PREPARE p AS SELECT 1", "statement_left_out", "info", "PREPARE"), ("BACKUP INTO 's3://b'", "statement_left_out", "warning", "BACKUP"),
    ("ROLLBACK", "statement_left_out", "warning", "ROLLBACK"), ("REVOKE ALL ON t FROM x", "statement_left_out", "warning", "REVOKE"),
    ("CREATE STATISTICS s FROM t", "statement_left_out", "warning", "CREATE STATISTICS"),
    ("CREATE CHANGEFEED FOR t INTO 'kafka://x'", "statement_left_out", "warning", "CREATE CHANGEFEED"),
    ("CREATE SCHEDULE FOR BACKUP INTO 's3://b' RECURRING '@daily'", "statement_left_out", "warning", "CREATE SCHEDULE"),
    ("DROP SCHEDULES SELECT 1", "statement_left_out", "warning", "DROP SCHEDULES"),
    ("CREATE PUBLICATION p FOR TABLE t", "statement_left_out", "warning", "CREATE PUBLICATION"), ("REINDEX TABLE t", "statement_left_out", "info", "REINDEX"),
    ("RESTORE FROM LATEST IN 's3://b'", "rows_left_out", "error", "RESTORE"),
    ("COMMENT ON EXTENSION x IS 'y'", "statement_left_out", "warning", "COMMENT ON"), ("ALTER SYSTEM SET CLUSTER SETTING a = 1", "statement_left_out", "warning", "ALTER SYSTEM"),
    ("CREATE EXTENSION IF NOT EXISTS pgcrypto", "statement_left_out", "warning", "CREATE EXTENSION"),
    ("SET sql_safe_updates = false", "session_setting", "info", "SET sql_safe_updates"),
]


@pytest.mark.parametrize(("statement", "named"), [
    ("INSERT INTO s.t VALUES (1)", ": s.t."), ("RESTORE TABLE t FROM LATEST IN 's3://b'", ": t."), ("RESTORE DATABASE d FROM LATEST IN 's3://b'", ": d."),
    ("RESTORE FROM LATEST IN 's3://b'", "at line 1."), ("IMPORT INTO t CSV DATA ('x')", ": t."), ("COPY t FROM 's3://b'", ": t."),
])
def test_what_rows_are_for_is_named(statement, named):
    (finding,) = read_schema_text(f"{statement}; CREATE TABLE t (a INT)", "d").findings
    assert finding.code == "rows_left_out" and finding.message.endswith(named)


@pytest.mark.parametrize(("statement", "code", "severity", "kind"), OMITTED)
def test_statements_without_schema_are_counted(statement, code, severity, kind):
    catalog = read_schema_text(f"CREATE TABLE t (a INT);\n{statement};\n\n{statement};", "d")
    (finding,) = catalog.findings
    assert (finding.code, finding.severity, finding.object) == (code, severity, "d")
    assert finding.message.startswith(f"2 {kind} statements are omitted, the first at line 2")


def test_transactions_say_nothing():
    assert read_schema_text("BEGIN; SAVEPOINT s; CREATE TABLE t (a INT); RELEASE SAVEPOINT s; COMMIT;", "d").findings == []


@pytest.mark.parametrize(("text", "message"), [
    ("CREATE TABLE t (a INT PRIMARY KEY); CREATE VIEW v AS SELECT a FROM t; DROP TABLE t", "t is needed by v"),
    ("CREATE TABLE t (a INT PRIMARY KEY); CREATE TABLE u (a INT REFERENCES t); DROP TABLE t", "t is needed by the foreign key u_a_fkey of u"),
    ("CREATE SEQUENCE s; CREATE TABLE t (a INT DEFAULT nextval('s')); DROP SEQUENCE s", "s is needed by the column t.a"),
    ("CREATE TYPE e AS ENUM ('x'); CREATE TABLE t (a e); DROP TYPE e", "e is needed by the column t.a"),
    ("CREATE SCHEMA s; CREATE TABLE s.t (a INT); DROP SCHEMA s", "the schema is needed by t"),
    ("CREATE TABLE t (a INT PRIMARY KEY); ALTER TABLE t DROP COLUMN a", "the column a is part of the primary key"),
    ("CREATE TABLE t (a INT, b INT AS (a + 1) STORED); ALTER TABLE t DROP COLUMN a", "needed by the computed column or expression index b"),
    ("CREATE TABLE t (a INT); CREATE VIEW v AS SELECT a FROM t; ALTER TABLE t DROP COLUMN a", "needed by the view v"),
    ("CREATE TABLE t (a INT); CREATE VIEW v AS SELECT a FROM t; ALTER TABLE t RENAME a TO b", "the view v reads 'a'"),
    ("CREATE TABLE t (a INT UNIQUE); CREATE TABLE u (a INT REFERENCES t (a)); DROP INDEX t@t_a_key", "t_a_key is needed by the foreign key"),
    ("CREATE TABLE t (a INT PRIMARY KEY, b INT NOT NULL); ALTER TABLE t DROP CONSTRAINT t_pkey", "is dropped, and no other is added"),
    ("CREATE TABLE t (a INT PRIMARY KEY, b INT NOT NULL); ALTER TABLE t ADD PRIMARY KEY (b)", "d.public.t has a primary key"),
    ("CREATE TABLE t (a INT, b INT); ALTER TABLE t RENAME a TO b", "has a column 'b'"), ("CREATE TABLE t (a INT); ALTER TABLE t DROP COLUMN b", "has no column 'b'"),
    ("CREATE TABLE t (a INT); CREATE TABLE u (a INT); ALTER TABLE t RENAME TO u", "u is there twice"),
    ("CREATE TABLE t (a INT); ALTER TABLE t SET SCHEMA s", "the schema s is not there"),
    ("CREATE TABLE t (a INT); ALTER TABLE t ALTER a FROB", "ALTER COLUMN … FROB is not known"),
    ("CREATE TABLE t (a STRING DEFAULT 'x'); ALTER TABLE t ALTER a TYPE INT", "the default of the column a cannot be cast"),
    ("CREATE TABLE t (a INT DEFAULT 1); ALTER TABLE t ALTER a TYPE DATE", "the default of the column a cannot be cast"),
    ("CREATE TABLE t (a INT, g INT AS (a + 1) STORED); ALTER TABLE t ALTER a TYPE STRING", "index g computes with the column a"),
    ("CREATE TABLE t (a INT, CONSTRAINT c CHECK (a > 1)); ALTER TABLE t ALTER a TYPE STRING", "check constraint c computes with the column a"),
    ("CREATE TABLE t (a INT, b INT, INDEX i (b) WHERE a > 1); ALTER TABLE t ALTER a TYPE STRING", "index i computes with the column a"),
    ("CREATE TABLE t (a INT); CREATE POLICY p ON t USING (a > 1); ALTER TABLE t ALTER a TYPE STRING", "policy p computes with the column a"),
    ("CREATE TABLE t (a INT); CREATE VIEW v AS SELECT a + 1 AS x FROM t; ALTER TABLE t ALTER a TYPE STRING", "the view v reads 'a'"),
    ("CREATE TABLE t (a INT); ALTER TABLE t DROP CONSTRAINT c", "has no constraint 'c'"),
    ("CREATE TYPE e AS ENUM ('x', 'y'); ALTER TYPE e RENAME VALUE 'x' TO 'y'", "the enum has the value 'y'"),
    ("CREATE TYPE e AS ENUM ('x', 'y', 'x')", "the enum has the value 'x' twice"),
    ("CREATE TYPE e AS ENUM ('x'); ALTER TYPE e DROP VALUE 'z'", "the enum has no value 'z'"),
    ("CREATE TYPE e AS ENUM ('x'); CREATE TABLE t (a e, s STRING, CHECK (a = 'x' OR s = 'x')); ALTER TYPE e RENAME VALUE 'x' TO 'y'", "cannot be followed"),
    ("CREATE TYPE e AS ENUM ('x'); CREATE TABLE t (a e, s STRING); CREATE VIEW v AS SELECT a FROM t WHERE a = 'x' AND s = 'x'; ALTER TYPE e RENAME VALUE 'x' TO 'y'", "cannot be followed"),
    ("CREATE TYPE e AS ENUM ('x'); CREATE TABLE t (a e); CREATE VIEW v AS SELECT a FROM t; CREATE VIEW w AS SELECT a FROM v WHERE a = 'x'; ALTER TYPE e RENAME VALUE 'x' TO 'y'",
     "cannot be followed"),
    ("CREATE TYPE e AS ENUM ('x'); CREATE TABLE t (a e); CREATE FUNCTION f() RETURNS INT LANGUAGE PLpgSQL AS $$ BEGIN UPDATE t SET a = 'x'; RETURN 1; END $$;"
     "ALTER TYPE e RENAME VALUE 'x' TO 'y'", "cannot be followed"),
    ("CREATE TABLE t (a INT PRIMARY KEY); ALTER TABLE t ALTER a DROP NOT NULL", "part of the primary key"),
    ("CREATE TABLE t (x, y) AS SELECT 1 AS a", "the query has 1 columns, and 2 names are given"),
    ("CREATE TABLE t AS SELECT 1 AS a, 2 AS a", "the column a is there twice"), ("CREATE TABLE t AS VALUES (1)", "the columns of the query are not known"),
    ("CREATE TABLE u (a INT); CREATE TABLE t (LIKE u INCLUDING FROB)", "expected ALL or one of"),
])
def test_what_cannot_be_done_is_refused(text, message):
    with pytest.raises(UnsupportedError, match=message):
        read_schema_text(text, "d")


@pytest.mark.parametrize(("before", "after", "family"), [
    ("INT DEFAULT 1 CHECK (a > 1)", "DECIMAL", "decimal"), ("DATE DEFAULT '2024-01-01'", "TIMESTAMP", "timestamp"), ("INT DEFAULT 1", "STRING", "string"),
    ("VARCHAR(5) DEFAULT 'x' CHECK (a != 'y')", "STRING", "string"), ("INT4 CHECK (a > 1)", "INT8", "int"), ("STRING", "INT", "int"),
])
def test_a_type_to_which_its_expressions_fit(read, before, after, family):
    (table,) = read(f"CREATE TABLE t (a {before}); ALTER TABLE t ALTER a TYPE {after};").tables
    assert table.columns[0].type.family == family


def test_views_and_functions_follow_a_value_of_an_enum(read):
    database = read("""CREATE TYPE e AS ENUM ('x', 'z'); CREATE TABLE t (a e, s STRING);
CREATE VIEW v AS SELECT a FROM t WHERE a = 'x' OR a = 'x'::e; CREATE VIEW w AS SELECT a FROM t WHERE s = 'x';
CREATE FUNCTION f(p e) RETURNS BOOL LANGUAGE SQL AS $$ SELECT p = 'x' OR p IN ('x', 'z') $$; CREATE FUNCTION g() RETURNS INT LANGUAGE SQL AS $$ SELECT 1 FROM t WHERE a < 'x' $$;
ALTER TYPE e RENAME VALUE 'x' TO 'it''s';""")
    assert [view.query.count("'it''s'") for view in database.views] == [2, 0] and "s = 'x'" in database.views[1].query
    assert [function.body.count("'it''s'") for function in database.functions] == [2, 1] and not any("'x'" in item.body for item in database.functions)


def test_what_is_dropped_can_be_made_again(read):
    database = read("""DROP TABLE IF EXISTS t CASCADE;
CREATE TABLE t (a INT);
DROP TABLE t;
DROP TABLE never;
CREATE TABLE t (b INT);
DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT b FROM t; DROP VIEW v; DROP INDEX IF EXISTS t@i; DROP TYPE IF EXISTS e; DROP SEQUENCE IF EXISTS s;
DROP SCHEMA IF EXISTS z CASCADE; DROP FUNCTION IF EXISTS f(INT); DROP USER IF EXISTS u; DROP TRIGGER IF EXISTS g ON t; DROP POLICY IF EXISTS p ON t;
""")
    assert ([column.name for column in database.tables[0].columns][:1], len(database.tables), database.views) == (["b"], 1, [])


def test_a_database_that_is_dropped_first():
    (database,) = read_schema_text("DROP DATABASE IF EXISTS shop CASCADE; CREATE DATABASE shop; USE shop; CREATE TABLE t (a INT);").databases
    assert (database.name, [table.name for table in database.tables]) == ("shop", ["t"])


@pytest.mark.parametrize(("first", "second"), [
    ("TABLE {} t (a INT)", "TABLE {} t (b INT)"), ("VIEW {} v AS SELECT 1 AS a", "VIEW {} v AS SELECT 2 AS a"), ("SEQUENCE {} s", "SEQUENCE {} s INCREMENT 2"),
    ("TYPE {} e AS ENUM ('a')", "TYPE {} e AS ENUM ('b')"), ("DOMAIN {} q AS INT8", "DOMAIN {} q AS INT4"),
    ("TABLE t (a INT, b INT); CREATE INDEX {} i ON t (a)", "INDEX {} i ON t (b)"),
])
def test_the_first_of_two_definitions_stays(first, second):
    clause = "IF NOT EXISTS"
    made = read_schema_text(f"CREATE {first.format('')};", "d")
    again = read_schema_text(f"CREATE {first.format('')};\nCREATE {second.format(clause)};", "d")
    assert again.databases[0].tables == made.databases[0].tables and again.databases[0].types == made.databases[0].types
    assert [view.query for view in again.databases[0].views] == [view.query for view in made.databases[0].views]
    (finding,) = again.findings
    assert finding.code == "statement_left_out" and "line 2 is omitted, which differs from the one at line 1" in finding.message
    last = first.split("; CREATE ")[-1]
    assert read_schema_text(f"CREATE {first.format('')};\nCREATE {last.format(clause)};", "d").findings == []


def test_the_last_replacement_stays(read):
    database = read("""CREATE TABLE t (a INT, b INT);
CREATE OR REPLACE VIEW v AS SELECT a FROM t;
CREATE VIEW w AS SELECT a FROM v;
CREATE OR REPLACE VIEW v AS SELECT a, b FROM t;
CREATE FUNCTION f(x INT) RETURNS INT LANGUAGE SQL AS 'SELECT 1';
CREATE OR REPLACE FUNCTION f(y INT) RETURNS INT LANGUAGE SQL AS 'SELECT 2';
CREATE OR REPLACE FUNCTION f(y STRING) RETURNS INT LANGUAGE SQL AS 'SELECT 3';
""")
    views = {view.name: view for view in database.views}
    assert [column.name for column in views["v"].columns] == ["a", "b"] and views["w"].depends_on == [views["v"].id]
    assert [item.body for item in database.functions] == ["SELECT 2", "SELECT 3"]
    with pytest.raises(UnsupportedError, match="the function f is there twice"):
        read("CREATE FUNCTION f(x INT) RETURNS INT LANGUAGE SQL AS 'SELECT 1'; CREATE FUNCTION f(y INT) RETURNS INT LANGUAGE SQL AS 'SELECT 2'")


TABLES = 'CREATE TABLE t (a INT PRIMARY KEY, b STRING); CREATE TABLE u ("B" INT, c INT); '


@pytest.mark.parametrize(("query", "columns", "text"), [
    ("SELECT * FROM t", ["a", "b"], 'SELECT "a", "b" FROM "public"."t"'), ("SELECT * FROM u", ["B", "c"], 'SELECT "B", "c" FROM "public"."u"'),
    ("SELECT x.*, b AS z FROM t AS x", ["a", "b", "z"], 'SELECT x."a", "x"."b", b AS z FROM "public"."t" AS x'),
    ("SELECT * FROM t, public.u", ["a", "b", "B", "c"], 'SELECT "t"."a", "t"."b", "u"."B", "u"."c" FROM "public"."t", public.u'),
    ("SELECT t.* FROM t JOIN u ON true FULL JOIN t AS z USING (a)", ["a", "b"],
     'SELECT t."a", "t"."b" FROM "public"."t" JOIN "public"."u" ON true FULL JOIN "public"."t" AS z USING (a)'),
    ("SELECT * FROM t JOIN (SELECT b, 1 AS n FROM t) AS z USING (b)", ["b", "a", "n"],
     'SELECT "t"."b", "t"."a", "z"."n" FROM "public"."t" JOIN (SELECT b, 1 AS n FROM "public"."t") AS z USING (b)'),
    ("SELECT * FROM t RIGHT JOIN t AS z USING (b, a) CROSS JOIN u", ["b", "a", "B", "c"],
     'SELECT "z"."b", "z"."a", "u"."B", "u"."c" FROM "public"."t" RIGHT JOIN "public"."t" AS z USING (b, a) CROSS JOIN "public"."u"'),
    ("SELECT * FROM t NATURAL LEFT JOIN t AS y JOIN u ON y.a = u.c", ["a", "b", "B", "c"],
     'SELECT "t"."a", "t"."b", "u"."B", "u"."c" FROM "public"."t" NATURAL LEFT JOIN "public"."t" AS y JOIN "public"."u" ON y.a = u.c'),
    ("WITH q AS (SELECT * FROM t) SELECT * FROM q", ["a", "b"], 'WITH q AS (SELECT "a", "b" FROM "public"."t") SELECT "a", "b" FROM q'),
    ("SELECT * FROM (SELECT *, 1 AS one FROM t) z", ["a", "b", "one"], 'SELECT "a", "b", "one" FROM (SELECT "a", "b", 1 AS one FROM "public"."t") z'),
    ("SELECT * FROM t UNION ALL SELECT * FROM t", ["a", "b"], 'SELECT "a", "b" FROM "public"."t" UNION ALL SELECT "a", "b" FROM "public"."t"'),
    ("SELECT * FROM (VALUES (1, 2)) AS v (k, l)", ["k", "l"], 'SELECT "k", "l" FROM (VALUES (1, 2)) AS v (k, l)'),
    ("SELECT count(*) FROM t", ["count"], 'SELECT count(*) FROM "public"."t"'),
    ("SELECT a FROM t WHERE EXISTS (SELECT * FROM u)", ["a"], 'SELECT a FROM "public"."t" WHERE EXISTS (SELECT * FROM "public"."u")'),
    ("SELECT a::INT2, lower(b), CASE WHEN true THEN 1 ELSE upper(b) END, ARRAY[1, 2], (SELECT max(a) FROM t), b AS \"Q\" FROM t",
     ["a", "lower", "upper", "array", "max", "Q"], None),
    ("SELECT 1::INT2, 'x'::STRING, 1 + 1, true, coalesce(a, 1), CASE WHEN true THEN a END, extract(year FROM now()), trim(b) FROM t",
     ["int2", "text", "?column?", "bool", "coalesce", "case", "extract", "btrim"], None),
])
def test_columns_of_views_that_name_none(read, query, columns, text):
    view = read(f"{TABLES}CREATE VIEW v AS {query};").views[0]
    assert [column.name for column in view.columns] == columns
    assert text is None or view.query == text


@pytest.mark.parametrize(("query", "message"), [
    ("SELECT * FROM t JOIN u USING (c)", "not each side of a join has each of c once"), ("SELECT * FROM t FULL JOIN t AS z USING (a)", "a full join with USING"),
    ("SELECT * FROM u, t JOIN t AS z USING (a, b)", "beside a comma"), ("SELECT * FROM t JOIN t AS z USING (a)", "2 columns with the name b"),
    ("SELECT * FROM gone", "not known: those of gone"), ("SELECT w.* FROM t", "the table w that"),
    ("SELECT * FROM unnest(ARRAY[1])", "a part without a name"), ("SELECT a, count(*), b::INT2, a + 1 AS a FROM t", "2 columns with the name a"),
    ("SELECT count(*), count(b) FROM t", "2 columns with the name count"), ("SELECT *, a FROM t", "2 columns with the name a"),
])
def test_columns_that_are_not_known(read, query, message):
    with pytest.raises(UnsupportedError, match=message):
        read(f"{TABLES}CREATE VIEW v AS {query};")


def test_a_star_means_the_columns_of_its_place_in_the_text(read):
    database = read("CREATE TABLE t (a INT); CREATE VIEW v AS SELECT * FROM t; ALTER TABLE t ADD COLUMN b INT; CREATE VIEW w AS SELECT * FROM t;")
    assert [[column.name for column in view.columns] for view in database.views] == [["a"], ["a", "b"]]


def test_names_without_a_schema_are_in_the_search_path():
    (database,) = read_schema_text("""CREATE SCHEMA s; CREATE SCHEMA z; CREATE TABLE t (a INT);
SET search_path = s, public; CREATE TYPE e AS ENUM ('x'); CREATE TABLE u (a INT PRIMARY KEY, e e); CREATE VIEW v AS SELECT t.a, u.e FROM t, u;
SET search_path TO z; CREATE TABLE t (c INT); CREATE SEQUENCE q; ALTER TABLE t ADD d INT DEFAULT nextval('q');
SET SCHEMA 'public'; ALTER TABLE t ADD b INT; DROP TABLE IF EXISTS u;
SET search_path TO DEFAULT; CREATE TABLE w (a INT REFERENCES s.u);
""", "d").databases
    schemas = {schema.id: schema.name for schema in database.schemas}
    assert sorted((schemas[table.schema_id], table.name, len([item for item in table.columns if not item.hidden])) for table in database.tables) == [
        ("public", "t", 2), ("public", "w", 1), ("s", "u", 2), ("z", "t", 2)]
    assert database.views[0].query == 'SELECT t.a, u.e FROM "public"."t", "s"."u"'


def test_what_was_granted_is_taken_back():
    catalog = read_schema_text("""CREATE TABLE t (a INT); GRANT SELECT, INSERT ON t TO a, b; GRANT ALL ON t TO c WITH GRANT OPTION; GRANT r TO a, b; GRANT SELECT ON t TO e;
REVOKE INSERT ON t FROM a; REVOKE ALL ON TABLE t FROM b; REVOKE GRANT OPTION FOR ALL ON t FROM c; REVOKE r FROM a; REVOKE ALL ON ALL TABLES IN SCHEMA public FROM e;
""", "d")
    assert [(grant.role, grant.privileges, grant.grantable) for grant in catalog.databases[0].tables[0].grants] == [("a", ["SELECT"], []), ("c", ["ALL"], [])]
    assert {role.name: role.member_of for role in catalog.roles if role.name in "ab"} == {"a": [], "b": ["r"]} and catalog.findings == []


@pytest.mark.parametrize("statement", ["REVOKE SELECT ON t FROM c", "REVOKE SELECT ON t FROM gone", "REVOKE SELECT ON gone FROM c", "REVOKE r FROM c", "REVOKE SYSTEM X FROM c"])
def test_what_was_not_granted_cannot_be_taken_back(statement):
    (finding,) = read_schema_text(f"CREATE TABLE t (a INT); GRANT ALL ON t TO c; {statement};", "d").findings
    assert (finding.code, finding.severity, finding.message) == ("statement_left_out", "warning", "1 REVOKE statement is omitted, at line 1.")


@pytest.mark.parametrize(("text", "duration"), [
    ("CREATE TABLE t (a INT PRIMARY KEY, FAMILY f (a)) WITH (ttl_expire_after = '30 minutes')", "'30 minutes'::INTERVAL"),
    ("CREATE TABLE t (a INT); ALTER TABLE t SET (ttl_expire_after = '1 day':::INTERVAL)", "'1 day':::INTERVAL::INTERVAL"),
    ("CREATE TABLE t (a INT) WITH (ttl_expire_after = '1 day'); ALTER TABLE t SET (ttl_expire_after = '2 days', ttl_job_cron = '@hourly')", "'2 days'::INTERVAL"),
    ("CREATE TABLE t (a INT) WITH (ttl_expire_after = '1 day'); ALTER TABLE t SET (ttl_job_cron = '@hourly')", "'1 day'::INTERVAL"),
    ("CREATE TABLE t (a INT, crdb_internal_expiration TIMESTAMPTZ NOT VISIBLE NOT NULL DEFAULT current_timestamp():::TIMESTAMPTZ + '9 days':::INTERVAL"
     " ON UPDATE current_timestamp():::TIMESTAMPTZ + '9 days':::INTERVAL) WITH (ttl = 'on', ttl_expire_after = '9 days':::INTERVAL)", "'9 days':::INTERVAL"),
    ("CREATE TABLE t (a INT) WITH (ttl_expire_after = '1 day'); ALTER TABLE t RESET (ttl)", ""),
    ("CREATE TABLE t (a INT) WITH (ttl = 'on', ttl_automatic_column = 'off', ttl_expire_after = '1 day')", ""),
    ("CREATE TABLE t (a INT, b TIMESTAMPTZ) WITH (ttl_expiration_expression = 'b')", ""),
])
def test_the_hidden_column_of_row_level_ttl_follows_its_duration(text, duration):
    [table] = read_schema_text(text, "d").databases[0].tables
    found = [(column.default, column.on_update, column.hidden, column.nullable) for column in table.columns if column.name == "crdb_internal_expiration"]
    expires = f"current_timestamp():::TIMESTAMPTZ + {duration}"
    assert found == ([(expires, expires, True, False)] if duration else [])
    assert sorted(number for family in table.families for number in family.column_ids) == sorted(column.id for column in table.columns)


def test_roles_that_only_a_membership_names_are_created():
    roles = read_schema_text("CREATE TABLE t (a INT); CREATE USER u; GRANT readers, admin TO u;", "d").roles
    assert [(role.name, role.login, role.member_of) for role in roles] == [("u", True, ["readers", "admin"]), ("readers", False, [])]


def test_a_refused_change_is_said_of_its_object():
    catalog = read_understood_text("CREATE TABLE t (a INT PRIMARY KEY);\nALTER TABLE t FROB;\nDROP TYPE FROB BAR;\n", "d")
    assert [(item.code, item.severity, item.object) for item in catalog.findings] == [("change_refused", "warning", "d.public.t"), ("change_refused", "warning", "d.public.frob")]
    assert catalog.findings[0].message == "ALTER TABLE at line 2 is refused: the table is as it was before that statement."
    assert [column.name for column in catalog.databases[0].tables[0].columns] == ["a"]


def test_a_database_that_gets_another_name_in_the_middle():
    databases = read_schema_text("CREATE TABLE t (a INT8); ALTER DATABASE defaultdb RENAME TO rid; USE rid; CREATE DATABASE defaultdb; "
                                 "ALTER TABLE t ADD COLUMN b INT8; CREATE TABLE u (a INT8);").databases
    assert [(database.name, [table.name for table in database.tables]) for database in databases] == [("rid", ["t", "u"]), ("defaultdb", [])]
    assert [column.name for column in databases[0].tables[0].columns if not column.hidden] == ["a", "b"]


@pytest.mark.parametrize(("up", "down"), [("-- +goose Up", "-- +goose Down"), ("-- +migrate Up", "-- +migrate Down notransaction"), ("-- migrate:up", "-- migrate:down transaction:false")])
def test_what_undoes_migrations_is_omitted(up, down):
    catalog = read_schema_text(f"{up}\nCREATE TABLE t (a INT PRIMARY KEY);\n{down}\nDROP TABLE t;\n\n{up}\nALTER TABLE t ADD b INT;\n{down}\nALTER TABLE t\n DROP b;\n", "d")
    assert [column.name for column in catalog.databases[0].tables[0].columns] == ["a", "b"]
    assert [(item.code, item.severity, item.message) for item in catalog.findings] == [
        ("statement_left_out", "info", "3 lines that undo migrations are omitted, the first is line 4.")]
    with pytest.raises(UnsupportedError, match="at line 7"):
        read_schema_text(f"{up}\nCREATE TABLE t (a INT);\n{down}\nDROP TABLE t;\n\n{up}\nALTER TABLE t FROB;\n", "d")


def test_names_that_earlier_releases_gave(read):
    """Until v21.2: default names in CockroachDB's pkg/sql/create_table.go and pkg/sql/catalog/tabledesc of that time."""
    database = read("""CREATE TABLE p (a INT PRIMARY KEY, b INT NOT NULL); CREATE TABLE c (x INT REFERENCES p, y INT REFERENCES p);
ALTER TABLE c DROP CONSTRAINT fk_x_ref_p; ALTER TABLE c VALIDATE CONSTRAINT fk_y_ref_p; COMMENT ON CONSTRAINT fk_y_ref_p ON c IS 'z';
ALTER TABLE p DROP CONSTRAINT "primary", ADD CONSTRAINT "primary" PRIMARY KEY (b); ALTER INDEX p@primary RENAME TO key; ALTER TABLE c RENAME CONSTRAINT fk_y_ref_p TO fk;
""")
    p, c = database.tables
    assert (p.primary_index.name, [(key.name, key.comment) for key in c.foreign_keys]) == ("key", [("fk", "z")])


def test_settings_that_say_the_default():
    assert read_schema_text("SET default_int_size = 8; SET serial_normalization TO 'rowid'; CREATE TABLE t (a INT, b SERIAL);", "d").databases[0].tables
    with pytest.raises(UnsupportedError, match="serial_normalization changes what the statements after it mean"):
        read_schema_text("SET serial_normalization = 'sql_sequence'; CREATE TABLE t (a INT)", "d")


def test_policies_functions_and_databases_are_changed(read):
    database = read("""CREATE TABLE t (a INT); CREATE POLICY p ON t FOR SELECT TO x USING (a > 1); CREATE POLICY q ON t USING (a > 2);
ALTER POLICY p ON t TO y, z USING (a > 3); ALTER POLICY q ON t RENAME TO r; ALTER POLICY IF EXISTS gone ON t TO x;
CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE SQL AS 'SELECT 1'; ALTER FUNCTION f(INT) IMMUTABLE STRICT LEAKPROOF; ALTER FUNCTION f NOT LEAKPROOF;
ALTER DATABASE d SET timezone = 'utc'; ALTER DATABASE d SET lock_timeout = '3s'; ALTER DATABASE d RESET timezone; CREATE INDEX i ON ONLY t USING btree (a);
ALTER INDEX t@i RELOCATE LEASE SELECT 1; ALTER TABLE t VALIDATE CONSTRAINT t_pkey;
""")
    (table,), (function,) = database.tables, database.functions
    assert [(item.name, item.roles, item.using) for item in table.policies] == [("p", ["y", "z"], "a > 3"), ("r", ["public"], "a > 2")]
    assert (function.volatility, function.strict, function.leakproof, database.settings) == ("IMMUTABLE", True, False, ["lock_timeout=3s"])
    with pytest.raises(UnsupportedError, match="t has no policy 'gone'"):
        read("CREATE TABLE t (a INT); ALTER POLICY gone ON t TO x")


def test_what_goes_with_a_dropped_table(read):
    database = read("CREATE SEQUENCE s; CREATE TABLE t (a INT DEFAULT nextval('s'), b INT GENERATED ALWAYS AS IDENTITY); ALTER SEQUENCE s OWNED BY t.a; DROP TABLE t;")
    assert (database.tables, database.sequences) == ([], [])


def test_nothing_is_said_of_what_is_dropped():
    text = "CREATE TABLE t (a INT) WITH (fillfactor = 10); CREATE VIEW v WITH (security_invoker = true) AS SELECT 1 AS a; ALTER TABLE t SPLIT AT VALUES (1);"
    assert {item.object for item in read_schema_text(text, "d").findings} == {"d.public.t", "d.public.v"}
    assert read_schema_text(f"{text} DROP TABLE t; DROP VIEW v;", "d").findings == []
    assert {item.object for item in read_schema_text(f"{text} ALTER TABLE t RENAME TO u; DROP VIEW v;", "d").findings} == {"d.public.u"}


def test_new_columns_are_in_the_first_family(read):
    (table,) = read("CREATE TABLE t (a INT PRIMARY KEY, b INT, FAMILY x (a), FAMILY y (b)); ALTER TABLE t ADD c INT; ALTER TABLE t ADD d INT CREATE FAMILY z;").tables
    names = {column.id: column.name for column in table.columns}
    assert {family.name: [names[number] for number in family.column_ids] for family in table.families} == {"x": ["a", "c"], "y": ["b"], "z": ["d"]}


def test_expression_indexes_follow_the_type_of_their_columns(read):
    (table,) = read("CREATE TABLE t (a INT, INDEX ((a || 'x')), INDEX ((abs(a)))); ALTER TABLE t ALTER a TYPE DECIMAL(9,2);").tables
    assert [column.type.family for column in table.columns if column.inaccessible][-1] == "decimal"
