# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Owners and privileges of the objects of one database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .._model.built_in_roles import BUILT_IN_ROLES
from .._model.catalog import Grant, Role, Schema
from .._model.finding_codes import FindingCode
from .._model.full_name import FullName
from .._model.names import clip, quote
from .context import Context
from .database_commands import on_database
from .definitions import EVERYBODY, Definition, Owner, Privileges
from .needs import of_calls, of_object
from .routines import Routine
from .statements import Need, Subject

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


@dataclass(frozen=True)
class _Holder:
    """What has an owner and privileges: its kind in the words of GRANT, its full name in CockroachDB, and its bare name
    and schema in PostgreSQL."""

    kind: str
    full_name: FullName
    name: str
    schema: str = ""

    @property
    def sql(self) -> str:
        """The quoted name."""
        return quote(self.schema, self.name) if self.schema else quote(self.name)


def create_grants(context: Context, routines: dict[int, Routine]) -> None:
    """Add ALTER … OWNER TO and GRANT; roles that the target lacks get one finding each with what is omitted."""
    if context.options.grants == "skip":
        return
    missing: dict[str, list[str]] = {}
    database = context.database
    holder = _Holder("DATABASE", FullName("database", database.name), database.name)
    _privileges(holder, database.grants, context, missing)
    _owner(holder, database.owner, context, missing)
    for schema in database.schemas:
        holder = _Holder("SCHEMA", FullName("schema", database.name, schema.name), context.schemas[schema.id])
        _privileges(holder, schema.grants, context, missing)
        if not _belongs_to_owner_of_database(schema, context):
            _owner(holder, schema.owner, context, missing)
    for user_type in database.types:
        _object("TYPE", user_type, context, missing)
    _sequences(context, missing)
    for table in database.tables:
        _object("TABLE", table, context, missing)
    _sequences_of_row_ids(context, missing)
    for view in database.views:
        if view.id not in context.missing_views:
            _object("MATERIALIZED VIEW" if view.materialized else "VIEW", view, context, missing)
    for routine in routines.values():
        _routine(routine, context, missing)
    for role, objects in sorted(missing.items()):
        context.find(
            FindingCode.ROLE_MISSING,
            FullName("role", name=role),
            f"The target has no role {role}: its privileges or ownership are omitted for "
            f"{', '.join(sorted(set(objects)))}.",
        )


def _belongs_to_owner_of_database(schema: Schema, context: Context) -> bool:
    """Whether the schema belongs to the owner of the database anyway: public does since PostgreSQL 15."""
    return (
        schema.name == _EVERYBODY
        and schema.owner == context.database.owner
        and context.features.major >= _OWNED_PUBLIC_FROM
    )


def _object(kind: str, item: Any, context: Context, missing: dict[str, list[str]]) -> None:
    """Add owner and privileges of a table, view, type or sequence; ``kind`` is the word of ALTER."""
    holder = _Holder(kind, context.full_name(item), clip(item.name), context.schema(item))
    _owner(holder, item.owner, context, missing)
    _privileges(_as_in_grant(holder), item.grants, context, missing)


def _as_in_grant(holder: _Holder) -> _Holder:
    return replace(holder, kind="TABLE") if holder.kind.endswith("VIEW") else holder


def _sequences(context: Context, missing: dict[str, list[str]]) -> None:
    """Add owners and privileges of sequences; a sequence owned by a column has the owner of its table."""
    of_columns = context.owned_sequence_ids | context.identity_sequence_ids
    for sequence in context.database.sequences:
        if sequence.id in of_columns:
            holder = _Holder("SEQUENCE", context.full_name(sequence), clip(sequence.name), context.schema(sequence))
            _privileges(holder, sequence.grants, context, missing)
        else:
            _object("SEQUENCE", sequence, context, missing)


def _sequences_of_row_ids(context: Context, missing: dict[str, list[str]]) -> None:
    """Grant USAGE on the sequences of row ids to the roles that may write the table."""
    for table_id, name in sorted(context.called_row_ids):
        table = context.tables[table_id]
        writers = [Grant(grant.role, ["USAGE"]) for grant in table.grants if _WRITES & set(grant.privileges)]
        holder = _Holder("SEQUENCE", context.full_name(table), name, context.schema(table))
        _privileges(holder, writers, context, missing)


def _routine(routine: Routine, context: Context, missing: dict[str, list[str]]) -> None:
    """Add owner and privileges of a routine. In both databases everybody may call a new function; other grants are
    EXECUTE."""
    function = routine.function
    schema, name, where = context.schemas[function.schema_id], clip(function.name), context.full_name(function)
    routine_itself = of_calls([function.id], context)
    if function.owner and function.owner not in BUILT_IN_ROLES and _has_role(function.owner, where, context, missing):
        expects: Definition = Owner(routine.definition.kind, function.owner, routine.definition)
        sql = f"ALTER {routine.signature} OWNER TO {quote(function.owner)}"
        context.conversion.add(
            "owner",
            Subject("routine_owner", name, schema),
            sql,
            expects=expects,
            needs=[Need("role", function.owner), *routine_itself],
        )
    if function.grants and not any(grant.role == _EVERYBODY for grant in function.grants):
        context.find(
            FindingCode.FUNCTION_FOR_EVERYBODY, where, advice=f"REVOKE EXECUTE ON {routine.signature} FROM PUBLIC."
        )
    for grant in function.grants:
        if (
            grant.role in BUILT_IN_ROLES
            or not set(grant.privileges) & {"ALL", "EXECUTE"}
            or not _has_role(grant.role, where, context, missing)
        ):
            continue
        option = " WITH GRANT OPTION" if set(grant.grantable) & {"ALL", "EXECUTE"} else ""
        expects = Privileges(routine.definition.kind, grant.role, ("EXECUTE",), bool(option), routine.definition)
        sql = f"GRANT EXECUTE ON {routine.signature} TO {quote(grant.role)}{option}"
        context.conversion.add(
            "grant",
            Subject("routine_grant", name, schema),
            sql,
            expects=expects,
            needs=[Need("role", grant.role), *routine_itself],
        )


def _has_role(role: str, where: FullName, context: Context, missing: dict[str, list[str]]) -> bool:
    if role in context.available_roles:
        return True
    missing.setdefault(role, []).append(str(where))
    return False


def _owner(holder: _Holder, owner: str, context: Context, missing: dict[str, list[str]]) -> None:
    if not owner or owner in BUILT_IN_ROLES or not _has_role(owner, holder.full_name, context, missing):
        return
    expects, role = Owner(holder.kind, owner), Need("role", owner)
    subject = Subject("owner", holder.name, holder.schema)
    if holder.kind == "DATABASE":
        command = "ALTER DATABASE %I OWNER TO " + quote(owner).replace("%", "%%")
        on_database("owner", subject, command, context, expects=expects, needs=[role])
    else:
        sql = f"ALTER {holder.kind} {holder.sql} OWNER TO {quote(owner)}"
        needs = [role, *of_object(holder.kind, holder.schema, holder.name)]
        context.conversion.add("owner", subject, sql, expects=expects, needs=needs)


def _privileges(holder: _Holder, grants: list[Grant], context: Context, missing: dict[str, list[str]]) -> None:
    for grant in grants:
        everybody = grant.role == _EVERYBODY
        if grant.role in BUILT_IN_ROLES and not everybody:
            continue
        if not everybody and not _has_role(grant.role, holder.full_name, context, missing):
            continue
        _report_dropped(holder.kind, grant, holder.full_name, context)
        for names, option in zip(split_privileges(grant, allowed(holder.kind, context)), ("", " WITH GRANT OPTION")):
            if names:
                _grant(holder, grant.role, names, option, context)


def _grant(holder: _Holder, role: str, names: list[str], option: str, context: Context) -> None:
    grantee, needs = ("PUBLIC", []) if role == _EVERYBODY else (quote(role), [Need("role", role)])
    needs += of_object(holder.kind, holder.schema, holder.name)
    expects = Privileges(holder.kind, EVERYBODY if role == _EVERYBODY else role, tuple(names), bool(option))
    subject = Subject("grant", holder.name, holder.schema)
    if holder.kind == "DATABASE":
        command = f"GRANT {', '.join(names)} ON DATABASE %I TO {grantee.replace('%', '%%')}{option}"
        on_database("grant", subject, command, context, expects=expects, needs=needs)
    else:
        sql = f"GRANT {', '.join(names)} ON {holder.kind} {holder.sql} TO {grantee}{option}"
        step = "schema_grant" if holder.kind == "SCHEMA" else "grant"
        context.conversion.add(step, subject, sql, expects=expects, needs=needs)


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


def _report_dropped(kind: str, grant: Grant, where: FullName, context: Context) -> None:
    dropped = [name for name in grant.privileges if name != "ALL" and name not in allowed(kind, context)]
    if dropped:
        context.find(
            FindingCode.PRIVILEGE_WITHOUT_COUNTERPART,
            where,
            f"{', '.join(dropped)} of {grant.role} is omitted: PostgreSQL has no such privilege on a {kind.lower()}.",
        )
