# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What a cluster has beside its databases is named in findings, from the backup's files and over SQL, and without secrets."""
from __future__ import annotations

import pytest
from cockroach_nodes import KINDS, node
from exporting import export_cluster
from journey import export

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import UnsupportedError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats import protobuf
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import Catalog
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.descriptors.cluster_leftovers import (
    add_leftovers,
    leftover_findings,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.restore import (
    RestoreRequest,
    restore_backup,
)

BACKUP = "belongings"
FOUND = [
    ("cluster_settings", "the cluster", "Cluster settings are omitted: cluster.organization, kv.rangefeed.enabled."),
    ("schedule", "nightly", "The schedule (backup, @daily) is omitted."),
    ("zone_configuration", "depot", "The zone configuration has no counterpart and is omitted."),
    ("zone_configuration", "depot.public.parts", "The zone configuration has no counterpart and is omitted."),
]


def found(dump) -> list[tuple[str, str, str]]:
    codes = {code for code, _object, _message in FOUND} | {"changefeed", "external_connection", "system_privileges"}
    return sorted((item.code, item.object, item.message) for item in read_manifest(str(dump)).findings if item.code in codes)


def test_from_the_files_of_a_backup(fixtures_dir, tmp_path):
    export([f"file://{fixtures_dir}/backups/{BACKUP}"], tmp_path / "dump")
    assert found(tmp_path / "dump") == FOUND
    assert not any("hidden" in path.read_text(encoding="utf-8") for path in (tmp_path / "dump").rglob("*.json"))


@pytest.mark.parametrize("kind", KINDS)
def test_over_sql(kind, fixtures_dir, tmp_path):
    """What the restore itself sets and switches off in the temporary CockroachDB is not the source's."""
    backups = fixtures_dir / "backups"
    with node(kind, tmp_path, backups, BACKUP) as parameters:
        request = RestoreRequest((f"file://{backups}/{BACKUP}",), str(tmp_path / "restore.json"), io_dir=str(backups), poll_interval=1)
        assert restore_backup(parameters, request, lambda state: None).coverage == "cluster"
        export_cluster(parameters, tmp_path / "dump", kind="restore", source_id=BACKUP)
    assert found(tmp_path / "dump") == FOUND


def changefeed_payload() -> str:
    """Return COPY text of a payload as jobs.proto lays it out: a description, and details of a changefeed."""
    return "\\x" + b"\x0a\x04text\x72\x00".hex()


def test_changefeeds_that_run():
    """A changefeed needs a licence, so that no real backup has one here."""
    assert list(protobuf.parse(bytes.fromhex(changefeed_payload()[2:]))) == [1, 14]
    old = [
        {"id": "9", "status": "running", "payload": changefeed_payload()}, {"id": "8", "status": "paused", "payload": changefeed_payload()},
        {"id": "7", "status": "canceled", "payload": changefeed_payload()}, {"id": "6", "status": "running", "payload": "\\x0a0474657874"},
    ]
    new = [{"id": "5", "status": "running", "job_type": "CHANGEFEED"}, {"id": "4", "status": "running", "job_type": "BACKUP"}]
    (finding,) = leftover_findings(Catalog(), {"jobs": old + new})
    assert (finding.code, finding.severity, finding.message) == ("changefeed", "warning", "Changefeeds are omitted: the jobs 5, 8, 9.")


def test_external_connections_and_system_privileges():
    """These came with v22.2."""
    rows = {
        "external_connections": [{"connection_name": "nightly", "connection_details": "\\x00"}],
        "privileges": [{"username": "fred", "path": "/global/", "privileges": "{MODIFYCLUSTERSETTING,VIEWACTIVITY}", "grant_options": "{}"}],
    }
    assert [(item.code, item.object, item.message) for item in leftover_findings(Catalog(), rows)] == [
        ("external_connection", "nightly", "The external connection has no counterpart and is omitted."),
        ("system_privileges", "fred", "The privileges on /global/ are omitted: MODIFYCLUSTERSETTING, VIEWACTIVITY."),
    ]


def test_a_table_that_cannot_be_read_is_named_and_stops_nothing():
    def unknown():
        raise UnsupportedError("system.public.jobs, column new: the type family 99 is not known")

    catalog = Catalog()
    add_leftovers(catalog, {"jobs": unknown, "external_connections": lambda: [{"connection_name": "nightly"}]})
    assert [finding.code for finding in catalog.findings] == ["leftovers_not_read", "external_connection"]
    assert "system.jobs" in catalog.findings[0].message and "99" in catalog.findings[0].message
