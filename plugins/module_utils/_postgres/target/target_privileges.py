# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Rights of the connected role on the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..._model.names import quote

_SET_OPTION_FROM = 160000
"""Since PostgreSQL 16 a membership says whether the member may SET ROLE (GRANT … WITH SET), which transferring
ownership requires."""


@dataclass(frozen=True)
class RoleRights:
    """``may_become``: the roles to which it may transfer ownership, itself included."""

    name: str
    superuser: bool
    createdb: bool
    createrole: bool
    may_become: frozenset[str]

    def grant_to_own(self, owner: str) -> str:
        """Return the command that allows this role to make ``owner`` the owner of its objects; empty if it may
        already."""
        return "" if self.superuser or owner in self.may_become else f"GRANT {quote(owner)} TO {quote(self.name)}"


def role_rights(connection: Any) -> RoleRights:
    """Return the rights of the connection's role."""
    option = "SET" if connection.server_version >= _SET_OPTION_FROM else "MEMBER"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolname, rolsuper, rolsuper OR rolcreatedb, rolsuper OR rolcreaterole FROM pg_catalog.pg_roles "
            "WHERE rolname = current_user"
        )
        name, superuser, createdb, createrole = cursor.fetchone()
        cursor.execute("SELECT rolname FROM pg_catalog.pg_roles WHERE pg_has_role(oid, %s)", (option,))
        return RoleRights(name, superuser, createdb, createrole, frozenset(role for (role,) in cursor.fetchall()))
