# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The benchmark's own backup: what is written arrives, and the benchmark says that it was not CockroachDB's."""
from __future__ import annotations

import dataclasses
import datetime
import itertools
import pathlib
import subprocess
import sys
import uuid

import delaying_proxy
import psycopg2.extras
import pytest
from exporting import export_backup
from journey import migrate

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify import (
    VerifyOptions,
    verify_dump,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.backup.reader import BackupRequest

BENCHMARK = pathlib.Path(__file__).resolve().parent.parent / "benchmark"
sys.path.insert(0, str(BENCHMARK))

import scale_backups
import small_tables
from tpcc_backup import Scale, rows_of, write_backup

SMALL = Scale(warehouses=3, items=150, customers=40)


def as_postgresql_returns(value):
    """Times are seconds since 1970 in the generator."""
    return datetime.datetime.fromtimestamp(value, datetime.timezone.utc).replace(tzinfo=None) if isinstance(value, int) and value > 1_000_000_000 else value


def test_every_row_arrives(tmp_path, empty_postgres):
    written = write_backup(tmp_path / "backup", SMALL)
    migration = migrate(empty_postgres, [f"file://{tmp_path}/backup"], tmp_path / "dump")
    assert written == sum(len(list(rows())) for rows in rows_of(SMALL).values()) > 10_000
    psycopg2.extras.register_uuid()
    with migration.connect("tpcc") as connection, connection.cursor() as cursor:
        for name, rows in rows_of(SMALL).items():
            cursor.execute(f'SELECT * FROM public."{name}"')
            expected = [tuple(as_postgresql_returns(value) for value in row) for row in rows()]
            assert sorted(cursor.fetchall(), key=repr) == sorted(expected, key=repr), name
        cursor.execute("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text !~ 'pg_'")
        assert cursor.fetchone() == (10,)
    connection.close()


def test_many_small_tables_arrive_and_are_verified_in_few_round_trips(tmp_path, empty_postgres):
    scale = small_tables.Scale(tables=150, rows=3, indexes=2)
    assert small_tables.write_backup(tmp_path / "backup", scale) == 450
    migration = migrate(empty_postgres, [f"file://{tmp_path}/backup"], tmp_path / "dump")
    with migration.connect(small_tables.DATABASE) as connection, connection.cursor() as cursor:
        for number in range(small_tables.FIRST_ID, small_tables.FIRST_ID + scale.tables):
            cursor.execute(f"SELECT * FROM small_{number} ORDER BY i_id")
            assert cursor.fetchall() == [tuple(row) for row in small_tables.rows_of(scale, number)]
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'")
        assert cursor.fetchone() == (450,)
    connection.close()
    with delaying_proxy.running(empty_postgres.port, delaying_proxy.Distance()) as proxy:
        target = dataclasses.replace(empty_postgres, port=proxy.port)
        assert verify_dump(migration.dump_dir, target, VerifyOptions(parallelism=2)).succeeded
        assert 0 < proxy.traffic.requests < scale.tables, "each table takes round trips of its own"


def test_the_rows_of_many_layers_arrive(tmp_path, empty_postgres):
    """Each layer changes, deletes and adds rows of all layers before it."""
    layers, parts, rows = 5, 3, 200
    written = scale_backups.write_layers(tmp_path / "backup", layers, parts, rows)
    migration = migrate(empty_postgres, [f"file://{tmp_path}/backup"], tmp_path / "dump")
    expected = {(part, number): 0 for part in range(parts) for number in range(rows)}
    for layer, part in itertools.product(range(1, layers), range(parts)):
        for place, number in enumerate(range(layer, rows, layers)):
            expected[part, number] = layer
            if place % 10 == 0:
                del expected[part, number]
                expected[part, rows * layer + place] = layer
    with migration.connect("tpcc") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT part, number, changed_by FROM large")
        assert {(part, number): layer for part, number, layer in cursor.fetchall()} == expected
    connection.close()
    assert written == len(expected)


def test_values_of_all_types_arrive(tmp_path, empty_postgres):
    content = scale_backups.mixed(3, 40)
    scale_backups.write_table(tmp_path / "backup", content)
    migration = migrate(empty_postgres, [f"file://{tmp_path}/backup"], tmp_path / "dump")
    psycopg2.extras.register_uuid()
    with migration.connect("tpcc") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT part, number, a_string, a_decimal, extract(epoch FROM a_timestamptz), a_uuid, a_bool, a_json, a_float FROM large ORDER BY part, number")
        assert cursor.fetchall() == [tuple(row) for part in range(3) for row in content.rows_of_part(part)]
    connection.close()


@pytest.mark.parametrize(("function", "arguments", "rows", "files"), [
    ("wide", (1000, 20), 20, 1), ("large_rows", (3 << 20, 4), 4, 4), ("many_files", (100, 7), 700, 100), ("large_table", (1 / 64,), 1024, 1),
])
def test_extreme_shapes_are_read(tmp_path, function, arguments, rows, files):
    assert scale_backups.write_table(tmp_path / "backup", getattr(scale_backups, function)(*arguments)) == rows
    assert len(list((tmp_path / "backup" / "data").iterdir())) == files
    assert export_backup(BackupRequest((f"file://{tmp_path}/backup",)), tmp_path / "dump").rows == rows


def test_rows_are_the_same_in_every_run():
    assert all(list(rows()) == list(again()) for rows, again in zip(rows_of(SMALL).values(), rows_of(SMALL).values()))
    assert isinstance(next(rows_of(SMALL)["history"]())[0], uuid.UUID)


@pytest.mark.needs_postgres
def test_the_benchmark_runs_where_nothing_is_beside_it():
    """Its figures mean nothing at this size."""
    command = [sys.executable, str(BENCHMARK / "tpcc.py"), "--generate", "--items=150", "--customers=40", "--runs=1"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "| **whole**, with the rehearsal |" in result.stdout and "made for this run, not by CockroachDB" in result.stdout
