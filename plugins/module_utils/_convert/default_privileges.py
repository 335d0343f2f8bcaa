# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""ALTER DEFAULT PRIVILEGES: the privileges on objects that a role creates later."""

from __future__ import annotations

from .._model.built_in_roles import BUILT_IN_ROLES
from .._model.catalog import DefaultPrivileges, Grant
from .._model.finding_codes import FindingCode
from .._model.full_name import FullName
from .._model.names import quote
from .context import Context
from .definitions import EVERYBODY, DefaultPrivilege
from .grants import allowed, split_privileges
from .statements import Need, Subject

_EVERYBODY = "public"


def create_default_privileges(context: Context) -> None:
    """Add the default privileges of the database and of its schemas."""
    if context.options.grants == "skip":
        return
    for item in context.database.default_privileges:
        _create(item, "", FullName("database", context.database.name), context)
    for schema in context.database.schemas:
        for item in schema.default_privileges:
            _create(item, context.schemas[schema.id], FullName("schema", context.database.name, schema.name), context)


def _create(item: DefaultPrivileges, schema: str, where: FullName, context: Context) -> None:
    if not item.role or item.role in BUILT_IN_ROLES:
        _omit(item, where, f"they are for {item.role or 'ALL ROLES'}, whom PostgreSQL does not know", context)
        return
    for grant in item.grants:
        if grant.role in BUILT_IN_ROLES and grant.role != _EVERYBODY or grant.role == item.role:
            continue
        missing = [
            role for role in (item.role, grant.role) if role not in context.available_roles and role != _EVERYBODY
        ]
        if missing:
            _omit(item, where, f"the target has no role {', '.join(missing)}", context)
        else:
            _grant(grant, item, schema, where, context)


def _grant(grant: Grant, item: DefaultPrivileges, schema: str, where: FullName, context: Context) -> None:
    """Add the commands for one grantee; ``schema`` is "" for the privileges in every schema."""
    known: tuple[str, ...]
    if schema and item.kind == "SCHEMAS":
        known, omitted = (), grant.privileges
    else:
        known = allowed(item.kind.removesuffix("S"), context)
        omitted = [name for name in grant.privileges if name not in ("ALL", *known)]
    if omitted:
        _report([Grant(grant.role, omitted)], item, where, f"{', '.join(omitted)} has no counterpart", context)
    grantee, name = ("PUBLIC", EVERYBODY) if grant.role == _EVERYBODY else (quote(grant.role), grant.role)
    inside = f" IN SCHEMA {quote(schema)}" if schema else ""
    for names, option in zip(split_privileges(grant, known), ("", " WITH GRANT OPTION")):
        if names:
            sql = (
                f"ALTER DEFAULT PRIVILEGES FOR ROLE {quote(item.role)}{inside} "
                f"GRANT {', '.join(names)} ON {item.kind} TO {grantee}{option}"
            )
            expects = DefaultPrivilege(item.role, schema, item.kind, name, tuple(names), bool(option))
            context.conversion.add(
                "grant",
                Subject("default_privilege", item.role, schema),
                sql,
                expects=expects,
                needs=[Need("role", item.role)],
            )


def _omit(item: DefaultPrivileges, where: FullName, reason: str, context: Context) -> None:
    _report(
        [grant for grant in item.grants if grant.role not in BUILT_IN_ROLES or grant.role == _EVERYBODY],
        item,
        where,
        reason,
        context,
    )


def _report(omitted: list[Grant], item: DefaultPrivileges, where: FullName, reason: str, context: Context) -> None:
    granted = "; ".join(f"{', '.join(grant.privileges)} to {grant.role}" for grant in omitted)
    if granted:
        context.find(
            FindingCode.DEFAULT_PRIVILEGES,
            where,
            f"Default privileges on {item.kind.lower()} are omitted ({granted}): {reason}.",
        )
