# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The databases on the target: whether they exist, whether we may use them, and creating the missing ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..._model.finding_codes import FindingCode
from ..._model.findings import Finding
from ..._model.full_name import FullName

try:
    import psycopg2
    import psycopg2.errors
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..._errors import TargetError
from ..._model.catalog import Database
from ..._model.expected_database import ExpectedDatabase, expected_of
from ..._model.names import first_of, quote
from ..connect.connection import ConnectionParameters, connect, postgres_message
from . import content as contents
from . import ledger, omitted_objects
from .created_objects import NEW_DATABASE_LIMIT
from .missing_privileges import NAMES_SHOWN, missing_privileges
from .omitted_objects import OmittedObject
from .settings_left_alone import event_triggers

_CHARACTER_TYPES = ("C.UTF-8", "C.utf8", "en_US.UTF-8", "en_US.utf8")
_BAD_LOCALE = ("42809", "22023")


@dataclass
class TargetState:
    """The state of one database on the target."""

    name: str
    exists: bool
    done: dict[ledger.Key, ledger.Entry]
    """The ledger."""
    omitted: dict[ledger.Key, OmittedObject] = field(default_factory=dict)
    event_triggers: list[str] = field(default_factory=list)
    """Those that run for commands of the import."""


def inspect(
    admin: Any, parameters: ConnectionParameters, database: Database, dump_id: str, content: str = contents.ALL
) -> TargetState:
    """Return the state of one database without changing anything. Raises TargetError if the import may not use it."""
    state, problems = state_and_problems(admin, parameters, expected_of(database), dump_id, content)
    if problems:
        raise TargetError("; ".join(problems))
    return state


def state_and_problems(
    admin: Any,
    parameters: ConnectionParameters,
    expected: ExpectedDatabase,
    dump_id: str,
    content: str = contents.ALL,
) -> tuple[TargetState, list[str]]:
    """Return the state of one database, and everything that prevents the import from using it, without changing
    anything.

    An empty ``dump_id`` stands for a dump that does not exist yet. Raises TargetError if the database refuses the
    connection.
    """
    name = expected.name
    with admin.cursor() as cursor:
        cursor.execute(
            "SELECT pg_encoding_to_char(encoding), datallowconn FROM pg_database WHERE datname = %s", (name,)
        )
        row = cursor.fetchone()
        cursor.execute("SELECT rolsuper OR rolcreatedb, pg_is_in_recovery() FROM pg_roles WHERE rolname = current_user")
        may_create, standby = cursor.fetchone()
    admin.commit()
    problems = (
        [f"the server at {parameters.place} is a standby, which takes no changes: name the primary server"]
        if standby
        else []
    )
    if row is None:
        if not may_create and content != contents.DATA:
            problems.append(
                f"user {parameters.user} may not create the database {name}: ALTER ROLE {quote(parameters.user)} "
                "CREATEDB, or have it made empty: "
                f"CREATE DATABASE {quote(name)} OWNER {quote(parameters.user)} ENCODING 'UTF8' TEMPLATE template0"
            )
        return TargetState(name, False, {}), problems
    encoding, allows = row
    if encoding != "UTF8" or not allows:
        reason = f"its encoding is {encoding}, not UTF8" if allows else "it allows no connections"
        return TargetState(name, True, {}), [
            *problems,
            f"the database {name} on the target cannot be used: {reason}; drop or rename it",
        ]
    connection = connect(parameters, name)
    try:
        problems += _usage_problems(connection, expected, dump_id, content)
        state = TargetState(
            name, True, ledger.read(connection), omitted_objects.read(connection), event_triggers(connection)
        )
        if name == parameters.database and not state.done and content != contents.DATA:
            problems.append(
                f"the database {name} of the dump would be the one to which the migration connects first "
                "(postgres_database): give it another name with rename, or name another postgres_database"
            )
        return state, problems
    finally:
        connection.close()


def require_usable(connection: Any, database: Database, dump_id: str, content: str = contents.ALL) -> None:
    """Raise TargetError if another dump was imported here, an object has a name that is needed, or privileges are
    missing."""
    problems = _usage_problems(connection, expected_of(database), dump_id, content)
    if problems:
        raise TargetError("; ".join(problems))


def _usage_problems(connection: Any, expected: ExpectedDatabase, dump_id: str, content: str) -> list[str]:
    name = expected.name
    ids = ledger.dump_ids(connection)
    if ids and dump_id and ids != [dump_id]:
        return [
            f"the database {name} on the target holds the import of another dump "
            f"({', '.join(sorted(set(ids) - {dump_id}))}): drop the database, or import into another server"
        ]
    if ids:
        done = ledger.read(connection)
        if ledger.ROLLBACK in done:
            return [
                f"a rollback of the database {name} on the target has begun and not removed everything: run the "
                "playbook rollback again, which names what it keeps, and drop or rename that"
            ]
        try:
            contents.require_compatible(content, done, name)
        except TargetError as error:
            return [str(error)]
        begins = content == contents.DATA and contents.complete_key(content) not in done
        return missing_privileges(connection, expected, content) if begins else []
    problems = []
    taken = _taken_names(connection, expected) if content != contents.DATA else []
    if taken:
        problems.append(
            f"the database {name} on the target already has {first_of(taken, NAMES_SHOWN)}: nothing was changed; drop "
            "or rename them, or import into another server"
        )
    return problems + missing_privileges(connection, expected, content)


def _taken_names(connection: Any, expected: ExpectedDatabase) -> list[str]:
    """Return the tables, views, sequences and types of the dump whose names the database already has."""
    found = set()
    with connection.cursor() as cursor:
        for names, query in (
            (expected.relations, "SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"),
            (expected.types, "SELECT nspname, typname FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace"),
        ):
            cursor.execute(query + " WHERE nspname = ANY(%s)", ([schema for schema, _name in names],))
            found |= set(cursor.fetchall()) & set(names)
    return sorted(f"{schema}.{name}" for schema, name in found)


def _locale_provider(version: int) -> str:
    """Return the option that names the provider; template0 of a server that was made with ICU has that one."""
    if version >= 170000:
        return " LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
    return " LOCALE_PROVIDER libc" if version >= 150000 else ""


def create_database(admin: Any, name: str) -> None:
    """Create a UTF8 database that sorts by code point and knows the case of all letters, or of ASCII only if the server
    has no such locale. Raises TargetError."""
    provider = sql.SQL(_locale_provider(admin.server_version))
    admin.autocommit = True
    try:
        with admin.cursor() as cursor:
            for locale in (*_CHARACTER_TYPES, "C"):
                try:
                    cursor.execute(
                        sql.SQL(
                            "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE {}{} "
                            "CONNECTION LIMIT {}"
                        ).format(
                            sql.Identifier(name),
                            sql.Literal(locale),
                            provider,
                            sql.Literal(NEW_DATABASE_LIMIT),
                        )
                    )
                    break
                except (psycopg2.errors.DuplicateDatabase, psycopg2.errors.UniqueViolation):  # the latter: at once
                    raise TargetError(
                        f"another session has just created the database {name}, perhaps another import: wait until it "
                        "has ended, then run again"
                    ) from None
                except psycopg2.Error as error:
                    if error.pgcode not in _BAD_LOCALE or locale == "C":
                        raise TargetError(f"the database {name} cannot be created: {postgres_message(error)}") from None
    finally:
        admin.autocommit = False


def letter_case(admin: Any, name: str) -> list[Finding]:
    """Return a finding when the database does not know the case of all letters."""
    with admin.cursor() as cursor:
        # PostgreSQL 14 knows the provider libc only.
        cursor.execute(
            "SELECT datctype IN ('C', 'POSIX') AND coalesce(to_jsonb(d)->>'datlocprovider', 'c') = 'c' FROM "
            "pg_database d WHERE datname = %s",
            (name,),
        )
        row = cursor.fetchone()
    admin.commit()
    if not row or not row[0]:
        return []
    return [
        Finding.of(FindingCode.ASCII_LETTER_CASE, FullName("database", name)),
    ]
