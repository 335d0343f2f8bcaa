# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Watching the target while a phase works on it: locks that its sessions wait for, and the standby that must not fall
too far behind."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable
from typing import Any, Callable, Optional

try:
    import psycopg2
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._errors import MigrationError, TargetError
from ..connect.connection import ConnectionParameters, connect
from .load_limits import LoadLimits
from .lock_waits import Waiting, lock_waits, waiting
from .standby_lag import require_standby, standby_lag
from .throttle import Throttle

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_UNTIL_TOLD = 5.0
"""Of a wait."""
SECONDS_BETWEEN_LINES = 30.0
_MIB = 1 << 20

Tell = Callable[[str], None]


class LockWaitError(TargetError):
    """A session of this run has waited for a lock for longer than it may."""


class TargetWatch:
    """Context manager: a thread with connections of its own that looks at the sessions of this run in ``databases``.

    It tells who holds a lock that one of them waits for, and cancels the command once ``lock_wait`` is over: the block
    then ends with a LockWaitError that names the holder. ``throttle`` is closed while the standby is too far behind.
    """

    def __init__(
        self, parameters: ConnectionParameters, databases: Iterable[str], limits: LoadLimits, tell: Tell
    ) -> None:
        self.throttle = Throttle(limits.load_rate * _MIB)
        self._parameters = parameters
        self._databases = [parameters.database, *databases]
        self._limits = limits
        self._tell = tell
        self._connections: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._run, name="target watch", daemon=True)
        self._stopped = threading.Event()
        self._next_line: dict[object, float] = {}
        self._exceeded = ""
        """The wait that was longer than lock_wait."""

    def __enter__(self) -> TargetWatch:
        try:
            with self._cursor(self._parameters.database) as cursor:
                if self._limits.standby_name:
                    require_standby(cursor, self._limits.standby_name)
            self._look_at_standby()
        except BaseException:
            self._close()
            raise
        self._thread.start()
        return self

    def __exit__(self, _type: object, error: Optional[BaseException], _traceback: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._close()
        if self._exceeded and isinstance(error, (MigrationError, psycopg2.Error)):
            raise LockWaitError(self._exceeded) from error

    def _run(self) -> None:
        try:
            while not self._stopped.wait(SECONDS_BETWEEN_LOOKS):
                self._look()
        finally:
            # Nobody is left to open the gate.
            self.throttle.end()

    def _look(self) -> None:
        try:
            self._look_at_sessions()
            self._look_at_standby()
        except (psycopg2.Error, MigrationError) as error:
            # Where the server is gone, the phase itself ends with that.
            self._close()
            with contextlib.suppress(MigrationError):
                self._tell_sometimes("lost", f"cannot look at locks and standbys of the target: {error}")

    def _look_at_sessions(self) -> None:
        with self._cursor(self._parameters.database) as cursor:
            found = waiting(cursor, self._databases)
        for session in found:
            if session.for_standby and session.seconds >= SECONDS_UNTIL_TOLD:
                self._tell_sometimes(
                    session.pid,
                    f"{_who(session)} has waited {session.seconds:.0f} s for a synchronous standby to confirm a commit "
                    "(synchronous_standby_names)",
                )
        for database in {session.database for session in found if not session.for_standby}:
            self._look_at_locks([session for session in found if session.database == database])

    def _look_at_locks(self, sessions: list[Waiting]) -> None:
        """Tell what sessions of one database wait for, and cancel those that have waited too long."""
        by_pid = {session.pid: session for session in sessions}
        limit = self._limits.lock_wait
        with self._cursor(sessions[0].database) as cursor:
            for wait in lock_waits(cursor, by_pid, self._databases):
                line = f"{_who(by_pid[wait.pid])} {wait}"
                if limit and wait.seconds >= limit:
                    self._exceeded = (
                        f"PostgreSQL at {self._parameters.place}: {line}, which is longer than lock_wait ({limit} s) "
                        "allows: end that session, or raise lock_wait, and run again"
                    )
                    cursor.execute("SELECT pg_cancel_backend(%s)", (wait.pid,))
                elif wait.seconds >= SECONDS_UNTIL_TOLD:
                    self._tell_sometimes(wait.pid, line)

    def _look_at_standby(self) -> None:
        name, most = self._limits.standby_name, self._limits.standby_lag
        if not name:
            return
        with self._cursor(self._parameters.database) as cursor:
            lag = standby_lag(cursor, name)
        if lag is not None and lag <= most * _MIB:
            self.throttle.open()
            return
        self.throttle.close()
        behind = "is not connected" if lag is None else f"is {lag // _MIB} MiB of WAL behind"
        self._tell_sometimes("standby", f"paused: the standby {name} {behind} (standby_lag: {most})")

    def _tell_sometimes(self, key: object, line: str) -> None:
        now = time.monotonic()
        if now >= self._next_line.get(key, now):
            self._next_line[key] = now + SECONDS_BETWEEN_LINES
            self._tell(line)

    def _cursor(self, database: str) -> Any:
        if database not in self._connections:
            self._connections[database] = connect(self._parameters, database)
            self._connections[database].autocommit = True
        return self._connections[database].cursor()

    def _close(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()


def _who(session: Waiting) -> str:
    return f"the session {session.pid} of this run in the database {session.database}"
