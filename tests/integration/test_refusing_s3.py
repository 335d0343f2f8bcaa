# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A backup under an awkward prefix, from an S3 server that refuses now and then, through the playbook: it arrives, and the log tells of each refusal.
The keys are in the location, as in CockroachDB's own URI, and are never shown, not even where Ansible shows everything."""
from __future__ import annotations

import json
from urllib.parse import quote

import boto3
import faulty_server
import pytest
from playbook_runs import Run, variables


@pytest.mark.slow
def test_an_export_through_refusals(work, fixtures_dir):
    with faulty_server.running_s3() as server:
        client = boto3.client("s3", endpoint_url=server.url, aws_access_key_id="key", aws_secret_access_key="hush-3c9", region_name="us-east-1")
        client.create_bucket(Bucket="backups")
        root = fixtures_dir / "backups" / "types"
        for path in root.rglob("*"):
            if path.is_file():
                client.upload_file(str(path), "backups", f"back#up/2024/{path.relative_to(root)}")
        server.reset()
        server.fault = lambda request: faulty_server.refusal(retry_after="1") if request.number in (2, 9) else None
        location = f"s3://backups/back%23up/2024?AWS_ENDPOINT={quote(server.url, safe='')}&AWS_REGION=us-east-1&AWS_ACCESS_KEY_ID=key&AWS_SECRET_ACCESS_KEY=hush-3c9"
        run = Run("migrate.yml", variables(work, s3_backup_path=location, test_postgresql_import=False, postgres_import_enabled=False, do_cleanup=False), "-vvv", watch=True)
    assert run.code == 0, run.output
    assert json.loads(next(work.glob("*/dump/manifest.json")).read_text(encoding="utf-8"))["source"]["locations"] == ["s3://backups/back#up/2024"]
    log = next(work.glob("*/migration.log")).read_text(encoding="utf-8")
    assert log.count("storage: s3://backups/back#up/2024") == log.count("S3 answers 503 SlowDown") == 2 and "the next one in 1.0 s" in log
    assert "hush-3c9" not in log
    assert "hush-3c9" not in run.output and not [seen for seen in run.seen_arguments if "hush-3c9" in seen]
    assert [path.name for path in work.rglob("*") if path.is_file() and b"hush-3c9" in path.read_bytes()] == ["vars.json"]


@pytest.mark.slow
def test_an_s3_server_that_never_answers(work):
    """The run ends in time, with one line that names the place, the server and what to do."""
    with faulty_server.running("http://127.0.0.1:1") as server:
        server.fault = lambda request: faulty_server.silent()
        run = Run("migrate.yml", variables(work, s3_backup_path="s3://backups/nightly", s3_endpoint_url=server.url, aws_access_key_id="key", aws_secret_access_key="hush-3c9", storage_timeout=3))
        assert server.requests
    assert run.code != 0 and f"s3://backups/nightly at {server.url}: no whole answer within 3 s, with all repetitions: check the server" in run.error
    assert "Traceback" not in run.output and "hush-3c9" not in run.output


@pytest.mark.slow
def test_incremental_location_is_read_with_the_backups_own_files(work):
    (work / "increments").mkdir()
    run = Run("migrate.yml", variables(work, incremental_location=f"file://{work}/increments", test_postgresql_import=False, postgres_import_enabled=False))
    assert run.code != 0
    assert f"file://{work}/increments holds nothing of the backup" in run.error
