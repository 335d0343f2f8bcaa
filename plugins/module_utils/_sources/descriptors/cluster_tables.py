# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Data that only the system tables of a cluster backup have: comments, roles, settings of databases and roles."""

from __future__ import annotations

from typing import Any, Optional

from ..._model.built_in_roles import BUILT_IN_ROLES
from ..._model.catalog import Catalog, Database, Role, Table, View
from ..._model.finding_codes import FindingCode
from ..._model.findings import Finding
from ..._model.full_name import FullName

CLUSTER_TABLES = ("comments", "users", "role_members", "role_options", "database_role_settings")
"""The system tables that are read."""

Row = dict[str, Optional[str]]

_DATABASE, _TABLE, _COLUMN, _INDEX, _SCHEMA, _CONSTRAINT, _FUNCTION, _TYPE = "0", "1", "2", "3", "4", "5", "6", "7"
_TRUE = ("t", "true")
_SCRAM = "SCRAM-SHA-256$"


def apply_cluster_tables(catalog: Catalog, rows: dict[str, list[Row]]) -> None:
    """Add comments, roles and database settings to the catalog.

    ``rows`` maps the names of system tables (comments, users, role_options, role_members, database_role_settings) to
    their rows, each a dict of column name to text or None. Comments on objects that are not in the catalog are ignored.
    """
    for row in rows.get("comments", []):
        _apply_comment(catalog, row)
    if "users" in rows:
        _apply_users(catalog, rows)
    for row in rows.get("database_role_settings", []):
        _apply_settings(catalog, row)


def _apply_comment(catalog: Catalog, row: Row) -> None:
    kind, object_id, sub_id, comment = (
        row["type"],
        int(row["object_id"] or 0),
        int(row["sub_id"] or 0),
        row["comment"] or "",
    )
    for database in catalog.databases:
        for item in _commented(database, str(kind), object_id, sub_id):
            item.comment = comment


def _commented(database: Database, kind: str, object_id: int, sub_id: int) -> list[Any]:
    """Return the commented object as a list, which is empty if the object is in no chosen database."""
    if kind == _DATABASE:
        return [database] if database.id == object_id else []
    lists: dict[str, list[Any]] = {
        _TABLE: [*database.tables, *database.views, *database.sequences],
        _SCHEMA: database.schemas,
        _FUNCTION: database.functions,
        _TYPE: database.types,
    }
    if kind in lists:
        return [item for item in lists[kind] if item.id == object_id]
    relations: list[Any] = [*database.tables, *database.views]
    tables = [table for table in relations if table.id == object_id]
    return [part for table in tables for part in _parts(table, kind, sub_id)]


def _parts(table: Any, kind: str, sub_id: int) -> list[Any]:
    if kind == _COLUMN:
        return [column for column in table.columns if (column.ordinal or column.id) == sub_id]
    if kind == _INDEX:
        primary = [table.primary_index] if isinstance(table, Table) else []
        return [index for index in [*primary, *table.indexes] if index.id == sub_id]
    if kind == _CONSTRAINT and not isinstance(table, View):
        return [item for item in [*table.checks, *table.foreign_keys, *table.unique_without_index] if item.id == sub_id]
    return []


def _apply_users(catalog: Catalog, rows: dict[str, list[Row]]) -> None:
    """Replace the roles known from the descriptors' grants by those of the cluster."""
    roles = {}
    for row in rows["users"]:
        name = row["username"] or ""
        if name not in BUILT_IN_ROLES:
            roles[name] = Role(name, login=row.get("isRole") not in _TRUE)
            _apply_password(roles[name], row.get("hashedPassword"))
    for row in rows.get("role_options", []):
        role = roles.get(row["username"] or "")
        if role is not None:
            _apply_option(role, row["option"] or "", row.get("value"))
    for row in rows.get("role_members", []):
        role = roles.get(row["member"] or "")
        if role is not None:
            role.member_of.append(row["role"] or "")
            if row.get("isAdmin") in _TRUE:
                role.admin_of.append(row["role"] or "")
    catalog.roles = [roles[name] for name in sorted(roles)] + [role for role in catalog.roles if role.name not in roles]


def _apply_password(role: Role, stored: Optional[str]) -> None:
    r"""Set the role's password. The column holds bytes; as COPY text they are ``\\x`` and hexadecimal digits."""
    if not stored or stored == "\\x":
        return
    text = bytes.fromhex(stored[2:]).decode("ascii", "replace") if stored.startswith("\\x") else stored
    role.password_kind = "scram" if text.startswith(_SCRAM) else "bcrypt"
    if role.password_kind == "scram":
        role.password_hash = text


def _apply_option(role: Role, option: str, value: Optional[str]) -> None:
    if option == "NOLOGIN":
        role.login = False
    elif option == "VALID UNTIL":
        role.valid_until = value or ""
    else:
        role.options.append(option)


def _apply_settings(catalog: Catalog, row: Row) -> None:
    database_id, role = int(row["database_id"] or 0), row.get("role_name") or ""
    settings = text_array(row.get("settings") or "{}")
    if role or not database_id:
        catalog.findings.append(
            Finding.of(
                FindingCode.ROLE_SETTINGS,
                FullName("role", name=role or "all roles"),
                f"Session settings are omitted: {', '.join(settings)}.",
            )
        )
        return
    for database in catalog.databases:
        if database.id == database_id:
            database.settings += settings


def text_array(text: str) -> list[str]:
    """Split PostgreSQL's text form of a one-dimensional array of strings."""
    items, item, quoted, escaped = [], "", False, False
    for character in text[1:-1]:
        if escaped:
            item, escaped = item + character, False
        elif character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            items.append(item)
            item = ""
        else:
            item += character
    return [*items, item] if text != "{}" else []
