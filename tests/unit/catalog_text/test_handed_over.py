# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Texts that people hand over instead of SHOW CREATE's: all of one schema become the same SQL, or are refused by name."""
from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
from pglast import parse_sql
from pglast.stream import RawStream

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._convert.server_features import (
    ConvertOptions,
    ServerFeatures,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.convert_schema_text import (
    convert_text,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
    read_understood_text,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.forms.shell_output import (
    read_pieces,
)

TEXTS = Path(__file__).parents[2] / "fixtures" / "handed_over"
NOTES = "CREATE TABLE public.notes (\n\tid UUID NOT NULL,\n\tCONSTRAINT notes_pkey PRIMARY KEY (id ASC)\n)"
TABLE = """  table_name |                create_statement
-------------+-------------------------------------------------
  notes      | CREATE TABLE public.notes (
             |     id UUID NOT NULL,
             |     CONSTRAINT notes_pkey PRIMARY KEY (id ASC)
             | )
"""
BANNER = """#
# Welcome to the CockroachDB SQL shell.
# All statements must be terminated by a semicolon.
#
"""
PROMPT = "root@localhost:26257/movr> "
ARCHIVED = ("database_id", "database_name", "schema_name", "descriptor_id", "descriptor_type", "descriptor_name", "create_statement", "state",
            "create_nofks", "alter_statements", "validate_statements", "has_partitions", "is_multi_region", "is_virtual", "is_temporary")
REDACTED = ("database_id", "database_name", "schema_name", "descriptor_id", "descriptor_type", "state", "validate_statements", "has_partitions",
            "is_multi_region", "is_virtual", "is_temporary", "create_statement")


def text_of(name: str) -> str:
    return (TEXTS / name).read_bytes().decode()


@functools.cache
def converted(text: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """The SQL, and the codes of what was found."""
    result = convert_text(text, "shop", ServerFeatures(17, True, frozenset()), ConvertOptions("skip", frozenset()))
    return {name: sql for name, sql in result.files.items() if name.endswith(".sql")}, tuple(str(item.code) for item in result.findings)


def statements(text: str) -> list[str]:
    """The SQL's statements, without the order and parentheses in which they are written."""
    return sorted(RawStream()(statement) for sql in converted(text)[0].values() for statement in parse_sql(sql))


def codes(text: str) -> set[str]:
    return {str(item.code) for item in read_schema_text(text).findings}


def names(text: str) -> list[str]:
    return sorted(f"{database.name}.{table.name}" for database in read_schema_text(text).databases for table in database.tables)


@pytest.mark.parametrize("name", sorted(path.name for path in TEXTS.glob("*.txt")))
def test_every_way_to_hand_over_a_schema_gives_the_same(name):
    assert converted(text_of(name)) == converted(text_of("shop_raw.txt"))


@pytest.mark.parametrize("name", sorted(path.name for path in TEXTS.glob("*.sql")))
def test_every_tool_s_ddl_of_a_schema_gives_the_same(name):
    """What tools make from pg_catalog lacks the casts of constants, and has other parentheses."""
    shown = ";\n".join(piece.text for piece in read_pieces(text_of("shop_raw.txt")))
    assert statements(text_of(name)) == statements(shown.replace(":::INT8", "").replace("now():::TIMESTAMPTZ", "now()"))


def _rows(columns: tuple[str, ...], *rows: dict[str, str]) -> list[dict[str, str]]:
    plain = dict(database_id="104", database_name="shop", schema_name="public", descriptor_id="105", descriptor_type="table", descriptor_name="notes",
                 create_statement=NOTES, state="PUBLIC", create_nofks=NOTES, alter_statements="{}", validate_statements="{}", has_partitions="f",
                 is_multi_region="f", is_virtual="f", is_temporary="f")
    return [{name: {**plain, **row}[name] for name in columns} for row in rows or ({},)]


def _tsv(columns: tuple[str, ...], *rows: dict[str, str]) -> str:
    lines = ["\t".join(columns), *("\t".join('"' + value.replace('"', '""') + '"' for value in row.values()) for row in _rows(columns, *rows))]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("text", [
    NOTES,
    TABLE,                                                                                # without its row count
    TABLE + "(1 row)\n",
    TABLE + "\n\nTime: 5ms total (execution 5ms / network 0ms)\n\n",
    TABLE.replace("\n", "\r\n") + "(1 row)\r\n",
    f"{PROMPT}SHOW CREATE TABLE notes;\n{TABLE}(1 row)\n\n{PROMPT}",
    f"{BANNER}\x1b[?2004h\x1b[1m{PROMPT}\x1b[0mSHOW CREATE\n                        -> TABLE notes;\n{TABLE}{PROMPT}\\q\n",
    f"{PROMPT}SHOW TABLES;\n  schema_name | table_name\n--------------+-------------\n  public      | notes\n(1 row)\n\n{PROMPT}show create table notes;\n{TABLE}(1 row)\n",
    f"{PROMPT[:-2]}  OPEN> SHOW CREATE TABLE notes;\n{TABLE}(1 row)\n",
    f"movr=> \\dt\n        List of relations\n Schema | Name\n--------+------\n public | notes\n(1 row)\n\nmovr=> show create table notes;\n{TABLE}(1 row)\n",
    f"movr=# {NOTES.splitlines()[0]}\nmovr(# {NOTES.splitlines()[1]}\nmovr(# CONSTRAINT notes_pkey PRIMARY KEY (id)\nmovr(# );\nCREATE TABLE\nmovr=# \\q\n",
    f"$ cockroach sql --insecure -d movr -e 'SHOW CREATE TABLE notes'\n{TABLE}(1 row)\n",
    f"me@host ~ % ./cockroach sql --insecure\n{BANNER}{PROMPT}SET a = 1;\nNOTICE: something\nHINT: do\nSET\n{PROMPT}SHOW CREATE TABLE notes;\n{TABLE}(1 row)\n",
    f"me@host:~$ psql -h db -c 'SHOW CREATE TABLE notes'\n{TABLE}(1 row)\n",
    f"SHOW CREATE TABLE notes;\n{TABLE}(1 row)\n",
    f"The table that does not convert:\n\n```sql\n{NOTES};\n```\n\nWhat do we do?\n",
    f"```\n{TABLE}(1 row)\n```\n",
    f"~~~~ sql\n{NOTES}\n~~~~\n",
    json.dumps([{"create_statement": NOTES}]),
    json.dumps({"SHOW CREATE TABLE notes": [{"table_name": "notes", "create_statement": NOTES}]}, indent=2),
    json.dumps({"create_statement": NOTES}) + "\n",
    f'"table_name","create_statement"\n"notes","{NOTES}"\n',
    f'table_name;create_statement\nnotes;"{NOTES}"\n',
    f'table_name\tcreate_statement\nnotes\t"{NOTES}"\n',
    f'"create_statement"\n"{NOTES}"\n\n',
    f'insert into "MY_TABLE"("table_name", "create_statement") values (\'notes\', \'{NOTES}\');\n',
    f'INSERT INTO "SHOW CREATE ALL TABLES" (create_statement) VALUES\n\t (\'CREATE SCHEMA it;\'),\n\t (\'{NOTES};\nCOMMENT ON TABLE public.notes IS \'\'it\'\'\'\'s\'\';\');\n',
    _tsv(ARCHIVED),
    json.dumps(_rows(ARCHIVED)),
    _tsv(REDACTED),
    _tsv(("descriptor_name", "create_statement")),
    f'a_new_column,create_statement,more\n1,"{NOTES}",2\n',
    _tsv(ARCHIVED, {"database_name": "NULL", "schema_name": "pg_catalog", "is_virtual": "t"}, {"database_name": "system"}, {}),
])
def test_the_table_is_found_in(text):
    found = read_schema_text(text)
    assert [(table.name, [column.name for column in table.columns]) for database in found.databases for table in database.tables] == [("notes", ["id"])]


@pytest.mark.parametrize(("text", "problem"), [
    (TABLE.replace("CONSTRAINT notes_pkey", "CONSTRAINT notes_…"), "it is cut off .…. at line 5; give the whole text"),
    ("CREATE TABLE t (a INT8, CONSTRAINT pk_… PRIMARY KEY (a))", "it is cut off"),
    (TABLE.replace("(id ASC)", "(i…") + "(1 row)\n", "line 5 is cut off"),
    (TABLE.replace("KEY (id ASC)", "(truncated)"), "line 5 is cut off"),
    (TABLE.replace("PRIMARY KEY", "PRIMARY\nKEY"), "line 6 was wrapped"),
    (TABLE.replace("PRIMARY KEY", "PRIMARY\n   KEY") + "(1 row)\n", "line 6 was wrapped"),
    (TABLE.replace("|     CONSTRAINT", "|.    CONSTRAINT"), "line 5 was wrapped"),
    (TABLE + "(2 rows)\n", "line 7 does not count the 1 rows of the table above it"),
    (TABLE.rsplit("\n", 2)[0] + "\n", "something is missing|expected"),
    ("+------------+------------------+\n| table_name | create_statement |\n|------------+------------------|\n| t          | CREATE TABLE     |\n", "line 1 begins a table with lines around it"),
    (" table_name │ create_statement \n────────────┼──────────────────\n t          │ CREATE TABLE t ( ↵\n", "line 1 begins a table with lines around it"),
    ("─[ RECORD 1 ]────┬────\ntable_name       │ t\n", "line 1 begins a table with lines around it"),
    ("<table border=\"1\">\n  <tr>\n", "line 1 begins a table with lines around it, or of HTML"),
    (" notes      | CREATE TABLE public.notes (+\n            |         id UUID NOT NULL+\n            | )\n", "line 1 begins a table without its header"),
    (" CREATE TABLE public.notes (+\n         id UUID NOT NULL+\n );\n", "line 1 begins a table without its header"),
    ("                Table \"public.t\"\n Column | Type | Collation\n--------+------+----------\n a      | int8 |\n", "line 1 begins a description, which lacks much; give the output of SHOW CREATE"),
    (f"```sql\n{NOTES}\n", "the fence in line 1 of the schema text does not end"),
    (f"{PROMPT}SHOW CREATE TABLE gone;\nERROR: relation \"gone\" does not exist\nSQLSTATE: 42P01\n", "an error of the shell in line 2"),
    (f"\x1b[24;1H\x1b[K{NOTES}", "line 1 of the schema text holds cursor movements"),
    ("\x1b[0mCREATE TABLE u\x08t (a INT8)", "line 1 of the schema text holds cursor movements"),
    ('[{"create_statement": "CREATE TABLE t (a INT8)"', "the JSON that begins in line 1 does not end"),
    ('[{"statement": "CREATE TABLE t (a INT8)"}]', "line 1 begins JSON without a create_statement"),
    ('table_name,create_statement\nt\n', "line 2 has 1 values instead of 2"),
    ("INSERT INTO r (table_name, create_statement) VALUES ('CREATE TABLE t (a INT8)');", "2 values are expected, at line 1"),
    ("INSERT INTO r (create_statement) VALUES (5 + 'x');", "'.' is not expected here, at line 1"),
    ("CREATE TABLE t (a INT8 DEFAULT ‹×›:::INT8)", "it is redacted .‹×›. at line 1"),
    (_tsv(REDACTED, {"create_statement": "CREATE TABLE public.t (\n\ta INT8 NULL DEFAULT _\n)"}), "the archive is redacted, so that a constant is missing at line 3"),
    (_tsv(REDACTED, {"create_statement": "CREATE TABLE public.t (\n\ta STRING NULL DEFAULT '_'\n)"}), "the archive is redacted, so that a constant is missing at line 3"),
    (_tsv(ARCHIVED, {"create_statement": ""}), "the row in line 2 of the schema text holds no statement"),
    ("# 1 column\n# row 1\n## 9\nCREATE TABLE t (a INT8)\n# 1 row\n", "the value after line 3 of the schema text is cut off, or has another length"),
])
def test_what_is_not_whole_is_refused_by_its_line(text, problem):
    with pytest.raises(UnsupportedError, match=problem):
        read_schema_text(text)


@pytest.mark.parametrize("text", [
    "CREATE VIEW v (a) AS SELECT\n1\n+- 2",
    "CREATE TABLE t (a INT8, CONSTRAINT c CHECK (a\n|- 1 > 0));\nCOMMENT ON TABLE t IS 'and so on…'",
    " table_name |              create_statement\n------------+--------------------------------------------\n t          | CREATE TABLE t (a INT8);                  +\n"
    "            | COMMENT ON TABLE t IS 'and … so on…'\n(1 row)\n",
    "Create a table as I say:\n```\nCREATE TABLE t (a INT8);\n```\n",
    "  create_statement\n--------------------\n  CREATE TABLE t (a INT8);\n\n(1 row)\n",
])
def test_what_only_looks_cut_or_drawn_is_read(text):
    assert not codes(text) & {"text_may_be_incomplete"}


@pytest.mark.parametrize(("text", "found"), [
    (TABLE, {"text_may_be_incomplete"}),
    (TABLE + "(1 row)\n", set()),
    (f"{PROMPT}SHOW CREATE TABLE notes;\n{TABLE}{PROMPT}", {"text_may_be_incomplete"}),
    (f"create_statement\n{NOTES};\n\n{PROMPT}", set()),
    (f"table_name|create_statement\nnotes|{NOTES}\n", {"text_may_be_incomplete"}),
    (_tsv(ARCHIVED, {"state": "DROP"}, {"descriptor_name": "kept"}), {"not_public"}),
])
def test_what_may_be_missing_is_found(text, found):
    assert codes(text) == found


def test_rows_of_a_table_of_the_user_are_no_schema():
    text = f"CREATE TABLE migrations (id INT8, create_statement STRING);\nINSERT INTO migrations (id, create_statement) VALUES (1, '{NOTES}');\n"
    assert (names(text), "rows_left_out" in codes(text)) == (["defaultdb.migrations"], True)


def test_an_archive_of_several_databases_gives_each_its_own():
    text = _tsv(ARCHIVED, {}, {"database_name": "other"}, {"database_name": "other", "create_statement": "CREATE VIEW public.v (id) AS SELECT id FROM other.public.notes"})
    assert names(text) == ["other.notes", "shop.notes"]
    assert [(database.name, [view.name for view in database.views]) for database in read_schema_text(text).databases] == [("shop", []), ("other", ["v"])]


def test_a_redacted_statement_does_not_hide_the_others():
    text = _tsv(REDACTED, {"create_statement": "CREATE TABLE public.secret (\n\ta INT8 NULL DEFAULT _\n)"}, {})
    catalog = read_understood_text(text)
    assert [table.name for table in catalog.databases[0].tables] == ["notes"]
    assert [item.message for item in catalog.unreadable if "secret" in item.message and "a constant is missing at line 3" in item.message]


def test_words_of_a_shell_that_begin_a_statement_are_not_passed_over():
    assert names("CREATE TABLE\n  a (x INT8);\n\nALTER TABLE\na ADD COLUMN y INT8;\nSET\nCREATE TABLE b (x INT8)") == ["defaultdb.a", "defaultdb.b"]


@pytest.mark.parametrize("name", ["plain_text", "create_statement", "table_name|create_statement", "(1 row)", "Time: 3ms", "-[ RECORD 1 ]", "root@:26257/movr> x"])
def test_the_words_of_a_shell_inside_of_a_constant_stay(name):
    text = f"CREATE TABLE t (a STRING DEFAULT '\n{name}\n');\nCREATE TABLE u (a INT8);\n"
    assert [piece.text for piece in read_pieces(text)] == [text]


LINE = "CREATE SCHEMA extra"
BLOCKS = {
    "aligned": f"  create_statement\n---------------------\n  {LINE}\n(1 row)\n",
    "named": TABLE + "(1 row)\n",
    "cut_off": TABLE,
    "records": f"-[ RECORD 1 ]\ntable_name       | notes\ncreate_statement | {LINE}\n",
    "unaligned": f"create_statement\n{LINE}\n(1 row)\n",
    "named_unaligned": f"table_name|create_statement\nnotes|{NOTES}\n(1 row)\n",
    "csv": f'create_statement\n"{LINE}"\n',
    "named_csv": f'table_name,create_statement\nnotes,"{NOTES}"\n',
    "tsv": f"table_name\tcreate_statement\nnotes\t{LINE}\n",
    "raw": f"# 1 column\n# row 1\n## {len(NOTES)}\n{NOTES}\n# 1 row\n",
    "sql_form": f"CREATE TABLE results (\n  create_statement STRING\n);\n\nINSERT INTO results VALUES ('{LINE}');\n-- 1 row\n",
    "json": json.dumps([{"create_statement": NOTES}], indent=1) + "\n",
    "archive": _tsv(ARCHIVED),
    "inserts": f"INSERT INTO x (table_name, create_statement) VALUES ('notes', '{NOTES}');\n",
    "session": f"{PROMPT}SHOW CREATE TABLE notes;\n{TABLE}(1 row)\n\n\nTime: 3ms total\n\n{PROMPT}\n",
    "file": f"-- a comment\n{NOTES};\n",
}


@pytest.mark.parametrize("space", ["", "\n"])
@pytest.mark.parametrize("second", BLOCKS)
@pytest.mark.parametrize("first", BLOCKS)
def test_one_form_follows_another(first, second, space):
    def texts(text: str) -> list[str]:
        return [part.strip() for piece in read_pieces(text) for part in piece.text.replace("-- a comment", "").split(";") if part.strip()]

    assert texts(BLOCKS[first] + space + BLOCKS[second]) == texts(BLOCKS[first]) + texts(BLOCKS[second])
