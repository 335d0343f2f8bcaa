# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The privileges that the user lacks in an existing database, each with the command that grants it."""

from __future__ import annotations

from typing import Any

from ..._model.expected_database import ExpectedDatabase
from ..._model.names import first_of, quote
from . import content as contents

NAMES_SHOWN = 20

_CLOSED = """
SELECT relkind = 'S', format('%%I.%%I', n.nspname, c.relname), row_security_active(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN ROWS FROM (unnest(%s::text[]), unnest(%s::text[])) AS wanted (schema, name)
ON n.nspname = wanted.schema AND c.relname = wanted.name
WHERE CASE relkind
      WHEN 'S' THEN NOT (has_sequence_privilege(c.oid, 'UPDATE') AND has_sequence_privilege(c.oid, 'SELECT'))
      WHEN 'r' THEN row_security_active(c.oid)
           OR NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT'))
      ELSE false END
ORDER BY 2
"""
"""Tables that the user may not fill and read, or of which policies would hide rows, and sequences that it may not
set."""


def missing_privileges(connection: Any, expected: ExpectedDatabase, content: str) -> list[str]:
    """Return the missing privileges of the user in the database, with the command that grants them."""
    fills = content == contents.DATA
    database = quote(expected.name)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, has_database_privilege(current_database(), 'CREATE'), "
            "has_database_privilege(current_database(), 'TEMPORARY')"
        )
        user, may_create, may_make_temporary = cursor.fetchone()
        cursor.execute(
            "SELECT nspname, has_schema_privilege(oid, 'USAGE'), has_schema_privilege(oid, 'CREATE') FROM pg_namespace "
            "WHERE nspname = ANY(%s) ORDER BY 1",
            (list(expected.schemas),),
        )
        schemas = cursor.fetchall()
    closed = [schema for schema, _usage, may_add in schemas if not may_add and not fills]
    hidden = [schema for schema, usage, _may_add in schemas if not usage]
    problems = []
    if not may_create:
        problems.append(
            f"the user may not create schemas in the database {expected.name} on the target: GRANT CREATE ON DATABASE "
            f"{database} TO {quote(user)}, or make the user its owner"
        )
    if not may_make_temporary:
        problems.append(
            f"the user may not make temporary objects in the database {expected.name} on the target, which the "
            f"verification compares with: GRANT TEMPORARY ON DATABASE {database} TO {quote(user)}"
        )
    if hidden:
        problems.append(
            f"the user may not use the schema {', '.join(hidden)} of the database {expected.name} on the target: GRANT "
            f"USAGE ON SCHEMA {', '.join(map(quote, hidden))} TO {quote(user)} there"
        )
    if closed:
        problems.append(
            f"the user may not create anything in the schema {', '.join(closed)} of the database {expected.name} on "
            f"the target: GRANT CREATE ON SCHEMA {', '.join(map(quote, closed))} TO {quote(user)} there, or make the "
            "user the database's owner"
        )
    return problems + (_missing_on_relations(connection, expected, user) if fills else [])


def _missing_on_relations(connection: Any, expected: ExpectedDatabase, user: str) -> list[str]:
    """Return what the user lacks to fill and read the tables and sequences that are there."""
    with connection.cursor() as cursor:
        cursor.execute(_CLOSED, tuple(map(list, zip(*expected.relations))) or ([], []))
        found = cursor.fetchall()
    groups = {
        "GRANT SELECT, INSERT ON": [name for is_sequence, name, policies in found if not is_sequence and not policies],
        "GRANT SELECT, UPDATE ON SEQUENCE": [name for is_sequence, name, _policies in found if is_sequence],
    }
    problems = [
        f"content: data: the user may not fill and read {first_of(names, NAMES_SHOWN)} of the database "
        f"{expected.name} on the target: {grant} {first_of(names, NAMES_SHOWN)} TO {quote(user)} there"
        for grant, names in groups.items()
        if names
    ]
    guarded = [name for _is_sequence, name, policies in found if policies]
    if guarded:
        problems.append(
            f"content: data: policies would hide rows of {first_of(guarded, NAMES_SHOWN)} in the database "
            f"{expected.name} on the target from the user: ALTER ROLE {quote(user)} BYPASSRLS, or import as the owner "
            "of the tables"
        )
    return problems
