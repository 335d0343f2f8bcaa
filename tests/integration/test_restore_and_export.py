# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A backup restored into CockroachDB and exported over SQL gives the same dump as its own files do.

The stand-in repeats what a real CockroachDB v22.1 answered; COCKROACH_BINARY=… runs the same against a real one.
"""
from __future__ import annotations

import pytest
from cockroach_nodes import KINDS, node
from exporting import export_cluster
from journey import Migration, export

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

CHUNK_ROWS = {"tricky": 20, "intervals": 2}
"""So that the awkward keys are the borders of ranges, too."""
LEAST = {"intervals": (105, 3)}
"""Rows and tables of a small backup."""

PAGED = "tricky"
"""The restored backup that is read in ranges of several pages, too, so that the awkward keys are the ends of pages."""
RUNNING = "types"
"""The restored backup that is read as a running cluster, too."""


@pytest.fixture(scope="module", params=["shop", "types", "cluster", "tricky", "intervals"])
def backup(request):
    return request.param


@pytest.fixture(scope="module", params=KINDS)
def restored(request, backup, fixtures_dir, tmp_path_factory):
    """The dump of the backup's files, and the one of the restored backup with what the restore and the export said."""
    directory = tmp_path_factory.mktemp("restored")
    location = f"file://{fixtures_dir}/backups/{backup}"
    export([location], directory / "backup")
    with node(request.param, directory, fixtures_dir / "backups", backup) as parameters:
        request_ = RestoreRequest((location,), str(directory / "restore.json"), io_dir=str(fixtures_dir / "backups"), poll_interval=1)
        restoration = restore_backup(parameters, request_, lambda state: None)
        again = restore_backup(parameters, request_, lambda state: None)
        wanted = {
            "dump_dir": directory / "restore", "chunk_rows": CHUNK_ROWS.get(backup, 3000), "parallelism": 2, "kind": "restore", "source_id": backup,
            "grants_restored": restoration.coverage == "cluster",
        }
        exported = export_cluster(parameters, **wanted)
        unchanged = export_cluster(parameters, **wanted)
        if backup == PAGED:
            export_cluster(parameters, **{**wanted, "dump_dir": directory / "paged", "chunk_rows": 3000})
        if backup == RUNNING:
            running = {"dump_dir": directory / "cluster", "kind": "cluster", "source_id": "", "grants_restored": True, "as_of": exported.as_of}
            export_cluster(parameters, **{**wanted, **running})
    return directory, restoration, again, exported, unchanged


@pytest.mark.slow
def test_both_ways_give_the_same_dump(backup, restored):
    directory, restoration, _again, exported, _unchanged = restored
    result = compare_dumps(str(directory / "backup"), str(directory / "restore"))
    assert result.differences == []
    rows, tables = LEAST.get(backup, (8000, 10))
    assert result.rows == exported.rows >= rows and result.tables == exported.tables >= tables
    whole = backup == "cluster"
    assert restoration.coverage == ("cluster" if whole else "database")
    assert bool(result.not_compared) != whole
    codes = {finding.code for finding in read_manifest(str(directory / "restore")).findings}
    assert ("grants_not_restored" in codes) != whole
    if backup == PAGED:
        assert compare_dumps(str(directory / "restore"), str(directory / "paged")).differences == []
    if backup == RUNNING:
        assert compare_dumps(str(directory / "restore"), str(directory / "cluster")).rows == exported.rows


def test_second_run_changes_nothing(restored):
    _directory, restoration, again, exported, unchanged = restored
    assert restoration.changed and exported.changed
    assert not again.changed and not unchanged.changed
    assert unchanged.as_of == exported.as_of


def test_postgresql_holds_what_cockroachdb_returned(backup, restored, empty_postgres, fixtures_dir):
    directory = str(restored[0] / "restore")
    imported = import_dump(directory, empty_postgres, ImportOptions(parallelism=2, grants="create"))
    verified = verify_dump(directory, empty_postgres, VerifyOptions(parallelism=2, grants="create"))
    migration = Migration(empty_postgres, directory, imported, verified)
    for database in ("shop", "types") if backup == "cluster" else (backup,):
        migration.judge(fixtures_dir / "truth" / database, database)
