# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Importing a dump as planned: schema, rows in parallel, keys, indexes and everything else."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from typing import Any, Callable

try:
    import psycopg2
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._convert.statements import PARALLEL_STEPS, POST_DATA_STEPS, Statement
from ..._dump.manifest import TableEntry
from ..._errors import TargetError
from ..._model.names import clip
from ..._model.results import DatabaseImport, ImportResult, TableImport
from ..._system.progress import Progress, ReportProgress
from ..connect.connection import ConnectionParameters, connect, postgres_message
from ..connect.pool import ConnectionPool
from ..target import content as contents
from ..target import ledger, omitted_objects
from ..target import probe_features as server_features
from ..target.target_database import create_database, letter_case, require_usable
from .chunk_loader import chunk_key, load_chunk
from .import_plan import ImportOptions, Job, Key, analyze_key, plan_dump
from .rejected_rows_table import load_rejects
from .statement_runner import execute, run_again, run_one, run_together


def import_dump(
    dump_dir: str,
    parameters: ConnectionParameters,
    options: ImportOptions,
    progress: ReportProgress = lambda state: None,
    begin: Callable[[], None] = lambda: None,
) -> ImportResult:
    """Load a dump into databases of the same names.

    ``begin`` is called before the first change, and not at all when there is nothing to do. An interrupted run
    resumes where it stopped. Raises MigrationError; until all checks of all databases have passed nothing is changed.
    """
    admin = connect(parameters)
    try:
        plan = plan_dump(dump_dir, admin, parameters, options)
        findings = list(plan.findings)
        if not plan.finished:
            begin()
        changed = _run_roles(admin, plan.roles)
        results = {}
        for job in plan.jobs:
            results[job.state.name] = _load(job, plan.dump_id, admin, parameters, options, progress)
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


def _run_roles(admin: Any, statements: list[Statement]) -> bool:
    """Create the roles that the server lacks, all or none."""
    try:
        with admin.cursor() as cursor:
            for statement in statements:
                execute(cursor, "roles", statement)
        admin.commit()
    except TargetError:
        admin.rollback()
        raise
    return bool(statements)


def _load(
    job: Job,
    dump_id: str,
    admin: Any,
    parameters: ConnectionParameters,
    options: ImportOptions,
    progress: ReportProgress,
) -> DatabaseImport:
    started = time.monotonic()
    if job.finished:
        return _result(job, {}, changed=False, created=False, statements=_retry(job, dump_id, parameters))
    created = not job.state.exists
    if created:
        create_database(admin, job.state.name)
    control = connect(parameters, job.state.name)
    try:
        ledger.lock(control, job.state.name)
        # Another import may have ended while this one waited.
        require_usable(control, job.database, dump_id, job.content)
        job.state.done = ledger.read(control)
        statements = len(set(job.statements) - set(job.state.done))
        pre_data = job.missing()
        marks = [
            key
            for key in (*contents.mark(job.content), server_features.mark(job.features))
            if key not in job.state.done
        ]
        run_together(
            control, job.state.name, dump_id, pre_data, [ledger.next_attempt(job.state.done, job.content), *marks]
        )
        retried = _run_again(job, control)
        with ConnectionPool(lambda: _open_worker(parameters, job.state.name, options), options.parallelism) as pool:
            loaded = _load_chunks(job, pool, progress)
            for task in job.missing_rejects:
                load_rejects(control, task)
            _run_post_data(job, dump_id, control, pool, progress)
            for _table in pool.map(lambda connection, table: _analyze(connection, dump_id, table), job.missing_analyze):
                pass
        job.state.omitted = omitted_objects.read(control)
        _complete(control, job, dump_id, time.monotonic() - started)
        job.state.done = ledger.read(control)
    finally:
        control.close()
    return _result(job, loaded, changed=True, created=created, statements=statements + retried)


def _retry(job: Job, dump_id: str, parameters: ConnectionParameters) -> int:
    """Run the omitted commands of a finished import again; return how many PostgreSQL accepts now."""
    if not set(job.state.omitted) & set(job.statements):
        return 0
    control = connect(parameters, job.state.name)
    try:
        ledger.lock(control, job.state.name)
        run_together(control, job.state.name, dump_id, {})
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


def _open_worker(parameters: ConnectionParameters, database: str, options: ImportOptions) -> Any:
    connection = connect(parameters, database)
    with connection.cursor() as cursor:
        # The last commit of the import waits for the disk, and with it all earlier ones.
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SET maintenance_work_mem = %s", (options.maintenance_work_mem,))
    connection.commit()
    ledger.mark_worker(connection)
    return connection


def _load_chunks(job: Job, pool: ConnectionPool, progress: ReportProgress) -> dict[str, int]:
    """Load what is missing; return for each table the number of chunks loaded now."""
    loaded: dict[str, int] = {}
    rows = sum(task.chunk.rows for task in job.chunks if task.key in job.state.done)
    done = len(job.chunks) - len(job.missing_chunks)
    missing = [list(group) for _number, group in itertools.groupby(job.missing_chunks, job.group_of)]
    for task in itertools.chain.from_iterable(pool.map(load_chunk, group) for group in missing):
        loaded[task.table.full_name] = loaded.get(task.table.full_name, 0) + 1
        rows += task.chunk.rows
        done += 1
        progress(Progress(done, len(job.chunks), rows, "load", job.state.name))
    return loaded


def _run_post_data(job: Job, dump_id: str, control: Any, pool: ConnectionPool, progress: ReportProgress) -> None:
    sizes = {(clip(table.schema), clip(table.name)): table.text_bytes for table in job.entry.tables}
    for step in POST_DATA_STEPS:
        missing = list(job.missing(step).items())
        if step in PARALLEL_STEPS:
            missing.sort(key=lambda keyed: -sizes.get((keyed[1].schema, keyed[1].table), 0))
            ended: Iterable[Key] = pool.map(
                lambda connection, keyed: run_one(connection, job.state.name, dump_id, keyed), missing
            )
        else:
            ended = (run_one(control, job.state.name, dump_id, keyed) for keyed in missing)
        for number, _key in enumerate(ended, 1):
            progress(Progress(number, len(missing), phase=step, database=job.state.name))


def _analyze(connection: Any, dump_id: str, table: TableEntry) -> None:
    """Run ANALYZE on a table: without statistics the first queries are slow."""
    started = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(clip(table.schema), clip(table.name))))
        ledger.record(cursor, dump_id, analyze_key(table), 0, time.monotonic() - started)
    connection.commit()


def _complete(control: Any, job: Job, dump_id: str, seconds: float) -> None:
    """Record the completion in the ledger; this commit waits until everything is on disk."""
    with control.cursor() as cursor:
        key = contents.complete_key(job.content)
        if key not in job.state.done:
            cursor.execute("SET LOCAL synchronous_commit = on")
            ledger.record(cursor, dump_id, key, sum(task.chunk.rows for task in job.chunks), seconds)
    control.commit()


def _result(job: Job, loaded: dict[str, int], *, changed: bool, created: bool, statements: int) -> DatabaseImport:
    """Return the result of a database; the times are the ledger's, summed over all attempts."""
    tables = {}
    entries = job.entry.tables if job.content != contents.SCHEMA else []
    done = job.state.done
    for table in entries:
        keys = [chunk_key(table, chunk) for chunk in table.chunks]
        seconds = sum(done[key].seconds for key in keys)
        tables[table.full_name] = TableImport(
            table.rows, table.rejected, loaded.get(table.full_name, 0), round(seconds, 3)
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
