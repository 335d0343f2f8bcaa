# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Owners, privileges and comments in PostgreSQL's catalog, for all kinds of objects in one form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Optional

from ..target.ledger import SCHEMA

Holder = tuple[str, str, str, str]
"""Class (see HOLDER_CLASSES); schema; table, or a routine's argument types, or ""; name."""

HOLDER_CLASSES = {
    "DATABASE": "DATABASE",
    "SCHEMA": "SCHEMA",
    "TYPE": "TYPE",
    "DOMAIN": "TYPE",
    "TABLE": "RELATION",
    "VIEW": "RELATION",
    "MATERIALIZED VIEW": "RELATION",
    "SEQUENCE": "RELATION",
    "INDEX": "RELATION",
    "FUNCTION": "ROUTINE",
    "PROCEDURE": "ROUTINE",
    "COLUMN": "COLUMN",
    "CONSTRAINT": "CONSTRAINT",
}
"""The words of COMMENT ON, GRANT … ON and ALTER … OWNER TO by class: kinds of objects that share one space of names are
one class."""
DATABASE: Holder = ("DATABASE", "", "", "")

# The letters are those of acldefault().
_HOLDERS = """
    SELECT 'DATABASE' AS class, '' AS schema, '' AS within, '' AS name, datdba AS owner, 'd' AS kind, datacl AS acl,
           shobj_description(oid, 'pg_database') AS comment
    FROM pg_database WHERE datname = current_database()
    UNION ALL SELECT 'SCHEMA', '', '', nspname, nspowner, 'n', nspacl, obj_description(oid, 'pg_namespace')
    FROM pg_namespace WHERE nspname = ANY(%(schemas)s)
    UNION ALL SELECT 'TYPE', nspname, '', typname, typowner, 'T', typacl, obj_description(t.oid, 'pg_type')
    FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace LEFT JOIN pg_class c ON c.oid = typrelid
    WHERE (typtype IN ('e', 'd') OR typtype = 'c' AND relkind = 'c') AND nspname = ANY(%(schemas)s)
    UNION ALL SELECT 'RELATION', nspname, '', relname, relowner,
                     CASE relkind WHEN 'S' THEN 's' WHEN 'i' THEN 'c' ELSE 'r' END, relacl,
                     obj_description(c.oid, 'pg_class')
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'i') AND nspname = ANY(%(schemas)s)
    UNION ALL SELECT 'ROUTINE', nspname, oidvectortypes(proargtypes), proname, proowner, 'f', proacl,
                     obj_description(p.oid, 'pg_proc')
    FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
    WHERE proname = ANY(%(routines)s) AND nspname = ANY(%(schemas)s)
    UNION ALL SELECT 'COLUMN', nspname, relname, attname, relowner, 'c', attacl, col_description(c.oid, attnum)
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
    WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'v', 'm') AND nspname = ANY(%(schemas)s)
    UNION ALL SELECT 'CONSTRAINT', nspname, relname, conname, relowner, 'c', NULL,
                     obj_description(k.oid, 'pg_constraint')
    FROM pg_constraint k JOIN pg_class c ON c.oid = conrelid JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname = ANY(%(schemas)s)
"""
_STATES = f"SELECT class, schema, within, name, kind, pg_get_userbyid(owner), comment FROM ({_HOLDERS}) AS holders"
_PRIVILEGES = f"""
SELECT class, schema, within, name, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END,
       privilege_type, is_grantable
FROM ({_HOLDERS}) AS holders, aclexplode(coalesce(acl, acldefault(CAST(kind AS "char"), owner)))
"""
_ALL = """
SELECT kind::text, grantee = 0, array_agg(privilege_type::text)
FROM unnest(CAST(ARRAY['d', 'n', 'T', 'r', 's', 'f'] AS "char"[])) AS kind, aclexplode(acldefault(kind, 10))
GROUP BY 1, 2
"""
_DEFAULT_KIND = (
    "CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' "
    "WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE defaclobjtype::text END"
)
_DEFAULT_PRIVILEGES = f"""
SELECT pg_get_userbyid(defaclrole), coalesce(nspname, ''),
       CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END,
       privilege_type, is_grantable, {_DEFAULT_KIND}
FROM pg_default_acl LEFT JOIN pg_namespace n ON n.oid = defaclnamespace, aclexplode(defaclacl)
WHERE grantee <> defaclrole
"""
_CHANGED_DEFAULTS = f"""
SELECT DISTINCT {_DEFAULT_KIND} FROM pg_default_acl
WHERE defaclnamespace = 0 AND pg_get_userbyid(defaclrole) = ANY(%s)
"""
_IMPORTERS = "SELECT current_user UNION SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = %s"

Granted = dict[str, dict[str, bool]]
"""Role to privilege to whether it has the grant option."""


@dataclass(frozen=True)
class HolderState:
    kind: str
    """The letter of acldefault()."""
    owner: str
    comment: Optional[str]


@dataclass
class Rights:
    """Owners, comments and privileges in the connected database."""

    holders: dict[Holder, HolderState] = field(default_factory=dict)
    # Everybody is EVERYBODY of convert.definitions.
    granted: dict[Holder, Granted] = field(default_factory=dict)
    everything: dict[str, frozenset[str]] = field(default_factory=dict)
    """All privileges that exist for a kind of object, by the letter of acldefault()."""
    of_everybody: dict[str, frozenset[str]] = field(default_factory=dict)
    """Privileges of PUBLIC on a new object, by the same letter."""
    default_privileges: dict[tuple[str, str, str, str], dict[str, bool]] = field(default_factory=dict)
    """Of (role that creates, schema or "", kind, role)."""
    changed_defaults: frozenset[str] = frozenset()
    """Kinds of objects (TABLES …) whose default privileges the importing roles have changed with ALTER DEFAULT
    PRIVILEGES."""
    importers: frozenset[str] = frozenset()
    """The roles of the import: the owner of its ledger, and the connected one."""


def read_rights(cursor: Any, schemas: Iterable[str], routines: Iterable[str]) -> Rights:
    """Read the rights in these schemas; for routines only those with these names."""
    parameters = {"schemas": list(schemas), "routines": list(routines)}
    rights = Rights()
    cursor.execute(_STATES, parameters)
    # Thousands of columns have the same owner and no comment: what is equal takes memory once.
    equal: dict[Any, Any] = {}
    for *holder, kind, owner, comment in cursor:
        state = HolderState(kind, owner, comment)
        names = tuple(equal.setdefault(name, name) for name in holder)
        rights.holders[names] = equal.setdefault(state, state)
    cursor.execute(_PRIVILEGES, parameters)
    for *holder, role, privilege, grantable in cursor.fetchall():
        _note(rights.granted.setdefault(tuple(holder), {}).setdefault(role, {}), privilege, grantable)
    cursor.execute(_ALL)
    for kind, everybody, names in cursor.fetchall():
        (rights.of_everybody if everybody else rights.everything)[kind] = frozenset(names)
    cursor.execute(_DEFAULT_PRIVILEGES)
    for creator, schema, role, privilege, grantable, kind in cursor.fetchall():
        _note(rights.default_privileges.setdefault((creator, schema, kind, role), {}), privilege, grantable)
    cursor.execute(_IMPORTERS, (SCHEMA,))
    rights.importers = frozenset(role for (role,) in cursor.fetchall())
    cursor.execute(_CHANGED_DEFAULTS, (sorted(rights.importers),))
    rights.changed_defaults = frozenset(kind for (kind,) in cursor.fetchall())
    return rights


def _note(privileges: dict[str, bool], name: str, grantable: bool) -> None:
    """Add a privilege; two roles may have granted the same."""
    privileges[name] = privileges.get(name, False) or grantable
