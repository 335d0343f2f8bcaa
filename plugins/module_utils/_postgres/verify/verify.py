# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Verifying an import: every row by checksum, every object by PostgreSQL's catalog."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Optional

try:
    import psycopg2
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._convert.database import convert_database
from ..._convert.server_features import ConvertOptions
from ..._dump.manifest import DatabaseEntry, TableEntry, read_catalog, read_manifest, read_roles
from ..._errors import TargetError
from ..._model.catalog import Database, Role
from ..._model.conversion_policies import ConversionPolicies
from ..._model.names import clip
from ..._model.results import DatabaseVerification, TableVerification, VerifyResult
from ..._system.progress import Progress, ReportProgress
from ..connect.connection import ConnectionParameters, connect, postgres_message
from ..connect.pool import ConnectionPool
from ..load.import_plan import chosen
from ..load.rejected_rows_table import count_rejects
from ..target import content as contents
from ..target import existing_tables, ledger, omitted_objects
from ..target import probe_features as server_features
from .catalog_check import check_catalog
from .table_checksum import PieceResult, checksum_piece, missing_columns, pieces


@dataclass(frozen=True)
class VerifyOptions:
    """``grants``, ``databases`` and ``content`` are those of the import."""

    parallelism: int = 2
    grants: str = "existing"
    databases: tuple[str, ...] = ()
    content: str = contents.ALL


def verify_dump(
    dump_dir: str, parameters: ConnectionParameters, options: VerifyOptions, progress: Optional[ReportProgress] = None
) -> VerifyResult:
    """Compare PostgreSQL with a dump; nothing is changed.

    With ``content`` ``schema`` rows are not compared, with ``data`` objects are not, except the values of existing
    sequences. Raises MigrationError if the comparison is not possible.
    """
    started = time.monotonic()
    manifest = read_manifest(dump_dir)
    dump = _Dump(dump_dir, read_roles(dump_dir), manifest.policies)
    results = {}
    try:
        for entry in chosen(manifest, options.databases):
            results[clip(entry.name)] = _verify_database(
                dump, entry, parameters, options, progress or (lambda state: None)
            )
    except psycopg2.Error as error:
        raise TargetError(f"PostgreSQL at {parameters.place}: {postgres_message(error)}") from error
    return VerifyResult(results, round(time.monotonic() - started, 3), options.content)


@dataclass(frozen=True)
class _Dump:
    directory: str
    roles: list[Role]
    policies: ConversionPolicies


def _verify_database(
    dump: _Dump,
    entry: DatabaseEntry,
    parameters: ConnectionParameters,
    options: VerifyOptions,
    progress: ReportProgress,
) -> DatabaseVerification:
    name = clip(entry.name)
    database = read_catalog(dump.directory, entry)
    control = connect(parameters, name)
    try:
        tables = (
            _verify_tables(entry, control, parameters, options, progress) if options.content != contents.SCHEMA else {}
        )
        checked, missing = _check_objects(database, dump, control, options)
    finally:
        control.close()
    return DatabaseVerification(tables, checked, missing)


def _verify_tables(
    entry: DatabaseEntry,
    control: Any,
    parameters: ConnectionParameters,
    options: VerifyOptions,
    progress: ReportProgress,
) -> dict[str, TableVerification]:
    rejects = count_rejects(control)
    missing = {table.full_name: missing_columns(control, table) for table in entry.tables}
    work = [piece for table in entry.tables if not missing[table.full_name] for piece in pieces(control, table)]
    control.commit()
    # Whole pieces first, so that all connections end at about the same time.
    work.sort(key=lambda piece: (piece.end is None, -piece.table.text_bytes))
    found: dict[str, list[PieceResult]] = {table.full_name: [] for table in entry.tables}
    with ConnectionPool(lambda: connect(parameters, clip(entry.name)), options.parallelism) as pool:
        for number, piece in enumerate(pool.map(checksum_piece, work), 1):
            found[piece.table.full_name].append(piece)
            progress(Progress(number, len(work), phase="verify", database=entry.name))
    return {
        table.full_name: _compare(
            table, missing[table.full_name], found[table.full_name], rejects.get((table.schema, table.name), 0)
        )
        for table in entry.tables
    }


def _compare(table: TableEntry, missing: list[str], found: list[PieceResult], rejected: int) -> TableVerification:
    return TableVerification(
        rows=table.rows,
        rows_found=None if missing else sum(piece.rows for piece in found),
        checksum=table.checksum,
        checksum_found=None if missing else str(sum(piece.checksum for piece in found)),
        rejected=table.rejected,
        rejected_found=rejected,
        seconds=round(sum(piece.seconds for piece in found), 3),
        missing_columns=missing,
    )


def _check_objects(database: Database, dump: _Dump, control: Any, options: VerifyOptions) -> tuple[int, list[str]]:
    """Return the number of compared objects, and a line for each that is missing or different; objects that the import
    has omitted are in its findings."""
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
    wanted = [statement for statement in made if statement is not None]
    result = check_catalog(control, database, wanted, options.grants != "skip")
    control.rollback()
    return result
