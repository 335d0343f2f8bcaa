# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The benchmark's own backup: what is written arrives, and the benchmark says that it was not CockroachDB's."""
from __future__ import annotations

import dataclasses
import datetime
import pathlib
import subprocess
import sys
import uuid

import delaying_proxy
import psycopg2.extras
import pytest
from journey import migrate

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify import (
    VerifyOptions,
    verify_dump,
)

BENCHMARK = pathlib.Path(__file__).resolve().parent.parent / "benchmark"
sys.path.insert(0, str(BENCHMARK))

import small_tables
from tpcc_backup import Scale, rows_of, write_backup

SMALL = Scale(warehouses=2, items=150, customers=40)


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
