# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Reads the rows of a running CockroachDB into chunks: cuts the tables into key ranges, and reads these in
processes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Optional, TypeVar

try:
    import psycopg2
    import tenacity
except ImportError:  # named by libraries.missing()
    psycopg2 = tenacity = None

from ..._dump.chunk_files import ChunkWriter, write_chunk
from ..._dump.paths import chunk_path
from ..._errors import CockroachError
from ..._export.value_findings import chunk_problems
from ..._model.table_source import TableSource
from ..._values.value_policies import ValuePolicies
from .cluster_identity import identify
from .primary_key_ranges import Bound
from .read_errors import passes, read_error
from .row_stream import TableReader, has_copy, receive_texts
from .row_texts import Row, RowTexts
from .sql_connection import CockroachParameters, UnreachableError, connect

Result = TypeVar("Result")

_ATTEMPTS = 6
_LONGEST_PAUSE = 10


@dataclass(frozen=True)
class Task:
    """One range of a table's primary key: the rows of one chunk."""

    table_id: int
    chunk: int
    start: Optional[Bound]
    end: Optional[Bound]
    weight: int

    @property
    def key(self) -> str:
        """What the journal calls this task."""
        return json.dumps([self.table_id, self.chunk, self.start, self.end], ensure_ascii=False)


class Worker:
    """What a worker process inherits from its parent by fork; set just before the pool starts."""

    parameters: CockroachParameters
    cluster_id: str
    dump_dir: str
    texts: dict[int, RowTexts]
    readers: dict[int, TableReader]
    sources: dict[int, TableSource]
    connection: Any = None
    """Of this process; made by the first task, and again after it is lost."""
    copies = False

    @classmethod
    def prepare(
        cls,
        parameters: CockroachParameters,
        cluster_id: str,
        dump_dir: str,
        policies: ValuePolicies,
        sources: dict[int, TableSource],
        originals: dict[int, TableSource],
        as_of: str,
    ) -> None:
        """Set what all workers share. ``originals`` are the tables under the names that CockroachDB knows."""
        cls.cluster_id = cluster_id
        cls.parameters, cls.dump_dir, cls.sources, cls.connection = parameters, dump_dir, sources, None
        cls.texts = {number: RowTexts(source, policies) for number, source in sources.items()}
        cls.readers = {number: TableReader(originals[number], cls.texts[number].names(), as_of) for number in sources}


def _open_worker() -> Any:
    """Return a connection to the cluster that is exported. Raises CockroachError when another one answers by now."""
    connection = connect(Worker.parameters)
    receive_texts(connection)
    if identify(connection, Worker.parameters)["cluster_id"] != Worker.cluster_id:
        connection.close()
        raise CockroachError(
            f"another CockroachDB answers at {Worker.parameters.place} than the one whose export was begun: start a "
            "new export of it"
        )
    return connection


@dataclass(frozen=True)
class TableSize:
    """A table's rows, and about how many bytes their lines have."""

    rows: int
    bytes: int


def plan(chunk_rows: int, parallelism: int) -> tuple[list[Task], dict[int, TableSize]]:
    """Return the tasks of all tables, and the tables' sizes by id."""
    sources = Worker.sources
    with ThreadPoolExecutor(parallelism) as pool:
        found = dict(zip(sources, pool.map(lambda number: _split(number, chunk_rows), sources)))
    tasks = []
    for number, (bounds, size) in found.items():
        edges = [None, *bounds, None]
        tasks += [
            Task(number, chunk + 1, edges[chunk], edges[chunk + 1], size.rows // (len(bounds) + 1))
            for chunk in range(len(bounds) + 1)
            if size.rows
        ]
    return tasks, {number: size for number, (_bounds, size) in found.items()}


def _split(number: int, chunk_rows: int) -> tuple[list[Bound], TableSize]:
    """Return the bounds between a table's chunks and its size, by its first rows."""
    source, reader = Worker.sources[number], Worker.readers[number]

    def split() -> tuple[list[Bound], TableSize]:
        with contextlib.closing(_open_worker()) as connection:
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

    return _retried(source, split)


def run_task(task: Task) -> dict:
    """Write the chunk of a task; return its entry of the journal. Raises MigrationError."""
    source, texts, reader = Worker.sources[task.table_id], Worker.texts[task.table_id], Worker.readers[task.table_id]
    path = chunk_path(Worker.dump_dir, source.database, source.schema, source.table.name, task.chunk)

    def fill(writer: ChunkWriter) -> None:
        def consume(rows: list[Row]) -> None:
            writer.write(*texts.lines(rows))

        if Worker.copies:
            Worker.copies = reader.copy(Worker.connection, task.start, task.end, consume)
        if not Worker.copies:
            reader.pages(Worker.connection, task.start, task.end, consume)

    def write() -> dict:
        if Worker.connection is None or Worker.connection.closed:
            Worker.connection = _open_worker()
            Worker.copies = has_copy(Worker.connection)
        # What an attempt that failed has left.
        texts.problems.take()
        return {
            **write_chunk(path, source.name, fill),
            **chunk_problems(Worker.dump_dir, source, task.chunk, texts.problems),
        }

    return dict(_retried(source, write), key=task.key, table_id=task.table_id)


def _retried(source: TableSource, action: Callable[[], Result]) -> Result:
    """Call ``action`` again after errors that pass."""
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(passes),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        wait=tenacity.wait_exponential(multiplier=0.5, max=_LONGEST_PAUSE),
        reraise=True,
    )
    try:
        return retrying(action)
    except psycopg2.Error as error:
        raise read_error(
            source.name, Worker.parameters, error, Worker.dump_dir, (source.database, source.schema, source.table.name)
        ) from None
    except UnreachableError as error:
        raise UnreachableError(f"{source.name}: {error}; run again once it answers, finished chunks are kept") from None
