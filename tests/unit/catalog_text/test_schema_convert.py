# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The module schema_convert: files, check mode, idempotence."""
from __future__ import annotations

import dataclasses
import json
import os

import pglast
import pytest
from schema_converting import run_module

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.convert_schema_text import (
    convert_text,
    read_source,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.json_form import to_json
from ansible_collections.nomos.cockroach_migrator.plugins.modules import schema_convert

NAMES = ["pre-data.sql", "post-data.sql", "findings.json", "summary.txt"]


@pytest.fixture
def given(fixtures_dir, tmp_path):
    """Arguments of the module."""
    return {
        "src": str(fixtures_dir / "schema_text" / "each" / "raw.txt"), "text": None, "database": "", "dest": str(tmp_path / "out"), "postgres_version": 17,
        "icu": True, "sorts_by_bytes": False, "extensions": ["postgis"], "grants": "create", "conversion_policies": {}, "allow_partial": False,
    }


def test_it_writes_what_is_missing_and_nothing_twice(given):
    before = schema_convert.convert(given, check_mode=True).result
    assert before.changed and not os.path.exists(given["dest"])
    made = schema_convert.convert(given, check_mode=False).result
    assert made == before
    assert made.files == [os.path.join(given["dest"], name) for name in NAMES] and sorted(os.listdir(given["dest"])) == sorted(NAMES)
    assert (made.partial, made.refused) == (False, [])
    assert {os.stat(path).st_mode & 0o777 for path in made.files} == {0o600}
    assert made.objects == {"databases": 1, "schemas": 2, "types": 2, "sequences": 5, "tables": 9, "views": 3, "functions": 0}
    with open(os.path.join(given["dest"], "findings.json"), encoding="utf-8") as file:
        assert json.load(file) == to_json(made.findings)
    times = [os.stat(path).st_mtime_ns for path in made.files]
    for check_mode in (True, False):
        assert schema_convert.convert(given, check_mode).result == dataclasses.replace(made, changed=False)
    assert [os.stat(path).st_mtime_ns for path in made.files] == times
    with open(made.files[0], "a", encoding="utf-8") as file:
        file.write("-- changed\n")
    assert schema_convert.convert(given, check_mode=False).result.changed


def test_the_sql_is_postgresqls(given, fixtures_dir):
    given.update(extensions=["postgis", "btree_gin", "pg_trgm"], src=str(fixtures_dir / "truth" / "shop" / "show_create.sql"))
    made = schema_convert.convert(given, check_mode=False).result
    kinds = []
    for path in made.files[:2]:
        with open(path, encoding="utf-8") as file:
            kinds += [type(statement.stmt).__name__ for statement in pglast.parse_sql(file.read())]
    assert {"CreateStmt", "CreateEnumStmt", "CreateSeqStmt", "IndexStmt", "AlterTableStmt", "ViewStmt", "CreateTableAsStmt", "CommentStmt"} <= set(kinds)
    assert kinds.count("CreateStmt") == 10


def test_text_instead_of_a_file_and_several_databases(given):
    text = "CREATE DATABASE a; USE a; CREATE TABLE t (x INT8 PRIMARY KEY); CREATE DATABASE \"B/b\"; USE \"B/b\"; CREATE TABLE u (x INT8 PRIMARY KEY);"
    given.update(src=None, text=text)
    made = schema_convert.convert(given, check_mode=False).result
    assert [os.path.relpath(path, given["dest"]) for path in made.files] == [
        "a/pre-data.sql", "a/post-data.sql", "B%2Fb/pre-data.sql", "B%2Fb/post-data.sql", "findings.json", "summary.txt"]
    assert made.objects["databases"] == 2


@pytest.mark.parametrize(("sorts_by_bytes", "choice", "collated", "found"), [
    (False, "bytes", True, {"text_order_kept"}), (True, "bytes", False, set()), (False, "database", False, {"text_order"}), (True, "database", False, set()),
])
def test_the_order_of_text_in_a_database_that_is_not_known(given, sorts_by_bytes, choice, collated, found):
    text = "CREATE TABLE t (id INT8 PRIMARY KEY, code STRING, CHECK (code >= 'A' AND code < 'a'))"
    given.update(src=None, text=text, sorts_by_bytes=sorts_by_bytes, conversion_policies={"text_order": choice})
    made = schema_convert.convert(given, check_mode=False).result
    with open(made.files[1], encoding="utf-8") as file:
        assert ('"code" COLLATE "C" >= \'A\'' in file.read()) == collated
    assert {str(item.code) for item in made.findings if item.code.startswith("text_order")} == found


def test_owners_and_grants():
    text = "CREATE TABLE t (x INT8 PRIMARY KEY); GRANT SELECT ON t TO fred; ALTER TABLE t OWNER TO boss;"
    made = convert_text(text, "d", ServerFeatures(), ConvertOptions(grants="create"))
    assert 'GRANT SELECT ON TABLE "public"."t" TO "fred"' in made.files["post-data.sql"]
    assert made.files["roles.sql"] == 'CREATE ROLE "boss" NOLOGIN;\n\nCREATE ROLE "fred" NOLOGIN;\n'
    made = convert_text(text, "d", ServerFeatures(), ConvertOptions(grants="skip"))
    assert sorted(made.files) == sorted(NAMES) and "fred" not in "".join(made.files[name] for name in NAMES[:2])


def test_a_computed_column_without_a_counterpart_does_not_stop_it():
    text = "CREATE TABLE t (x INT8 PRIMARY KEY, y STRING AS (crdb_internal.node_executable_version()) STORED)"
    made = convert_text(text, "d", ServerFeatures(), ConvertOptions())
    assert [item.object for item in made.findings if item.code == "computed_column_as_data"] == ["d.public.t.y"]


@pytest.mark.parametrize(("encoding", "text"), [("utf-8", "ü"), ("utf-8-sig", "ü"), ("utf-16", "ü日")])
def test_encodings(tmp_path, encoding, text):
    path = tmp_path / "schema.txt"
    path.write_bytes(text.encode(encoding))
    assert read_source(str(path)) == text


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot read .*gone: No such file"):
        read_source(str(tmp_path / "gone"))
    path = tmp_path / "latin"
    path.write_bytes(b"CREATE TABLE \xfc")
    with pytest.raises(ConfigurationError, match="is not UTF-8 text"):
        read_source(str(path))


@pytest.mark.parametrize(("data", "problem"), [(b"PGDMP\x01\x0f", "an archive of pg_dump: give what pg_restore"), (b"PK\x03\x04x", "a zip archive: give its file crdb_internal.create_statements.txt"), (b"\x1f\x8b\x08", "compressed")])
def test_files_that_are_no_text_are_named(tmp_path, data, problem):
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(ConfigurationError, match=f"file is {problem}"):
        read_source(str(path))


def test_a_text_without_a_schema():
    for text in ("", "-- nothing\n", "create_statement\n"):
        with pytest.raises(ConfigurationError, match="holds no CREATE statement"):
            convert_text(text, "d", ServerFeatures(), ConvertOptions())


def test_the_module_itself(given):
    """Through Ansible's arguments: what is not understood is one line, and nothing is written where nothing is left."""
    code, answer = run_module(text="CREATE TABLE t (a INT8,\n b FROB)", dest=given["dest"])
    assert (code, answer["failed"]) == (1, True)
    assert answer["msg"] == (
        "1 of 1 statements of the schema text is refused. Nothing is left that could be converted.\n"
        "line 1: CREATE TABLE defaultdb.public.t: the type FROB is not known; if it is the database's own, give the output of SHOW CREATE ALL TYPES, too, "
        "at line 2, column 4")
    assert not os.path.exists(given["dest"])


def test_diff_mode_shows_the_files_that_change(given):
    """In check mode as well; a password of the text is in none of them."""
    first = "CREATE TABLE t (x INT8 PRIMARY KEY); CREATE USER fred WITH PASSWORD 'hunter2'; GRANT SELECT ON t TO fred;"
    sql = os.path.join(given["dest"], "pre-data.sql")
    _code, answer = run_module(text=first, dest=given["dest"], _ansible_diff=True, _ansible_check_mode=True)
    assert [item["after_header"] for item in answer["diff"]] == answer["files"] and {item["before"] for item in answer["diff"]} == {""}
    assert "hunter2" not in json.dumps(answer["diff"]) and not os.path.exists(given["dest"])
    assert "diff" not in run_module(text=first, dest=given["dest"])[1]
    assert run_module(text=first, dest=given["dest"], _ansible_diff=True)[1]["diff"] == []
    (changed,) = run_module(text=first.replace("PRIMARY KEY", "PRIMARY KEY, y INT8"), dest=given["dest"], _ansible_diff=True)[1]["diff"]
    assert (changed["before_header"], '"y"' in changed["before"], '"y"' in changed["after"]) == (sql, False, True)
    with open(sql, encoding="utf-8") as file:
        assert file.read() == changed["after"]
