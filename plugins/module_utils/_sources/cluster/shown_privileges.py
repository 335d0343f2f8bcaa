# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Owners, grants and roles as SHOW statements list them: for a cluster whose system tables are closed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..._model.built_in_roles import BUILT_IN_ROLES
from ..._model.catalog import Catalog, Database, Grant, Role
from ..._model.finding_codes import FindingCode
from ..._model.findings import Finding
from ..._model.full_name import FullName
from ..descriptors.cluster_tables import Row, text_array

_TRUE = ("t", "true")
_NO_LOGIN = "NOLOGIN"
_VALID_UNTIL = "VALID UNTIL="


def apply_owners(database: Database, schemas: Iterable[Row], tables: Iterable[Row], types: Iterable[Row]) -> None:
    """Fill in the owners of SHOW SCHEMAS, SHOW TABLES and SHOW TYPES."""
    names = {schema.id: schema.name for schema in database.schemas}
    owners = {(row["schema_name"], row["table_name"]): row.get("owner") for row in tables}
    of_types = {(row["schema"], row["name"]): row.get("owner") for row in types}
    of_schemas = {row["schema_name"]: row.get("owner") for row in schemas}
    for schema in database.schemas:
        schema.owner = of_schemas.get(schema.name) or ""
    relations: list[Any] = [*database.tables, *database.views, *database.sequences]
    for item in relations:
        item.owner = owners.get((names[item.schema_id], item.name)) or ""
    for user_type in database.types:
        user_type.owner = of_types.get((names[user_type.schema_id], user_type.name)) or ""


def apply_grants(database: Database, rows: Iterable[Row]) -> list[Finding]:
    """Add the grants of SHOW GRANTS and SHOW GRANTS ON DATABASE; return what they leave open: functions that share
    their name."""
    findings = []
    for row in rows:
        role, privilege = row["grantee"] or "", row["privilege_type"] or ""
        items = _granted(database, row)
        if len(items) > 1:
            findings.append(
                Finding.of(
                    FindingCode.GRANT_NOT_KNOWN,
                    FullName(
                        "function", database.name, row.get("schema_name") or "", name=row.get("object_name") or ""
                    ),
                    f"{privilege} of {role} is omitted: several functions have this name, and SHOW GRANTS does not "
                    "tell which one it is of.",
                )
            )
            continue
        for item in items:
            _add(item, role, privilege, row.get("is_grantable") in _TRUE)
    return findings


def _granted(database: Database, row: Row) -> list[Any]:
    """Return what a grant is on; nothing for CockroachDB's own objects, which are in no catalog."""
    schema, name = row.get("schema_name"), row.get("object_name") or row.get("relation_name")
    if not schema:
        return [database]
    schemas = [item for item in database.schemas if item.name == schema]
    if not name:
        return list(schemas)
    inside = {item.id for item in schemas}
    kind = row.get("object_type") or ""
    if kind in ("routine", "function", "procedure"):
        return [item for item in database.functions if item.schema_id in inside and item.name == name.split("(")[0]]
    relations: list[Any] = [*database.tables, *database.views, *database.sequences]
    # v22.1 does not tell the kinds.
    kept: list[Any] = [*relations, *database.types] if not kind else [*database.types] if kind == "type" else relations
    return [item for item in kept if item.schema_id in inside and item.name == name]


def _add(item: Any, role: str, privilege: str, grantable: bool) -> None:
    grant = next((grant for grant in item.grants if grant.role == role), None)
    if grant is None:
        grant = Grant(role, [])
        item.grants.append(grant)
    if privilege not in grant.privileges:
        grant.privileges.append(privilege)
    if grantable and privilege not in grant.grantable:
        grant.grantable.append(privilege)


def apply_roles(catalog: Catalog, roles: Iterable[Row], members: Iterable[Row]) -> None:
    """Replace the roles that owners and grants name by those of SHOW ROLES and SHOW GRANTS ON ROLE, which show no
    passwords."""
    found = {row["username"] or "": _role(row) for row in roles if row["username"] not in BUILT_IN_ROLES}
    for row in members:
        role = found.get(row["member"] or "")
        if role is not None:
            role.member_of.append(row["role_name"] or "")
            role.admin_of += [row["role_name"] or ""] if row.get("is_admin") in _TRUE else []
    catalog.roles = [found[name] for name in sorted(found)] + [role for role in catalog.roles if role.name not in found]


def _role(row: Row) -> Role:
    role = Role(row["username"] or "")
    options = row.get("options") or ""
    # An array of later releases, before that a text.
    for option in text_array(options) if options.startswith("{") else filter(None, options.split(", ")):
        if option == _NO_LOGIN:
            role.login = False
        elif option.startswith(_VALID_UNTIL):
            role.valid_until = option[len(_VALID_UNTIL) :]
        else:
            role.options.append(option)
    return role
