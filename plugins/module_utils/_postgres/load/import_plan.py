# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Planning an import: what each database of the dump needs, checked before anything is changed."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any, Optional

from ..._model.catalog_names import full_names
from ..._model.finding_codes import FindingCode
from ..._model.full_name import FullName

try:
    import psycopg2
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._convert.database import convert_database
from ..._convert.roles import convert_roles
from ..._convert.server_features import ConvertOptions, ServerFeatures
from ..._convert.statements import Conversion, Statement
from ..._dump.dump_key import DumpKey
from ..._dump.manifest import (
    MAKE_AGAIN,
    DatabaseEntry,
    Manifest,
    TableEntry,
    chosen_databases,
    read_catalog,
    read_manifest_for_rows,
    read_roles,
)
from ..._dump.removed_rows import rows_removed
from ..._errors import ConfigurationError, MigrationError, TargetError
from ..._model.catalog import Database, Role
from ..._model.findings import Finding
from ..._model.results import DatabasePlan, ImportPlan
from ..connect.connection import ConnectionParameters, connect, connection_findings, postgres_message
from ..target import content as contents
from ..target import existing_tables, ledger, omitted_objects
from ..target import probe_features as server_features
from ..target.load_limits import LoadLimits
from ..target.target_database import TargetState, inspect
from ..target.target_privileges import RoleRights, role_rights
from .chunk_loader import ChunkTask
from .rejected_rows_table import RejectTask, reject_tasks
from .transactions import analyze_key

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
    limits: LoadLimits = field(default_factory=LoadLimits)
    dump_key: Optional[DumpKey] = None
    """The key of an encrypted dump."""


@dataclass
class Job:
    """One database of the dump and the work that is left for it."""

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
    """Groups of tables that are loaded one after the other; empty if all are loaded at once."""

    def missing(self, *steps: str) -> dict[Key, Statement]:
        """Return the statements of these steps (none: of pre-data) that are not in the ledger, in load order."""
        return {
            key: statement
            for key, statement in self.statements.items()
            if key not in self.state.done and (statement.step in steps if steps else statement.section == "pre-data")
        }

    @property
    def missing_chunks(self) -> list[ChunkTask]:
        """The chunks that are not loaded yet."""
        return [task for task in self.chunks if task.key not in self.state.done]

    @property
    def missing_rejects(self) -> list[RejectTask]:
        """The files of rejected rows that are not loaded yet."""
        return [task for task in self.rejects if task.key not in self.state.done]

    @property
    def missing_analyze(self) -> list[TableEntry]:
        return [
            table
            for table in self.entry.tables
            if analyze_key(table) not in self.state.done and self.content != contents.SCHEMA
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
class Plan:
    """The work that is left for a whole dump, and the findings known before the import."""

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
    """Return the plan of import_dump(); nothing is changed. Raises MigrationError."""
    started = time.monotonic()
    admin = connect(parameters)
    try:
        plan = plan_dump(dump_dir, read_manifest_for_rows(dump_dir, options.dump_key), admin, parameters, options)
    except psycopg2.Error as error:
        raise TargetError(f"PostgreSQL at {parameters.place}: {postgres_message(error)}") from error
    finally:
        admin.close()
    todo = {job.state.name: _todo(job) for job in plan.jobs}
    refused = [
        finding
        for job in plan.jobs
        for finding in omitted_objects.findings(job.entry.name, job.state.omitted, job.statements, plan.rights)
    ]
    return ImportPlan(
        not plan.finished, todo, plan.findings + refused, round(time.monotonic() - started, 3), options.content
    )


def plan_dump(
    dump_dir: str, manifest: Manifest, admin: Any, parameters: ConnectionParameters, options: ImportOptions
) -> Plan:
    """Return the plan for the databases of a dump; ``admin`` is a connection to any database of the server. Raises
    MigrationError for a dump or a target that the import cannot work with."""
    entries = chosen_databases(manifest, options.databases)
    roles = read_roles(dump_dir, options.dump_key)
    features = server_features.probe(admin)
    convert_options = ConvertOptions(
        options.grants,
        server_features.existing_roles(admin),
        manifest.policies,
        server_features.roles_without_login(admin),
    )
    dump, target = _Dump(dump_dir, manifest, roles, options.dump_key), _Target(admin, parameters, features)
    jobs = [_plan_database(dump, entry, target, convert_options, options.content) for entry in entries]
    for job in jobs:
        _require_files(dump_dir, job)
    role_conversion = convert_roles(roles if options.content != contents.DATA else [], features, convert_options)
    findings = [
        *connection_findings(admin, parameters),
        *role_conversion.findings,
        *(finding for job in jobs for finding in job.findings),
    ]
    return Plan(manifest.dump_id, jobs, role_conversion.statements, findings, role_rights(admin))


def _require_files(dump_dir: str, job: Job) -> None:
    """Check, before anything is changed, that the files of what is not loaded yet exist and are complete; their content
    is verified while they are loaded.

    Raises ConfigurationError if the rows were removed from the dump, MigrationError for a damaged dump.
    """
    left = [(task.path, task.chunk.bytes) for task in job.missing_chunks] + [
        (task.path, task.file.bytes) for task in job.missing_rejects
    ]
    if left and rows_removed(dump_dir):
        raise ConfigurationError(
            f"the database {job.state.name} on the target does not hold the rows that were verified there, and "
            f"{dump_dir} does not have them any more: run once with start_over: true, or remove that directory and run "
            "again, and they are exported anew"
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


@dataclass(frozen=True)
class _Dump:
    directory: str
    manifest: Manifest
    roles: list[Role]
    key: Optional[DumpKey]


@dataclass(frozen=True)
class _Target:
    """``admin``: a connection to any database of the server."""

    admin: Any
    parameters: ConnectionParameters
    features: ServerFeatures


def _plan_database(dump: _Dump, entry: DatabaseEntry, target: _Target, options: ConvertOptions, content: str) -> Job:
    database = read_catalog(dump.directory, entry)
    state = inspect(target.admin, target.parameters, database, dump.manifest.dump_id, content)

    def convert(trial: ServerFeatures) -> Conversion:
        ordered = server_features.with_order_of(target.admin, state.name, trial)
        return convert_database(database, dump.roles, ordered, options)

    features, late = server_features.usable(
        target.features,
        server_features.noted(state.done),
        state.done,
        lambda trial: ledger.statement_keys(convert(trial).statements),
    )
    conversion = convert(features)
    statements = contents.statements_of(content, conversion.statements)
    tables = entry.tables if content != contents.SCHEMA else []
    chunks = _chunk_tasks(dump, entry.name, tables)
    rejects = reject_tasks(dump.directory, dump.manifest.dump_id, tables, dump.key)
    job = Job(entry, database, state, ledger.statement_keys(statements), chunks, rejects, features, content=content)
    if content == contents.DATA:
        return _plan_data(job, target.parameters)
    skipped = [_grants_skipped_finding(state.name)] if options.grants == "skip" else []
    job.findings = [*skipped, *conversion.findings, *(_late_feature_finding(state.name, what) for what in late)]
    return job


def _chunk_tasks(dump: _Dump, database: str, tables: list[TableEntry]) -> list[ChunkTask]:
    return [
        ChunkTask(
            database,
            dump.manifest.dump_id,
            table,
            chunk,
            os.path.join(dump.directory, table.directory, chunk.file),
            dump.key,
        )
        for table in tables
        for chunk in table.chunks
    ]


def _grants_skipped_finding(database: str) -> Finding:
    return Finding.of(FindingCode.GRANTS_SKIPPED, FullName("database", database))


def _late_feature_finding(database: str, what: str) -> Finding:
    return Finding.of(
        FindingCode.FEATURE_CAME_LATE,
        FullName("database", database),
        f"The server has {what} now, but what was created without it stays as it is.",
    )


def _plan_data(job: Job, parameters: ConnectionParameters) -> Job:
    """Check the existing tables: whether the rows fit, in which order they can be loaded, and which sequences exist."""
    if not job.state.exists:
        raise TargetError(
            f"content: data needs tables that are there, but the target has no database {job.state.name}: make it "
            "with its tables first"
        )
    for view in job.database.views:
        if view.materialized:
            job.findings.append(
                Finding.of(FindingCode.MATERIALIZED_VIEW_NOT_REFRESHED, full_names(job.database)[view.id])
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
                    FullName("sequence", job.entry.name, statement.schema, name=statement.name),
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
