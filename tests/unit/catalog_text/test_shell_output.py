# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What shells print, as it was recorded from real ones, and what they print when something goes wrong."""
from __future__ import annotations

import pytest
from named_catalog import named

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.catalog_of_text import (
    read_schema_text,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.schema_text.forms.shell_output import (
    read_pieces,
)

FORMS = ("csv", "psql_aligned", "psql_csv", "psql_expanded", "psql_plain", "psql_unaligned", "records", "sql", "table", "tsv")
BREAKS = ("csv", "psql_aligned", "psql_csv", "psql_unaligned", "raw", "sql", "table", "tsv")
"""Forms whose values end by a mark of some kind: a cut inside of one is seen."""


def _text(fixtures_dir, kind, form):
    return (fixtures_dir / "schema_text" / kind / f"{form}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["all", "each"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_tells_the_same(fixtures_dir, kind, form):
    exact = read_schema_text(_text(fixtures_dir, kind, "raw"))
    found = read_schema_text(_text(fixtures_dir, kind, form))
    assert named(found.databases[0]) == named(exact.databases[0])
    assert found.findings == exact.findings
    assert len(found.databases[0].tables) == 9


def test_the_windows_line_ends_and_the_byte_order_mark_do_not_matter(fixtures_dir):
    text = _text(fixtures_dir, "each", "csv")
    assert read_pieces("\ufeff" + text.replace("\n", "\r\n")) == read_pieces(text)


@pytest.mark.parametrize("form", (*FORMS, "raw"))
def test_an_error_of_the_shell_is_an_error(fixtures_dir, form):
    text = _text(fixtures_dir, "each", form) + "ERROR: relation \"gone\" does not exist\nSQLSTATE: 42P01\n"
    with pytest.raises(UnsupportedError, match="not understood|error of the shell"):
        read_schema_text(text)


@pytest.mark.parametrize("form", BREAKS)
def test_output_that_breaks_off_is_an_error(fixtures_dir, form):
    text = _text(fixtures_dir, "each", form)
    with pytest.raises(UnsupportedError):
        read_schema_text(text[:text.index("CONSTRAINT many_pkey") + 5])


def test_a_status_before_and_a_time_after_are_passed_over():
    text = "SET\n  create_statement\n--------------------\n  CREATE SCHEMA s;\n(1 row)\n\n\nTime: 3ms total (execution 2ms / network 1ms)\n\n"
    assert [piece.text for piece in read_pieces(text)] == ["CREATE SCHEMA s;"]


def test_the_headers_of_the_first_releases_are_known():
    text = "  Table |           CreateTable\n--------+----------------------------------\n  t     | CREATE TABLE t (a INT8 NOT NULL)\n(1 row)\n"
    assert [piece.text for piece in read_pieces(text)] == ["CREATE TABLE t (a INT8 NOT NULL)"]


def test_a_line_tells_where_it_is_in_the_shells_output(fixtures_dir):
    text = _text(fixtures_dir, "each", "psql_aligned").replace("dt DATE", "dt DAET")
    line = next(number for number, line in enumerate(text.split("\n"), 1) if "DAET" in line)
    with pytest.raises(UnsupportedError, match=f"the type DAET is not known.*line {line}, column"):
        read_schema_text(text)


def test_sql_is_taken_as_it_is():
    text = "-- a file\nCREATE TABLE t (a STRING DEFAULT 'create_statement');\n"
    assert [piece.text for piece in read_pieces(text)] == [text]


def test_a_table_named_with_bars():
    text = "table_name|create_statement\na|b|CREATE TABLE public.\"a|b\" (\n\tid INT8 NOT NULL\n)\n(1 row)\n"
    assert [piece.text for piece in read_pieces(text)] == ["CREATE TABLE public.\"a|b\" (\n\tid INT8 NOT NULL\n)"]


@pytest.mark.parametrize("text", [
    "# 1 column\nSHOW CREATE ALL TYPES 0\n# 1 column\n# row 1\n## 16\nCREATE SCHEMA s;\n# 1 row\n",
    "CREATE TABLE results (\n  create_statement STRING\n);\n\nSHOW CREATE ALL TYPES 0\n"
    "CREATE TABLE results (\n  create_statement STRING\n);\n\nINSERT INTO results VALUES ('CREATE SCHEMA s;');\n-- 1 row\n",
    "SHOW CREATE ALL TYPES 0\n  create_statement\n--------------------\n  CREATE SCHEMA s;\n(1 row)\n",
    "SHOW CREATE ALL TYPES 0\ncreate_statement\nCREATE SCHEMA s;\n",
    "SHOW CREATE ALL TYPES 0\n-[ RECORD 1 ]\ncreate_statement | CREATE SCHEMA s;\n",
])
def test_a_command_without_rows_before_one_with_rows(text):
    """As cockroach sql v22.1 prints SHOW CREATE ALL TYPES of a database that has none."""
    assert [piece.text for piece in read_pieces(text)] == ["CREATE SCHEMA s;"]
