# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Statements that drop, rename and change what others created, in the order of the text."""
from __future__ import annotations

import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
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
    ("CREATE EXTENSION IF NOT EXISTS pgcrypto", "statement_left_out", "warning", "CREATE EXTENSION"),
    ("SET sql_safe_updates = false", "session_setting", "info", "SET sql_safe_updates"),
]


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
    ("CREATE TABLE t (a INT); ALTER TABLE t RENAME a TO a", "has a column 'a'"), ("CREATE TABLE t (a INT); ALTER TABLE t DROP COLUMN b", "has no column 'b'"),
    ("CREATE TABLE t (a INT); CREATE TABLE u (a INT); ALTER TABLE t RENAME TO u", "u is there twice"),
    ("CREATE TABLE t (a INT); ALTER TABLE t SET SCHEMA s", "the schema s is not there"),
    ("CREATE TABLE t (a INT); ALTER TABLE t ALTER a FROB", "ALTER COLUMN … FROB is not known"),
    ("CREATE TABLE t (a INT); ALTER TABLE t DROP CONSTRAINT c", "has no constraint 'c'"),
    ("CREATE TYPE e AS ENUM ('x', 'y'); ALTER TYPE e RENAME VALUE 'x' TO 'y'", "the enum has the value 'y'"),
    ("CREATE TYPE e AS ENUM ('x'); ALTER TYPE e DROP VALUE 'z'", "the enum has no value 'z'"),
    ("CREATE TYPE e AS ENUM ('x'); CREATE TABLE t (a e, s STRING, CHECK (a = 'x' OR s = 'x')); ALTER TYPE e RENAME VALUE 'x' TO 'y'", "cannot be followed"),
    ("CREATE TABLE t (a INT PRIMARY KEY); ALTER TABLE t ALTER a DROP NOT NULL", "part of the primary key"),
])
def test_what_cannot_be_done_is_refused(text, message):
    with pytest.raises(UnsupportedError, match=message):
        read_schema_text(text, "d")


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
