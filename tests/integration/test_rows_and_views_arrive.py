# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Every table and view arrives identical to what CockroachDB itself returned, on every PostgreSQL."""
from __future__ import annotations

import pytest
from journey import migrate
from rewritten_backups import BY_EPOCH, FLAGGED, UNFLAGGED, Form, rewrite

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_manifest

COPIES = {
    "shop": ("shop", {}, "shop"), "types": ("types", {}, "types"), "tricky": ("tricky", {}, "tricky"), "tenant": ("tenant", {}, "tenant"),
    "boxes": ("boxes", {}, "boxes"), "intervals": ("intervals", {}, "intervals"),
    "modern-shaped/shop-v4": ("shop", {}, "shop"), "modern-shaped/shop-v7": ("shop", {}, "shop"), "modern-shaped/types-v5": ("types", {}, "types"),
    "modern-shaped/types-v7-encrypted": ("types", {"passphrase": "correct horse"}, "types"),
}
CHAIN_LAYERS = {"chain-v20.2.7-layer0": 0, "chain-v20.2.7-layer4": 4, "chain-v20.2.7-layer8": 8}


def _check(migration, truth, database):
    assert migration.verified.succeeded, migration.verified
    words = migration.judge(truth, database)
    identical, total = words.split()[0], words.split()[2]
    assert identical == total


@pytest.mark.parametrize("backup", COPIES)
def test_own_copies(backup, postgres, fixtures_dir, tmp_path):
    database, options, truth = COPIES[backup]
    migration = migrate(postgres, [f"file://{fixtures_dir}/backups/{backup}"], tmp_path / "dump", **options)
    _check(migration, fixtures_dir / "truth" / truth, database)


def test_a_backup_whose_values_functions_of_cockroachdb_computed(postgres, fixtures_dir, tmp_path):
    """PostgreSQL computes 28 columns anew with functions that the conversion writes; the checksums of the rows are CockroachDB's."""
    migration = migrate(postgres, [f"file://{fixtures_dir}/backups/written"], tmp_path / "dump")
    assert migration.verified.succeeded, migration.verified
    manifest = read_manifest(str(tmp_path / "dump"))
    assert {table.name: (table.rows, len(table.computed)) for table in manifest.databases[0].tables} == {"answers": (60, 28), "made": (20, 0)}
    assert not [finding for finding in manifest.findings if finding.code in ("computed_column_as_data", "default_left_out", "index_left_out", "check_left_out")]


def test_a_cluster_with_settings_schedules_and_zones(postgres, fixtures_dir, tmp_path):
    """It has no truth beside it: the checksums of its rows and the catalog are compared."""
    migration = migrate(postgres, [f"file://{fixtures_dir}/backups/belongings"], tmp_path / "dump", grants="create")
    assert migration.verified.succeeded and "depot" in migration.verified.databases, migration.verified


REWRITTEN = {
    "made inside a virtual cluster": Form(tenant=10, deleted=FLAGGED, importing="t_int"),
    "made inside a virtual cluster, keys elided, tombstones as before v24.2": Form(
        tenant=300, elided=2, deleted=UNFLAGGED, importing="k_string", import_type=BY_EPOCH, table_format=("pebble", 4)),
}


@pytest.mark.parametrize("form", REWRITTEN.values(), ids=REWRITTEN)
def test_rewritten_into_other_forms(form, postgres, fixtures_dir, tmp_path):
    """Full and incremental layers inside of a virtual cluster, with range tombstones and a table under IMPORT INTO."""
    layers = rewrite(fixtures_dir / "backups" / "types", tmp_path / "backup", form)
    migration = migrate(postgres, [folder.as_uri() for folder in layers], tmp_path / "dump")
    _check(migration, fixtures_dir / "truth" / "types", "types")
    codes = {finding.code for finding in read_manifest(migration.dump_dir).findings}
    assert {"backup_range_tombstones", "import_under_way"} <= codes and "range_tombstones_uncounted" not in codes


@pytest.mark.parametrize("database", ["shop", "types"])
def test_cluster(database, migrated_cluster, fixtures_dir):
    _check(migrated_cluster, fixtures_dir / "truth" / database, database)


@pytest.mark.parametrize("truth", CHAIN_LAYERS)
def test_chain_of_incrementals(truth, postgres, shared_fixtures, tmp_path):
    root = shared_fixtures / "backups" / "upstream" / "chain-v20.2.7"
    locations = [f"file://{root}/{layer}" for layer in range(CHAIN_LAYERS[truth] + 1)]
    _check(migrate(postgres, locations, tmp_path / "dump"), shared_fixtures / "truth" / truth, "data")


def test_remap(postgres, shared_fixtures, tmp_path):
    location = f"file://{shared_fixtures}/backups/upstream/remap-v21.1.1"
    migration = migrate(postgres, [location], tmp_path / "dump")
    database = next(iter(migration.verified.databases))
    _check(migration, shared_fixtures / "truth" / "remap-v21.1.1", database)


def test_tpcc(postgres, shared_fixtures, tmp_path):
    migration = migrate(postgres, [f"file://{shared_fixtures}/backups/tpcc"], tmp_path / "dump")
    _check(migration, shared_fixtures / "truth" / "tpcc", "tpcc")


def test_from_s3(postgres, s3_server, fixtures_dir, tmp_path):
    from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import (
        StorageOptions,
    )
    location = s3_server.upload(fixtures_dir / "backups" / "shop", "truth/shop")
    storage = StorageOptions(access_key_id="S3RVER", secret_access_key="S3RVER", region="us-east-1", endpoint_url=s3_server.url)
    migration = migrate(postgres, [location], tmp_path / "dump", storage=storage)
    _check(migration, fixtures_dir / "truth" / "shop", "shop")
