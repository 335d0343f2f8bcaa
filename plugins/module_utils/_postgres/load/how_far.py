# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""How far an import is that has stopped, for people."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

try:
    import psycopg2
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._dump.manifest import read_manifest
from ..._errors import TargetError
from ..._model.names import first_of
from ..connect.connection import ConnectionParameters, connect, postgres_message
from .import_plan import ImportOptions, Job, plan_dump
from .statement_runner import describe

_NAMES_SHOWN = 10


def how_far(dump_dir: str, parameters: ConnectionParameters, options: ImportOptions) -> list[str]:
    """Return a line for each database of the dump, by what the ledgers say. Raises MigrationError."""
    try:
        with contextlib.closing(connect(parameters)) as admin:
            plan = plan_dump(dump_dir, read_manifest(dump_dir), admin, parameters, options)
    except psycopg2.Error as error:
        raise TargetError(f"PostgreSQL at {parameters.place}: {postgres_message(error)}") from error
    return [f"database {job.state.name}: {_of_database(job)}" for job in plan.jobs]


def _of_database(job: Job) -> str:
    if not job.state.done:
        return "nothing is imported"
    if job.finished:
        return "everything is imported, and nothing of it is verified"
    left = {task.table.full_name for task in job.missing_chunks}
    tables = sorted({task.table.full_name for task in job.chunks})
    rows = sum(task.chunk.rows for task in job.chunks)
    loaded = rows - sum(task.chunk.rows for task in job.missing_chunks)
    missing = [describe(statement) for key, statement in job.statements.items() if key not in job.state.done]
    return (
        f"{loaded:,} of {rows:,} rows are loaded, and {len(tables) - len(left)} of {len(tables)} tables are complete"
        f"{_named(', not yet ', sorted(left))}; of {len(job.statements)} commands {len(missing)} are left"
        f"{_named(': ', missing)}; nothing is verified"
    )


def _named(before: str, names: Sequence[str]) -> str:
    return before + first_of(names, _NAMES_SHOWN) if names else ""
