# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Runs the tasks of an export in processes; finished ones are journalled, and an interrupted run resumes after them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any, Optional

from .._dump.chunk_files import sync_files, write_chunk
from .._dump.dump_key import SUFFIX, DumpKey
from .._dump.journal import ExportJournal
from .._dump.paths import chunk_path, rejects_path
from .._dump.rejected_rows import write_rejects
from .._dump.stored_sizes import Measured, Sizes
from .._dump.task_result import TaskResult
from .._dump.written_chunks import WrittenChunks, check_written
from .._errors import MigrationError
from .._model.table_source import TableSource
from .._sources.source import Source, Task
from .._system.memory import give_back_large_objects
from .._system.processes import forks
from .._system.progress import Progress, ReportProgress
from .._values.line_block import LineBlock
from .task_order import TaskOrder


@dataclass(frozen=True)
class ExportJob:
    """What every process of an export knows."""

    source: Source[Any]
    """Planned, its schema's connection closed."""
    tables: Mapping[int, TableSource]
    """By descriptor id, with their names in PostgreSQL."""
    dump_dir: str
    measured: Mapping[int, Sequence[Measured]]
    """What is measured in the rows of each table, by descriptor id."""
    written: WrittenChunks
    """Gets the chunks that were written and read again."""
    key: Optional[DumpKey] = None
    """Encrypts the dump."""


class _Inherited:
    """What a worker process has from its parent by fork: nothing of it is pickled."""

    job: ExportJob


@dataclass(frozen=True)
class _Done:
    """The results of tasks, and what ended the one after them."""

    results: list[TaskResult]
    error: Optional[MigrationError] = None
    sizes: list[Sizes] = field(default_factory=list)
    """What was measured in the chunk of each task."""
    paths: list[str] = field(default_factory=list)
    """Of the chunks."""


def run_tasks(
    job: ExportJob, tasks: Sequence[Task], journal: ExportJournal, parallelism: int, progress: ReportProgress
) -> dict[str, TaskResult]:
    """Run every task that the journal does not hold yet; return the results of all by task key.

    Raises what a task raises, and MigrationError when a process is killed; what the other
    tasks have finished by then is in the journal.
    """
    give_back_large_objects()
    results = {task.key: journal.done[task.key] for task in tasks if task.key in journal.done}
    missing = [task for task in tasks if task.key not in results]
    rows = sum(result.rows or 0 for result in results.values())
    order = TaskOrder([task.weight for task in missing], parallelism)
    running: dict[Future[_Done], int] = {}
    synced: set[Future[_Done]] = set()

    def keep(done: _Done) -> None:
        nonlocal rows
        for result, sizes in zip(done.results, done.sizes):
            journal.add(result)
            results[result.key] = result
            rows += result.rows or 0
            if result.chunk:
                job.written.add(result.table_id, result.chunk, sizes)
        progress(Progress(len(results), len(tasks), rows))

    with contextlib.ExitStack() as stack:
        # Executors of one process each, as which process does a task matters.
        processes = [stack.enter_context(forks(1, _inherit, job)) for _number in range(min(parallelism, len(missing)))]
        # Waits for the disk while the processes read on.
        thread = stack.enter_context(ThreadPoolExecutor(1))

        def submit(number: int) -> None:
            taken = [missing[place] for place in order.take(number)]
            following = [missing[place] for place in order.following(number)]
            if taken:
                running[processes[number].submit(_run, taken, following)] = number

        try:
            for number in range(len(processes)):
                submit(number)
            while running or synced:
                for future in wait({*running, *synced}, return_when=FIRST_COMPLETED).done:
                    done = future.result()
                    if future in running:
                        number = running.pop(future)
                        synced.add(thread.submit(_sync, done))
                        if not done.error:
                            submit(number)
                    else:
                        synced.remove(future)
                        keep(done)
                        if done.error:
                            raise done.error
        except BrokenProcessPool as error:
            raise MigrationError(
                "a process of the export was killed from outside, perhaps because memory ran out: "
                "lower parallelism and run again, finished chunks are kept"
            ) from error
        finally:
            finished = [future.result() for future in wait(running).done if future.exception() is None]
            for future in wait({*synced, *(thread.submit(_sync, done) for done in finished)}).done:
                keep(future.result())
    return results


def _sync(done: _Done) -> _Done:
    """Wait until the chunks are on disk; nothing is done as long as they are not."""
    try:
        sync_files(done.paths)
    except MigrationError as error:
        return _Done([], done.error or error)
    return done


def _inherit(job: ExportJob) -> None:
    _Inherited.job = job


def _run(tasks: Sequence[Task], following: Sequence[Task]) -> _Done:
    """Do tasks one after the other, up to one that fails, and read their chunks again; ``following`` are those that
    this process will most likely do after them."""
    results: list[TaskResult] = []
    failure = None
    for number, task in enumerate(tasks, start=1):
        _Inherited.job.source.read_next([*tasks[number:], *following])
        try:
            results.append(run_task(task))
        except MigrationError as error:
            failure = error
            break
    try:
        sizes = [_check(task, result) for task, result in zip(tasks, results)]
    except MigrationError as error:
        return _Done([], failure or error)
    return _Done(
        results, failure, sizes, [_path(chunk_path, task) for task, _result in zip(tasks, results) if task.chunk]
    )


def _check(task: Task, result: TaskResult) -> Sizes:
    """Read the chunk of a task again. Raises MigrationError."""
    job = _Inherited.job
    measured = job.measured.get(task.table_id, ())
    return check_written(_path(chunk_path, task), result.chunk, measured, job.key) if result.chunk else {}


def run_task(task: Task) -> TaskResult:
    """Read a task and write its rows. Raises MigrationError."""
    job = _Inherited.job
    return job.source.retrying(task, lambda: _write_rows(job, task) if task.chunk else _count(job, task))


def _count(job: ExportJob, task: Task) -> TaskResult:
    return TaskResult(task.key, task.table_id, tally=job.source.read(task, _refuse_rows).tally)


def _refuse_rows(block: LineBlock) -> None:
    raise AssertionError("a task without a chunk gives no rows")


def _path(made_by: Callable[[str, str, str, str, int], str], task: Task) -> str:
    """Return the path of one of a task's files."""
    job = _Inherited.job
    table = job.tables[task.table_id]
    path = made_by(job.dump_dir, table.database, table.schema, table.table.name, task.chunk)
    return path + SUFFIX if job.key else path


def _write_rows(job: ExportJob, task: Task) -> TaskResult:
    """Write the chunk of a task, and the file of its rejected rows."""
    with write_chunk(_path(chunk_path, task), job.tables[task.table_id].name, job.key) as writer:
        reading = job.source.read(task, writer.write)
    reasons = Counter((row.column, row.kind) for row in reading.rejects)
    return TaskResult(
        task.key,
        task.table_id,
        writer.chunk,
        writer.chunk.rows,
        reading.changes,
        write_rejects(_path(rejects_path, task), reading.rejects, job.key) if reading.rejects else None,
        [(column, kind, rows) for (column, kind), rows in reasons.items()],
        reading.tally,
    )
