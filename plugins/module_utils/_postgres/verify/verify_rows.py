# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Comparing the rows of all tables of a database with the dump."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Callable

try:
    import psycopg2
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._dump.manifest import TableEntry
from ..._errors import TargetError
from ..._model.names import clip
from ..._model.results import TableVerification
from ..._system.progress import Progress, ReportProgress
from ..connect.connection import ConnectionParameters, connect, postgres_message
from ..load.rejected_rows_table import count_rejects
from ..target.lock_room import most_objects_in_a_transaction
from .pieces import Work, divide
from .stored_tables import StoredTable, read_stored_tables
from .table_checksum import PieceResult, by_server, read_back
from .verify_options import READ_BACK, SERVER, VerifyOptions

WAYS: Mapping[str, Callable[[Any, Work], list[PieceResult]]] = {READ_BACK: read_back, SERVER: by_server}
"""Who computes the checksums, by the setting ``verify_by``."""


@dataclass
class RowVerification:
    """The comparison of a database's rows. ``checksum`` is called in forks, each of which makes a connection of its own
    with its first work."""

    database: str
    parameters: ConnectionParameters
    options: VerifyOptions
    tables: list[StoredTable]
    rejects: Mapping[tuple[str, str], int]
    """The number of rejected rows in PostgreSQL by (schema, table)."""
    work: list[Work]
    """What there is to read."""
    connection: Any = None

    def checksum(self, work: Work) -> list[PieceResult]:
        """Return the results of one query. Raises TargetError: the errors of psycopg2 lose their text between
        processes."""
        try:
            if self.connection is None:
                self.connection = _reading(
                    connect(self.parameters, clip(self.database)), self.options.limits.statement_time_limit
                )
            return WAYS[self.options.verify_by](self.connection, work)
        except psycopg2.Error as error:
            raise TargetError(f"PostgreSQL at {self.parameters.place}: {postgres_message(error)}") from None

    def compare(self, results: Iterable[list[PieceResult]], progress: ReportProgress) -> dict[str, TableVerification]:
        """Return for each table, by its full name, what the dump says and what PostgreSQL has."""
        found: dict[int, list[PieceResult]] = {table.entry.id: [] for table in self.tables}
        for number, pieces in enumerate(results, 1):
            for piece in pieces:
                found[piece.table_id].append(piece)
            progress(Progress(number, len(self.work), phase="verify", database=self.database))
        return {
            table.entry.full_name: _compare(
                table, found[table.entry.id], self.rejects.get((table.entry.schema, table.entry.name), 0)
            )
            for table in self.tables
        }


def row_verification(
    database: str, tables: list[TableEntry], parameters: ConnectionParameters, options: VerifyOptions
) -> RowVerification:
    """Look the tables up in PostgreSQL, and return what compares their rows."""
    with contextlib.closing(connect(parameters, clip(database))) as connection, connection.cursor() as cursor:
        stored, rejects = read_stored_tables(connection, tables), count_rejects(connection)
        # Other connections read meanwhile, and one makes objects to compare with.
        together = max(1, most_objects_in_a_transaction(cursor) // (2 * options.parallelism))
    work = divide((table for table in stored if not table.missing_columns), together)
    return RowVerification(database, parameters, options, stored, rejects, work)


def _reading(connection: Any, seconds: int) -> Any:
    """Prepare a connection that only reads: each query is a transaction, and a round trip."""
    connection.autocommit = True
    with connection.cursor() as cursor:
        # The connections themselves work in parallel.
        cursor.execute("SET max_parallel_workers_per_gather = 0; SET statement_timeout = %s", (f"{seconds}s",))
    return connection


def _compare(table: StoredTable, found: list[PieceResult], rejected: int) -> TableVerification:
    entry, missing = table.entry, table.missing_columns
    return TableVerification(
        rows=entry.rows,
        rows_found=None if missing else sum(piece.rows for piece in found),
        checksum=entry.checksum,
        checksum_found=None if missing else str(sum(piece.checksum for piece in found)),
        rejected=entry.rejected,
        rejected_found=rejected,
        seconds=round(sum(piece.seconds for piece in found), 3),
        missing_columns=missing,
    )
