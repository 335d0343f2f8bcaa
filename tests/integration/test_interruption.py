# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Ctrl-C in the middle of an import: nothing works on behind the user's back, and the same command goes on."""
from __future__ import annotations

import itertools
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from playbook_runs import CHECKOUT, SAMPLE, Run, databases, variables
from postgres_servers import query
from psycopg2 import sql

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import read_manifest
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._postgres.connect.connection import connect

WAITS = 120
"""Seconds."""


def workers(work: pathlib.Path) -> list[str]:
    """Return the command lines of processes, of the controller or of modules, that are at work for the migration in a directory."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(path / "cwd").startswith(str(work)) or str(work) in (path / "cmdline").read_text(errors="replace"):
                found.append((path / "cmdline").read_text(errors="replace").replace("\0", " "))
        except OSError:
            continue
    return found


def until(condition) -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + WAITS
    while not condition():
        assert time.monotonic() < deadline, "it has not happened"
        time.sleep(0.01)


def hold_up(parameters, dump: pathlib.Path):
    """Lock the table of about the middle of the import, which takes large tables first, and return the connection that holds it."""
    tables = sorted(read_manifest(str(dump)).databases[0].tables, key=lambda table: -table.text_bytes)
    ends = list(itertools.accumulate(len(table.chunks) for table in tables))
    table = next(table for table, end in zip(tables, ends) if end > ends[-1] // 2)
    holder = connect(parameters, "shop")
    with holder.cursor() as cursor:
        cursor.execute(sql.SQL("LOCK TABLE {}").format(sql.Identifier(table.schema, table.name)))
    return holder


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are looked for in /proc")
@pytest.mark.slow
def test_an_interrupted_import_goes_on(work, empty_postgres):
    argument = variables(
        work, s3_backup_path=SAMPLE.replace("types", "shop"), postgres_host=empty_postgres.host, postgres_port=empty_postgres.port,
        postgres_password=empty_postgres.password, test_postgresql_import=False, skip_validation=True, do_cleanup=False, chunk_rows=100, parallelism=1,
    )
    environment = {**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"), "ANSIBLE_NOCOLOR": "1"}
    command = [str(pathlib.Path(sys.executable).parent / "ansible-playbook"), str(CHECKOUT / "migrate.yml"), argument]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=work, start_new_session=True) as process:
        until(lambda: "shop" in databases(empty_postgres))
        until(lambda: query(empty_postgres, "shop", "SELECT to_regclass('cockroach_migrator.ledger') IS NOT NULL") == [(True,)])
        holder = hold_up(empty_postgres, next(work.glob("*/dump")))
        until(lambda: query(empty_postgres, "shop", "SELECT count(*) > 5 FROM cockroach_migrator.ledger WHERE step = 'chunk'") == [(True,)])
        # As a terminal does: to every process of the group.
        os.killpg(process.pid, signal.SIGINT)
        holder.close()
        output, _ = process.communicate(timeout=WAITS)
    print(output)
    assert process.returncode != 0 and "Traceback" not in output, output
    until(lambda: not workers(work))
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cockroach_migrator' AND pid <> pg_backend_pid()"
    until(lambda: query(empty_postgres, "", sessions) == [(0,)])
    chunks = "SELECT count(*) FROM cockroach_migrator.ledger WHERE step = 'chunk'"
    before = query(empty_postgres, "shop", chunks)[0][0]
    total = len(list(work.glob("*/dump/**/*.zst")))
    assert 5 < before < total
    again = Run("migrate.yml", argument)
    assert again.code == 0 and "VERIFIED: " in again.output, again.output
    assert query(empty_postgres, "shop", chunks) == [(total,)]
    assert query(empty_postgres, "shop", "SELECT count(*) FROM cockroach_migrator.ledger WHERE step = 'attempt'") == [(2,)]
