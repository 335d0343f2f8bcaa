# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What must be after a fault: the same command completes the migration, with the truth in the target, and leaves nothing else."""
from __future__ import annotations

import contextlib
import json
import subprocess
import sys

import psutil
from migrations import CHECKOUT, BrokenError, Migration, Run, Target, digests, wait_for_end

RESUMED, WAITED = "resumed at once", "told that the job still ran, resumed after it"
_MOST_RUNS = 8


def complete(migration: Migration) -> str:
    """Run the command again until it succeeds; return how that went. Raises BrokenError when it fails, but for a job that still runs."""
    migration.target.start()
    outcome = RESUMED
    for _number in range(_MOST_RUNS):
        run = migration.run()
        require_words(run)
        if run.succeeded:
            return outcome
        if not run.was_refused:
            raise BrokenError(f"the run after the fault fails: {run.output[-4000:]}")
        outcome = WAITED
        wait_for_end(lambda: at_work(migration))
    raise BrokenError(f"the run is refused {_MOST_RUNS} times: {run.output[-2000:]}")


def at_work(migration: Migration) -> list:
    """Return the processes of jobs that still run: a throw-away server that was left works for nobody."""
    return [process for process in migration.processes() if not process.name().startswith("postgres") and "start-single-node" not in (process.info["cmdline"] or ())]


def require_words(run: Run) -> None:
    """Raise BrokenError for a run that ends with a traceback."""
    if "Traceback (most recent call last)" in run.output:
        raise BrokenError(f"a traceback: {run.output[-4000:]}")


def check(migration: Migration, whole: bool = True) -> None:
    """Compare the target with the truth, and look for what is left. ``whole`` means that the last phase was done. Raises BrokenError."""
    if "import" in migration.steps:
        _compare(migration)
        _require_each_chunk_once(migration)
    wait_for_end(migration.processes, 20)
    sessions = migration.target.query("", "SELECT pid, query FROM pg_stat_activity WHERE application_name = 'cockroach_migrator' AND pid <> pg_backend_pid()")
    locks = migration.target.query("", "SELECT pid, objid FROM pg_locks WHERE locktype = 'advisory'")
    left = [str(path) for path in migration.work.rglob("*") if path.name in ("rehearsal", "cockroach", "export.journal") or path.name.endswith((".lock", ".part"))
            or path.name.startswith(".part_")]
    if "report" in migration.steps and whole:
        left += [str(path) for path in migration.place.rglob("*.zst")]
    if sessions or locks or left:
        raise BrokenError(f"left: sessions {sessions}, locks {locks}, files {left[:10]}")


def _compare(migration: Migration) -> None:
    sample, where = migration.sample, migration.target.parameters
    if sample.truth:
        dsn = f"host={where.host} port={where.port} user={where.user} password={where.password} dbname={sample.database}"
        command = [sys.executable, str(CHECKOUT / "tests" / "fixtures" / "compare_truth.py"), dsn, str(sample.truth)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise BrokenError(f"not the truth: {result.stdout}{result.stderr}")
    elif digests(migration.target, sample.database) != sample.digests:
        raise BrokenError("not what an undisturbed migration gives")


def _require_each_chunk_once(migration: Migration) -> None:
    """The ledger has each chunk of the manifest, and has it once with all of its rows."""
    manifest = json.loads((migration.place / "dump" / "manifest.json").read_text(encoding="utf-8"))
    chunks = [chunk["rows"] for database in manifest["databases"] for table in database["tables"] for chunk in table["chunks"]]
    found = migration.target.query(migration.sample.database, "SELECT rows FROM cockroach_migrator.ledger WHERE step = 'chunk'")
    if sorted(chunks) != sorted(rows for rows, in found):
        raise BrokenError(f"the ledger has {len(found)} chunks, the manifest {len(chunks)}")


def leave_nothing(migration: Migration, target: Target) -> None:
    """End what a broken fault has left, so that the next one begins with nothing."""
    for process in migration.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    target.start()
