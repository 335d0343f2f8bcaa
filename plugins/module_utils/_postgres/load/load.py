# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Importing a dump as planned: schema, rows in parallel, keys, indexes and everything else."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Callable

try:
    import psycopg2
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._convert.statements import Statement
from ..._dump.manifest import Manifest, chosen_databases, read_manifest_for_rows
from ..._errors import TargetError
from ..._model.names import clip
from ..._model.results import DatabaseImport, ImportResult, TableImport
from ..._system.progress import Progress, ReportProgress
from ..._system.termination import ends_by_exception
from ..connect.connection import ConnectionParameters, connect, postgres_message
from ..connect.pool import ConnectionPool
from ..connect.session import hide_commands
from ..target import content as contents
from ..target import created_objects, ledger, omitted_objects
from ..target import probe_features as server_features
from ..target.created_roles import created_roles, mark_roles
from ..target.lock_room import most_locks_in_a_transaction
from ..target.target_database import create_database, letter_case, require_usable
from ..target.target_watch import TargetWatch
from ..target.throttle import Throttle
from .chunk_loader import CHUNK, chunk_key
from .import_graph import plan_transactions
from .import_plan import ImportOptions, Job, plan_dump
from .rejected_rows_table import load_rejects
from .scheduler import run_by_needs
from .statement_runner import execute, run_again, run_pre_data
from .transactions import Transaction, analyze_key, perform

_LOAD = "load"
"""What the progress calls the step of the chunks."""


def import_dump(
    dump_dir: str,
    parameters: ConnectionParameters,
    options: ImportOptions,
    progress: ReportProgress = lambda state: None,
    begin: Callable[[], None] = lambda: None,
    tell: Callable[[str], None] = lambda line: None,
) -> ImportResult:
    """Load a dump into databases of the same names.

    ``begin`` is called before the first change, and not at all when there is nothing to do. An interrupted run
    resumes where it stopped. ``tell`` gets a line where it waits. Raises MigrationError; until all checks of all
    databases have passed nothing is changed.
    """
    manifest = read_manifest_for_rows(dump_dir, options.dump_key)
    names = [clip(entry.name) for entry in chosen_databases(manifest, options.databases)]
    with TargetWatch(parameters, names, options.limits, tell) as watch:
        return _import(_Run(dump_dir, parameters, options, progress, watch.throttle), manifest, begin)


@dataclass(frozen=True)
class _Run:
    """What all parts of an import know."""

    dump_dir: str
    parameters: ConnectionParameters
    options: ImportOptions
    progress: ReportProgress
    throttle: Throttle


def _import(run: _Run, manifest: Manifest, begin: Callable[[], None]) -> ImportResult:
    parameters, options = run.parameters, run.options
    admin = connect(parameters)
    try:
        plan = plan_dump(run.dump_dir, manifest, admin, parameters, options)
        admin.commit()
        findings = list(plan.findings)
        if not plan.finished:
            begin()
        changed = _run_roles(admin, plan.dump_id, plan.roles)
        results = {}
        for job in plan.jobs:
            results[job.state.name] = _load(run, job, plan.dump_id, admin)
            findings += letter_case(admin, job.state.name) if options.content != contents.DATA else []
            findings += omitted_objects.findings(job.entry.name, job.state.omitted, job.statements, plan.rights)
            changed = changed or results[job.state.name].changed
    except psycopg2.Error as error:
        raise TargetError(
            f"PostgreSQL at {parameters.place}: {postgres_message(error)}; run the import again, it resumes where it "
            "stopped"
        ) from error
    finally:
        admin.close()
    seconds = sum(result.seconds for result in results.values())
    return ImportResult(changed, results, findings, round(seconds, 3), options.content)


def _run_roles(admin: Any, dump_id: str, statements: list[Statement]) -> bool:
    """Create the roles that the server lacks, all or none."""
    if not statements:
        return False
    made = [statement.name for statement in statements if statement.kind == "role"]
    try:
        with admin.cursor() as cursor:
            # They hold the verifiers of passwords.
            hide_commands(cursor)
            # One that an earlier run has created may get a new role as its member.
            earlier = [role.name for role in created_roles(cursor) if role.dump_id == dump_id and not role.changed]
            for statement in statements:
                execute(cursor, "roles", statement)
            mark_roles(cursor, dump_id, [*earlier, *made])
        admin.commit()
    except TargetError:
        admin.rollback()
        raise
    return True


def _load(run: _Run, job: Job, dump_id: str, admin: Any) -> DatabaseImport:
    started = time.monotonic()
    if job.finished:
        return _result(job, {}, changed=False, created=False, statements=_retry(run, job, dump_id))
    created = not job.state.exists
    if created:
        create_database(admin, job.state.name)
    control = _open(run, job.state.name)
    try:
        ledger.lock(control, job.state.name)
        # Another import may have ended while this one waited.
        require_usable(control, job.database, dump_id, job.content)
        job.state.done = ledger.read(control)
        statements = len(set(job.statements) - set(job.state.done))
        pre_data = job.missing()
        marks = [
            ledger.Done(key)
            for key in (*contents.mark(job.content), server_features.mark(job.features))
            if key not in job.state.done
        ]
        attempt = ledger.next_attempt(job.state.done, job.content, time.monotonic() - started)
        run_pre_data(control, job.state.name, dump_id, list(pre_data.items()), [attempt, *marks], job.entry.tables)
        retried = _run_again(job, control)
        for task in job.missing_rejects:
            load_rejects(control, task)
        loaded = _run_transactions(run, job, dump_id, control)
        job.state.omitted = omitted_objects.read(control)
        _complete(control, job, dump_id, time.monotonic() - started)
        job.state.done = ledger.read(control)
    finally:
        control.close()
    return _result(job, loaded, changed=True, created=created, statements=statements + retried)


def _retry(run: _Run, job: Job, dump_id: str) -> int:
    """Run the omitted commands of a finished import again; return how many PostgreSQL accepts now."""
    if not set(job.state.omitted) & set(job.statements):
        return 0
    control = _open(run, job.state.name)
    try:
        ledger.lock(control, job.state.name)
        run_pre_data(control, job.state.name, dump_id, [])
        taken = _run_again(job, control)
        job.state.omitted = omitted_objects.read(control)
    finally:
        control.close()
    return taken


def _run_again(job: Job, control: Any) -> int:
    return sum(
        run_again(control, job.state.name, (key, statement))
        for key, statement in job.statements.items()
        if key in job.state.omitted and not job.state.omitted[key].instead
    )


def _open(run: _Run, database: str) -> Any:
    connection = connect(run.parameters, database)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = %s", (f"{run.options.limits.statement_time_limit}s",))
    connection.commit()
    return connection


def _open_worker(run: _Run, database: str) -> Any:
    connection = _open(run, database)
    with connection.cursor() as cursor:
        # The last commit of the import waits for the disk, and with it all earlier ones.
        cursor.execute("SET synchronous_commit = off")
        # Transactions with large tables set it anew.
        cursor.execute("SET max_parallel_maintenance_workers = 0")
        cursor.execute("SET maintenance_work_mem = %s", (run.options.maintenance_work_mem,))
    connection.commit()
    ledger.mark_worker(connection)
    return connection


def _run_transactions(run: _Run, job: Job, dump_id: str, control: Any) -> Counter[str]:
    """Load the rows that are missing and run all statements after them; return the number of chunks loaded now by the
    directories of their tables. After an error, or when the user ends the run, no command works on."""
    loaded: Counter[str] = Counter()
    count = _Count(job, run.progress)
    parallelism = run.options.parallelism
    with control.cursor() as cursor:
        graph = plan_transactions(job, most_locks_in_a_transaction(cursor, parallelism))
    control.commit()
    pool = ConnectionPool(lambda: _open_worker(run, job.state.name), parallelism)
    with ends_by_exception(), pool:

        def start(transaction: Transaction) -> Future[list[ledger.Done]]:
            return pool.submit(
                lambda connection, item: perform(connection, job.state.name, dump_id, item, run.throttle), transaction
            )

        try:
            for transaction, done in run_by_needs(graph, start, lambda transaction: transaction.weight, parallelism):
                loaded.update(task.table.directory for task in transaction.chunks)
                count.report(done)
        except BaseException:
            pool.stop()
            run.throttle.end()
            # A control connection that is broken has no server to ask.
            with contextlib.suppress(psycopg2.Error):
                ledger.end_workers(control)
            raise
    return loaded


class _Count:
    """Counts what is done of each step, and reports it."""

    def __init__(self, job: Job, progress: ReportProgress) -> None:
        self._database = job.state.name
        self._progress = progress
        self._rows = sum(task.chunk.rows for task in job.chunks if task.key in job.state.done)
        keys = [*job.statements, *(task.key for task in job.chunks), *map(analyze_key, job.entry.tables)]
        self._totals = Counter(step for step, _name in keys)
        self._done = Counter(key[0] for key in keys if key in job.state.done)

    def report(self, done: Sequence[ledger.Done]) -> None:
        """Add what a transaction has done."""
        for step, group in itertools.groupby(done, key=lambda item: item.key[0]):
            items = list(group)
            self._done[step] += len(items)
            self._rows += sum(item.rows for item in items)
            phase, rows = (_LOAD, self._rows) if step == CHUNK else (step, None)
            self._progress(Progress(self._done[step], self._totals[step], rows, phase, self._database))


def _complete(control: Any, job: Job, dump_id: str, seconds: float) -> None:
    """Record the completion in the ledger; this commit waits until everything is on disk."""
    with control.cursor() as cursor:
        key = contents.complete_key(job.content)
        if key not in job.state.done:
            cursor.execute("SET LOCAL synchronous_commit = on")
            created_objects.record_sequences(cursor)
            ledger.record(cursor, dump_id, [ledger.Done(key, sum(task.chunk.rows for task in job.chunks), seconds)])
    control.commit()


def _result(job: Job, loaded: Mapping[str, int], *, changed: bool, created: bool, statements: int) -> DatabaseImport:
    """Return the result of a database; the times are the ledger's, summed over all attempts."""
    tables = {}
    entries = job.entry.tables if job.content != contents.SCHEMA else []
    done = job.state.done
    for table in entries:
        keys = [chunk_key(table, chunk) for chunk in table.chunks]
        seconds = sum(done[key].seconds for key in keys)
        tables[table.full_name] = TableImport(
            table.rows, table.rejected, loaded.get(table.directory, 0), round(seconds, 3)
        )
    rows = sum(table.rows for table in entries)
    return DatabaseImport(
        changed or statements > 0,
        created,
        statements,
        rows,
        tables,
        round(ledger.seconds_of_attempts(done, job.content), 3),
    )
