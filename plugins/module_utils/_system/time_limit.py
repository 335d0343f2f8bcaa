# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""A limit of the time that a call may take. The libraries of HTTP limit the wait for the next bytes only: a server that
sends one byte a second would hold a caller for days."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Optional, TypeVar

Result = TypeVar("Result")


class TimeLimitError(Exception):
    """A call has taken longer than it may."""


def within(seconds: float, call: Callable[[], Result], moved: Optional[Callable[[], int]] = None) -> Result:
    """Return what ``call`` returns; raises what it raises, and TimeLimitError after so many seconds, or with ``moved``
    after so many in which the number that it returns has not changed.

    A call that takes longer goes on in its thread, which nobody waits for, and which the end of the process ends.
    """
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:
            outcome.set_exception(error)

    thread = threading.Thread(target=run, name="time_limit", daemon=True)
    thread.start()
    last = moved() if moved else 0
    while True:
        thread.join(seconds)
        now = moved() if moved else last
        if outcome.done():
            return outcome.result()
        if now == last:
            raise TimeLimitError(f"{seconds:.0f} s")
        last = now
