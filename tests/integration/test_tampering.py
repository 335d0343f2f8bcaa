# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Whatever is broken in a migrated database after a good migration, the next run of the playbook fails and names it; a rehearsal that differs stops."""
from __future__ import annotations

import json

import pytest
from playbook_runs import SAMPLE, Run, databases, variables
from tamperings import GROUPS

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._migration.report.differences import differences
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.import_plan import ImportOptions
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.load.load import import_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.verify.verify import (
    VerifyOptions,
    verify_dump,
)

NO_IMPORT = '-e{"postgres_import_enabled": false}'
SHOP = SAMPLE.replace("types", "shop")


def run_sql(parameters, database: str, *commands: str) -> None:
    """Run commands, each by itself."""
    connection = connect(parameters, database)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for command in commands:
                cursor.execute(command)
    finally:
        connection.close()


def report_of(work) -> list[str]:
    """Return the lines of the report for people; the third is the verdict."""
    return next(work.glob("*/report/validation_report.txt")).read_text(encoding="utf-8").splitlines()


def given(target, **values) -> dict:
    """Return the variables of a migration of the sample into a target, with nothing that these tests do not look at."""
    return {
        "s3_backup_path": SHOP, "postgres_host": target.host, "postgres_port": target.port, "postgres_password": target.password,
        "test_postgresql_import": False, "skip_validation": True, "do_cleanup": False, **values,
    }


@pytest.mark.slow
def test_what_is_broken_after_a_good_migration_is_noticed_and_named(work, empty_postgres):
    argument = variables(work, **given(empty_postgres))
    first = Run("migrate.yml", argument)
    assert first.code == 0 and report_of(work)[2].startswith(f"VERIFIED: {empty_postgres.place} holds all"), first.output
    dump = next(work.glob("*/dump"))
    for group in GROUPS:
        run_sql(empty_postgres, "shop", *(tampering.sql for tampering in group))
        broken = Run("migrate.yml", argument)
        report = report_of(work)
        assert broken.code != 0 and report[2].startswith(f"DIFFERENT: {empty_postgres.place} does not hold what the dump holds: "), broken.output
        assert "VERIFIED" not in broken.output and "VERIFIED" not in "\n".join(report)
        assert broken.error.count("DIFFERENT: ") == 1 and "correct that in the target" in broken.error and "run the same command again" in broken.output
        different = report[report.index("What differs in the target"):]
        for tampering in group:
            assert any(all(word in line for word in tampering.words) for line in different), (tampering.name, different)
        # The first ones by name also in the one line that everybody reads.
        assert sum(all(word in report[2] for word in tampering.words) for tampering in group) >= 4
        assert not json.loads(next(work.glob("*/report/report.json")).read_text(encoding="utf-8"))["verified"]

        by_server = differences(verify_dump(str(dump), empty_postgres, VerifyOptions(verify_by="server")))
        assert by_server and all(any(line in shown for shown in different) for line in by_server)

        cleaned = Run("playbooks/cleanup.yml", argument)
        assert cleaned.code == 0 and "is kept" in cleaned.output and list(dump.rglob("*.zst"))
        run_sql(empty_postgres, "", "DROP DATABASE shop")
        import_dump(str(dump), empty_postgres, ImportOptions())

    again = Run("migrate.yml", argument)
    assert again.code == 0 and report_of(work)[2].startswith(f"VERIFIED: {empty_postgres.place} holds all"), again.output
    # What an earlier run has proved is said with its moment and its run.
    looked = Run("migrate.yml", argument, NO_IMPORT, "--check")
    assert looked.code == 0 and "VERIFIED (at 20" in looked.output and "by the run 20" in looked.output and "not by this one)" in looked.output, looked.output
    cleaned = Run("playbooks/cleanup.yml", argument)
    assert cleaned.code == 0 and not list(dump.rglob("*.zst")), cleaned.output

    run_sql(empty_postgres, "", "DROP DATABASE shop")
    dropped = Run("migrate.yml", argument)
    assert dropped.code != 0 and "run once with start_over: true, or remove that directory and run again" in dropped.error and str(dump) in dropped.error
    assert "shop" not in databases(empty_postgres)
    anew = Run("migrate.yml", argument, "-estart_over=true")
    assert anew.code == 0 and report_of(work)[2].startswith(f"VERIFIED: {empty_postgres.place} holds all"), anew.output
    assert any(line.startswith("  export: ") for line in report_of(work)), report_of(work)


@pytest.mark.slow
def test_a_rehearsal_that_differs_stops_before_the_target(work, empty_postgres):
    """The manifest is changed behind the back of the validation: it asks for other values than the chunks hold."""
    argument = variables(work, **given(empty_postgres, test_postgresql_import=True))
    exported = Run("migrate.yml", argument, NO_IMPORT, '-e{"test_postgresql_import": false}')
    assert exported.code == 0 and report_of(work)[2].startswith("EXPORTED"), exported.output
    path = next(work.glob("*/dump/manifest.json"))
    manifest = json.loads(path.read_text(encoding="utf-8"))
    table = next(table for table in manifest["databases"][0]["tables"] if table["name"] == "payments")
    table["chunks"][0]["checksum"] = str(int(table["chunks"][0]["checksum"]) + 1)
    path.write_text(json.dumps(manifest), encoding="utf-8")

    run = Run("migrate.yml", argument)
    verdict = report_of(work)[2]
    assert run.code != 0 and verdict.startswith("DIFFERENT: the throw-away PostgreSQL of the rehearsal does not hold"), run.output
    assert "shop.billing.payments has other values" in verdict and "was not touched" in verdict
    assert "shop" not in databases(empty_postgres) and not list(work.glob("*/rehearsal"))
    assert Run("migrate.yml", argument).code != 0, "a rehearsal that differed counts as done"
    assert "shop" not in databases(empty_postgres)
