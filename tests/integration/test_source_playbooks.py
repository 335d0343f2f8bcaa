# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The playbooks with CockroachDB as their source: the stand-in that repeats a recorded conversation, a real one where COCKROACH_BINARY names it."""
from __future__ import annotations

import json
import os
import pathlib
import socket
import sys

import pytest
import yaml
from backup_copies import copy_of_release
from cockroach_nodes import BINARY, KINDS, STAND_IN, node, stand_in_environment
from playbook_runs import CHECKOUT, SAMPLE, Run, databases, variables
from postgres_servers import VERSIONS, bin_dir

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    temporary_server,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.restore.node_certificates import (
    make_certificates,
)

BACKUPS = CHECKOUT / "tests" / "fixtures" / "backups"


@pytest.fixture(name="kind", params=KINDS)
def _kind(request):
    return request.param


def restore_variables(kind: str, fault: str = "") -> dict:
    """Return the variables of a migration through a temporary CockroachDB, as the conversation was recorded."""
    return {
        "migration_source": "restore", "chunk_rows": 3000, "parallelism": 2, "cockroach_binary": BINARY if kind == "real" else str(STAND_IN),
        # Tests run side by side: a port of its own, so that none meets another's node.
        "cockroach_port": free_port(), "cockroach_http_port": free_port(), "cockroach_cache": "256MiB", "cockroach_max_sql_memory": "512MiB", "test_postgresql_import": False,
        **({"cockroach_server_environment": stand_in_environment("types", fault)} if kind == "stand-in" else {}),
    }


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def target_variables(parameters) -> dict:
    """Return the variables of a target."""
    return {"postgres_host": parameters.host, "postgres_port": parameters.port, "postgres_password": parameters.password}


def nodes_below(directory: pathlib.Path) -> list[str]:
    """Return the command lines of processes that have something of the directory open as their store."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:
            continue
        if "start-single-node" in line and str(directory) in line:
            found.append(line)
    return found


@pytest.mark.slow
def test_restore_is_the_default_and_leaves_nothing_of_cockroachdb(kind, work, empty_postgres):
    values = {**restore_variables(kind), **target_variables(empty_postgres)}
    del values["migration_source"]
    argument = variables(work, **values, migration_source="")
    checked = Run("migrate.yml", argument, "--check")
    assert checked.code == 0 and [path.name for path in work.iterdir()] == ["vars.json"], checked.output
    run = Run("migrate.yml", argument, "-vvv")
    assert run.code == 0 and "VERIFIED" in run.output, run.output
    assert empty_postgres.password not in run.output
    assert nodes_below(work) == [] and not list(work.glob("*/cockroach"))
    report = json.loads(next(work.glob("*/report/report.json")).read_text(encoding="utf-8"))
    assert report["source"]["kind"] == "restore" and "grants_not_restored" in {finding["code"] for finding in report["findings"]}
    again = Run("migrate.yml", argument)
    assert (again.code, again.changed) == (0, 0), again.output


@pytest.mark.slow
def test_a_dump_with_other_policies_is_refused_before_anything_is_restored(kind, work):
    """Rows that an earlier policy has changed are not taken for those of another one. (The temporary node has certificates here.)"""
    values = {**restore_variables(kind), "insecure_mode": False, "postgres_import_enabled": False, "do_cleanup": False}
    first = Run("migrate.yml", variables(work, **values))
    assert first.code == 0 and first.changed, first.output
    assert Run("migrate.yml", variables(work, **values)).changed == 0
    assert sorted(path.name for path in work.rglob("*.key")) == ["client.root.key", "node.key"]
    other = Run("migrate.yml", variables(work, **values, value_policies={"length": "reject"}))
    assert other.code != 0 and "other names or policies" in other.error and nodes_below(work) == [], other.output
    assert "Provide CockroachDB" not in other.output


@pytest.mark.slow
def test_a_running_cluster(kind, work, empty_postgres, tmp_path):
    if kind == "real":
        pytest.skip("a new CockroachDB holds nothing: the restore is tested with the real one")
    with node(kind, tmp_path, BACKUPS, "types") as parameters:
        values = {
            "migration_source": "cluster", "chunk_rows": 3000, "cockroach_host": "127.0.0.1", "cockroach_port": parameters.port, "s3_backup_path": "",
            "cockroach_sslmode": "disable", "test_postgresql_import": False, "do_cleanup": False, **target_variables(empty_postgres),
        }
        run = Run("migrate.yml", variables(work, **values))
        assert run.code == 0 and "VERIFIED" in run.output, run.output
        again = Run("migrate.yml", variables(work, **values))
        assert (again.code, again.changed) == (0, 0) and "is used again" in again.output, again.output


def test_a_cluster_without_tls_is_refused_unless_that_is_wanted(work, tmp_path):
    """Also where the older tool's insecure_mode is on: that is about the temporary node."""
    with node("stand-in", tmp_path, BACKUPS, "types") as parameters:
        certs_dir = tmp_path / "certs"
        make_certificates(str(STAND_IN), str(certs_dir), os.environ)
        values = {"migration_source": "cluster", "cockroach_host": "localhost", "cockroach_port": parameters.port, "insecure_mode": True, "postgres_import_enabled": False}
        without = Run("migrate.yml", variables(work, **values))
        assert without.code != 0 and "certs_dir is empty" in without.error and "cockroach_sslmode" in without.error, without.output
        run = Run("migrate.yml", variables(work, **values, certs_dir=str(certs_dir)))
    assert run.code != 0 and "speaks no TLS" in run.error and "cockroach_sslmode: disable" in run.error, run.output


@pytest.mark.slow
def test_the_default_release(work, tmp_path, empty_postgres):
    """v24.3, whose COPY takes no moment of its own."""
    backup = copy_of_release(BACKUPS / "intervals", tmp_path / "backups" / "intervals", "v24.3.5")
    environment = stand_in_environment("intervals", version="v24.3.5")
    values = {**restore_variables("stand-in"), "chunk_rows": 2, "cockroach_server_environment": environment, "s3_backup_path": f"file://{backup}"}
    run = Run("migrate.yml", variables(work, **values, **target_variables(empty_postgres)))
    assert run.code == 0 and "VERIFIED" in run.output and "intervals" in databases(empty_postgres), run.output
    assert nodes_below(work) == []


@pytest.mark.slow
def test_comparison_of_two_sources(kind, work):
    argument = variables(work, **restore_variables(kind))
    run = Run("playbooks/compare_sources.yml", argument)
    assert run.code == 0 and "48 tables with 8796 rows are equal in both dumps" in run.output, run.output
    assert not list(work.glob("*/compare")) and nodes_below(work) == []


def test_comparison_of_a_source_with_itself_is_refused(work):
    run = Run("playbooks/compare_sources.yml", variables(work, migration_source="backup"))
    assert run.code != 0 and "migration_source is backup" in run.error


def test_program_that_is_not_there(work):
    run = Run("migrate.yml", variables(work, migration_source="restore", cockroach_binary="/nowhere/cockroach", postgres_import_enabled=False))
    assert run.code != 0 and "/nowhere/cockroach" in run.error and nodes_below(work) == []


@pytest.mark.slow
def test_node_that_dies_is_reported_and_a_second_run_goes_on(work, empty_postgres):
    """It ends in the middle of the export; nothing is left running, and the next run, with a node that lives, needs no more than that."""
    broken = Run("migrate.yml", variables(work, **restore_variables("stand-in", "ends_at:k_many"), **target_variables(empty_postgres)))
    assert broken.code != 0 and "types.public." in broken.error and "run again once it answers" in broken.error, broken.output
    assert nodes_below(work) == [] and databases(empty_postgres) == ["postgres", "template0", "template1"]
    assert next(work.glob("*/report/validation_report.txt")).read_text(encoding="utf-8").splitlines()[2].startswith("FAILED: ")
    run = Run("migrate.yml", variables(work, **restore_variables("stand-in"), **target_variables(empty_postgres)))
    assert run.code == 0 and "VERIFIED" in run.output, run.output
    assert nodes_below(work) == []


@pytest.mark.slow
def test_two_targets_of_one_dump(work, empty_postgres):
    """The example inventory: one host migrates, two targets get one import each."""
    with temporary_server(ServerOptions(str(work / "second"), bin_dir(VERSIONS[0]))) as second:
        inventory = work / "inventory.yml"
        hosts = {name: target_variables(parameters) for name, parameters in (("first", empty_postgres), ("second", second))}
        example = yaml.safe_load((CHECKOUT / "playbooks" / "examples" / "inventory.yml").read_text(encoding="utf-8"))
        assert set(example["all"]["children"]) == {"migration", "migration_targets"}
        inventory.write_text(yaml.safe_dump({"all": {"children": {
            "migration": {"hosts": {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}}, "migration_targets": {"hosts": hosts},
        }}}), encoding="utf-8")
        argument = variables(work, s3_backup_path=SAMPLE, test_postgresql_import=False)
        os.chmod(inventory, 0o600)
        run = Run("migrate.yml", f"-i{inventory}", argument)
        assert run.code == 0 and run.output.count("VERIFIED") == 2, run.output
        for parameters in (empty_postgres, second):
            assert "types" in databases(parameters)
        assert sorted(path.parent.name for path in work.glob("*/report/*/report.json")) == ["first", "second"]
        again = Run("migrate.yml", f"-i{inventory}", argument)
        assert (again.code, again.changed) == (0, 0), again.output
