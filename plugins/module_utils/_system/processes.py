# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Forks: executors of them, and running a function for many items in several."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Callable, TypeVar

from .._errors import MigrationError

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Inherited:
    """What a process has from its parent by fork: nothing of it is pickled."""

    run: Callable[[Any], Any]
    items: Sequence[Any]


@contextlib.contextmanager
def in_processes(run: Callable[[Item], Result], items: Sequence[Item], size: int) -> Iterator[Iterator[Result]]:
    """Context manager: forks that call ``run(item)`` for every item, and what yields the results as they come.

    The forks exist when the block begins, so that it may start threads. They see ``run`` and the items as they are now;
    only results and errors are pickled. The iterator raises what ``run`` raises, and MigrationError when a process is
    killed. When the block ends, no further item is begun.
    """
    with forks(min(size, len(items)) or 1, _inherit, run, items) as pool:
        started = [pool.submit(_call, number) for number in range(len(items))]
        try:
            yield (future.result() for future in as_completed(started))
        except BrokenProcessPool as error:
            raise MigrationError(
                "a process was killed from outside, perhaps because memory ran out: lower parallelism and run again"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def forks(size: int, begin: Callable[..., None], *inherited: Any) -> ProcessPoolExecutor:
    """Return an executor whose processes are forks that call ``begin(*inherited)`` first; nothing of that is pickled.

    A fork ends when its parent is killed: it would wait for work for ever, or write next to another run.
    """
    return ProcessPoolExecutor(
        size, multiprocessing.get_context("fork"), initializer=_begin, initargs=(begin, *inherited)
    )


def _begin(begin: Callable[..., None], *inherited: Any) -> None:
    threading.Thread(target=_wait_for_parent, daemon=True).start()
    begin(*inherited)


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _inherit(run: Callable[[Item], Result], items: Sequence[Item]) -> None:
    _Inherited.run, _Inherited.items = run, items


def _call(number: int) -> Any:
    return _Inherited.run(_Inherited.items[number])
