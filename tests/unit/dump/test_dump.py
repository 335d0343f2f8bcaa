# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The dump directory: names, chunks, checksums, validation."""
from __future__ import annotations

import json
import os
import pathlib
import re
import stat

import pytest
import synthetic_dump
from hypothesis import given, strategies
from psycopg2 import sql

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.chunk_files import ChunkWriter, open_chunk
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_catalog, read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.paths import table_directory
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.validate import validate_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import ConfigurationError, MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.json_form import to_json
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.read_rows import ReadRows
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.copy_text import format_row, parse_row
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.line_block import (
    LineBlock,
    block_of_lines,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.row_checksum import (
    SqlColumn,
    block_checksum,
    sql_copy_columns,
    sql_row_checksum,
)

ODD_NAMES = ["a.b", "a", "..", ".", "a/b", "%2F", "a%", "A", "ä", " ", "-x", "~", "x" * 300, "x" * 301, "ä" * 63, "\n"]


@given(strategies.lists(strategies.one_of(strategies.none(), strategies.text()), min_size=1))
def test_rows_there_and_back(values):
    assert parse_row(format_row(values)) == values


def test_paths_are_safe_and_unambiguous():
    paths = {table_directory("db", schema, name) for schema in ODD_NAMES for name in ODD_NAMES}
    assert len(paths) == len(ODD_NAMES) ** 2
    for path in paths:
        parts = path.split("/")
        assert parts[:2] == ["db", "data"] and len(parts) == 3 and parts[2].count(".") == 1 and len(parts[2]) < 200 and not parts[2].startswith(".")


def checksum(lines, computed=None):
    return block_checksum(block_of_lines(lines, computed))


def test_a_broken_off_chunk_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), ChunkWriter(str(tmp_path / "00001.copy.zst")) as writer:
        writer.write(block_of_lines(["1"]))
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_chunk(tmp_path):
    path = str(tmp_path / "00001.copy.zst")
    lines = [f"{number}\tabc" for number in range(100000)]
    with ChunkWriter(path) as writer:
        writer.write(block_of_lines(lines[:70000]))
        writer.write(block_of_lines([]))
        writer.write(block_of_lines(lines[70000:]))
    assert writer.chunk.rows == 100000 and writer.chunk.checksum == str(checksum(lines)) and writer.chunk.bytes == os.path.getsize(path)
    with open_chunk(path) as reader:
        text = b"".join(iter(lambda: reader.read(1000), b""))
        reader.verify(writer.chunk)
    assert text.decode().split("\n") == [*lines, ""]


def test_long_lines_are_validated_by_several_processes(tmp_path):
    database = synthetic_dump.database("shop")
    database.tables = [table for table in database.tables if table.name == "One"]
    long = [chr(97 + number) * (6 << 20) for number in range(3)]
    directory = synthetic_dump.write_database(str(tmp_path / "dump"), database, {105: (["short", *long, "short"], None)}, chunk_rows=2)
    result = validate_dump(directory, parallelism=3)
    assert result.succeeded and result.rows == 5


def test_the_checksum_is_the_md5s_first_half_signed():
    assert checksum(["a"]) == int.from_bytes(bytes.fromhex("0cc175b9c0f1b6a8"), "big", signed=True)
    assert checksum(["", "a"], ["a", "b"]) == checksum(["\ta"]) + checksum(["a\tb"])
    assert checksum([]) == checksum([], []) == 0


@pytest.mark.parametrize("block", [LineBlock(b"a\nb\n", 1), LineBlock(b"a\nb\n", 2, b"1\n"), LineBlock(b"a\nb", 2)])
def test_a_block_with_another_number_of_lines_than_it_says_is_refused(block):
    with pytest.raises(AssertionError, match="a block of"):
        block_checksum(block)


def test_postgresql_computes_the_same(any_postgres):
    values = synthetic_dump.TRICKY + [None]
    connection = connect(any_postgres)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE t (\"I\"\"d\" bigint NOT NULL, a text, b text NOT NULL, c boolean, d numeric(20,4), e inet NOT NULL, f char(6) NOT NULL)",
        )
        rows = [(number, value, value or "", (None, True, False)[number % 3], None if number % 2 else "1.5000", "::1", "ab") for number, value in enumerate(values)]
        for row in rows:
            cursor.execute("INSERT INTO t VALUES (%s, %s, %s, %s, %s, %s, %s)", row)
        columns = [
            SqlColumn('I"d', False, nullable=False, plain=True), SqlColumn("a"), SqlColumn("b", nullable=False), SqlColumn("c", False, boolean=True),
            SqlColumn("d", False, plain=True), SqlColumn("e", False, nullable=False), SqlColumn("f", False, nullable=False),
        ]
        lines = [format_row([str(row[0]), row[1], row[2], {None: None, True: "t", False: "f"}[row[3]], row[4], "::1/128", "ab"]) for row in rows]
        one = [SqlColumn("a")]
        for wanted, computed, text in (
            (columns, [], checksum(lines)), (one, [], checksum([format_row([value]) for value in values])),
            ([], one, checksum([""] * len(values), [format_row([value]) for value in values])), (one * 250, [], checksum([format_row([value] * 250) for value in values])),
        ):
            cursor.execute("SELECT sum({}) FROM t".replace("{}", sql_row_checksum(wanted, computed).as_string(cursor)))
            assert int(cursor.fetchone()[0]) == text
            read = ReadRows(any(column.escaped for column in (*wanted, *computed)))
            cursor.copy_expert("COPY (SELECT {} FROM t) TO STDOUT".replace("{}", sql.SQL(", ").join(sql_copy_columns(wanted, computed)).as_string(cursor)), read)
            read.end()
            assert (read.rows, read.checksum) == (len(values), text)
    connection.close()


@pytest.fixture(name="dump")
def _dump(tmp_path):
    return synthetic_dump.write(str(tmp_path / "dump"), "shop")


def test_a_good_dump(dump):
    result = validate_dump(dump, 2)
    assert result.succeeded and result.rows == 600 + 500 + 2 + 1 + 2 * len(synthetic_dump.TRICKY) and result.tables == 7
    assert stat.S_IMODE(os.stat(dump).st_mode) == 0o700
    text = (pathlib.Path(dump) / "README.txt").read_text(encoding="utf-8")
    assert "psql" in text and "zstd" in text
    manifest = read_manifest(dump)
    assert to_json(manifest) == json.loads((pathlib.Path(dump) / "manifest.json").read_text(encoding="utf-8"))
    assert read_catalog(dump, manifest.databases[0]) == synthetic_dump.database("shop")


def test_the_same_content_has_the_same_id(dump, tmp_path):
    again = synthetic_dump.write(str(tmp_path / "again"), "shop")
    other = synthetic_dump.write(str(tmp_path / "other"), "shop", orders=601)
    assert read_manifest(again).dump_id == read_manifest(dump).dump_id != read_manifest(other).dump_id


def _orders(dump, number):
    return pathlib.Path(dump) / table_directory("shop", "public", "orders") / f"{number:05}.copy.zst"


@pytest.mark.parametrize("damage, expected", [
    (lambda path: path.write_bytes(path.read_bytes()[:-9]), "damaged|not what"),
    (lambda path: path.write_bytes(b"\0" + path.read_bytes()[1:]), "damaged"),
    (lambda path: path.write_bytes(b""), "not what"),
    (lambda path: path.unlink(), "No such file"),
    (lambda path: path.write_bytes(_orders(path.parents[3], 1).read_bytes()), "SHA-256"),
    (lambda path: path.with_name("00099.copy.zst").write_bytes(b"x"), "does not know"),
    (lambda path: (path.parents[2] / "catalog.json").write_text("{}"), "changed after"),
])
def test_validation_finds_damage(dump, damage, expected):
    damage(_orders(dump, 2))
    result = validate_dump(dump)
    assert not result.succeeded and len(result.problems) == 1
    assert re.search(expected, result.problems[0]), result.problems


def test_an_unfinished_dump_and_an_unknown_one(dump):
    path = pathlib.Path(dump) / "manifest.json"
    text = path.read_text(encoding="utf-8")
    for changed, expected in ((text.replace('"format_version": 1', '"format_version": 2'), "format version 2"), (text[:-20], "damaged")):
        path.write_text(changed, encoding="utf-8")
        with pytest.raises(MigrationError, match=expected):
            validate_dump(dump)
    path.unlink()
    with pytest.raises(ConfigurationError, match="no complete dump"):
        validate_dump(dump)
