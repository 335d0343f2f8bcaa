# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Functions, procedures, triggers, policies and settings work in a real PostgreSQL as they did in CockroachDB."""
from __future__ import annotations

import pglast
import pytest

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.database import convert_database
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import (
    Column,
    Database,
    DefaultPrivileges,
    EnumMember,
    Function,
    Grant,
    Index,
    IndexColumn,
    Parameter,
    Policy,
    Schema,
    SqlType,
    Table,
    Trigger,
    UserType,
    View,
)

INT, TEXT, BOOL = SqlType("int", 20, 64), SqlType("string", 25), SqlType("bool", 16)
VOID, TRIGGER, RECORD = SqlType("void", 2278), SqlType("trigger", 2279), SqlType("tuple", 2249)
MOOD = SqlType("enum", 100030, user_type_id=30)

GRADE = """
DECLARE
    total INT8 := 0:::INT8;
    step INT8;
    answer STRING;
    "Odd name" INT8 := n // 2:::INT8;
BEGIN
    <<outer>>
    LOOP
        total := total + 1:::INT8;
        CONTINUE outer WHEN total % 2:::INT8 = 1:::INT8;
        EXIT WHEN total >= n;
    END LOOP outer;
    WHILE total > n LOOP
        total := total - 1;
    END LOOP;
    SELECT count(*), max(name) INTO step, answer FROM db.public.t WHERE id <= n ORDER BY 1 LIMIT 1;
    IF step = 0 THEN
        RAISE NOTICE 'nothing for %', n;
    ELSIF CASE WHEN step > 100 THEN true ELSE false END THEN
        RAISE EXCEPTION 'too many' USING ERRCODE = '22000', DETAIL = concat('n is ', n::STRING);
    ELSE
        CASE step WHEN 1 THEN answer := IFNULL(answer, 'one'); ELSE NULL; END CASE;
    END IF;
    BEGIN
        UPSERT INTO db.public.t (id, name) VALUES (n, 'graded') RETURNING id INTO step;
        step := 1 // 0;
    EXCEPTION WHEN division_by_zero OR others THEN
        answer := answer || '!';
    END;
    PERFORM [FUNCTION 100011](n);
    RETURN answer || ' ' || total::STRING || ' ' || "Odd name"::STRING;
END
"""

STAMP = """
BEGIN
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    NEW.name := upper((NEW).name) || TG_ARGV[0];
    RETURN NEW;
END;
"""


def parameter(name, kind, mode="IN", default=""):
    return Parameter(mode, name, kind, default)


def make_database(**parts) -> Database:
    table = Table(1, "t", 1, [Column(1, "id", INT, False), Column(2, "name", TEXT), Column(3, "mood", MOOD)], Index(1, "t_pkey", unique=True, columns=[IndexColumn(1)]))
    functions = [
        Function(10, "grade", 1, [parameter("n", INT)], TEXT, language="PLPGSQL", body=GRADE, depends_on=[1, 11], comment="it's a function"),
        Function(11, "twice", 1, [parameter("n", INT, default="21:::INT8")], INT, body="SELECT n * 2:::INT8;", volatility="IMMUTABLE", strict=True, leakproof=True),
        Function(12, "names", 1, [parameter("", INT)], TEXT, returns_set=True, body="SELECT name FROM db.public.v WHERE id > $1 ORDER BY id;", depends_on=[20]),
        Function(13, "rename", 1, [parameter("which", INT), parameter("what", TEXT)], VOID, procedure=True,
                 body="UPDATE db.public.t SET name = what WHERE id = which; DELETE FROM db.public.t WHERE id < 0;", depends_on=[1]),
        Function(14, "stamp", 1, [], TRIGGER, language="PLPGSQL", body=STAMP),
        Function(15, "bad", 1, [], INT, body="SELECT length(compress(b'x', 'gzip'));"),
        Function(16, "worse", 1, [], INT, body="SELECT [FUNCTION 100015]();", depends_on=[15]),
        Function(17, "mood_of", 1, [parameter("m", MOOD), parameter("o", TEXT, "OUT"), parameter("p", INT, "OUT")], RECORD,
                 body="SELECT m::STRING, CASE WHEN m = b'@':::@100030 THEN 1:::INT8 ELSE 2:::INT8 END"),
        Function(18, "dynamic", 1, [], VOID, language="PLPGSQL", body="BEGIN EXECUTE 'SELECT 1'; END"),
    ]
    moods = UserType(30, "mood", 1, members=[EnumMember("sad", "20"), EnumMember("happy", "40")])
    view = View(20, "v", 1, "SELECT id, name, public.twice(id) AS double FROM db.public.t", [Column(1, "id", INT), Column(2, "name", TEXT), Column(3, "double", INT)], depends_on=[1, 11])
    return Database(100, "db", [Schema(1, "public")], types=[moods], tables=[table], views=[view], functions=functions, **parts)


def load(server, database, options=None):
    connection = server.new_database("routines")
    conversion = convert_database(database, [], server.features(), options or ConvertOptions("skip"))
    cursor = connection.cursor()
    for statement in conversion.statements:
        cursor.execute(statement.sql)
    return conversion, cursor


def objects(conversion, code):
    return {finding.object for finding in conversion.findings if finding.code == code}


def test_functions_and_procedures_run(server):
    conversion, cursor = load(server, make_database())
    assert objects(conversion, "function_left_out") == {"db.public.bad", "db.public.worse", "db.public.dynamic"}
    assert objects(conversion, "leakproof") == {"db.public.twice"}
    cursor.execute("SELECT twice(), twice(NULL), provolatile, proisstrict FROM pg_proc WHERE proname = 'twice'")
    assert cursor.fetchone() == (42, None, "i", True)
    cursor.execute("INSERT INTO t VALUES (1, 'a', 'happy'), (2, 'b', 'sad')")
    cursor.execute("SELECT grade(1), grade(9)")
    assert cursor.fetchone() == ("a! 1 0", "b! 9 4")
    cursor.execute("CALL rename(1, 'renamed')")
    cursor.execute("SELECT * FROM names(0)")
    assert cursor.fetchall() == [("renamed",), ("b",)]
    cursor.execute("SELECT o, p FROM mood_of('happy')")
    assert cursor.fetchone() == ("happy", 1)
    cursor.execute("SELECT obj_description('grade(bigint)'::regprocedure), double FROM v WHERE id = 2")
    assert cursor.fetchone() == ("it's a function", 4)


def test_triggers_fire(server):
    database = make_database()
    database.tables[0].triggers = [
        Trigger("stamp it", "BEFORE", ["INSERT", "UPDATE", "DELETE"], True, "", 14, ["it's"], update_columns=["name"]),
        Trigger("some", "BEFORE", ["INSERT"], True, "(new).id > 5:::INT8", 14, ["?"]),
        Trigger("gone", "AFTER", ["INSERT"], True, "", 15, []), Trigger("off", "AFTER", ["INSERT"], True, "", 14, [], enabled=False),
    ]
    conversion, cursor = load(server, database)
    assert objects(conversion, "trigger_left_out") == {"db.public.t.gone", "db.public.t.off"}
    cursor.execute("INSERT INTO t VALUES (1, 'a'), (6, 'b')")
    cursor.execute("UPDATE t SET mood = 'sad'")
    cursor.execute("SELECT name FROM t ORDER BY id")
    assert cursor.fetchall() == [("Ait's",), ("B?it's",)]


def test_policies_hide_rows(server):
    database = make_database()
    table = database.tables[0]
    table.row_level_security = table.row_level_security_forced = True
    table.policies = [
        Policy("own", "PERMISSIVE", "ALL", ["app"], "name = current_user()", "id > 0:::INT8"),
        Policy("no role", "RESTRICTIVE", "SELECT", ["nobody there"], "true", ""),
    ]
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_roles WHERE rolname = 'app'")
        if not cursor.fetchone()[0]:
            cursor.execute("CREATE ROLE app")
    conversion, cursor = load(server, database, ConvertOptions("existing", frozenset(("app",))))
    assert objects(conversion, "policy_left_out") == {"db.public.t.no role"}
    assert objects(conversion, "row_level_security_forced") == {"db.public.t"}
    cursor.execute("INSERT INTO t VALUES (1, 'app'), (2, 'other')")
    cursor.execute("GRANT SELECT ON t TO app")
    cursor.execute("SET ROLE app")
    cursor.execute("SELECT id FROM t")
    assert cursor.fetchall() == [(1,)]


def test_default_privileges_and_settings(server):
    grants = [Grant("app", ["SELECT", "ZONECONFIG"]), Grant("public", ["SELECT"]), Grant("root", ["ALL"]), Grant("stranger", ["SELECT"])]
    database = make_database(
        default_privileges=[DefaultPrivileges("app", "TABLES", grants), DefaultPrivileges("", "TYPES", [Grant("app", ["USAGE"])])],
        settings=["timezone=Europe/Prague", 'search_path=public,B c,"x, ""y"', "default_int_size=4", "statement_timeout=1h0m0s", "application_name=100% x", "lock_timeout=25d",
                  "statement_timeout=2147483648", "idle_in_transaction_session_timeout=s", "lock_timeout=24d"],
    )
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_roles WHERE rolname = 'app'")
        if not cursor.fetchone()[0]:
            cursor.execute("CREATE ROLE app")
    conversion, cursor = load(server, database, ConvertOptions("existing", frozenset(("app",))))
    messages = [finding.message for finding in conversion.findings if finding.code in ("default_privileges", "database_settings")]
    assert len(messages) == 3 and "default_int_size=4, statement_timeout=1h0m0s, lock_timeout=25d, " \
        "statement_timeout=2147483648, idle_in_transaction_session_timeout=s." in messages[-1]
    cursor.execute("SELECT defaclobjtype, array_agg(a.grantee::regrole::text || ' ' || a.privilege_type ORDER BY a.grantee) FROM pg_default_acl, aclexplode(defaclacl) a WHERE a.grantee <> defaclrole GROUP BY 1")
    assert cursor.fetchall() == [("r", ["- SELECT"])]
    cursor.execute("SELECT setconfig FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = current_database()")
    assert cursor.fetchone()[0] == ["TimeZone=Europe/Prague", 'search_path=public, "B c", "x, ""y"', "application_name=100% x", "lock_timeout=24d"]


def test_the_finding_on_row_level_ttl_holds_the_job(server):
    database = make_database()
    database.tables[0].ttl = {"expiration": "(name::TIMESTAMPTZ) + '3 days':::INTERVAL", "cron": "@hourly"}
    _conversion, cursor = load(server, database)
    advice = next(finding.advice for finding in _conversion.findings if finding.code == "row_ttl")
    assert "'0 * * * *'" in advice
    job = pglast.parse_sql(advice[len("With pg_cron: "):])[0].stmt.targetList[0].val.args[2].val.sval
    cursor.execute("INSERT INTO t VALUES (1, '2001-01-01 00:00:00+00'), (2, '2999-01-01 00:00:00+00')")
    cursor.execute(job)
    assert cursor.rowcount == 1


@pytest.mark.parametrize("body", [
    "BEGIN FOR r IN SELECT 1 LOOP NULL; END LOOP; END", "DECLARE x t%ROWTYPE; BEGIN END", "BEGIN GET DIAGNOSTICS x = ROW_COUNT; END", "BEGIN x := ; END", "BEGIN IF true THEN",
    "BEGIN RETURN 1; END garbage here", "SELECT 1", "BEGIN x; END",
])
def test_what_is_not_understood_is_left_out_by_name(body):
    database = Database(100, "db", [Schema(1, "public")], functions=[Function(10, "f", 1, [], VOID, language="PLPGSQL", body=body)])
    conversion = convert_database(database, [], ServerFeatures(), ConvertOptions("skip"))
    assert objects(conversion, "function_left_out") == {"db.public.f"}
    assert not [statement for statement in conversion.statements if statement.kind == "function"]


BODIES_WITH_WORDS = (
    ('IF (old).as THEN NULL; END IF;', 'IF ("old")."as" THEN'),
    ("SELECT '.' INTO x;", "SELECT '.' INTO \"x\";"),
    ("SELECT t.end AS case, t.case AS into, t.into FROM t INTO x, y, z;", 'SELECT "t"."end" AS "case", "t"."case" AS "into", "t"."into" FROM "t" INTO "x", "y", "z";'),
    ('"end" := "then";', '"end" := "then";'),
    ('IF "then" THEN "loop" := \';\'; END IF;', 'IF "then" THEN\n        "loop" := \';\';'),
    ("comment := update; insert = select_; return := 'END';", '"comment" := "update";\n    "insert" := "select_";\n    "return" := \'END\';'),
    ('WHILE "loop" < t.loop LOOP EXIT WHEN "when"; END LOOP;', 'WHILE "loop" < "t"."loop" LOOP\n        EXIT WHEN "when";'),
    ('CASE "when" WHEN "then" THEN NULL; ELSE "else" := 1; END CASE;', 'CASE "when"\n        WHEN "then" THEN'),
)


@pytest.mark.parametrize(("body", "expected"), BODIES_WITH_WORDS, ids=[body for body, _expected in BODIES_WITH_WORDS])
def test_names_like_words_of_plpgsql(body, expected):
    function = Function(10, "f", 1, [], VOID, language="PLPGSQL", body=f"BEGIN {body} END")
    conversion = convert_database(Database(100, "db", [Schema(1, "public")], functions=[function]), [], ServerFeatures(), ConvertOptions())
    (made,) = [statement.sql for statement in conversion.statements if statement.kind == "function"]
    assert expected in made


def test_a_semicolon_in_a_string_ends_no_statement():
    function = Function(10, "f", 1, [], TEXT, language="SQL", body="SELECT ';'; SELECT 'a' || ';'")
    conversion = convert_database(Database(100, "db", [Schema(1, "public")], functions=[function]), [], ServerFeatures(), ConvertOptions())
    (made,) = [statement.sql for statement in conversion.statements if statement.kind == "function"]
    assert "SELECT ';';\nSELECT 'a' || ';'$$" in made
