# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Importing a dump: checks first, then schema, rows in parallel, keys, indexes and everything else."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Callable

from ..._model.finding_codes import FindingCode
from ..._model.findings import Finding

try:
    import psycopg2
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._convert.database import convert_database
from ..._convert.roles import convert_roles
from ..._convert.server_features import ConvertOptions, ServerFeatures
from ..._convert.statements import PARALLEL_STEPS, POST_DATA_STEPS, Conversion, Statement
from ..._dump.manifest import MAKE_AGAIN, DatabaseEntry, Manifest, TableEntry, read_catalog, read_manifest, read_roles
from ..._dump.removed_rows import rows_removed
from ..._errors import ConfigurationError, MigrationError, TargetError
from ..._model.catalog import Database, Role
from ..._model.names import clip
from ..._model.results import DatabaseImport, DatabasePlan, ImportPlan, ImportResult, TableImport
from ..connect.connection import ConnectionParameters, connect, connection_findings, postgres_message
from ..connect.pool import ConnectionPool
from ..target import content as contents
from ..target import existing_tables, ledger, omitted_objects
from ..target import probe_features as server_features
from ..target.target_database import TargetState, create_database, inspect, letter_case, require_usable
from ..target.target_privileges import RoleRights, role_rights
from .chunk_loader import ChunkTask, chunk_key, load_chunk
from .rejected_rows_table import RejectTask, load_rejects, reject_tasks
from .statement_runner import execute, run_again, run_one, run_together

Progress = Callable[[dict], None]
Key = tuple[str, str]


@dataclass(frozen=True)
class ImportOptions:
    """``grants``: existing, create or skip (see convert.features). ``databases``: names of the dump; empty means
    all."""

    parallelism: int = 2
    grants: str = "existing"
    databases: tuple[str, ...] = ()
    maintenance_work_mem: str = "256MB"
    """For each connection that builds indexes."""
    content: str = contents.ALL
    """``all``, ``schema`` or ``data``; for ``data`` the tables have to be there."""


@dataclass
class Job:
    """One database of the dump with what there is to do for it."""

    entry: DatabaseEntry
    database: Database
    state: TargetState
    statements: dict[Key, Statement]
    chunks: list[ChunkTask]
    rejects: list[RejectTask]
    features: ServerFeatures
    findings: list[Finding] = field(default_factory=list)
    content: str = contents.ALL
    groups: list[list[TableEntry]] = field(default_factory=list)
    """Tables that are loaded one group after the other; empty: all at once."""

    def missing(self, *steps: str) -> dict[Key, Statement]:
        """Return the statements of these steps (none: of pre-data) that are not in the ledger, in load order."""
        return {
            key: statement
            for key, statement in self.statements.items()
            if key not in self.state.done and (statement.step in steps if steps else statement.section == "pre-data")
        }

    @property
    def missing_chunks(self) -> list[ChunkTask]:
        """The chunks that are not loaded yet, those of the first group and of the largest tables first."""
        left = [task for task in self.chunks if task.key not in self.state.done]
        return sorted(left, key=lambda task: (self.group_of(task), -task.table.text_bytes))

    def group_of(self, task: ChunkTask) -> int:
        """Return the number of the group that a chunk is loaded with."""
        return next((number for number, group in enumerate(self.groups) if task.table in group), 0)

    @property
    def missing_rejects(self) -> list[RejectTask]:
        """The files of rows that were put aside which are not loaded yet."""
        return [task for task in self.rejects if task.key not in self.state.done]

    @property
    def missing_analyze(self) -> list[TableEntry]:
        return [
            table
            for table in self.entry.tables
            if _analyze_key(table) not in self.state.done and self.content != contents.SCHEMA
        ]

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        left = self.missing_chunks or self.missing_rejects
        return (
            contents.complete_key(self.content) in self.state.done
            and set(self.statements) <= set(self.state.done)
            and not left
        )


@dataclass(frozen=True)
class _Plan:
    """What there is to do for a whole dump, and what is worth knowing about it already."""

    dump_id: str
    jobs: list[Job]
    roles: list[Statement]
    findings: list[Finding]
    rights: RoleRights

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return not self.roles and all(job.finished for job in self.jobs)


def plan_import(dump_dir: str, parameters: ConnectionParameters, options: ImportOptions) -> ImportPlan:
    """Return what import_dump() would do; nothing is changed. Raises MigrationError."""
    started = time.monotonic()
    admin = connect(parameters)
    try:
        plan = _plan(dump_dir, admin, parameters, options)
    except psycopg2.Error as error:
        raise TargetError(f"PostgreSQL at {parameters.place}: {postgres_message(error)}") from error
    finally:
        admin.close()
    todo = {job.state.name: _todo(job) for job in plan.jobs}
    refused = [
        finding
        for job in plan.jobs
        for finding in omitted_objects.findings(job.entry.name, job.state.left_out, job.statements, plan.rights)
    ]
    return ImportPlan(
        not plan.finished, todo, plan.findings + refused, round(time.monotonic() - started, 3), options.content
    )


def import_dump(
    dump_dir: str,
    parameters: ConnectionParameters,
    options: ImportOptions,
    progress: Progress = lambda state: None,
    begin: Callable[[], None] = lambda: None,
) -> ImportResult:
    """Load a dump into databases of the same names.

    ``begin`` is called before the first change, and not at all when there is nothing to do. A run that was broken off
    goes on where it stopped. Raises MigrationError; until all checks of all databases have passed nothing is changed.
    """
    admin = connect(parameters)
    try:
        plan = _plan(dump_dir, admin, parameters, options)
        findings = list(plan.findings)
        if not plan.finished:
            begin()
        changed = _run_roles(admin, plan.roles)
        results = {}
        for job in plan.jobs:
            results[job.state.name] = _load(job, plan.dump_id, admin, parameters, options, progress)
            findings += letter_case(admin, job.state.name) if options.content != contents.DATA else []
            findings += omitted_objects.findings(job.entry.name, job.state.left_out, job.statements, plan.rights)
            changed = changed or results[job.state.name].changed
    except psycopg2.Error as error:
        raise TargetError(
            f"PostgreSQL at {parameters.place}: {postgres_message(error)}; run the import again, it goes on where it "
            "stopped"
        ) from error
    finally:
        admin.close()
    seconds = sum(result.seconds for result in results.values())
    return ImportResult(changed, results, findings, round(seconds, 3), options.content)


def _plan(dump_dir: str, admin: Any, parameters: ConnectionParameters, options: ImportOptions) -> _Plan:
    manifest = read_manifest(dump_dir)
    entries = chosen(manifest, options.databases)
    roles = read_roles(dump_dir)
    features = server_features.probe(admin)
    convert_options = ConvertOptions(
        options.grants,
        server_features.existing_roles(admin),
        manifest.policies,
        server_features.roles_without_login(admin),
    )
    jobs = [
        _plan_database(dump_dir, manifest, entry, roles, admin, parameters, features, convert_options, options.content)
        for entry in entries
    ]
    for job in jobs:
        _require_files(dump_dir, job)
    role_conversion = convert_roles(roles if options.content != contents.DATA else [], features, convert_options)
    findings = [
        *connection_findings(admin, parameters),
        *role_conversion.findings,
        *(finding for job in jobs for finding in job.findings),
    ]
    return _Plan(manifest.dump_id, jobs, role_conversion.statements, findings, role_rights(admin))


def chosen(manifest: Manifest, names: tuple[str, ...]) -> list[DatabaseEntry]:
    """Return the databases of these names, all when there are none. Raises ConfigurationError for a name that the dump
    lacks."""
    known = [entry.name for entry in manifest.databases]
    for name in names:
        if name not in known:
            raise ConfigurationError(f"the dump has no database {name}, it has: {', '.join(known)}")
    return [entry for entry in manifest.databases if not names or entry.name in names]


def _require_files(dump_dir: str, job: Job) -> None:
    """Find missing and cut-off files of what is not loaded yet, before anything is changed; their content is checked
    while they are loaded.

    Raises ConfigurationError when the rows were removed from the dump, MigrationError for a damaged one.
    """
    left = [(task.path, task.chunk.bytes) for task in job.missing_chunks] + [
        (task.path, task.file.bytes) for task in job.missing_rejects
    ]
    if left and rows_removed(dump_dir):
        raise ConfigurationError(
            f"the database {job.state.name} on the target does not hold the rows that were verified there, and "
            f"{dump_dir} does not have them any more: "
            "run once with start_over: true, or remove that directory and run again, and they are exported anew"
        )
    for path, size in left:
        _require_file(path, size)


def _require_file(path: str, wanted: int) -> None:
    try:
        size = os.path.getsize(path)
    except OSError as error:
        raise MigrationError(f"cannot read the dump's chunk {path}: {error.strerror}") from error
    if size != wanted:
        raise MigrationError(f"the dump's chunk {path} has {size} bytes, the manifest says {wanted}: {MAKE_AGAIN}")


def _plan_database(
    dump_dir: str,
    manifest: Manifest,
    entry: DatabaseEntry,
    roles: list[Role],
    admin: Any,
    parameters: ConnectionParameters,
    features: ServerFeatures,
    options: ConvertOptions,
    content: str,
) -> Job:
    database = read_catalog(dump_dir, entry)
    state = inspect(admin, parameters, database, manifest.dump_id, content)

    def convert(trial: ServerFeatures) -> Conversion:
        return convert_database(database, roles, trial, options)

    features, late = server_features.usable(
        features,
        server_features.noted(state.done),
        state.done,
        lambda trial: ledger.statement_keys(convert(trial).statements),
    )
    conversion = convert(features)
    chunks = (
        []
        if content == contents.SCHEMA
        else [
            ChunkTask(entry.name, manifest.dump_id, table, chunk, os.path.join(dump_dir, table.directory, chunk.file))
            for table in entry.tables
            for chunk in table.chunks
        ]
    )
    statements = contents.statements_of(content, conversion.statements)
    rejects = reject_tasks(dump_dir, manifest.dump_id, entry.tables) if content != contents.SCHEMA else []
    job = Job(entry, database, state, ledger.statement_keys(statements), chunks, rejects, features, content=content)
    if content == contents.DATA:
        return _plan_data(job, parameters)
    skipped = [_skipped(state.name)] if options.grants == "skip" else []
    job.findings = [*skipped, *conversion.findings, *(_came_late(state.name, what) for what in late)]
    return job


def _skipped(database: str) -> Finding:
    return Finding.of(
        FindingCode.GRANTS_SKIPPED,
        database,
        "Owners and privileges are left out (grants is skip): all belongs to the importing role.",
        "Set grants to existing or create and run again.",
    )


def _came_late(database: str, what: str) -> Finding:
    return Finding.of(
        FindingCode.FEATURE_CAME_LATE,
        database,
        f"The server has {what} now, but what was made without it stays as it is.",
        "To have everything made with it, drop the database and run again.",
    )


def _plan_data(job: Job, parameters: ConnectionParameters) -> Job:
    """Look at the tables that are there: do the rows fit, in which order, and which sequences are there."""
    if not job.state.exists:
        raise TargetError(
            f"content: data needs tables that are there, but the target has no database {job.state.name}: make it "
            "with its tables first"
        )
    for view in job.database.views:
        if view.materialized:
            job.findings.append(
                Finding.of(
                    FindingCode.MATERIALIZED_VIEW_NOT_REFRESHED,
                    f"{job.entry.name}.{view.name}",
                    "With content: data no materialized view is refreshed.",
                    "Run REFRESH MATERIALIZED VIEW where the target has it.",
                )
            )
    if job.finished:
        return job
    connection = connect(parameters, job.state.name)
    try:
        existing_tables.check_tables(
            connection, job.entry, empty=not set(contents.mark(contents.DATA)) <= set(job.state.done)
        )
        job.groups = existing_tables.load_order(connection, job.entry)
        there = existing_tables.sequences(connection)
    finally:
        connection.close()
    for key, statement in list(job.statements.items()):
        if (statement.schema, statement.name) not in there:
            del job.statements[key]
            job.findings.append(
                Finding.of(
                    FindingCode.SEQUENCE_NOT_THERE,
                    f"{job.entry.name}.{statement.schema}.{statement.name}",
                    "The target has no sequence of this name: its value is not set.",
                    "If another sequence stands for it, set that one with setval().",
                )
            )
    return job


def _todo(job: Job) -> DatabasePlan:
    missing = job.missing_chunks
    return DatabasePlan(
        create=not job.state.exists,
        statements=len(set(job.statements) - set(job.state.done)),
        chunks=len(missing),
        rows=sum(task.chunk.rows for task in missing),
    )


def _run_roles(admin: Any, statements: list[Statement]) -> bool:
    """Make the roles that the server lacks, all or none."""
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
    progress: Progress,
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
        job.state.left_out = omitted_objects.read(control)
        _complete(control, job, dump_id, time.monotonic() - started)
        job.state.done = ledger.read(control)
    finally:
        control.close()
    return _result(job, loaded, changed=True, created=created, statements=statements + retried)


def _retry(job: Job, dump_id: str, parameters: ConnectionParameters) -> int:
    """Try again what a finished import has left out; return how many commands PostgreSQL takes now."""
    if not set(job.state.left_out) & set(job.statements):
        return 0
    control = connect(parameters, job.state.name)
    try:
        ledger.lock(control, job.state.name)
        run_together(control, job.state.name, dump_id, {})
        taken = _run_again(job, control)
        job.state.left_out = omitted_objects.read(control)
    finally:
        control.close()
    return taken


def _run_again(job: Job, control: Any) -> int:
    return sum(
        run_again(control, job.state.name, (key, statement))
        for key, statement in job.statements.items()
        if key in job.state.left_out
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


def _load_chunks(job: Job, pool: ConnectionPool, progress: Progress) -> dict[str, int]:
    """Load what is missing; return for each table the number of chunks loaded now."""
    loaded: dict[str, int] = {}
    rows = sum(task.chunk.rows for task in job.chunks if task.key in job.state.done)
    done = len(job.chunks) - len(job.missing_chunks)
    missing = [list(group) for _number, group in itertools.groupby(job.missing_chunks, job.group_of)]
    for task in itertools.chain.from_iterable(pool.map(load_chunk, group) for group in missing):
        loaded[task.table.full_name] = loaded.get(task.table.full_name, 0) + 1
        rows += task.chunk.rows
        done += 1
        progress({"phase": "load", "database": job.state.name, "done": done, "total": len(job.chunks), "rows": rows})
    return loaded


def _run_post_data(job: Job, dump_id: str, control: Any, pool: ConnectionPool, progress: Progress) -> None:
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
            progress({"phase": step, "database": job.state.name, "done": number, "total": len(missing)})


def _analyze_key(table: TableEntry) -> Key:
    return "analyze", table.directory


def _analyze(connection: Any, dump_id: str, table: TableEntry) -> None:
    """Gather statistics, without which the first queries are slow."""
    started = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(clip(table.schema), clip(table.name))))
        ledger.record(cursor, dump_id, _analyze_key(table), 0, time.monotonic() - started)
    connection.commit()


def _complete(control: Any, job: Job, dump_id: str, seconds: float) -> None:
    """Note the end; the commit waits until everything is on disk."""
    with control.cursor() as cursor:
        key = contents.complete_key(job.content)
        if key not in job.state.done:
            cursor.execute("SET LOCAL synchronous_commit = on")
            ledger.record(cursor, dump_id, key, sum(task.chunk.rows for task in job.chunks), seconds)
    control.commit()


def _result(job: Job, loaded: dict[str, int], *, changed: bool, created: bool, statements: int) -> DatabaseImport:
    """Tell what is in the database; the times are the ledger's, of all attempts."""
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
