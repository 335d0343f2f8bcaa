# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""A RESTORE job of CockroachDB from its start to its end: watched, limited in time, cancelled when this process has to
end."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

try:
    import psycopg2
    import tenacity
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    psycopg2 = sql = tenacity = None

from ..._errors import CockroachError
from ..._system.progress import ReportRestoreProgress, RestoreProgress
from ..cluster.sql_connection import cockroach_message
from .restore_errors import restore_error

SUCCEEDED = "succeeded"
PAUSED = "paused"
GONE = ""
"""The status of a job unknown to this CockroachDB."""
ALIVE = frozenset(("pending", "running", PAUSED, "pause-requested", "reverting", "cancel-requested"))
_FAILED = frozenset(("failed", "canceled", "revert-failed", GONE))
_CANCEL_SECONDS = 120
_ADOPTION = "jobs.registry.interval.adopt"
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass
class Session:
    """A connection whose errors never show a secret."""

    connection: Any
    place: str
    secrets: set[str] = field(default_factory=set, repr=False)

    def run(self, statement: Any) -> tuple[list[str], list[tuple]]:
        """Run a statement; return the names of the columns and the rows. Raises CockroachError in one line, without the
        statement."""
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(statement)
                if cursor.description is None:
                    return [], []
                return [column.name for column in cursor.description], cursor.fetchall()
        except psycopg2.Error as error:
            if self.connection.closed:
                raise CockroachError(self._lost(error)) from None
            raise CockroachError(
                f"CockroachDB at {self.place}: {restore_error(cockroach_message(error), self.secrets)}"
            ) from None

    def rows(self, statement: Any) -> list[tuple]:
        """Run a statement; return its rows."""
        return self.run(statement)[1]

    def adopt_soon(self) -> None:
        """Let CockroachDB look for new jobs every second: where that is a setting, it would start a detached job after
        half a minute only."""
        settings = {row[0] for row in self.rows("SHOW ALL CLUSTER SETTINGS")}
        if _ADOPTION in settings:
            self.run(f"SET CLUSTER SETTING {_ADOPTION} = '1s'")

    def _lost(self, error: Any) -> str:
        reason = restore_error(str(error), self.secrets)
        return (
            f"CockroachDB at {self.place} does not answer any more ({reason}): look into its log, start it and run "
            "this again; a RESTORE that ran continues by itself"
        )


@dataclass(frozen=True)
class JobState:
    """``fraction`` is 0 to 1; ``reason`` (of a failure or a pause) is masked."""

    status: str
    fraction: float = 0.0
    reason: str = ""


class Interruption:
    """Set by a signal that asks this process to end."""

    def __init__(self) -> None:
        self.signal: Optional[int] = None

    def set(self, number: int, _frame: Any) -> None:
        """Remember the signal; the watching loop acts on it."""
        self.signal = number


@contextlib.contextmanager
def interruption() -> Iterator[Interruption]:
    """Catch the signals that end a process, so that a job is cancelled first."""
    caught = Interruption()
    previous = {number: signal.signal(number, caught.set) for number in _SIGNALS}
    try:
        yield caught
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def job_state(session: Session, job: int) -> JobState:
    """Return how far a RESTORE job is."""
    # Which columns there are depends on the release.
    columns, rows = session.run(
        sql.SQL("SELECT * FROM [SHOW JOB {}] WHERE job_type = 'RESTORE'").format(sql.Literal(job))
    )
    if not rows:
        return JobState(GONE)
    found = dict(zip(columns, rows[0]))
    reason = found.get("error") or found.get("running_status") or ""
    return JobState(
        found["status"],
        float(found["fraction_completed"] or 0),
        restore_error(reason, session.secrets) if reason else "",
    )


def running_restores(session: Session) -> list[int]:
    """Return the ids of the RESTORE jobs that have not ended."""
    jobs = session.rows("SELECT job_id, status FROM [SHOW JOBS] WHERE job_type = 'RESTORE' ORDER BY job_id")
    return [int(job) for job, status in jobs if status in ALIVE]


def watch(
    session: Session, job: int, limit: float, interval: float, progress: ReportRestoreProgress, caught: Interruption
) -> None:
    """Wait until a job has succeeded.

    After ``limit`` seconds (0: none) and at a signal it is cancelled. Raises CockroachError for every other end, with
    what is left of it.
    """
    started = time.monotonic()

    def succeeded() -> bool:
        state = job_state(session, job)
        progress(RestoreProgress(job, int(state.fraction * 100)))
        if state.status == SUCCEEDED:
            return True
        if state.status in _FAILED:
            raise CockroachError(f"the RESTORE job {job} {_ending(state)}{_left(session)}")
        if state.status == PAUSED:
            why = f" ({state.reason})" if state.reason else ""
            raise CockroachError(
                f"the RESTORE job {job} is paused{why}: run this again to resume it, or CANCEL JOB "
                f"{job}{_left(session)}"
            )
        if caught.signal is not None:
            _cancel(session, job, interval)
            raise CockroachError(
                f"the RESTORE job {job} was cancelled, because this was told to end "
                f"({signal.Signals(caught.signal).name}){_left(session)}"
            )
        if limit and time.monotonic() - started > limit:
            _cancel(session, job, interval)
            raise CockroachError(
                f"the RESTORE job {job} was cancelled at {state.fraction:.0%}, for it took longer than the time limit "
                f"of {limit:g} seconds: set a longer one{_left(session)}"
            )
        return False

    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda done: not done), wait=tenacity.wait_fixed(interval)
    )
    attempts(succeeded)


def _ending(state: JobState) -> str:
    if state.status == GONE:
        return "is not known any more"
    if state.status == "canceled":
        return "was cancelled by somebody"
    return f"failed: {state.reason or state.status}"


def resume(session: Session, job: int) -> None:
    """Resume a paused job."""
    session.run(sql.SQL("RESUME JOB {}").format(sql.Literal(job)))


def _cancel(session: Session, job: int, interval: float) -> None:
    """Cancel a job, and wait for some time until it has ended."""
    session.run(sql.SQL("CANCEL JOB {}").format(sql.Literal(job)))
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda state: state.status not in _FAILED),
        stop=tenacity.stop_after_delay(_CANCEL_SECONDS),
        wait=tenacity.wait_fixed(interval),
        retry_error_callback=lambda _state: None,  # the caller reports what is left
    )
    attempts(job_state, session, job)


def _left(session: Session) -> str:
    names = half_restored(session)
    return f"; half-restored and offline: {', '.join(names)}" if names else ""


def half_restored(session: Session) -> Sequence[str]:
    """Return the names of databases and tables that a RESTORE keeps offline."""
    shown = {row[0] for row in session.rows("SELECT database_name FROM [SHOW DATABASES]")}
    reserved = session.rows(
        'SELECT name FROM system.namespace WHERE "parentID" = 0 AND "parentSchemaID" = 0 ORDER BY name'
    )
    tables = session.rows(
        "SELECT database_name, schema_name, name FROM crdb_internal.tables WHERE state = 'OFFLINE' ORDER BY 1, 2, 3"
    )
    return [name for (name,) in reserved if name not in shown] + [
        ".".join(part or "?" for part in row) for row in tables
    ]
