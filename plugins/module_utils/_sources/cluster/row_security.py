# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Whether row-level security would hide rows of the tables that are read: silently, and from count(*) as well."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

try:
    import psycopg2
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    psycopg2 = sql = None

from ..._errors import CockroachError
from ..._model.names import first_of
from ..._model.table_source import TableSource

_SHOWN = 10
_YES = ("on", "t", "true")
_BYPASS = "BYPASSRLS"


def require_all_rows(connection: Any, sources: Iterable[TableSource]) -> None:
    """Raise CockroachError when a table has row-level security and the connection's user is neither a member of admin
    nor has BYPASSRLS.

    An owner is exempt too, unless the table FORCEs it: docs v25.2 row-level-security.md. ``row_security = off`` is an
    error there from v26.1 on only.
    """
    user = connection.info.user
    secured = [
        source
        for source in sources
        if source.table.row_level_security and (source.table.owner != user or source.table.row_level_security_forced)
    ]
    if not secured or is_admin(connection) or _bypasses(connection):
        return
    names = [source.name for source in secured]
    name = sql.Identifier(user).as_string(connection)
    raise CockroachError(
        f"row-level security may hide rows of {first_of(names, _SHOWN)} from the user {user}, so that the "
        "export would not be whole: "
        f"ALTER ROLE {name} WITH BYPASSRLS, or GRANT admin TO {name}"
    )


def is_admin(connection: Any) -> bool:
    """Tell whether the connection's user is a member of the role admin."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW is_superuser")
        return str(cursor.fetchone()[0]) in _YES


def _bypasses(connection: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user")
        found = cursor.fetchone()
        if found is not None and str(found[0]) in _YES:
            return True
        try:
            # pg_roles shows it in some releases only; not every user may list the roles.
            cursor.execute("SELECT options FROM [SHOW ROLES] WHERE username = current_user")
        except psycopg2.errors.InsufficientPrivilege:
            return False
        return any(_BYPASS in str(options) and f"NO{_BYPASS}" not in str(options) for (options,) in cursor.fetchall())
