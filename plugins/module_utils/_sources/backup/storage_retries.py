# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""When a call to S3 is made again, and after what time: the only layer that repeats, for boto3's own is switched
off."""

from __future__ import annotations

import datetime
import email.utils
from collections.abc import Callable
from typing import Any, Optional

try:
    import botocore.exceptions
    import tenacity
except ImportError:
    tenacity = None  # named by libraries.missing()

from ..._system.migration_log import MigrationLog

ATTEMPTS = 8
"""With the waits below a server may refuse for half a minute, up to a minute by chance."""
ATTEMPTS_AT_FIRST = 3
"""Of connections, until a server has answered once: a wrong address should be reported quickly."""
_SHORTEST_WAIT = 0.25
_FIRST_WAIT = 0.5
"""Seconds. The longest that the first wait may be; each later one may be twice as long as the one before, and all are
of chance from the shortest on."""
_LONGEST_WAIT = 30.0
_LONGEST_ASKED_WAIT = 300.0
"""Seconds. What Retry-After may ask for; it is cut off there, for some servers ask for hours."""
_PASSING_STATUS = frozenset((408, 429, 500, 502, 503, 504, 509))
_PASSING_CODES = frozenset(
    (
        "BandwidthLimitExceeded",
        "InternalError",
        "OperationAborted",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    )
)
"""https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and what botocore's standard retries
(botocore/retries/standard.py) repeat."""


def repeated(call: Callable[[], Any], name: str, log: MigrationLog, answered: bool) -> Any:
    """Return what ``call`` returns, repeated while S3 refuses for a while, cannot be reached or breaks the connection.

    Waits longer each time, by chance a little more or less, and as long as the server asks. Each repetition becomes a
    line of the log with ``name``. ``answered`` tells whether the server has answered before. Raises the last error.
    """
    stop = _Stop(answered)

    def write(state: tenacity.RetryCallState) -> None:
        wait = state.next_action.sleep if state.next_action else 0
        log.write(
            f"{name}: {_reason(_error(state))}, attempt {state.attempt_number} of {stop.attempts(state)}, the next "
            f"one in {wait:.1f} s"
        )

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_passing), wait=_Wait(), stop=stop, before_sleep=write, reraise=True
    )(call)


def is_passing(error: BaseException) -> bool:
    """Tell whether the same call may succeed later."""
    if isinstance(error, botocore.exceptions.ClientError):
        return (
            _status(error) in _PASSING_STATUS or str(error.response.get("Error", {}).get("Code", "")) in _PASSING_CODES
        )
    return is_broken_off(error)


def is_broken_off(error: BaseException) -> bool:
    """Tell whether there was no answer, or not a whole one."""
    broken = (
        botocore.exceptions.ConnectionError,
        botocore.exceptions.HTTPClientError,
        botocore.exceptions.IncompleteReadError,
        botocore.exceptions.ResponseStreamingError,
    )
    return isinstance(error, broken) and not isinstance(
        error, (botocore.exceptions.SSLError, botocore.exceptions.ProxyConnectionError)
    )


def asked_wait(error: Optional[BaseException], now: datetime.datetime) -> float:
    """Return the seconds that the answer's Retry-After asks for, as a number or as a moment; 0 without one."""
    if not isinstance(error, botocore.exceptions.ClientError):
        return 0.0
    value = str(error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", "")).strip()
    if value.isdigit():
        return min(float(value), _LONGEST_ASKED_WAIT)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return min(max((moment - now).total_seconds(), 0.0), _LONGEST_ASKED_WAIT)


class _Wait:
    """Exponential with jitter, and never shorter than the server asks."""

    def __init__(self) -> None:
        self._exponential = tenacity.wait_random_exponential(
            multiplier=_FIRST_WAIT, max=_LONGEST_WAIT, min=_SHORTEST_WAIT
        )

    def __call__(self, state: tenacity.RetryCallState) -> float:
        return max(self._exponential(state), asked_wait(_error(state), datetime.datetime.now(datetime.timezone.utc)))


class _Stop:
    """A server that answers is asked longer than one that never did."""

    def __init__(self, answered: bool) -> None:
        self._answered = answered

    def __call__(self, state: tenacity.RetryCallState) -> bool:
        return state.attempt_number >= self.attempts(state)

    def attempts(self, state: tenacity.RetryCallState) -> int:
        """Return how many attempts there are, judged by how the last one failed."""
        return (
            ATTEMPTS
            if self._answered or isinstance(_error(state), botocore.exceptions.ClientError)
            else ATTEMPTS_AT_FIRST
        )


def _error(state: tenacity.RetryCallState) -> Optional[BaseException]:
    return state.outcome.exception() if state.outcome else None


def _status(error: botocore.exceptions.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _reason(error: Optional[BaseException]) -> str:
    if isinstance(error, botocore.exceptions.ClientError):
        return f"S3 answers {_status(error)} {error.response.get('Error', {}).get('Code', '')}"
    return f"S3 cannot be reached or broke the connection ({type(error).__name__})"
