# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""A migration with an encrypted dump, as users run it: through all phases, and without the key."""
from __future__ import annotations

import json

import pyrage
import pytest
from playbook_runs import SAMPLE, Run, databases, tree, variables


@pytest.mark.slow
def test_every_phase_has_the_key_and_none_begins_without(work, empty_postgres):
    key = str(pyrage.x25519.Identity.generate())
    target = {"postgres_host": empty_postgres.host, "postgres_port": empty_postgres.port, "postgres_password": empty_postgres.password}
    values = {**target, "s3_backup_path": SAMPLE.replace("types", "intervals"), "do_cleanup": False}
    (work / "key").write_text(f"# a comment\n{key}\n", encoding="utf-8")
    argument = variables(work, **values, dump_encryption_key_command=["cat", str(work / "key")])
    run = Run("migrate.yml", argument, "-vvv")
    assert run.code == 0 and "VERIFIED" in run.output and key not in run.output, run.output
    assert list(work.glob("*/dump/**/*.copy.zst.age")) and not list(work.glob("*/dump/**/*.zst"))
    report = next(work.glob("*/report/validation_report.txt")).read_text(encoding="utf-8")
    assert ", encrypted\n" in report and json.loads(next(work.glob("*/report/report.json")).read_text(encoding="utf-8"))["encrypted"]

    without = variables(work, **values)
    before, there = tree(work), databases(empty_postgres)
    refused = Run("migrate.yml", without)
    assert refused.code != 0 and "is encrypted for age1" in refused.error and "Check the targets" not in refused.output, refused.output
    assert tree(work) == before and databases(empty_postgres) == there
    cleaned = Run("playbooks/cleanup.yml", without)
    assert cleaned.code == 0 and not list(work.glob("*/dump/**/*.age")), cleaned.output
