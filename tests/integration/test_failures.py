# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Whatever is wrong ends in one clear line that names the thing, without secrets, and leaves the target as before."""
from __future__ import annotations

import dataclasses
import os
import shutil

import pytest
from full_disk import small_file_system
from journey import export

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import ImportOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import StorageOptions

SECRET = "S3RVER-wrong-secret-8d1f"


def refusal(function, *arguments, **options) -> str:
    """Return the one line of the error that the call ends with."""
    with pytest.raises(MigrationError) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert message and "\n" not in message and SECRET not in message
    return message


@pytest.fixture(name="backup")
def _backup(fixtures_dir, tmp_path):
    """A copy of the sample that a test may damage."""
    return shutil.copytree(fixtures_dir / "backups" / "shop", tmp_path / "backup")


@pytest.fixture(name="biggest")
def _biggest(backup):
    return max(backup.rglob("*.sst"), key=lambda path: path.stat().st_size)


def test_no_such_bucket(s3_server, tmp_path):
    storage = StorageOptions(access_key_id="S3RVER", secret_access_key="S3RVER", region="us-east-1", endpoint_url=s3_server.url)
    assert "nowhere" in refusal(export, ["s3://nowhere/shop"], tmp_path / "dump", storage=storage)


def test_wrong_key(s3_server, tmp_path):
    storage = StorageOptions(access_key_id="UNKNOWN", secret_access_key=SECRET, region="us-east-1", endpoint_url=s3_server.url)
    message = refusal(export, ["s3://backups/shop"], tmp_path / "dump", storage=storage)
    assert "s3://backups/shop" in message and "key" in message


def test_no_backup_there(s3_server, tmp_path):
    storage = StorageOptions(access_key_id="S3RVER", secret_access_key="S3RVER", region="us-east-1", endpoint_url=s3_server.url)
    message = refusal(export, ["s3://backups/empty"], tmp_path / "dump", storage=storage)
    assert "s3://backups/empty" in message and "backup" in message


@pytest.mark.parametrize("damage", ["missing", "truncated", "empty"])
def test_damaged_data_file(damage, backup, biggest, tmp_path):
    if damage == "missing":
        biggest.unlink()
    else:
        os.truncate(biggest, 0 if damage == "empty" else biggest.stat().st_size // 2)
    assert biggest.name in refusal(export, [f"file://{backup}"], tmp_path / "dump")
    assert not (tmp_path / "dump" / "manifest.json").exists()


@pytest.mark.parametrize("position", [0.1, 0.5, 0.9, 0.999])
def test_one_flipped_byte(position, backup, biggest, tmp_path):
    data = bytearray(biggest.read_bytes())
    data[int(len(data) * position)] ^= 1
    biggest.write_bytes(data)
    assert biggest.name in refusal(export, [f"file://{backup}"], tmp_path / "dump")


def test_a_lost_layer_of_a_chain(shared_fixtures, tmp_path):
    root = shared_fixtures / "backups" / "upstream" / "chain-v20.2.7"
    message = refusal(export, [f"file://{root}/{layer}" for layer in (0, 1, 3)], tmp_path / "dump")
    assert "missing" in message or "gap" in message


@pytest.mark.parametrize("passphrase", ["", SECRET])
def test_encrypted_without_the_right_passphrase(passphrase, fixtures_dir, tmp_path):
    message = refusal(export, [f"file://{fixtures_dir}/backups/modern-shaped/types-v7-encrypted"], tmp_path / "dump", passphrase=passphrase)
    assert "passphrase" in message


def test_as_of_outside(fixtures_dir, tmp_path):
    assert "as_of" in refusal(export, [f"file://{fixtures_dir}/backups/shop"], tmp_path / "dump", as_of="2020-01-01 00:00:00")


def test_no_room_for_the_dump(fixtures_dir, tmp_path):
    with small_file_system(tmp_path / "small", 256 * 1024) as small:
        message = refusal(export, [f"file://{fixtures_dir}/backups/shop"], small / "dump")
    assert "no room" in message and str(small) in message


@pytest.fixture(name="dump", scope="module")
def _dump(fixtures_dir, tmp_path_factory):
    directory = tmp_path_factory.mktemp("failures") / "dump"
    export([f"file://{fixtures_dir}/backups/shop"], directory)
    return str(directory)


def _databases(parameters):
    with connect(parameters) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database ORDER BY 1")
        return [name for name, in cursor.fetchall()]


def test_target_with_tables_in_the_way(postgres, dump):
    connection = connect(postgres)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE shop")
    with connect(postgres, "shop") as theirs, theirs.cursor() as cursor:
        cursor.execute("CREATE TABLE customers (precious text); INSERT INTO customers VALUES ('kept')")
    theirs.close()
    message = refusal(import_dump, dump, postgres, ImportOptions())
    assert "customers" in message and "shop" in message
    with connect(postgres, "shop") as theirs, theirs.cursor() as cursor:
        cursor.execute("SELECT precious FROM customers")
        assert cursor.fetchall() == [("kept",)]
        cursor.execute(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'",
        )
        assert cursor.fetchone() == (1,)
    theirs.close()
    with connection.cursor() as cursor:
        cursor.execute("DROP DATABASE shop")
    connection.close()


def test_unreachable_target(postgres, dump):
    message = refusal(import_dump, dump, dataclasses.replace(postgres, port=1), ImportOptions())
    assert "127.0.0.1:1" in message and "reached" in message


def test_wrong_password(postgres, dump):
    before = _databases(postgres)
    message = refusal(import_dump, dump, dataclasses.replace(postgres, password=SECRET), ImportOptions())
    assert "password" in message and _databases(postgres) == before


def test_too_old_target(postgres, dump, monkeypatch):
    """No PostgreSQL before 14 can be had here: the newest acceptable version is moved instead."""
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect import connection
    monkeypatch.setattr(connection, "MINIMUM_VERSION", 990000)
    assert "99 or later" in refusal(import_dump, dump, postgres, ImportOptions())
