# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""The databases on the target: are they there, may we use them, and making those that are missing."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional, Union

try:
    import psycopg2
    import psycopg2.errors
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    psycopg2 = None

from ..catalog.model import Database, Finding, Sequence, Table, View
from ..convert.names import clip
from ..errors import TargetError
from . import content as contents
from . import ledger, left_out
from .connection import ConnectionParameters, connect, postgres_message
from .left_out import LeftOut

_NAMES_SHOWN = 20
_CHARACTER_TYPES = ("C.UTF-8", "C.utf8", "en_US.UTF-8", "en_US.utf8")
_BAD_LOCALE = ("42809", "22023")


@dataclass
class TargetState:
    """What the target has of one database."""

    name: str
    exists: bool
    done: dict[ledger.Key, ledger.Entry]
    """The ledger."""
    left_out: list[LeftOut] = field(default_factory=list)


def inspect(admin: Any, parameters: ConnectionParameters, database: Database, dump_id: str, content: str = contents.ALL) -> TargetState:
    """Look at one database without changing anything. Raises TargetError when the import may not use it."""
    name = clip(database.name)
    with admin.cursor() as cursor:
        cursor.execute("SELECT pg_encoding_to_char(encoding), datallowconn FROM pg_database WHERE datname = %s", (name,))
        row = cursor.fetchone()
        cursor.execute("SELECT rolsuper OR rolcreatedb, pg_is_in_recovery() FROM pg_roles WHERE rolname = current_user")
        may_create, standby = cursor.fetchone()
    admin.commit()
    if standby:
        raise TargetError(f"the server at {parameters.place} is a standby, which takes no changes: name the primary server")
    if row is None:
        if not may_create and content != contents.DATA:
            raise TargetError(f"user {parameters.user} may not create the database {name}: grant CREATEDB, or create it empty with encoding UTF8")
        return TargetState(name, False, {})
    encoding, allows = row
    if encoding != "UTF8" or not allows:
        reason = f"its encoding is {encoding}, not UTF8" if allows else "it allows no connections"
        raise TargetError(f"the database {name} on the target cannot be used: {reason}; drop or rename it")
    connection = connect(parameters, name)
    try:
        require_usable(connection, database, dump_id, content)
        return TargetState(name, True, ledger.read(connection), list(left_out.read(connection).values()))
    finally:
        connection.close()


def require_usable(connection: Any, database: Database, dump_id: str, content: str = contents.ALL) -> None:
    """Raise TargetError when another dump was imported here, something is in the way, or privileges are missing."""
    name = clip(database.name)
    ids = ledger.dump_ids(connection)
    if ids and ids != [dump_id]:
        raise TargetError(
            f"the database {name} on the target holds the import of another dump ({', '.join(sorted(set(ids) - {dump_id}))}): "
            "drop the database, or import into another server"
        )
    if ids:
        contents.require_compatible(content, ledger.read(connection), name)
        return
    taken = _taken_names(connection, database) if content != contents.DATA else []
    if taken:
        more = f" and {len(taken) - _NAMES_SHOWN} more" if len(taken) > _NAMES_SHOWN else ""
        raise TargetError(
            f"the database {name} on the target already has {', '.join(taken[:_NAMES_SHOWN])}{more}: "
            "nothing was changed; drop or rename them, or import into another server"
        )
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_database_privilege(current_database(), 'CREATE')")
        if not cursor.fetchone()[0]:
            raise TargetError(f"the user may not create schemas in the database {name} on the target: grant CREATE on it, or make the user its owner")


def _taken_names(connection: Any, database: Database) -> list[str]:
    """Return the tables, views, sequences and types of ours that the database has already, by name."""
    schemas = {schema.id: clip(schema.name) for schema in database.schemas}
    items: list[Union[Table, View, Sequence]] = [*database.tables, *database.views, *database.sequences]
    relations = [(schemas[item.schema_id], clip(item.name)) for item in items]
    types = [(schemas[item.schema_id], clip(item.name)) for item in database.types]
    found = set()
    with connection.cursor() as cursor:
        for names, query in (
            (relations, "SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"),
            (types, "SELECT nspname, typname FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace"),
        ):
            cursor.execute(query + " WHERE nspname = ANY(%s)", ([schema for schema, _name in names],))
            found |= set(cursor.fetchall()) & set(names)
    return sorted(f"{schema}.{name}" for schema, name in found)


def create_database(admin: Any, name: str) -> Optional[Finding]:
    """Create a UTF8 database that sorts by code point and knows the case of all letters.

    Returns a finding when the server has no such locale. Raises TargetError.
    """
    builtin = admin.server_version >= 170000
    provider = sql.SQL(" LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'") if builtin else sql.SQL("")
    admin.autocommit = True
    try:
        with admin.cursor() as cursor:
            for locale in (*_CHARACTER_TYPES, "C"):
                try:
                    cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE {}{}").format(
                        sql.Identifier(name), sql.Literal(locale), provider,
                    ))
                    break
                except psycopg2.Error as error:
                    if error.pgcode not in _BAD_LOCALE or locale == "C":
                        raise TargetError(f"the database {name} cannot be created: {postgres_message(error)}") from None
    finally:
        admin.autocommit = False
    if locale == "C" and not builtin:
        return Finding(
            "ascii_letter_case", "warning", name, "upper() and lower() change ASCII letters only: the server's host has no UTF-8 locale.",
            "Install a UTF-8 locale such as C.UTF-8 on the server's host and import again.",
        )
    return None
