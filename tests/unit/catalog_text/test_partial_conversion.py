# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""schema_convert on texts that are not understood in every statement: files, failure, summary and a second run."""
from __future__ import annotations

import json
import pathlib

import pglast
import pytest
from schema_converting import run_module

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.convert_schema_text import (
    convert_text,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text import parsing

ODD_FILE = """CREATE TYPE mood AS ENUM ('ok', 'bad');
CREATE TABLE one (id INT8 PRIMARY KEY, m mood);

CREATE TABLE two (
    id INT8 PRIMARY KEY,
    place FROB
);
CREATE TABLE three (id INT8 PRIMARY KEY DEFAULT unique_rowid(), two_id INT8 REFERENCES two (id), INDEX (two_id));
CREATE TABLE four (id INT8 PRIMARY KEY, name STRING, CHECK (name ~ '(?z)x'));
CREATE TABLE five (id INT8 PRIMARY KEY, (name STRING);
CREATE VIEW twos AS SELECT id FROM two;
CREATE VIEW ones AS SELECT id FROM one;
COMMENT ON TABLE two IS 'two';
GRANT SELECT ON ones TO reader;
"""
REFUSED = [
    (4, "CREATE TABLE", "table", "d.public.two", ""), (10, "CREATE TABLE", "table", "d.public.five", ""),
    (11, "CREATE VIEW", "view", "d.public.twos", "d.public.two"), (13, "COMMENT", "table", "d.public.two", "d.public.two"),
]


@pytest.fixture
def given(tmp_path):
    """Arguments of the module."""
    path = tmp_path / "schema.sql"
    path.write_text(ODD_FILE, encoding="utf-8")
    return {"src": str(path), "database": "d", "dest": str(tmp_path / "out")}


def kinds_of(dest) -> list[str]:
    """Return the kinds of statements in the files; PostgreSQL's parser understands them."""
    texts = [(pathlib.Path(dest) / name).read_text(encoding="utf-8") for name in ("pre-data.sql", "post-data.sql")]
    return [type(statement.stmt).__name__ for text in texts for statement in pglast.parse_sql(text)]


def test_it_writes_what_it_can_and_fails_with_all_that_is_refused(given):
    dest = pathlib.Path(given["dest"])
    code, planned = run_module(**given, _ansible_check_mode=True)
    assert (code, planned["failed"], planned["changed"], planned["partial"]) == (1, True, True, True) and not dest.exists()
    code, answer = run_module(**given)
    assert (code, answer) == (1, planned)
    assert [(item["line"], item["command"], item["kind"], item["name"], item["because"]) for item in answer["refused"]] == REFUSED
    assert answer["refused"][0]["reason"].startswith("the type FROB is not known") and answer["refused"][0]["reason"].endswith("at line 6, column 11")
    assert answer["refused"][0]["statement"] == "CREATE TABLE two ( id INT8 PRIMARY KEY, place FROB )"
    assert answer["refused"][2]["reason"] == "refused because table d.public.two was refused"
    lines = answer["msg"].split("\n")
    assert lines[0] == (
        f"4 of 10 statements of the schema text are refused. {dest} has what could be converted, and summary.txt there what became of each statement. "
        "Correct or remove the refused ones, or set allow_partial to true to do without them.")
    assert lines[1].startswith("line 4: CREATE TABLE d.public.two: the type FROB") and lines[2].startswith("line 10: CREATE TABLE d.public.five: ")
    assert len(lines) == 5
    assert kinds_of(dest).count("CreateStmt") == 3 and kinds_of(dest).count("ViewStmt") == 1
    assert [item["object"] for item in answer["findings"] if item["code"] == "foreign_key_without_target"] == ["d.public.three.three_two_id_fkey"]
    assert answer["objects"]["tables"] == 3 and [pathlib.Path(path).name for path in answer["files"]] == [
        "roles.sql", "pre-data.sql", "post-data.sql", "findings.json", "summary.txt"]
    times = [path.stat().st_mtime_ns for path in map(pathlib.Path, answer["files"])]
    code, again = run_module(**given)
    assert (code, again) == (1, dict(answer, changed=False))
    assert [path.stat().st_mtime_ns for path in map(pathlib.Path, answer["files"])] == times


def test_with_allow_partial_it_succeeds(given):
    """The summary is that of the failure."""
    code, answer = run_module(**given, allow_partial=True)
    assert (code, answer["changed"], answer["partial"], "failed" in answer) == (0, True, True, False)
    assert [(item["line"], item["command"], item["kind"], item["name"], item["because"]) for item in answer["refused"]] == REFUSED
    assert [(item["line"], item["outcome"]) for item in answer["summary"]["statements"]] == [
        (1, "converted"), (2, "converted"), (4, "refused"), (8, "changed"), (9, "changed"), (10, "refused"), (11, "refused"), (12, "converted"),
        (13, "refused"), (14, "converted")]
    objects = answer["summary"]["objects"]
    assert {kind: tuple(counts[name] for name in ("converted", "changed", "omitted", "refused")) for kind, counts in objects.items()} == {
        "schemas": (1, 0, 0, 0), "types": (1, 0, 0, 0), "tables": (2, 1, 0, 2), "views": (1, 0, 0, 1), "indexes": (1, 0, 0, 0),
        "constraints": (0, 1, 1, 0)}
    text = (pathlib.Path(given["dest"]) / "summary.txt").read_text(encoding="utf-8")
    assert "tables                2          1          0          2\n" in text
    assert "Refused statements (4):\nline 4: CREATE TABLE d.public.two: the type FROB" in text
    assert "line 9      changed     CREATE TABLE d.public.four\nline 10     refused     CREATE TABLE d.public.five\n" in text


def test_where_everything_is_refused_nothing_is_written(given):
    """With allow_partial, too: nothing is no part."""
    pathlib.Path(given["src"]).write_text("CREATE TABLE t (a FROB);\nCREATE VIEW v AS SELECT a FROM t;\nhello;", encoding="utf-8")
    code, answer = run_module(**given, allow_partial=True)
    assert (code, answer["changed"], answer["files"], answer["objects"]["tables"]) == (1, False, [], 0)
    assert answer["msg"].startswith("3 of 3 statements of the schema text are refused. Nothing is left that could be converted.\nline 1: ")
    assert answer["summary"]["objects"]["tables"] == {"converted": 0, "changed": 0, "omitted": 0, "refused": 1}
    assert not pathlib.Path(given["dest"]).exists()


def test_a_missing_quote_names_its_line_and_the_rest_is_converted(given):
    pathlib.Path(given["src"]).write_text(
        "CREATE TABLE a (x STRING DEFAULT 'it''s');\nCREATE TABLE b (\n    x STRING,\n    y STRING DEFAULT 'open\n);\nCREATE TABLE c (x STRING);\n", encoding="utf-8")
    code, answer = run_module(**given)
    assert (code, answer["objects"]["tables"]) == (1, 2)
    (refused,) = answer["refused"]
    assert (refused["line"], refused["name"], refused["reason"]) == (2, "d.public.b", "a quote or comment does not end, which begins at line 4, column 22")


def test_three_hundred_statements(given):
    """Every thirtieth table is odd, and the message names the first ones only."""
    statements = []
    for number in range(150):
        kind = "FROB" if number % 30 == 7 else "STRING"
        statements += [f"CREATE TABLE t{number} (id INT8 PRIMARY KEY, a {kind}, b INT8);", f"CREATE INDEX i{number} ON t{number} (b);"]
    pathlib.Path(given["src"]).write_text("\n".join(statements), encoding="utf-8")
    code, answer = run_module(**given)
    assert (code, len(answer["refused"]), answer["objects"]["tables"]) == (1, 10, 145)
    assert [item["line"] for item in answer["summary"]["statements"]] == list(range(1, 301))
    assert [item["line"] for item in answer["refused"] if not item["because"]] == [15, 75, 135, 195, 255]
    pathlib.Path(given["src"]).write_text("\n".join(statements).replace("STRING", "FROB"), encoding="utf-8")
    _code, answer = run_module(**given)
    lines = answer["msg"].split("\n")
    assert (len(answer["refused"]), len(lines), lines[-1]) == (300, 22, "and 280 more")
    assert all(": the type FROB is not known" in line for line in lines[1:21])


@pytest.mark.parametrize(("text", "message"), [
    ("'hello;\n", "line 1: a statement: a quote or comment does not end, which begins at line 1, column 1"),
    ("/* hello\n", "line 1: a statement: a quote or comment does not end, which begins at line 1, column 1"),
    (") FROB;", "line 1: a statement: the statement is not one of a schema, at line 1, column 1"),
    ("$ FROB;", "line 1: a statement: the statement is not one of a schema, at line 1, column 1"),
    ("FROB x;", "line 1: FROB: the statement is not one of a schema, at line 1, column 1"),
    ("CREATE FROB x;", "line 1: CREATE FROB: CREATE FROB is not known, at line 1, column 8"),
    ("ALTER DEFAULT PRIVILEGES FOR ROLE r GRANT SELECT ON FROB TO s;", "line 1: ALTER DEFAULT PRIVILEGES: expected TABLES, SEQUENCES, TYPES, SCHEMAS, FUNCTIONS or "
     "ROUTINES, at line 1, column 53"),
    ("CREATE DATABASE x FROB;", "line 1: CREATE DATABASE x: 'FROB' is not known in a database, at line 1, column 19"),
])
def test_what_begins_with_no_word_is_refused_like_any_other(text, message):
    made = convert_text(text + "CREATE TABLE d.public.t (a INT8 PRIMARY KEY);", "d", ServerFeatures(), ConvertOptions())
    assert [str(item) for item in made.refused] == [message]
    assert made.objects["tables"] == ("/*" not in text)
    assert [item.outcome for item in made.summary.statements].count("refused") == 1


@pytest.mark.parametrize(("text", "refused", "kept"), [
    ("CREATE TABLE t (a TRIGGER); CREATE TABLE u (a ANYELEMENT[]); CREATE TABLE v (a INT8 PRIMARY KEY);",
     ["d.public.t: d.public.t.a: the type trigger (oid 2279) has no known counterpart", "d.public.u: d.public.u.a: the type any (oid 2283) has no known counterpart"],
     {"tables": 1}),
    ("CREATE TABLE t (a INT8 PRIMARY KEY GENERATED ALWAYS AS IDENTITY, b TRIGGER); CREATE TABLE u (a INT8 PRIMARY KEY REFERENCES t (a));"
     "CREATE VIEW v AS SELECT a FROM t; CREATE VIEW w AS SELECT a FROM v;"
     "CREATE FUNCTION f() RETURNS SETOF t LANGUAGE SQL AS 'SELECT * FROM t'; CREATE FUNCTION g() RETURNS INT8 LANGUAGE SQL AS 'SELECT f()'",
     ["d.public.t: d.public.t.b: the type trigger", "d.public.v: refused because table d.public.t was refused",
      "d.public.w: refused because view d.public.v was refused, which needs table d.public.t", "d.public.f: refused because table d.public.t was refused",
      "d.public.g: refused because function d.public.f was refused, which needs table d.public.t"],
     {"tables": 1, "views": 0, "functions": 0, "sequences": 0}),
    ("CREATE SEQUENCE s; CREATE TABLE t (a INT8 PRIMARY KEY, b TRIGGER); ALTER SEQUENCE s OWNED BY t.a; CREATE TABLE u (a INT8 DEFAULT nextval('s'))",
     ["d.public.t: d.public.t.b: the type trigger"], {"tables": 1, "sequences": 1}),
    ("CREATE TYPE c AS (a TRIGGER); CREATE TYPE d AS (a c); CREATE TABLE t (a d[]); CREATE FUNCTION f(a c) RETURNS INT8 LANGUAGE SQL AS 'SELECT 1'",
     ["d.public.c: d.public.c.a: the type trigger|d.public.c: d.public.c: the type trigger", "d.public.d: refused because type d.public.c was refused",
      "d.public.t: refused because type d.public.d was refused, which needs type d.public.c", "d.public.f: refused because type d.public.c was refused"],
     {"types": 0, "tables": 0, "functions": 0}),
])
def test_what_only_the_conversion_refuses(text, refused, kept):
    """The text is understood, but PostgreSQL has nothing like it."""
    made = convert_text(text, "d", ServerFeatures(), ConvertOptions())
    assert len(made.refused) == len(refused)
    for item, wanted in zip(made.refused, refused):
        assert any(f"{item.name}: {item.reason}".startswith(start) for start in wanted.split("|")), item
        assert item.line == 1 and item.command.startswith("CREATE ") and item.statement.startswith(item.command)
    assert {name: made.objects[name] for name in kept} == kept
    for name in ("pre-data.sql", "post-data.sql") if made.files else ():
        pglast.parse_sql(made.files[name])


@pytest.mark.parametrize(("text", "kept"), [
    ("CREATE TABLE t (a INT8 PRIMARY KEY, b TRIGGER, c GEOMETRY, d INT8 NOT VISIBLE) WITH (fillfactor = 10); ALTER TABLE t CONFIGURE ZONE USING gc.ttlseconds = 1;"
     "CREATE TABLE u (a INT8 PRIMARY KEY NOT VISIBLE)", ["hidden_column d.public.u.a"]),
    ("CREATE TABLE t (a FROB); ALTER TABLE t ADD b INT8; DROP TABLE t;\nCREATE TABLE t (a INT8 PRIMARY KEY) WITH (fillfactor = 10)",
     ["storage_parameters d.public.t", "change_refused d.public.t"]),
    ("CREATE TABLE t (a FROB); ALTER TABLE t ADD b INT8; CREATE TABLE u (a INT8 PRIMARY KEY)", []),
    ("CREATE TYPE c AS (a TRIGGER); CREATE FUNCTION f(a c) RETURNS INT8 NOT LEAKPROOF LANGUAGE SQL AS 'SELECT 1'; CREATE TABLE u (a INT8 PRIMARY KEY)", []),
])
def test_findings_about_refused_objects_are_not_reported(text, kept):
    """Their statements are refused; a finding says how something is in PostgreSQL."""
    made = convert_text(text, "d", ServerFeatures(), ConvertOptions())
    assert made.refused and [f"{finding.code} {finding.object}" for finding in made.findings] == kept


@pytest.mark.parametrize(("text", "outcomes"), [
    ("CREATE TABLE t (a INT8 PRIMARY KEY); ALTER TABLE t RENAME TO u; CREATE TABLE v (a INT8); DROP TABLE v", ["superseded", "converted", "superseded", "converted"]),
    ("BEGIN; CREATE TABLE t (a INT8 PRIMARY KEY); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); COMMIT; SET x = 1; SET CLUSTER SETTING y = 2",
     ["omitted", "converted", "omitted", "omitted", "omitted", "omitted", "omitted"]),
    ("CREATE TEMP TABLE t (a INT8 PRIMARY KEY); CREATE TABLE u (a INT8 PRIMARY KEY); ALTER TABLE u CONFIGURE ZONE USING gc.ttlseconds = 1; ALTER TABLE u SPLIT AT VALUES (1)",
     ["omitted", "converted", "omitted", "omitted"]),
    ("CREATE TABLE t (a INT8 PRIMARY KEY, b STRING, INDEX (b ASC) WHERE crdb_internal.x()); CREATE TABLE u (a INT8 PRIMARY KEY NOT VISIBLE)", ["changed", "changed"]),
    ("CREATE TABLE t (a INT8 PRIMARY KEY, b STRING); CREATE INDEX i ON t (b) WHERE crdb_internal.x(); CREATE INDEX ON t (b)", ["converted", "omitted", "converted"]),
    ("CREATE TABLE t (a INT8 PRIMARY KEY); CREATE VIEW v AS SELECT crdb_internal.x() AS a FROM t; COMMENT ON VIEW v IS 'x'; GRANT SELECT ON v TO r",
     ["converted", "omitted", "omitted", "omitted"]),
    ("CREATE TABLE t (a INT8 PRIMARY KEY); CREATE SEQUENCE s; CREATE ROLE r; GRANT SELECT ON t TO r", ["converted"] * 4),
])
def test_outcomes_of_statements(text, outcomes):
    made = convert_text(text, "d", ServerFeatures(), ConvertOptions("create"))
    assert [item.outcome for item in made.summary.statements] == outcomes
    assert made.refused == []


def test_whatever_is_missing_every_statement_has_its_outcome(fixtures_dir):
    """Any error but that of a refused statement would come through."""
    text = (fixtures_dir / "truth" / "shop" / "show_create.sql").read_text(encoding="utf-8")
    refused = 0
    for word in parsing.words(text, "the test")[::23]:
        made = convert_text(text[:word.start] + text[word.end:], "shop", ServerFeatures(), ConvertOptions("create"))
        assert [item.outcome for item in made.summary.statements].count("refused") == len(made.refused)
        assert [item.line for item in made.refused] == sorted(item.line for item in made.refused)
        refused += len(made.refused) > 0
    assert refused > 10


def test_an_object_that_was_renamed_is_refused_too():
    """No statement makes an object of its name."""
    text = "CREATE TABLE t (a INT8 PRIMARY KEY, b TRIGGER); ALTER TABLE t RENAME TO u; CREATE TABLE v (a INT8 PRIMARY KEY); CREATE VIEW w AS SELECT a FROM u;"
    made = convert_text(text, "d", ServerFeatures(), ConvertOptions())
    assert [str(item) for item in made.refused] == [
        "CREATE TABLE d.public.u: d.public.u.b: the type trigger (oid 2279) has no known counterpart in PostgreSQL",
        "line 1: CREATE VIEW d.public.w: refused because table d.public.u was refused"]
    assert [item.outcome for item in made.summary.statements] == ["superseded", "converted", "converted", "refused"]
    assert made.summary.objects["tables"].refused == 1


def test_an_object_with_a_refused_alter_statement_is_changed():
    text = "CREATE TABLE t (a INT8 PRIMARY KEY); ALTER TABLE t ADD COLUMN b FROB; CREATE TABLE u (a INT8 PRIMARY KEY); COMMENT ON COLUMN u.b IS 'x';"
    made = convert_text(text, "d", ServerFeatures(), ConvertOptions())
    assert [item.outcome for item in made.summary.statements] == ["changed", "refused", "converted", "refused"]


def test_of_two_statements_for_one_name_the_second_is_refused():
    made = convert_text("CREATE TABLE t (a INT8 PRIMARY KEY);\nCREATE TABLE t (b INT8 PRIMARY KEY);", "d", ServerFeatures(), ConvertOptions())
    assert [item.outcome for item in made.summary.statements] == ["converted", "refused"]
    assert [(item.line, item.reason) for item in made.refused] == [(2, "d.public.t is there twice, at line 2, column 16")]


def test_the_summary_counts_what_the_catalog_has(fixtures_dir):
    text = (fixtures_dir / "truth" / "shop" / "show_create.sql").read_text(encoding="utf-8")
    made = convert_text(text, "shop", ServerFeatures(extensions=frozenset(["postgis"])), ConvertOptions("create"))
    for kind in ("schemas", "types", "sequences", "tables", "views", "functions"):
        counts = made.summary.objects.get(kind)
        assert made.objects[kind] == (counts.converted + counts.changed + counts.omitted if counts else 0)
    assert json.loads(made.files["findings.json"]) and "All statements, in the order of the text:\n" in made.files["summary.txt"]
