# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Runs the tasks of an export in processes; finished ones are journalled, and an interrupted run resumes after them."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from .._dump.chunk_files import write_chunk
from .._dump.journal import ExportJournal
from .._dump.paths import chunk_path, rejects_path
from .._dump.rejected_rows import write_rejects
from .._dump.task_result import TaskResult
from .._errors import MigrationError
from .._model.table_source import TableSource
from .._sources.source import Source, Task
from .._system.progress import Progress, ReportProgress
from .._values.line_block import LineBlock


@dataclass(frozen=True)
class ExportJob:
    """What every process of an export knows."""

    source: Source[Any]
    """Planned, its schema's connection closed."""
    tables: Mapping[int, TableSource]
    """By descriptor id, with their names in PostgreSQL."""
    dump_dir: str


class _Inherited:
    """What a worker process has from its parent by fork: nothing of it is pickled."""

    job: ExportJob


def run_tasks(
    job: ExportJob, tasks: Sequence[Task], journal: ExportJournal, parallelism: int, progress: ReportProgress
) -> dict[str, TaskResult]:
    """Run every task that the journal does not hold yet; return the results of all by task key.

    Raises what a task raises, and MigrationError when a process is killed; what the other
    tasks have finished by then is in the journal.
    """
    results = {task.key: journal.done[task.key] for task in tasks if task.key in journal.done}
    missing = sorted((task for task in tasks if task.key not in results), key=lambda task: -task.weight)

    def keep(futures: Iterable[Future[TaskResult]]) -> None:
        for future in futures:
            if future.done() and not future.cancelled() and future.exception() is None:
                result = future.result()
                journal.add(result)
                results[result.key] = result

    with ProcessPoolExecutor(
        parallelism, multiprocessing.get_context("fork"), initializer=_inherit, initargs=(job,)
    ) as pool:
        pending = {pool.submit(run_task, task) for task in missing}
        try:
            while pending:
                done, pending = wait(pending, return_when=FIRST_EXCEPTION, timeout=1)
                keep(done)
                for future in done:
                    future.result()
                rows = sum(result.rows or 0 for result in results.values())
                progress(Progress(len(results), len(tasks), rows))
        except BrokenProcessPool as error:
            raise MigrationError(
                "a process of the export was killed from outside, perhaps because memory ran out: "
                "lower parallelism and run again, finished chunks are kept"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            keep(pending)
    return results


def _inherit(job: ExportJob) -> None:
    _Inherited.job = job


def run_task(task: Task) -> TaskResult:
    """Read a task and write its rows. Raises MigrationError."""
    job = _Inherited.job
    return job.source.retrying(task, lambda: _write_rows(job, task) if task.chunk else _count(job, task))


def _count(job: ExportJob, task: Task) -> TaskResult:
    return TaskResult(task.key, task.table_id, tally=job.source.read(task, _refuse_rows).tally)


def _refuse_rows(block: LineBlock) -> None:
    raise AssertionError("a task without a chunk gives no rows")


def _write_rows(job: ExportJob, task: Task) -> TaskResult:
    """Write the chunk of a task, and the file of its rejected rows."""
    table = job.tables[task.table_id]
    place = (job.dump_dir, table.database, table.schema, table.table.name, task.chunk)
    with write_chunk(chunk_path(*place), table.name) as writer:
        reading = job.source.read(task, writer.write)
    reasons = Counter((row.column, row.kind) for row in reading.rejects)
    return TaskResult(
        task.key,
        task.table_id,
        writer.chunk,
        writer.chunk.rows,
        reading.changes,
        write_rejects(rejects_path(*place), reading.rejects) if reading.rejects else None,
        [(column, kind, rows) for (column, kind), rows in reasons.items()],
        reading.tally,
    )
