# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""When a call to a storage is made again, and after what time: the only layer that repeats, for the libraries' own is
switched off."""

from __future__ import annotations

import datetime
import email.utils
import threading
import time
from collections.abc import Callable
from typing import Optional, TypeVar

try:
    import tenacity
except ImportError:
    tenacity = None  # named by libraries.missing()

from ..._system.time_limit import within
from .answers import number
from .failure import Failure

ATTEMPTS = 8
"""With the waits below a server may refuse for half a minute, up to a minute with jitter."""
ATTEMPTS_AT_FIRST = 3
"""Of connections, until a server has answered once: a wrong address should be reported quickly."""
_SHORTEST_WAIT = 0.25
_FIRST_WAIT = 0.5
"""Seconds. The maximum of the first wait, which doubles with each further one. Waits are random between the shortest
and their maximum."""
_LONGEST_WAIT = 30.0
_LONGEST_ASKED_WAIT = 300.0
"""Seconds. What Retry-After may ask for; it is cut off there, for some servers ask for hours."""
PASSING_STATUS = frozenset((408, 429, 500, 502, 503, 504, 509))
"""The HTTP status of refusals that pass."""
GIVING_UP = threading.Event()
"""Set when the user ends the run: a process ends only after its threads, which repeat nothing any more then."""
Answer = TypeVar("Answer")


def repeated(
    call: Callable[[], Answer],
    explain: Callable[[BaseException], Optional[Failure]],
    write: Callable[[str], None],
    has_answered: Callable[[], bool],
    limit: float,
) -> Answer:
    """Return what ``call`` returns, repeated while the storage refuses for a while, cannot be reached or breaks the
    connection, all in ``limit`` seconds.

    Waits longer each time, with jitter, and as long as the server asks, but never more than half of the time that is
    left. ``write`` gets a line about each repetition. ``explain`` says what an error of the storage means,
    ``has_answered`` whether the server has answered before. Raises the last error, or TimeLimitError.
    """
    end = time.monotonic() + limit

    def failure(state: tenacity.RetryCallState) -> Optional[Failure]:
        error = state.outcome.exception() if state.outcome else None
        return explain(error) if error else None

    def passes(state: tenacity.RetryCallState) -> bool:
        found = failure(state)
        return found is not None and found.passes

    def attempts(state: tenacity.RetryCallState) -> int:
        # A server that has answered is asked for longer than one that never did.
        found = failure(state)
        return ATTEMPTS if has_answered() or (found is not None and found.answered) else ATTEMPTS_AT_FIRST

    exponential = tenacity.wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT, min=_SHORTEST_WAIT)

    def wait(state: tenacity.RetryCallState) -> float:
        found = failure(state)
        asked = asked_wait(found.wait, datetime.datetime.now(datetime.timezone.utc)) if found else 0.0
        return min(max(exponential(state), asked), (end - time.monotonic()) / 2)

    def tell(state: tenacity.RetryCallState) -> None:
        found = failure(state)
        seconds = state.next_action.sleep if state.next_action else 0
        write(
            f"{found.text if found else ''}, attempt {state.attempt_number} of {attempts(state)}, the next one in "
            f"{seconds:.1f} s"
        )

    def is_last(state: tenacity.RetryCallState) -> bool:
        return GIVING_UP.is_set() or state.attempt_number >= attempts(state) or end - time.monotonic() < _SHORTEST_WAIT

    return tenacity.Retrying(
        retry=passes,
        wait=wait,
        stop=is_last,
        sleep=GIVING_UP.wait,
        before_sleep=tell,
        reraise=True,
    )(lambda: within(end - time.monotonic(), call))


def asked_wait(value: str, now: datetime.datetime) -> float:
    """Return the seconds that a Retry-After asks for, as a number or as a moment; 0 without one."""
    value = value.strip()
    seconds = number(value)
    if seconds is not None:
        return float(min(seconds, _LONGEST_ASKED_WAIT))
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return min(max((moment - now).total_seconds(), 0.0), _LONGEST_ASKED_WAIT)
