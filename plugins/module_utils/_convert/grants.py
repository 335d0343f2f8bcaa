# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Owners and privileges of the objects of one database."""

from __future__ import annotations

from typing import Optional

from .._model.built_in_roles import BUILT_IN_ROLES
from .._model.catalog import Grant, Role, Schema
from .._model.finding_codes import FindingCode
from .._model.names import clip, quote
from .context import Context
from .database_commands import on_database
from .definitions import EVERYBODY, Definition, Owner, Privileges
from .needs import of_calls, of_object
from .routines import Routine, full_name
from .statements import Need

_ALLOWED = {
    "DATABASE": ("CREATE", "CONNECT"),
    "SCHEMA": ("CREATE", "USAGE"),
    "TYPE": ("USAGE",),
    "SEQUENCE": ("USAGE", "SELECT", "UPDATE"),
    "TABLE": ("SELECT", "INSERT", "UPDATE", "DELETE", "REFERENCES", "TRIGGER"),
    "FUNCTION": ("EXECUTE",),
}
_WRITES = frozenset(("ALL", "INSERT", "UPDATE"))
_MAINTAIN, _MAINTAIN_FROM = "MAINTAIN", 17
_EVERYBODY = "public"
_OWNED_PUBLIC_FROM = 15


def available_roles(roles: list[Role], context: Context) -> frozenset[str]:
    """Return the roles that the target has, or will have once convert_roles()'s commands have run."""
    made = {role.name for role in roles} if context.options.grants == "create" else set()
    return context.options.existing_roles | made


def create_grants(context: Context, routines: dict[int, Routine]) -> None:
    """Add ALTER … OWNER TO and GRANT; roles that the target lacks get one finding each with what they lose."""
    if context.options.grants == "skip":
        return
    lost: dict[str, list[str]] = {}
    database = context.database
    _privileges("DATABASE", None, database.grants, database.name, context, lost)
    _owner_of_database(context, lost)
    for schema in database.schemas:
        bare = context.schemas[schema.id]
        full_name = f"{database.name}.{schema.name}"
        _privileges("SCHEMA", quote(bare), schema.grants, full_name, context, lost, bare)
        if not _belongs_to_owner_of_database(schema, context):
            _owner("SCHEMA", quote(bare), schema.owner, full_name, context, lost, bare)
    for user_type in database.types:
        _object("TYPE", "TYPE", user_type, context, lost)
    for sequence in database.sequences:
        _object(
            "SEQUENCE",
            "SEQUENCE",
            sequence,
            context,
            lost,
            sequence.id in context.owned_sequence_ids | context.identity_sequence_ids,
        )
    for table in database.tables:
        _object("TABLE", "TABLE", table, context, lost)
    for table_id, name in sorted(context.called_row_ids):
        table = context.tables[table_id]
        writers = [Grant(grant.role, ["USAGE"]) for grant in table.grants if _WRITES & set(grant.privileges)]
        _privileges(
            "SEQUENCE",
            quote(context.schema(table), name),
            writers,
            context.full_name(table),
            context,
            lost,
            name,
            context.schema(table),
        )
    for view in database.views:
        if view.id not in context.missing_views:
            _object("TABLE", "MATERIALIZED VIEW" if view.materialized else "VIEW", view, context, lost)
    for routine in routines.values():
        _routine(routine, context, lost)
    for role, objects in sorted(lost.items()):
        shown = ", ".join(sorted(set(objects))[:10]) + (" …" if len(set(objects)) > 10 else "")
        context.find(
            FindingCode.ROLE_MISSING,
            role,
            f"The target has no role {role}: its privileges or ownership are left out for {shown}.",
            "Create the role, or set grants to create, and run again.",
        )


def _belongs_to_owner_of_database(schema: Schema, context: Context) -> bool:
    """Since PostgreSQL 15 the schema public of a new database belongs to whoever owns the database."""
    return (
        schema.name == _EVERYBODY
        and schema.owner == context.database.owner
        and context.features.major >= _OWNED_PUBLIC_FROM
    )


def _object(
    kind: str, owner_kind: str, item, context: Context, lost: dict[str, list[str]], owned: bool = False
) -> None:  # type: ignore[no-untyped-def]
    """A sequence that belongs to a column has the owner of its table and takes no other."""
    schema, name, target, full_name = (
        context.schema(item),
        clip(item.name),
        context.qualified(item),
        context.full_name(item),
    )
    if not owned:
        _owner(owner_kind, target, item.owner, full_name, context, lost, name, schema)
    _privileges(kind, target, item.grants, full_name, context, lost, name, schema)


def _routine(routine: Routine, context: Context, lost: dict[str, list[str]]) -> None:
    """Everybody may call a function in both; other grants are EXECUTE."""
    function = routine.function
    schema, name, where = context.schemas[function.schema_id], clip(function.name), full_name(function, context)
    routine_itself = of_calls([function.id], context)
    if function.owner and function.owner not in BUILT_IN_ROLES and _has_role(function.owner, where, context, lost):
        expects: Definition = Owner(routine.definition.kind, function.owner, routine.definition)
        sql = f"ALTER {routine.signature} OWNER TO {quote(function.owner)}"
        context.conversion.add(
            "owner",
            "routine_owner",
            sql,
            name,
            schema,
            expects=expects,
            needs=[Need("role", function.owner), *routine_itself],
        )
    if function.grants and not any(grant.role == _EVERYBODY for grant in function.grants):
        context.find(
            FindingCode.FUNCTION_FOR_EVERYBODY,
            where,
            "PostgreSQL lets everybody call a new function; in CockroachDB this right was revoked.",
            f"REVOKE EXECUTE ON {routine.signature} FROM PUBLIC.",
        )
    for grant in function.grants:
        if (
            grant.role in BUILT_IN_ROLES
            or not set(grant.privileges) & {"ALL", "EXECUTE"}
            or not _has_role(grant.role, where, context, lost)
        ):
            continue
        option = " WITH GRANT OPTION" if set(grant.grantable) & {"ALL", "EXECUTE"} else ""
        expects = Privileges(routine.definition.kind, grant.role, ("EXECUTE",), bool(option), routine.definition)
        sql = f"GRANT EXECUTE ON {routine.signature} TO {quote(grant.role)}{option}"
        context.conversion.add(
            "grant",
            "routine_grant",
            sql,
            name,
            schema,
            expects=expects,
            needs=[Need("role", grant.role), *routine_itself],
        )


def _has_role(role: str, full_name: str, context: Context, lost: dict[str, list[str]]) -> bool:
    if role in context.available_roles:
        return True
    lost.setdefault(role, []).append(full_name)
    return False


def _owner(
    kind: str,
    target: str,
    owner: str,
    full_name: str,
    context: Context,
    lost: dict[str, list[str]],
    name: str,
    schema: str = "",
) -> None:
    if owner and owner not in BUILT_IN_ROLES and _has_role(owner, full_name, context, lost):
        sql = f"ALTER {kind} {target} OWNER TO {quote(owner)}"
        context.conversion.add(
            "owner",
            "owner",
            sql,
            name,
            schema,
            expects=Owner(kind, owner),
            needs=[Need("role", owner), *of_object(kind, schema, name)],
        )


def _owner_of_database(context: Context, lost: dict[str, list[str]]) -> None:
    owner = context.database.owner
    if owner and owner not in BUILT_IN_ROLES and _has_role(owner, context.database.name, context, lost):
        command = "ALTER DATABASE %I OWNER TO " + quote(owner).replace("%", "%%")
        on_database("owner", "owner", command, context, expects=Owner("DATABASE", owner), needs=[Need("role", owner)])


def _privileges(
    kind: str,
    target: Optional[str],
    grants: list[Grant],
    full_name: str,
    context: Context,
    lost: dict[str, list[str]],
    name: str = "",
    schema: str = "",
) -> None:
    for grant in grants:
        everybody = grant.role == _EVERYBODY
        if grant.role in BUILT_IN_ROLES and not everybody:
            continue
        if not everybody and not _has_role(grant.role, full_name, context, lost):
            continue
        _report_dropped(kind, grant, full_name, context)
        grantee = "PUBLIC" if everybody else quote(grant.role)
        for names, option in zip(split_privileges(grant, allowed(kind, context)), ("", " WITH GRANT OPTION")):
            if not names:
                continue
            expects = Privileges(kind, EVERYBODY if everybody else grant.role, tuple(names), bool(option))
            needs = [*([] if everybody else [Need("role", grant.role)]), *of_object(kind, schema, name)]
            if target is None:
                command = f"GRANT {', '.join(names)} ON DATABASE %I TO {grantee.replace('%', '%%')}{option}"
                on_database("grant", "grant", command, context, expects=expects, needs=needs)
            else:
                sql = f"GRANT {', '.join(names)} ON {kind} {target} TO {grantee}{option}"
                step = "schema_grant" if kind == "SCHEMA" else "grant"
                context.conversion.add(step, "grant", sql, name, schema, expects=expects, needs=needs)


def allowed(kind: str, context: Context) -> tuple[str, ...]:
    """Return the privileges on a kind of object that CockroachDB and the target both have."""
    return (
        (*_ALLOWED[kind], _MAINTAIN) if kind == "TABLE" and context.features.major >= _MAINTAIN_FROM else _ALLOWED[kind]
    )


def split_privileges(grant: Grant, privileges: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return the privileges without and with the grant option, of ``privileges`` only; PUBLIC cannot have the
    option."""
    if "ALL" in grant.privileges:
        if grant.role == _EVERYBODY:
            return ["ALL"], []
        return (
            ([], ["ALL"])
            if "ALL" in grant.grantable
            else (["ALL"], [name for name in privileges if name in grant.grantable])
        )
    names = [name for name in privileges if name in grant.privileges]
    grantable = [
        name for name in names if grant.role != _EVERYBODY and ("ALL" in grant.grantable or name in grant.grantable)
    ]
    return [name for name in names if name not in grantable], grantable


def _report_dropped(kind: str, grant: Grant, full_name: str, context: Context) -> None:
    dropped = [name for name in grant.privileges if name != "ALL" and name not in allowed(kind, context)]
    if dropped:
        context.find(
            FindingCode.PRIVILEGE_WITHOUT_COUNTERPART,
            full_name,
            f"{', '.join(dropped)} of {grant.role} has no counterpart on a {kind.lower()} of PostgreSQL and is left "
            "out.",
        )
