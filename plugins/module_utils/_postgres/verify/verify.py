# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Verifying an import: every row by checksum, every object by PostgreSQL's catalog."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Callable

try:
    import psycopg2
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._convert.database import convert_database
from ..._convert.server_features import ConvertOptions
from ..._convert.statements import Statement
from ..._dump.manifest import DatabaseEntry, chosen_databases, read_catalog, read_manifest, read_roles
from ..._errors import TargetError
from ..._model.catalog import Database, Role
from ..._model.conversion_policies import ConversionPolicies
from ..._model.names import clip
from ..._model.results import DatabaseVerification, VerifyResult
from ..._system.memory import give_back_large_objects
from ..._system.processes import in_processes
from ..._system.progress import ReportProgress
from ..connect.connection import ConnectionParameters, connect, postgres_message
from ..target import content as contents
from ..target import existing_tables, ledger, omitted_objects
from ..target import probe_features as server_features
from ..target.load_limits import LoadLimits
from ..target.target_watch import TargetWatch
from .catalog_check import check_catalog
from .verify_options import VerifyOptions
from .verify_rows import row_verification


def verify_dump(
    dump_dir: str,
    parameters: ConnectionParameters,
    options: VerifyOptions,
    progress: ReportProgress = lambda state: None,
    tell: Callable[[str], None] = lambda line: None,
) -> VerifyResult:
    """Compare PostgreSQL with a dump; nothing is changed.

    With ``content`` ``schema`` rows are not compared, with ``data`` objects are not, except the values of existing
    sequences. ``tell`` gets a line where it waits for a lock. Raises MigrationError if the comparison is not possible.
    """
    started = time.monotonic()
    give_back_large_objects()
    manifest = read_manifest(dump_dir)
    dump = _Dump(dump_dir, read_roles(dump_dir), manifest.policies)
    results = {}
    try:
        for entry in chosen_databases(manifest, options.databases):
            reports = _Reports(progress, tell)
            results[clip(entry.name)] = _verify_database(dump, entry, parameters, options, reports)
    except psycopg2.Error as error:
        raise TargetError(f"PostgreSQL at {parameters.place}: {postgres_message(error)}") from error
    return VerifyResult(results, round(time.monotonic() - started, 3), options.content)


@dataclass(frozen=True)
class _Dump:
    directory: str
    roles: list[Role]
    policies: ConversionPolicies


@dataclass(frozen=True)
class _Reports:
    progress: ReportProgress
    tell: Callable[[str], None]


def _verify_database(
    dump: _Dump,
    entry: DatabaseEntry,
    parameters: ConnectionParameters,
    options: VerifyOptions,
    reports: _Reports,
) -> DatabaseVerification:
    """Compare rows and objects at the same time."""
    database = read_catalog(dump.directory, entry)
    tables = entry.tables if options.content != contents.SCHEMA else []
    rows = row_verification(entry.name, tables, parameters, options)
    limits = LoadLimits(lock_wait=options.limits.lock_wait)
    # The processes are forked before there are threads.
    with (
        in_processes(rows.checksum, rows.work, options.parallelism) as results,
        TargetWatch(parameters, [clip(entry.name)], limits, reports.tell),
        ThreadPoolExecutor(1) as beside,
    ):
        objects = beside.submit(_check_objects, database, dump, parameters, options)
        compared = rows.compare(results, reports.progress)
        checked, missing = objects.result()
    return DatabaseVerification(compared, checked, missing)


def _check_objects(
    database: Database, dump: _Dump, parameters: ConnectionParameters, options: VerifyOptions
) -> tuple[int, list[str]]:
    """Return the number of compared objects, and a line for each that is missing or different; objects that the import
    has omitted are in its findings."""
    with contextlib.closing(connect(parameters, clip(database.name))) as control:
        wanted = _wanted(database, dump, control, options)
        return check_catalog(control, database, wanted, options.grants != "skip")


def _wanted(database: Database, dump: _Dump, control: Any, options: VerifyOptions) -> list[Statement]:
    """Return the statements whose objects the target has to have."""
    done = ledger.read(control)
    features = server_features.with_order_of(
        control, clip(database.name), server_features.noted(done) or server_features.probe(control)
    )
    convert_options = ConvertOptions(options.grants, server_features.existing_roles(control), dump.policies)
    wanted = contents.statements_of(
        options.content, convert_database(database, dump.roles, features, convert_options).statements
    )
    if options.content == contents.DATA:
        there = existing_tables.sequences(control)
        wanted = [statement for statement in wanted if (statement.schema, statement.name) in there]
    omitted = omitted_objects.read(control)
    made = (
        omitted[key].made_of(statement) if key in omitted else statement
        for key, statement in ledger.statement_keys(wanted).items()
    )
    return [statement for statement in made if statement is not None]
