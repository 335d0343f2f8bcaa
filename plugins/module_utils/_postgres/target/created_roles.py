# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Roles that an import has created. They belong to the whole server and outlive each database, so that their own
comments record which dump they were created for, and what they were like then."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

try:
    from psycopg2 import sql
except ImportError:  # named by libraries.missing()
    sql = None

_COMMENT = "Created by nomos.cockroach_migrator for the dump {}, in the state {}"
_MARK = re.compile(re.escape(_COMMENT).replace(r"\{\}", r"(\w+)"))

_STATE = """
SELECT r.rolname, md5(concat_ws(' ', r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin,
    r.rolreplication, r.rolbypassrls, r.rolconnlimit, extract(epoch FROM r.rolvaliduntil),
    (SELECT string_agg(
        DISTINCT concat_ws(' ', pg_get_userbyid(m.roleid), pg_get_userbyid(m.member), m.admin_option), ', ')
     FROM pg_auth_members m WHERE r.oid IN (m.roleid, m.member)),
    (SELECT string_agg(concat_ws(' ', s.setdatabase, s.setconfig::text), ', ' ORDER BY s.setdatabase)
     FROM pg_db_role_setting s WHERE s.setrole = r.oid))),
    shobj_description(r.oid, 'pg_authid')
FROM pg_roles r
"""


@dataclass(frozen=True)
class CreatedRole:
    """A role that an import has created for a dump."""

    name: str
    dump_id: str
    changed: bool
    """Whether its options, settings or memberships are not those that the import gave it."""


def created_roles(cursor: Any) -> list[CreatedRole]:
    """Return the roles of the server that imports have created."""
    cursor.execute(_STATE + " WHERE shobj_description(r.oid, 'pg_authid') IS NOT NULL ORDER BY 1")
    found = []
    for name, state, comment in cursor.fetchall():
        mark = _MARK.fullmatch(comment)
        if mark:
            found.append(CreatedRole(name, mark[1], changed=mark[2] != state))
    return found


def mark_roles(cursor: Any, dump_id: str, names: Iterable[str]) -> None:
    """Record in the transaction of ``cursor`` that these roles were created for a dump."""
    cursor.execute(_STATE + " WHERE r.rolname = ANY(%s)", (list(names),))
    for name, state, _comment in cursor.fetchall():
        cursor.execute(
            sql.SQL("COMMENT ON ROLE {} IS {}").format(
                sql.Identifier(name), sql.Literal(_COMMENT.format(dump_id, state))
            )
        )
