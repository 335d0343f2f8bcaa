# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Reads the rows of a running CockroachDB in ranges of the primary keys, in any number of processes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Optional

try:
    import psycopg2
    import tenacity
except ImportError:  # named by libraries.missing()
    psycopg2 = tenacity = None

from ..._errors import CockroachError
from ..._model.table_source import TableSource
from ..source import ReadRequest, Result, TaskReading, WriteBlock
from .cluster_identity import identify
from .line_blocks import LineBlocks
from .primary_key_ranges import Bound
from .read_errors import passes, read_error
from .row_stream import TableReader, has_copy, receive_texts
from .row_texts import RowTexts
from .sql_connection import CockroachParameters, UnreachableError, connect

_ATTEMPTS = 6
_LONGEST_PAUSE = 10


@dataclass(frozen=True)
class RangeTask:
    """One range of a table's primary key: the rows of one chunk."""

    table_id: int
    chunk: int
    start: Optional[Bound]
    end: Optional[Bound]
    weight: int
    """About how many rows."""

    @property
    def key(self) -> str:
        """The name of the task in the journal."""
        return json.dumps([self.table_id, self.chunk, self.start, self.end], ensure_ascii=False)


@dataclass(frozen=True)
class TableSize:
    """A table's rows, and about how many bytes their lines have."""

    rows: int
    bytes: int


@dataclass(frozen=True)
class Moment:
    """A moment of a cluster, to which every connection must lead."""

    cluster_id: str
    as_of: str
    """A decimal timestamp of the cluster."""


class RangeReader:
    """Reads tables at one moment. Survives a fork: every process makes a connection of its own with its first task,
    and
    again after that connection is lost."""

    def __init__(
        self,
        parameters: CockroachParameters,
        moment: Moment,
        request: ReadRequest,
        originals: Mapping[int, TableSource],
    ) -> None:
        """``originals`` are the tables under the names that CockroachDB knows, by descriptor id."""
        self._parameters = parameters
        self._moment = moment
        self._request = request
        self._connection: Any = None
        self._copies = False
        self.texts = {number: RowTexts(table, request.policies) for number, table in request.tables.items()}
        self._blocks = {number: LineBlocks(texts) for number, texts in self.texts.items()}
        self._readers = {
            number: TableReader(originals[number], texts.names(), moment.as_of) for number, texts in self.texts.items()
        }

    def name(self, table_id: int) -> str:
        """Return the full name of a table in PostgreSQL, for messages."""
        return self._request.tables[table_id].name

    def plan(self) -> tuple[list[RangeTask], dict[int, TableSize]]:
        """Return the tasks of all tables, and the tables' sizes by id."""
        tables = self._request.tables
        with ThreadPoolExecutor(self._request.parallelism) as pool:
            found = dict(zip(tables, pool.map(self._split, tables)))
        tasks = []
        for number, (bounds, size) in found.items():
            edges = [None, *bounds, None]
            tasks += [
                RangeTask(number, chunk + 1, edges[chunk], edges[chunk + 1], size.rows // (len(bounds) + 1))
                for chunk in range(len(bounds) + 1)
                if size.rows
            ]
        return tasks, {number: size for number, (_bounds, size) in found.items()}

    def read(self, task: RangeTask, write: WriteBlock) -> TaskReading:
        """Give the rows of the range to ``write``. Raises psycopg2.Error, UnreachableError and what ``RowTexts.block``
        raises: to be called by ``retrying``."""
        texts, reader = self.texts[task.table_id], self._readers[task.table_id]
        blocks = self._blocks[task.table_id]
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
            self._copies = has_copy(self._connection)
        # What an attempt that failed has left.
        texts.problems.take()

        if self._copies:
            self._copies = reader.copy(
                self._connection, task.start, task.end, lambda text: write(blocks.of_copy_text(text))
            )
        if not self._copies:
            reader.pages(self._connection, task.start, task.end, lambda rows: write(blocks.of_rows(rows)))
        return TaskReading(*texts.problems.take())

    def retrying(self, table_id: int, action: Callable[[], Result]) -> Result:
        """Return what ``action`` returns, which is called again after errors that pass. Raises CockroachError, with the
        name of the table."""
        table = self._request.tables[table_id]
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(passes),
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            wait=tenacity.wait_exponential(multiplier=0.5, max=_LONGEST_PAUSE),
            reraise=True,
        )
        try:
            return retrying(action)
        except psycopg2.Error as error:
            parts = (table.database, table.schema, table.table.name)
            raise read_error(table.name, self._parameters, error, parts) from None
        except UnreachableError as error:
            raise UnreachableError(
                f"{table.name}: {error}; run again once it answers, finished chunks are kept"
            ) from None

    def _connect(self) -> Any:
        """Return a connection to the cluster of the moment. Raises CockroachError when another one answers by now."""
        connection = connect(self._parameters)
        receive_texts(connection)
        if identify(connection, self._parameters).cluster_id != self._moment.cluster_id:
            connection.close()
            raise CockroachError(
                f"another CockroachDB answers at {self._parameters.place} than the one whose export was begun: start a "
                "new export of it"
            )
        return connection

    def _split(self, table_id: int) -> tuple[list[Bound], TableSize]:
        """Return the bounds between a table's chunks, and its size as its first rows suggest."""
        reader, chunk_rows = self._readers[table_id], self._request.chunk_rows

        def split() -> tuple[list[Bound], TableSize]:
            with contextlib.closing(self._connect()) as connection:
                rows = reader.count(connection)
                bounds: list[Bound] = []
                while (len(bounds) + 1) * chunk_rows < rows:
                    bound = reader.next_bound(connection, bounds[-1] if bounds else None, chunk_rows)
                    if bound is None:
                        break
                    bounds.append(bound)
                sample = reader.sample(connection, bounds[0] if bounds else None) if rows else []
                text = sum(len(value or "") + 1 for row in sample for value in row)
                return bounds, TableSize(rows, rows * text // max(1, len(sample)))

        return self.retrying(table_id, split)
