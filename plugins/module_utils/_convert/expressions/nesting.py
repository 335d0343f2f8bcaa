# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Deeply nested expressions: sqlglot's parser calls itself some thirty times for each pair of parentheses.

Python 3.9 and 3.10 put every call on the stack of the thread, and end the process where that is too small. The main
thread's stack is as large as the shell allows, so that deep calls run in a thread with a stack of its own.
"""

from __future__ import annotations

import functools
import sys
import threading
from typing import Any, Callable, TypeVar

from ..._errors import UnsupportedError

MAX_LEVELS = 1500
"""More are refused: PostgreSQL's own stack (max_stack_depth, 2 MB) and that of its parser (YYMAXDEPTH of bison) hold
2,400 levels of CASE and up to 4,000 of others (tried with PostgreSQL 15 and 17)."""
TOO_DEEP = f"the SQL text is nested more than {MAX_LEVELS:,} levels deep"

_CALLS = 120_000
"""1,500 levels take up to 70,000."""
_STACK_BYTES = 512 << 20
"""Python 3.9 takes less than 1 KiB a call. Only what is used counts as memory."""
_Result = TypeVar("_Result")
_this_thread = threading.local()


def deep(function: Callable[..., _Result]) -> Callable[..., _Result]:
    """Decorate a function whose calls may be deep: it runs in a thread with a large stack. RecursionError becomes an
    UnsupportedError."""

    @functools.wraps(function)
    def run(*arguments: Any, **named: Any) -> _Result:
        if getattr(_this_thread, "is_deep", False):
            return function(*arguments, **named)
        return _in_thread(functools.partial(function, *arguments, **named))

    return run


def _in_thread(call: Callable[[], _Result]) -> _Result:
    """Return what a call returns, or raise what it raises."""
    results: list[_Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        _this_thread.is_deep = True
        try:
            results.append(call())
        except RecursionError:
            errors.append(UnsupportedError(TOO_DEEP))
        except BaseException as error:
            errors.append(error)

    # The interpreter does not wait for it when the process is told to end.
    thread = threading.Thread(target=run, name="conversion", daemon=True)
    _allowed_calls.start(thread)
    # An exception of a signal may end the wait: then the limit stays, for the thread is deep in calls.
    thread.join()
    _allowed_calls.ended()
    if errors:
        raise errors[0]
    return results[0]


class _AllowedCalls:
    """The number of nested calls that Python allows, which is one for all threads: it is large while one needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._usual = self._threads = 0

    def start(self, thread: threading.Thread) -> None:
        """Start a thread with a large stack, and allow as many calls as that holds."""
        with self._lock:
            if not self._threads:
                self._usual = sys.getrecursionlimit()
                sys.setrecursionlimit(max(self._usual, _CALLS))
            usual_stack = threading.stack_size(_STACK_BYTES)
            try:
                thread.start()
            finally:
                threading.stack_size(usual_stack)
            self._threads += 1

    def ended(self) -> None:
        """Allow as many calls as before when the last of the threads has ended."""
        with self._lock:
            self._threads -= 1
            if not self._threads:
                sys.setrecursionlimit(self._usual)


_allowed_calls = _AllowedCalls()
