# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Removing from a database what a plan says, in transactions that each note what they have removed: a run that is
killed leaves a smaller import, of which the ledger still knows everything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

try:
    import psycopg2
    import psycopg2.errors
    import tenacity
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._errors import TargetError
from ..._model.names import clip
from ..connect.connection import ConnectionParameters, connect, postgres_message
from ..target import ledger
from ..target.lock_room import most_objects_in_a_transaction
from ..target.object_states import RELATION
from .commands import drop
from .plan import DatabasePlan, require_nothing_new
from .recorded import RecordedObject, read_states
from .row_proof import require_unwritten

_LOCK_TIMEOUT = "15s"
_SESSIONS_END_SECONDS, _POLL_SECONDS = 5, 0.1
_HOLDERS = """
SELECT DISTINCT a.pid, a.usename, a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.relation = ANY(%s::oid[]) AND l.pid <> pg_backend_pid() AND l.database = (
    SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1
"""
_SESSIONS = """
SELECT pid, usename, application_name FROM pg_stat_activity
WHERE datname = %s AND pid <> pg_backend_pid() AND backend_type = 'client backend' ORDER BY 1
"""
_BOOKKEEPING = """
DROP VIEW IF EXISTS cockroach_migrator.progress RESTRICT;
DROP TABLE IF EXISTS cockroach_migrator.left_out, cockroach_migrator.rejects, cockroach_migrator.objects,
    cockroach_migrator.tables, cockroach_migrator.ledger RESTRICT;
DROP SCHEMA cockroach_migrator RESTRICT
"""
_TABLE = "r"


def remove_objects(plan: DatabasePlan, parameters: ConnectionParameters) -> dict[str, str]:
    """Remove what the plan names from a database that stays, and set back what it names; return what PostgreSQL refuses
    to remove, with its reasons. Raises TargetError if something was changed meanwhile."""
    kept: dict[str, str] = {}
    with _begun(plan, parameters) as cursor:
        for pack in _packs(plan.groups, most_objects_in_a_transaction(cursor)):
            kept.update(_remove_pack(cursor, pack, plan))
            cursor.connection.commit()
        kept.update(_remove_rows(cursor, plan))
        kept.update(_set_back(cursor, plan))
        cursor.connection.commit()
        if not kept and not plan.kept:
            kept.update(attempt(cursor, _BOOKKEEPING, "schema cockroach_migrator"))
        cursor.connection.commit()
    return kept


def drop_database(plan: DatabasePlan, parameters: ConnectionParameters, admin: Any) -> None:
    """Drop a database that the import has made. ``admin`` is a connection to another one. Raises TargetError."""
    with _begun(plan, parameters) as cursor:
        _require_as_planned(cursor, plan)
        cursor.connection.rollback()
    drop_empty_database(admin, plan.recorded.name)


def _require_as_planned(cursor: Any, plan: DatabasePlan) -> None:
    """Raise TargetError if somebody has changed a database, or written to it, since the plan was made. Whoever is still
    at it has a session, with which the database is not dropped."""
    _require_unchanged(cursor, list(plan.recorded.objects.values()))
    for table in plan.recorded.tables.values():
        if plan.since:
            require_unwritten(cursor, table, plan.since)
    require_nothing_new(cursor, plan)


def drop_empty_database(admin: Any, name: str) -> None:
    """Drop a database in which nothing is to be kept. Raises TargetError."""
    require_no_sessions(admin, name)
    admin.autocommit = True
    try:
        with admin.cursor() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
    except psycopg2.Error as error:
        raise TargetError(f"the database {name} cannot be dropped: {postgres_message(error)}") from None
    finally:
        admin.autocommit = False


def require_no_sessions(admin: Any, name: str) -> None:
    """Raise TargetError that names the sessions in a database that is to be dropped. Those that end, such as this
    run's own, are waited for, as DROP DATABASE does."""
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_result(bool),
        stop=tenacity.stop_after_delay(_SESSIONS_END_SECONDS),
        wait=tenacity.wait_fixed(_POLL_SECONDS),
        retry_error_callback=lambda state: state.outcome.result(),
    )
    sessions = attempts(_sessions, admin, name)
    if sessions:
        raise TargetError(
            f"the database {name} cannot be dropped while sessions are connected to it: {_named(sessions)}; end them "
            "and run the rollback again"
        )


def _sessions(admin: Any, name: str) -> list[Any]:
    with admin.cursor() as cursor:
        cursor.execute(_SESSIONS, (name,))
        found = cursor.fetchall()
    admin.rollback()
    return found


def _named(sessions: Sequence[Any]) -> str:
    return ", ".join(
        f"pid {pid} of the user {user}{f' ({application})' if application else ''}"
        for pid, user, application in sessions
    )


@contextlib.contextmanager
def _begun(plan: DatabasePlan, parameters: ConnectionParameters) -> Iterator[Any]:
    """Context manager: a cursor in the database, which no import works in, and of which it is noted that it is being
    rolled back, so that no import takes for done what is removed."""
    name = plan.recorded.name
    with contextlib.closing(connect(parameters, name)) as connection:
        ledger.lock(connection, name)
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", (_LOCK_TIMEOUT,))
            if ledger.ROLLBACK not in ledger.read(connection):
                ledger.record(cursor, plan.recorded.dump_ids[0], [ledger.Done(ledger.ROLLBACK)])
            connection.commit()
            yield cursor


def _packs(groups: Sequence[list[RecordedObject]], most: int) -> Iterator[list[list[RecordedObject]]]:
    """Yield groups in packs of about as many objects as one transaction may lock."""
    pack: list[list[RecordedObject]] = []
    for group in groups:
        if pack and sum(map(len, pack)) + len(group) > most:
            yield pack
            pack = []
        pack.append(group)
    if pack:
        yield pack


def _remove_pack(cursor: Any, pack: Sequence[list[RecordedObject]], plan: DatabasePlan) -> dict[str, str]:
    items = [item for group in pack for item in group]
    tables = [item for item in items if item.address.kind == RELATION and item.state.get("kind") == _TABLE]
    _lock(cursor, tables)
    _require_unchanged(cursor, items)
    for item in tables:
        if plan.since and item.address.oid in plan.recorded.tables:
            require_unwritten(cursor, plan.recorded.tables[item.address.oid], plan.since)
    kept: dict[str, str] = {}
    for group in pack:
        refused = attempt(cursor, ";".join(drop(group)), ", ".join(item.name for item in group))
        kept.update(refused)
        if not refused:
            cursor.execute(
                "DELETE FROM cockroach_migrator.objects WHERE (class, oid) IN (SELECT * FROM unnest(%s::text[], "
                "%s::oid[]))",
                ([item.address.kind for item in group], [item.address.oid for item in group]),
            )
    return kept


def _lock(cursor: Any, tables: Sequence[RecordedObject]) -> None:
    """Lock tables against everybody. Raises TargetError that names who is in the way."""
    if not tables:
        return
    names = sql.SQL(", ").join([sql.SQL((item.now or {})["name"]) for item in tables])
    cursor.execute("SAVEPOINT locking")
    try:
        cursor.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(names))
    except psycopg2.errors.LockNotAvailable:
        cursor.execute("ROLLBACK TO SAVEPOINT locking")
        cursor.execute(_HOLDERS, ([item.address.oid for item in tables],))
        raise TargetError(
            f"tables of the database are in use by {_named(cursor.fetchall())}: end these sessions and run the "
            "rollback again"
        ) from None


def _require_unchanged(cursor: Any, items: Sequence[RecordedObject]) -> None:
    """Raise TargetError if an object was changed since the plan was made."""
    now = read_states(cursor, [item.address for item in items])
    for item in items:
        if now.get(item.address) != item.now:
            raise TargetError(
                f"{item.name} was changed while the rollback ran, and is kept: run the rollback again, which names "
                "what it keeps"
            )


def attempt(cursor: Any, command: Any, what: str) -> dict[str, str]:
    """Run a command; return what it is about and PostgreSQL's reason if PostgreSQL refuses, and then nothing of it
    stays."""
    cursor.execute("SAVEPOINT attempt")
    try:
        cursor.execute(command)
    except psycopg2.Error as error:
        if error.pgcode is None:
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT attempt")
        return {what: f"PostgreSQL refuses: {postgres_message(error)}"}
    cursor.execute("RELEASE SAVEPOINT attempt")
    return {}


def _remove_rows(cursor: Any, plan: DatabasePlan) -> dict[str, str]:
    """Empty the user's tables that hold nothing but the loaded rows."""
    if not plan.emptied:
        return {}
    tables = sorted(plan.emptied.values(), key=lambda table: table.full_name)
    names = sql.SQL(", ").join([sql.Identifier(clip(table.schema), clip(table.name)) for table in tables])
    what = "rows of the tables " + ", ".join(table.full_name for table in tables)
    refused = attempt(cursor, sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(names), what)
    if not refused:
        for table in tables:
            if plan.since:
                require_unwritten(cursor, table, plan.since)
        refused = attempt(cursor, sql.SQL("TRUNCATE TABLE ONLY {} RESTRICT").format(names), what)
    if not refused:
        cursor.execute(
            "DELETE FROM cockroach_migrator.tables WHERE directory = ANY(%s)", ([table.directory for table in tables],)
        )
    return refused


def _set_back(cursor: Any, plan: DatabasePlan) -> dict[str, str]:
    kept: dict[str, str] = {}
    for item in plan.set_back:
        kept.update(attempt(cursor, item.command, item.what))
    return kept
