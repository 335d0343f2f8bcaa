# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Backups in S3, restored into a real CockroachDB and exported over SQL: the same dump as their own files give, and what CockroachDB returned."""
from __future__ import annotations

import pytest
from cockroach_nodes import BINARY, node
from exporting import export_cluster
from journey import Migration, export
from s3_server import ACCESS_KEY, SECRET_KEY

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.compare_dumps import compare_dumps
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import ImportOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify import (
    VerifyOptions,
    verify_dump,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.restore import (
    RestoreRequest,
    restore_backup,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.storage.options import StorageOptions

pytestmark = pytest.mark.skipif(not BINARY, reason="COCKROACH_BINARY names no CockroachDB program")

CHAIN = "upstream/chain-v20.2.7"


@pytest.mark.parametrize(("directories", "truths"), [
    (["shop"], {"shop": "shop"}), (["types"], {"types": "types"}), (["cluster"], {"shop": "shop", "types": "types"}), (["tpcc"], {"tpcc": "tpcc"}),
    ([f"{CHAIN}/0"], {"data": "chain-v20.2.7-layer0"}), ([f"{CHAIN}/{layer}" for layer in range(5)], {"data": "chain-v20.2.7-layer4"}),
    ([f"{CHAIN}/{layer}" for layer in range(9)], {"data": "chain-v20.2.7-layer8"}), (["upstream/remap-v21.1.1"], None),
], ids=["shop", "types", "cluster", "tpcc", "chain-0", "chain-0-4", "chain-0-8", "remap"])
def test_restored_backup(directories, truths, shared_fixtures, s3_server, empty_postgres, tmp_path):
    locations = [s3_server.upload(shared_fixtures / "backups" / name, f"{tmp_path.name}/{name}") for name in directories]
    storage = StorageOptions(access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY, region="us-east-1", endpoint_url=s3_server.url)
    export(locations, tmp_path / "backup", storage=storage)
    with node("real", tmp_path, tmp_path, "") as parameters:
        restoration = restore_backup(parameters, RestoreRequest(tuple(locations), str(tmp_path / "restore.json"), storage=storage, poll_interval=1), print)
        cluster = restoration.coverage == "cluster"
        dumps = {}
        for kind in ("restore", "cluster"):
            dumps[kind] = str(tmp_path / kind)
            export_cluster(parameters, dumps[kind], chunk_rows=50000, parallelism=2, kind=kind, grants_restored=cluster)
    # CockroachDB may go on with schema changes that were under way: a finding of the backup's dump names what they add.
    pending = {finding.object.split(".")[-1] for finding in read_manifest(str(tmp_path / "backup")).findings if finding.code == "schema_change_under_way"}
    for dump in dumps.values():
        differences = compare_dumps(str(tmp_path / "backup"), dump).differences
        assert [line for line in differences if not any(f'only the second dump has: CREATE INDEX "{name}"' in line for name in pending)] == []
    grants = "create" if cluster else "existing"
    imported = import_dump(dumps["restore"], empty_postgres, ImportOptions(parallelism=2, grants=grants))
    verified = verify_dump(dumps["restore"], empty_postgres, VerifyOptions(parallelism=2, grants=grants))
    migration = Migration(empty_postgres, dumps["restore"], imported, verified)
    if truths is None:
        truths = dict.fromkeys(imported.databases, "remap-v21.1.1")
    for database, truth in truths.items():
        migration.judge(shared_fixtures / "truth" / truth, database)
