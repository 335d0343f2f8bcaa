# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""ALTER DEFAULT PRIVILEGES: what the objects that a role makes later are granted."""
from __future__ import annotations

from ..catalog.from_descriptors import BUILT_IN_ROLES
from ..catalog.model import DefaultPrivileges
from .context import Context
from .grants import report_dropped, split
from .names import quote

_EVERYBODY = "public"


def create_default_privileges(context: Context) -> None:
    """Add the default privileges of the database and of its schemas."""
    if context.options.grants == "skip":
        return
    for item in context.database.default_privileges:
        _create(item, "", context.database.name, context)
    for schema in context.database.schemas:
        for item in schema.default_privileges:
            _create(item, context.schemas[schema.id], f"{context.database.name}.{schema.name}", context)


def _create(item: DefaultPrivileges, schema: str, where: str, context: Context) -> None:
    if not item.role or item.role in BUILT_IN_ROLES:
        _leave_out(item, where, f"they are for {item.role or 'ALL ROLES'}, whom PostgreSQL does not know", context)
        return
    for grant in item.grants:
        everybody = grant.role == _EVERYBODY
        if grant.role in BUILT_IN_ROLES and not everybody or grant.role == item.role:
            continue
        missing = [role for role in (item.role, grant.role) if role not in context.available_roles and role != _EVERYBODY]
        if missing:
            _leave_out(item, where, f"the target has no role {', '.join(missing)}", context)
            continue
        kind = item.kind.removesuffix("S")
        plain, grantable = split(kind, grant, context)
        if not plain and not grantable or schema and item.kind == "SCHEMAS":
            _leave_out(item, where, f"{', '.join(grant.privileges)} has no counterpart", context)
            continue
        report_dropped(kind, grant, f"{where}, new {item.kind.lower()} of {item.role}", context)
        for names, option in ((plain, ""), (grantable, " WITH GRANT OPTION")):
            if names:
                sql = (
                    f"ALTER DEFAULT PRIVILEGES FOR ROLE {quote(item.role)}{f' IN SCHEMA {quote(schema)}' if schema else ''} "
                    f"GRANT {', '.join(names)} ON {item.kind} TO {'PUBLIC' if everybody else quote(grant.role)}{option}"
                )
                context.conversion.add("grant", "default_privilege", sql, item.role, schema)


def _leave_out(item: DefaultPrivileges, where: str, reason: str, context: Context) -> None:
    told = [grant for grant in item.grants if grant.role not in BUILT_IN_ROLES or grant.role == _EVERYBODY]
    granted = "; ".join(f"{', '.join(grant.privileges)} to {grant.role}" for grant in told)
    if granted:
        context.find(
            "default_privileges", "warning", where, f"Default privileges on {item.kind.lower()} are left out ({granted}): {reason}.",
            "Run ALTER DEFAULT PRIVILEGES in PostgreSQL for the roles that create objects.",
        )
