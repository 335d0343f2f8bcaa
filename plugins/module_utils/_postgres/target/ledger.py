# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The ledger: a table in each migrated database that says what an import has done there.

Every piece of work commits together with its row, so that a run that was killed resumes where it stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Callable, NamedTuple, Optional

try:
    import tenacity
except ImportError:  # named by libraries.missing()
    tenacity = None

from ..._convert.statements import Statement
from ..._dump.manifest import TableEntry
from ..._errors import TargetError
from . import created_objects, omitted_objects

SCHEMA = "cockroach_migrator"
COMPLETE = ("import", "complete")
ROLLBACK = ("rollback", "begun")
"""What the ledger notes before a rollback removes anything."""
_ATTEMPT = "attempt"

Key = tuple[str, str]
"""Step, and what was done in it."""


class Done(NamedTuple):
    """A piece of work for the ledger to note."""

    key: Key
    rows: int = 0
    seconds: float = 0.0
    checksum: Optional[int] = None
    """Of the rows of a chunk, as in the dump's manifest."""


_RUN_LOCK = 0x636F636B726D6967
_WORK_LOCK = _RUN_LOCK + 1
_LOCK_SECONDS = 15
_POLL_SECONDS = 0.1
_OF_LOCK = (
    "locktype = 'advisory' AND objsubid = 1 AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = "
    "current_database()) AND (classid::bigint << 32) + objid::bigint = %s"
)
_NOTICE_LOSS = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"
"""So that the server frees the lock of a migrating host that died or was cut off within a minute; Linux tells it after
two hours."""

_CREATE = """
CREATE SCHEMA IF NOT EXISTS cockroach_migrator;
CREATE TABLE IF NOT EXISTS cockroach_migrator.ledger (
    step text NOT NULL, object text NOT NULL, dump_id text NOT NULL, rows bigint, seconds double precision,
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (step, object)
);
ALTER TABLE cockroach_migrator.ledger ADD COLUMN IF NOT EXISTS checksum numeric;
COMMENT ON SCHEMA cockroach_migrator IS
'Bookkeeping of the import by nomos.cockroach_migrator. Drop it once the migration is accepted.';
COMMENT ON TABLE cockroach_migrator.ledger IS
'What the import of a CockroachDB dump has done in this database: one row for each chunk of rows and each command, '
'committed together with it. An interrupted import resumes from here, and no row is loaded twice. '
'Drop the schema once the migration is accepted.'
"""


def dump_ids(connection: Any) -> list[str]:
    """Return the ids of the dumps that the ledger of the database names; none when there is no ledger."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('cockroach_migrator.ledger') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return []
        cursor.execute("SELECT DISTINCT dump_id FROM cockroach_migrator.ledger ORDER BY 1")
        return [dump_id for (dump_id,) in cursor.fetchall()]


@dataclass(frozen=True)
class Entry:
    """A piece of work that is done."""

    rows: int
    seconds: float
    finished_at: datetime


def read(connection: Any) -> dict[Key, Entry]:
    """Return the work that is done; empty when there is no ledger."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('cockroach_migrator.ledger') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return {}
        cursor.execute(
            "SELECT step, object, coalesce(rows, 0), coalesce(seconds, 0), finished_at FROM cockroach_migrator.ledger"
        )
        return {(step, name): Entry(*rest) for step, name, *rest in cursor.fetchall()}


def next_attempt(done: Iterable[Key], content: str, seconds: float) -> Done:
    """Return what the ledger notes before an attempt to import this content changes the database. It has lasted
    ``seconds`` by then, such as for the creation of the database."""
    return Done((_ATTEMPT, f"{content} {len(_attempts(done, content)) + 1}"), seconds=seconds)


def seconds_of_attempts(done: Mapping[Key, Entry], content: str) -> float:
    """Return how long the attempts to import this content lasted together, each until the last thing that it did."""
    begun = sorted(entry.finished_at for key, entry in done.items() if key[0] == _ATTEMPT)
    total = 0.0
    for key in _attempts(done, content):
        begin = done[key].finished_at
        end = next((moment for moment in begun if moment > begin), None)
        last = max(
            entry.finished_at
            for entry in done.values()
            if entry.finished_at >= begin and (end is None or entry.finished_at < end)
        )
        total += done[key].seconds + (last - begin).total_seconds()
    return total


def _attempts(done: Iterable[Key], content: str) -> list[Key]:
    return [key for key in done if key[0] == _ATTEMPT and key[1].rsplit(" ", 1)[0] == content]


def create(cursor: Any, tables: Iterable[TableEntry] = ()) -> None:
    """Make the ledger, and what is next to it, in the transaction of ``cursor``; ``tables`` are those to import."""
    is_empty = "SELECT NOT EXISTS (SELECT FROM cockroach_migrator.ledger)"
    cursor.execute(";".join([_CREATE, omitted_objects.CREATE, created_objects.CREATE, is_empty]))
    if cursor.fetchone()[0]:
        created_objects.record_begin(cursor, tables)


def record(cursor: Any, dump_id: str, done: Sequence[Done]) -> None:
    """Note that pieces of work are done, in the transaction that does them and in one round trip."""
    cursor.execute(
        "INSERT INTO cockroach_migrator.ledger (step, object, dump_id, rows, seconds, checksum) "
        "SELECT step, object, %s, rows, seconds, checksum FROM unnest(%s::text[], %s::text[], %s::bigint[], "
        "%s::double precision[], %s::numeric[]) AS done (step, object, rows, seconds, checksum)",
        (
            dump_id,
            [item.key[0] for item in done],
            [item.key[1] for item in done],
            [item.rows for item in done],
            [round(item.seconds, 4) for item in done],
            [item.checksum for item in done],
        ),
    )


def statement_keys(statements: Iterable[Statement]) -> dict[Key, Statement]:
    """Return the statements by the key they have in the ledger: step, and what people read with a digest of the SQL."""
    keys: dict[Key, Statement] = {}
    for statement in statements:
        name = str(statement.full_name)
        digest = hashlib.sha256(statement.sql.encode()).hexdigest()[:16]
        keys[statement.step, f"{statement.kind} {name} {digest}"] = statement
    return keys


def lock(connection: Any, database: str) -> None:
    """Keep other imports out of the database as long as the connection lasts, and end the sessions of a killed run.

    Raises TargetError that says who it is when another import is running.
    """
    with connection.cursor() as cursor:
        cursor.execute(_NOTICE_LOSS)
        if not _wait_for_lock(cursor, _RUN_LOCK):
            raise TargetError(
                f"another import into the database {database} is running{_holder(cursor)}: wait until it has "
                "ended, then run again"
            )
        # The sessions of a killed run work on until they notice; their work is not in the ledger yet.
        if not _wait_for_lock(cursor, _WORK_LOCK, lambda _state: _end_workers(cursor)):
            raise TargetError(
                f"the database {database} is still at work for an import that was killed: end those sessions "
                "(application_name cockroach_migrator)"
            )
        cursor.execute("SELECT pg_advisory_unlock(%s)", (_WORK_LOCK,))
    connection.commit()


def _holder(cursor: Any) -> str:
    """Return how the session that holds the lock of the import can be recognized, as far as this role may see it."""
    cursor.execute(
        "SELECT pid, usename, coalesce(host(client_addr), 'this server''s own host'), "
        "to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') "
        f"FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE granted AND {_OF_LOCK}",
        (_RUN_LOCK,),
    )
    row = cursor.fetchone()
    if not row:
        return ""
    pid, user, address, since = row
    return f" (session {pid} of {user or 'another role'} from {address} since {since or 'some time'})"


def mark_worker(connection: Any) -> None:
    """Mark a session as one that works for the import which holds the lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock_shared(%s)", (_WORK_LOCK,))
    connection.commit()


def _wait_for_lock(cursor: Any, key: int, meanwhile: Optional[Callable[[Any], None]] = None) -> bool:
    """Try to get the lock for some seconds; ``meanwhile`` is called after each attempt that failed."""
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda locked: not locked),
        stop=tenacity.stop_after_delay(_LOCK_SECONDS),
        wait=tenacity.wait_fixed(_POLL_SECONDS),
        before_sleep=meanwhile,
        retry_error_callback=lambda _state: False,
    )
    return attempts(_try_lock, cursor, key)


def end_workers(connection: Any) -> None:
    """End the sessions that work for the import which holds the lock, and with them the commands that they run."""
    with connection.cursor() as cursor:
        _end_workers(cursor)
    connection.commit()


def _end_workers(cursor: Any) -> None:
    cursor.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE granted AND pid <> pg_backend_pid() AND {_OF_LOCK}",
        (_WORK_LOCK,),
    )


def _try_lock(cursor: Any, key: int) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s)", (key,))
    return cursor.fetchone()[0]
