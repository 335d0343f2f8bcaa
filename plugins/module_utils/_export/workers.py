# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Runs the tasks of an export in processes; finished ones are journalled, so that a broken run goes on."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Callable, Protocol

from .._dump.journal import ExportJournal
from .._errors import MigrationError

Progress = Callable[[dict], None]


class Task(Protocol):
    """A part of an export that one process does."""

    @property
    def key(self) -> str:
        """What the journal calls it; the same in every run."""

    @property
    def weight(self) -> int:
        """The heaviest start first, so that all processes end together."""


def run_tasks(
    tasks: Sequence[Any], run_task: Callable[[Any], dict], journal: ExportJournal, parallelism: int, progress: Progress
) -> dict[str, dict]:
    """Run every task that the journal does not hold yet; return the results (dicts with ``key`` and perhaps ``rows``)
    of all by task key.

    The processes are forks: they inherit what the caller has prepared. Raises what a task raises, and MigrationError
    when a process is killed; what the other tasks have finished by then is in the journal.
    """
    results = {task.key: journal.done[task.key] for task in tasks if task.key in journal.done}
    missing = sorted((task for task in tasks if task.key not in results), key=lambda task: -task.weight)

    def keep(futures: Iterable[Future]) -> None:
        for future in futures:
            if future.done() and not future.cancelled() and future.exception() is None:
                journal.add(future.result())
                results[future.result()["key"]] = future.result()

    with ProcessPoolExecutor(parallelism, mp_context=multiprocessing.get_context("fork")) as pool:
        pending = {pool.submit(run_task, task) for task in missing}
        try:
            while pending:
                done, pending = wait(pending, return_when=FIRST_EXCEPTION, timeout=1)
                keep(done)
                for future in done:
                    future.result()
                progress(
                    {
                        "done": len(results),
                        "total": len(tasks),
                        "rows": sum(result.get("rows", 0) for result in results.values()),
                    }
                )
        except BrokenProcessPool as error:
            raise MigrationError(
                "a process of the export was killed from outside, perhaps because memory ran out: "
                "lower parallelism and run again, finished chunks are kept"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            keep(pending)
    return results
