# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Proving an import: every row by checksum, every object by PostgreSQL's catalog."""
from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable, Optional

try:
    import psycopg2
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..catalog.model import Database, Role
from ..convert.conversion_policies import ConversionPolicies
from ..convert.database import convert_database
from ..convert.features import ConvertOptions
from ..convert.names import clip
from ..dump.layout import DatabaseEntry, TableEntry, read_catalog, read_manifest, read_roles
from ..errors import TargetError
from . import content as contents
from . import existing_tables, ledger, left_out
from . import features as server_features
from .catalog_check import check_catalog
from .connection import ConnectionParameters, connect, postgres_message
from .load import chosen
from .pool import ConnectionPool
from .rejects import count_rejects
from .table_checksum import PieceResult, checksum_piece, missing_columns, pieces

Progress = Callable[[dict], None]


@dataclass(frozen=True)
class VerifyOptions:
    """The same ``grants``, ``databases`` and ``content`` as of the import."""

    parallelism: int = 2
    grants: str = "existing"
    databases: tuple[str, ...] = ()
    content: str = contents.ALL


def verify_dump(dump_dir: str, parameters: ConnectionParameters, options: VerifyOptions, progress: Optional[Progress] = None) -> dict:
    """Compare PostgreSQL with a dump; nothing is changed.

    Returns ``ok``, ``seconds`` and ``databases``: for each name ``ok``, ``rows``, ``tables`` (each with ``rows``,
    ``rows_found``, ``checksum``, ``checksum_found``, ``rejected`` (rows put aside), ``rejected_found``, ``ok``, ``seconds``, and ``missing_columns`` if any),
    ``objects_checked`` and ``objects_missing`` (one line each); and ``content`` unless it is ``all``. With ``schema`` rows are not looked at,
    with ``data`` objects are not, but for the values of the sequences that are there. Raises MigrationError when it cannot look.
    """
    started = time.monotonic()
    manifest = read_manifest(dump_dir)
    roles = read_roles(dump_dir)
    results = {}
    try:
        for entry in chosen(manifest, options.databases):
            results[clip(entry.name)] = _verify_database(
                dump_dir, entry, roles, manifest.policies, parameters, options, progress or (lambda state: None),
            )
    except psycopg2.Error as error:
        raise TargetError(f"PostgreSQL at {parameters.place}: {postgres_message(error)}") from error
    named = {"content": options.content} if options.content != contents.ALL else {}
    return {"ok": all(result["ok"] for result in results.values()), "databases": results, **named, "seconds": round(time.monotonic() - started, 3)}


def _verify_database(
    dump_dir: str, entry: DatabaseEntry, roles: list[Role], policies: ConversionPolicies, parameters: ConnectionParameters, options: VerifyOptions,
    progress: Progress,
) -> dict:
    name = clip(entry.name)
    database = read_catalog(dump_dir, entry)
    control = connect(parameters, name)
    try:
        tables = _verify_tables(entry, control, parameters, options, progress) if options.content != contents.SCHEMA else {}
        checked, missing = _check_objects(database, roles, policies, control, options)
    finally:
        control.close()
    return {
        "ok": not missing and all(table["ok"] for table in tables.values()), "rows": sum(table["rows_found"] or 0 for table in tables.values()),
        "tables": tables, "objects_checked": checked, "objects_missing": missing,
    }


def _verify_tables(
    entry: DatabaseEntry, control: Any, parameters: ConnectionParameters, options: VerifyOptions, progress: Progress,
) -> dict[str, dict]:
    results = {}
    work = []
    rejects = count_rejects(control)
    for table in entry.tables:
        missing = missing_columns(control, table)
        results[table.full_name] = dict(_empty_result(table, missing), rejected=table.rejected, rejected_found=rejects.get((table.schema, table.name), 0))
        if not missing:
            work += pieces(control, table)
    control.commit()
    # Whole pieces first, so that all connections end at about the same time.
    work.sort(key=lambda piece: (piece.end is None, -piece.table.text_bytes))
    with ConnectionPool(lambda: connect(parameters, clip(entry.name)), options.parallelism) as pool:
        for number, found in enumerate(pool.map(checksum_piece, work), 1):
            _add(results[found.table.full_name], found)
            progress({"phase": "verify", "database": entry.name, "done": number, "total": len(work)})
    for result in results.values():
        result["ok"] = all(result[name] == result[f"{name}_found"] for name in ("rows", "checksum", "rejected"))
        result["seconds"] = round(result["seconds"], 3)
    return results


def _empty_result(table: TableEntry, missing: list[str]) -> dict:
    result = {"rows": table.rows, "rows_found": 0, "checksum": table.checksum, "checksum_found": "0", "ok": False, "seconds": 0.0}
    if missing:
        result.update(rows_found=None, checksum_found=None, missing_columns=missing)
    return result


def _add(result: dict, found: PieceResult) -> None:
    result["rows_found"] += found.rows
    result["checksum_found"] = str(int(result["checksum_found"]) + found.checksum)
    result["seconds"] += found.seconds


def _check_objects(database: Database, roles: list[Role], policies: ConversionPolicies, control: Any, options: VerifyOptions) -> tuple[int, list[str]]:
    """Return how many objects were looked up, and what is missing or different; what the import left out is in its findings."""
    features = server_features.probe(control)
    convert_options = ConvertOptions(options.grants, server_features.existing_roles(control), policies)
    wanted = contents.statements_of(options.content, convert_database(database, roles, features, convert_options).statements)
    if options.content == contents.DATA:
        there = existing_tables.sequences(control)
        wanted = [statement for statement in wanted if (statement.schema, statement.name) in there]
    refused = left_out.read(control)
    wanted = [statement for key, statement in ledger.statement_keys(wanted).items() if key not in refused]
    result = check_catalog(control, database, wanted, options.grants != "skip")
    control.rollback()
    return result
