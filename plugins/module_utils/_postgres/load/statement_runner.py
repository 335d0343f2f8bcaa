# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Running the conversion's statements, each in a transaction with its row in the ledger."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional

try:
    import psycopg2
    import psycopg2.errors
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._convert.statements import Statement
from ..._errors import TargetError
from ..connect.connection import postgres_message
from ..target import ledger, omitted_objects

Keyed = tuple[tuple[str, str], Statement]


def describe(statement: Statement) -> str:
    """Return the object that the statement creates or changes, for messages."""
    kind = statement.kind.replace("_", " ")
    name = ".".join(part for part in (statement.schema, statement.name) if part)
    holder = "domain" if statement.kind == "domain_check" else "table"
    return (
        f"{kind} {name} of {holder} {statement.table}"
        if statement.table and statement.table != statement.name
        else f"{kind} {name}"
    )


def execute(cursor: Any, database: str, statement: Statement) -> None:
    """Execute a statement. Raises TargetError that names its object."""
    try:
        cursor.execute(statement.sql)
    except psycopg2.Error as error:
        raise _refused(database, statement, error) from None


def run_or_omit(cursor: Any, database: str, dump_id: str, keyed: Keyed) -> None:
    """Execute a statement and record it in the ledger. If PostgreSQL rejects it and no row depends on it, it is
    recorded as omitted. Raises TargetError."""
    started = time.monotonic()
    _execute_or_record_omission(cursor, database, keyed, omitted_objects.may_be_omitted)
    ledger.record(cursor, dump_id, keyed[0], 0, time.monotonic() - started)


def run_again(connection: Any, database: str, keyed: Keyed) -> bool:
    """Execute an omitted statement in its own transaction; return whether PostgreSQL accepts it now. Raises
    TargetError."""
    with connection.cursor() as cursor:
        taken = _execute_or_record_omission(cursor, database, keyed, omitted_objects.may_stay_omitted)
        if taken:
            omitted_objects.forget(cursor, keyed[0])
    connection.commit()
    return taken


def _execute_or_record_omission(
    cursor: Any, database: str, keyed: Keyed, may_do_without: Callable[[Statement, str], bool]
) -> bool:
    key, statement = keyed
    rejection = _rejection(cursor, database, statement, may_do_without)
    if rejection is None:
        return True
    others = statement.alternatives if rejection.is_of_limits else ()
    made = next((other for other in others if _rejection(cursor, database, other, may_do_without) is None), None)
    omitted_objects.note(cursor, key, statement, rejection, made.sql if made else "")
    return False


def _rejection(
    cursor: Any, database: str, statement: Statement, may_do_without: Callable[[Statement, str], bool]
) -> Optional[omitted_objects.Rejection]:
    """Execute a statement; return why PostgreSQL rejects it, in which case nothing of it stays, and None if it does
    not. Raises TargetError if the import needs the statement."""
    notices = cursor.connection.notices
    del notices[:]
    cursor.execute("SAVEPOINT statement")
    try:
        cursor.execute(statement.sql)
        # A GRANT of what one may not give away is no error but this warning (aclchk.c: "no privileges were granted",
        # "not all privileges were granted").
        rejection = (
            omitted_objects.Rejection(notices[-1].split(":", 1)[-1].strip(), omitted_objects.NO_PRIVILEGE)
            if notices and statement.kind in omitted_objects.GRANTS
            else None
        )
    except psycopg2.Error as error:
        if not may_do_without(statement, error.pgcode or ""):
            raise _refused(database, statement, error) from None
        rejection = omitted_objects.Rejection(postgres_message(error), error.pgcode)
    if rejection:
        cursor.execute("ROLLBACK TO SAVEPOINT statement")
    cursor.execute("RELEASE SAVEPOINT statement")
    return rejection


def _refused(database: str, statement: Statement, error: Any) -> TargetError:
    return TargetError(f"database {database}, {describe(statement)}: {postgres_message(error)}")


def run_together(
    connection: Any,
    database: str,
    dump_id: str,
    statements: Mapping[tuple[str, str], Statement],
    marks: Iterable[tuple[str, str]] = (),
) -> None:
    """Run all statements and write the ledger, with ``marks``, in one transaction; after an error nothing has
    changed."""
    try:
        with connection.cursor() as cursor:
            ledger.create(cursor)
            for key in marks:
                ledger.record(cursor, dump_id, key, 0, 0)
            for keyed in statements.items():
                run_or_omit(cursor, database, dump_id, keyed)
        connection.commit()
    except TargetError:
        connection.rollback()
        raise


def run_one(connection: Any, database: str, dump_id: str, keyed: Keyed) -> tuple[str, str]:
    """Run one statement in its own transaction with its ledger row; return its key."""
    try:
        with connection.cursor() as cursor:
            run_or_omit(cursor, database, dump_id, keyed)
        connection.commit()
    except TargetError:
        if not connection.closed:
            connection.rollback()
        raise
    return keyed[0]
