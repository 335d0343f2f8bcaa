# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Running the conversion's statements, many of them in one round trip, and noting them in the ledger."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Callable, Optional

try:
    import psycopg2
    import psycopg2.errors
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._convert.statements import Statement
from ..._dump.manifest import TableEntry
from ..._errors import TargetError
from ..connect.connection import postgres_message
from ..target import created_objects, ledger, omitted_objects
from ..target.lock_room import most_objects_in_a_transaction
from ..target.packs import in_packs

Keyed = tuple[tuple[str, str], Statement]

STATEMENTS_A_ROUND_TRIP = 100
_OPERATOR_INTERVENTION = "57"
"""The class of SQLSTATE of what was cancelled, or whose session or server was ended."""


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


def run_statements(cursor: Any, database: str, statements: Sequence[Keyed]) -> list[ledger.Done]:
    """Execute statements in their order, together as long as PostgreSQL accepts them, and record what they make and
    change; return what the ledger has to note.

    A statement that PostgreSQL rejects and no row depends on is recorded as omitted. Raises TargetError that names the
    statement if the import needs it.
    """
    done: list[ledger.Done] = []
    for together in in_packs(statements, STATEMENTS_A_ROUND_TRIP):
        started = time.monotonic()
        plain = [statement for _key, statement in together]
        recording = created_objects.recording(cursor, plain, created_objects.find_before(cursor, plain))
        if len(together) > 1 and _accepts(cursor, database, plain, recording):
            seconds = (time.monotonic() - started) / len(together)
            done += [ledger.Done(key, seconds=seconds) for key, _statement in together]
        else:
            done += [_run_or_omit(cursor, database, keyed) for keyed in together]
            if recording:
                cursor.execute(recording)
        created_objects.record_values(cursor, plain)
    return done


def _accepts(cursor: Any, database: str, statements: Sequence[Statement], recording: str) -> bool:
    """Execute statements, and the commands that record what they make, in one round trip; return whether PostgreSQL
    accepts all of them. If it does not, nothing of them stays, and they are to be executed one by one, which tells the
    rejected ones."""
    notices = cursor.connection.notices
    del notices[:]
    try:
        commands = ["SAVEPOINT statements", *(statement.sql for statement in statements), *filter(None, [recording])]
        cursor.execute("\n;\n".join(commands))
        accepted = not (notices and any(statement.kind in omitted_objects.GRANTS for statement in statements))
    except psycopg2.Error as error:
        if not error.pgcode or error.pgcode.startswith(_OPERATOR_INTERVENTION):
            raise TargetError(f"database {database}: {postgres_message(error)}") from None
        accepted = False
    if not accepted:
        cursor.execute("ROLLBACK TO SAVEPOINT statements")
    cursor.execute("RELEASE SAVEPOINT statements")
    return accepted


def _run_or_omit(cursor: Any, database: str, keyed: Keyed) -> ledger.Done:
    started = time.monotonic()
    _execute_or_record_omission(cursor, database, keyed, omitted_objects.may_be_omitted)
    return ledger.Done(keyed[0], seconds=time.monotonic() - started)


def run_again(connection: Any, database: str, keyed: Keyed) -> bool:
    """Execute an omitted statement in its own transaction; return whether PostgreSQL accepts it now. Raises
    TargetError."""
    with connection.cursor() as cursor:
        plain = [keyed[1]]
        recording = created_objects.recording(cursor, plain, created_objects.find_before(cursor, plain))
        taken = _execute_or_record_omission(cursor, database, keyed, omitted_objects.may_stay_omitted)
        if recording:
            cursor.execute(recording)
        created_objects.record_values(cursor, plain)
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


def run_pre_data(
    connection: Any,
    database: str,
    dump_id: str,
    statements: Sequence[Keyed],
    marks: Sequence[ledger.Done] = (),
    tables: Sequence[TableEntry] = (),
) -> None:
    """Make the ledger, with ``marks`` and the ``tables`` that are imported, and run the statements before the rows.

    All of it is one transaction, and after an error nothing has changed; only if they are more than PostgreSQL has room
    for locks, they are divided.
    """
    with connection.cursor() as cursor:
        ledger.create(cursor, tables)
        ledger.record(cursor, dump_id, marks)
        for pack in in_packs(statements, most_objects_in_a_transaction(cursor)):
            ledger.record(cursor, dump_id, run_statements(cursor, database, pack))
            connection.commit()
    connection.commit()
