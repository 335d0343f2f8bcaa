# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Roles and steps in playbooks of one's own: each does its part without the playbook of the collection."""
from __future__ import annotations

import contextlib
import json
import pathlib
import shutil

import pytest
import yaml
from journey import export
from playbook_runs import Run
from postgres_servers import VERSIONS, bin_dir

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._errors import MigrationError
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.clean_up import Leftovers, clean_up
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.rehearsal import Rehearsal, rehearse
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    running_port,
    start_server,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.throwaway import WantedServer
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.migration_log import MigrationLog

PROGRAMS = VERSIONS[-1]


def run_roles(work: pathlib.Path, *roles: dict, check: bool = False) -> Run:
    """Run a playbook of these roles, each with its variables, on localhost."""
    named = [{**role, "role": f"nomos.cockroach_migrator.{role['role']}"} for role in roles]
    playbook = work / "own.yml"
    playbook.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "roles": named}]), encoding="utf-8")
    return Run(str(playbook), *(["--check"] if check else []))


@pytest.mark.slow
def test_a_dump_is_validated_imported_verified_reported_and_cleaned_up(work, fixtures_dir, empty_postgres):
    export([f"file://{fixtures_dir}/backups/shop"], work / "dump")
    place = {"dump_dir": str(work / "dump"), "state_dir": str(work / "state"), "log_file": str(work / "migration.log")}
    login = {"host": empty_postgres.host, "port": empty_postgres.port, "password": empty_postgres.password, "user": empty_postgres.user}

    def role(name: str, **values) -> dict:
        return {"role": name, **{f"{name}_{option}": value for option, value in values.items()}}

    validate, load, verify = role("dump_validate", **place), role("postgres_import", **place, **login), role("postgres_verify", **place, **login, verify_by="server")
    kept = {name: place[name] for name in ("dump_dir", "state_dir")}
    clean = role("cleanup", **kept, targets=[empty_postgres.place], rehearsal_directory=str(work / "rehearsal"))
    both = {"must_be_verified": True, "clean_up": True, "targets": [empty_postgres.place, "other:5432"]}
    report = role("report", **kept, directory=str(work / "report"), target=empty_postgres.place, **both)

    early = run_roles(work, report)
    assert early.code != 0 and "nothing has been imported or proved. The report is " in early.error and list((work / "dump").rglob("*.zst")), early.output
    shutil.rmtree(work / "report")
    looked = run_roles(work, validate, load, verify, check=True)
    assert looked.code == 0 and not (work / "state").exists(), looked.output
    run = run_roles(work, validate, load, verify, report, clean)
    assert run.code == 0 and "VERIFIED" in run.output and run.output.count(f"The export in {work}/dump is kept: ") == 1, run.output
    assert json.loads((work / "report" / "report.json").read_text(encoding="utf-8"))["verified"] and not list((work / "dump").rglob("*.zst"))
    with contextlib.closing(connect(empty_postgres, "shop")) as connection, connection, connection.cursor() as cursor:
        cursor.execute("UPDATE customers SET email = email || 'x' WHERE id = (SELECT id FROM customers LIMIT 1)")
    again = run_roles(work, validate, verify)
    assert again.code != 0 and "the rows of the dump were removed" not in again.error, again.output
    assert "DIFFERENT" in again.error and "public.customers has other values" in again.error and "start_over: true" in again.error


@pytest.fixture(name="rehearsal")
def _rehearsal(work, fixtures_dir) -> Rehearsal:
    export([f"file://{fixtures_dir}/backups/intervals"], work / "dump")
    server = WantedServer(directory=str(work / "rehearsal"), bin_dir=bin_dir(PROGRAMS))
    return Rehearsal(str(work / "dump"), str(work / "state"), server, parallelism=1, validates=True, grants="create", run="")


@pytest.mark.needs_postgres
def test_a_damaged_dump_is_not_rehearsed(rehearsal, work):
    """The server is not started, and the validation is what is recorded."""
    chunk = next((work / "dump").rglob("*.zst"))
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(MigrationError, match="is damaged: .*; make it again"):
        rehearse(rehearsal, MigrationLog("", ""), print, check=False)
    assert [path.name for path in (work / "state").iterdir()] == ["validate.json"] and not (work / "rehearsal").exists()


@pytest.mark.needs_postgres
def test_a_rehearsal_replaces_what_an_interrupted_one_left_and_is_not_repeated(rehearsal, work):
    start_server(ServerOptions(str(work / "rehearsal"), bin_dir(PROGRAMS), password="of the interrupted one"))
    seen = rehearse(rehearsal, MigrationLog("", ""), print, check=True)
    assert (seen.changed, seen.rehearsed) == (True, False) and running_port(str(work / "rehearsal")) and not (work / "state").exists()
    done = rehearse(rehearsal, MigrationLog("", ""), print, check=False)
    assert done.rehearsed and done.succeeded and not (work / "rehearsal").exists()
    assert sorted(path.name for path in (work / "state").iterdir()) == ["rehearsal_import.json", "rehearsal_verify.json", "validate.json"]
    again = rehearse(rehearsal, MigrationLog("", ""), print, check=False)
    assert (again.changed, again.rehearsed) == (False, False)


@pytest.mark.needs_postgres
def test_a_clean_up_stops_what_an_interrupted_rehearsal_left_and_keeps_rows_that_nobody_has(rehearsal, work):
    start_server(ServerOptions(str(work / "rehearsal"), bin_dir(PROGRAMS), password="of the interrupted one"))
    (work / "cache").mkdir()
    (work / "cache" / "download").write_text("", encoding="utf-8")
    leftovers = Leftovers(rehearsal.dump_dir, rehearsal.state_dir, ["db:5432"], str(work / "rehearsal"), "", str(work / "cockroach"), str(work / "cache"))
    assert clean_up(leftovers, check=True).changed and running_port(str(work / "rehearsal")) and (work / "cache").exists()
    done = clean_up(leftovers, check=False)
    assert done.changed and "has not found all of the dump there" in done.kept
    assert not (work / "rehearsal").exists() and not (work / "cache").exists() and list((work / "dump").rglob("*.zst"))
    assert not clean_up(leftovers, check=False).changed
