# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""What PostgreSQL's catalog says about the objects of a database, read in a few queries."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

Name = tuple[str, str]
Part = tuple[str, str, str]
"""Schema, table, name."""

_NO_SYSTEM = "nspname !~ '^pg_' AND nspname <> 'information_schema'"

_RELATIONS = f"""
SELECT nspname, relname, relkind::text, relispopulated, pg_get_userbyid(relowner), obj_description(c.oid, 'pg_class')
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE {_NO_SYSTEM}
"""
_COLUMNS = f"""
SELECT nspname, relname, attname, format_type(atttypid, atttypmod), attnotnull, attgenerated::text, col_description(c.oid, attnum)
FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'v', 'm') AND {_NO_SYSTEM}
"""
_DEFAULTS = f"""
SELECT nspname, relname, attname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
WHERE atthasdef AND attgenerated = '' AND {_NO_SYSTEM}
"""
_INDEXES = f"""
SELECT nspname, t.relname, i.relname, indisvalid AND indisready AND indislive, indisunique
FROM pg_index x JOIN pg_class i ON i.oid = indexrelid JOIN pg_class t ON t.oid = indrelid JOIN pg_namespace n ON n.oid = i.relnamespace WHERE {_NO_SYSTEM}
"""
_CONSTRAINTS = f"""
SELECT nspname, relname, conname, contype::text, convalidated, obj_description(k.oid, 'pg_constraint')
FROM pg_constraint k JOIN pg_class c ON c.oid = conrelid JOIN pg_namespace n ON n.oid = relnamespace WHERE {_NO_SYSTEM}
"""
_TRIGGERS = f"""
SELECT nspname, relname, tgname FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid JOIN pg_namespace n ON n.oid = relnamespace
WHERE NOT tgisinternal AND tgenabled = 'O' AND {_NO_SYSTEM}
"""
_TYPES = f"""
SELECT nspname, typname, pg_get_userbyid(typowner), obj_description(t.oid, 'pg_type'),
       ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder)
FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace WHERE typtype IN ('e', 'c', 'd') AND {_NO_SYSTEM}
"""
_DOMAINS = f"""
SELECT nspname, typname, typnotnull, typdefault IS NOT NULL FROM pg_type JOIN pg_namespace n ON n.oid = typnamespace WHERE typtype = 'd' AND {_NO_SYSTEM}
"""
_DOMAIN_CHECKS = f"""
SELECT nspname, typname, conname, convalidated
FROM pg_constraint JOIN pg_type t ON t.oid = contypid JOIN pg_namespace n ON n.oid = typnamespace WHERE contype = 'c' AND {_NO_SYSTEM}
"""
_SCHEMAS = f"SELECT nspname, pg_get_userbyid(nspowner), obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE {_NO_SYSTEM}"
_FUNCTIONS = f"""
SELECT nspname, proname, prokind::text, pg_get_userbyid(proowner), obj_description(p.oid, 'pg_proc'),
       ARRAY(SELECT pg_get_userbyid(grantee)::text FROM aclexplode(proacl) WHERE grantee <> 0 AND grantee <> proowner)
FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE {_NO_SYSTEM}
"""
_POLICIES = f"""
SELECT nspname, relname, polname FROM pg_policy JOIN pg_class c ON c.oid = polrelid JOIN pg_namespace n ON n.oid = relnamespace WHERE {_NO_SYSTEM}
"""
_SECURED = f"SELECT nspname, relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relrowsecurity AND {_NO_SYSTEM}"
_DEFAULT_PRIVILEGES = """
SELECT pg_get_userbyid(defaclrole), coalesce(nspname, '') FROM pg_default_acl LEFT JOIN pg_namespace n ON n.oid = defaclnamespace
"""
_SETTINGS = """
SELECT lower(split_part(setting, '=', 1)) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase, unnest(setconfig) setting
WHERE setrole = 0 AND datname = current_database()
"""
_COLLATIONS = f"SELECT nspname, collname FROM pg_collation c JOIN pg_namespace n ON n.oid = collnamespace WHERE {_NO_SYSTEM}"
_SEQUENCE_COLUMNS = """
SELECT sn.nspname, s.relname, tn.nspname, t.relname, a.attname, owned
FROM (
    SELECT objid AS sequence, refobjid AS "table", refobjsubid AS number, true AS owned
    FROM pg_depend WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND refobjsubid > 0 AND deptype IN ('a', 'i')
    UNION ALL
    SELECT d.refobjid, adrelid, adnum, false
    FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
) links
JOIN pg_class s ON s.oid = sequence AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = s.relnamespace
JOIN pg_class t ON t.oid = "table" JOIN pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = number
"""
_PRIVILEGES = f"""
WITH objects (kind, schema, name, owner, acl) AS (
    SELECT 'DATABASE', '', datname, datdba, coalesce(datacl, acldefault('d', datdba)) FROM pg_database WHERE datname = current_database()
    UNION ALL SELECT 'SCHEMA', '', nspname, nspowner, coalesce(nspacl, acldefault('n', nspowner)) FROM pg_namespace WHERE {_NO_SYSTEM}
    UNION ALL SELECT 'TYPE', nspname, typname, typowner, coalesce(typacl, acldefault('T', typowner))
    FROM pg_type JOIN pg_namespace n ON n.oid = typnamespace WHERE typtype IN ('e', 'c', 'd') AND {_NO_SYSTEM}
    UNION ALL SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, nspname, relname, relowner,
                     coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, relowner))
    FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND {_NO_SYSTEM}
)
SELECT kind, schema, name, CASE grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(grantee) END, privilege_type, is_grantable
FROM objects, aclexplode(acl)
"""


@dataclass(frozen=True)
class Relation:
    kind: str
    """relkind: r, v, m, S, i …"""
    populated: bool
    owner: str
    comment: Optional[str]


@dataclass(frozen=True)
class ColumnState:
    type: str
    not_null: bool
    generated: bool
    comment: Optional[str]


@dataclass(frozen=True)
class Index:
    valid: bool
    unique: bool


@dataclass(frozen=True)
class Constraint:
    kind: str
    validated: bool
    comment: Optional[str]


@dataclass(frozen=True)
class Owned:
    """A schema, type or database."""

    owner: str
    comment: Optional[str]


@dataclass(frozen=True)
class RoutineState:
    """A function or procedure: its prokind, its owner, its comment and the roles that it is granted to."""

    kind: str
    owner: str
    comment: Optional[str]
    granted_to: tuple[str, ...]


@dataclass
class CatalogState:
    """Everything by name; system schemas are left out."""

    database: Owned
    schemas: dict[str, Owned]
    types: dict[Name, Owned]
    enum_labels: dict[Name, list[str]]
    domains: dict[Name, tuple[bool, bool]]
    """Whether a domain is NOT NULL, and whether it has a default."""
    domain_checks: dict[Part, bool]
    """Whether the check (schema, domain, name) is validated."""
    relations: dict[Name, Relation]
    columns: dict[Part, ColumnState]
    defaults: set[Part]
    """Columns with a default."""
    indexes: dict[Part, Index]
    constraints: dict[Part, Constraint]
    triggers: set[Part]
    functions: dict[Name, list[RoutineState]]
    """All of one name, whatever their parameters."""
    policies: set[Part]
    secured: set[Name]
    """Tables with row-level security."""
    default_privileges: set[Name]
    """(role, schema or '') with ALTER DEFAULT PRIVILEGES."""
    settings: set[str]
    """Names of the database's session defaults, in small letters."""
    collations: set[Name]
    extensions: set[str]
    sequence_columns: dict[Name, list[tuple[str, str, str, bool]]]
    """The columns (schema, table, column, owned) that own a sequence or draw their default from it."""
    privileges: dict[tuple[str, str, str], dict[Optional[str], dict[str, bool]]] = field(default_factory=dict)
    """(kind, schema, name) to role (None: PUBLIC) to privilege to whether it can be passed on."""


def read_state(connection: Any) -> CatalogState:
    """Read the catalog of the connected database."""
    with connection.cursor() as cursor:
        def rows(query: str) -> list[tuple]:
            cursor.execute(query)
            return cursor.fetchall()

        database = rows(
            "SELECT pg_get_userbyid(datdba), shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
        )[0]
        types = rows(_TYPES)
        state = CatalogState(
            database=Owned(*database),
            schemas={name: Owned(owner, comment) for name, owner, comment in rows(_SCHEMAS)},
            types={(schema, name): Owned(owner, comment) for schema, name, owner, comment, _labels in types},
            enum_labels={(schema, name): labels for schema, name, _owner, _comment, labels in types},
            domains={row[:2]: row[2:] for row in rows(_DOMAINS)},
            domain_checks={row[:3]: row[3] for row in rows(_DOMAIN_CHECKS)},
            relations={(row[0], row[1]): Relation(*row[2:6]) for row in rows(_RELATIONS)},
            columns={row[:3]: ColumnState(row[3], row[4], row[5] != "", row[6]) for row in rows(_COLUMNS)},
            defaults=set(rows(_DEFAULTS)),
            indexes={row[:3]: Index(*row[3:]) for row in rows(_INDEXES)},
            constraints={row[:3]: Constraint(*row[3:]) for row in rows(_CONSTRAINTS)},
            triggers=set(rows(_TRIGGERS)),
            functions={},
            policies=set(rows(_POLICIES)),
            secured=set(rows(_SECURED)),
            default_privileges=set(rows(_DEFAULT_PRIVILEGES)),
            settings={name for (name,) in rows(_SETTINGS)},
            collations=set(rows(_COLLATIONS)),
            extensions={name for (name,) in rows("SELECT extname FROM pg_extension")},
            sequence_columns={},
        )
        for schema, name, kind, owner, comment, roles in rows(_FUNCTIONS):
            state.functions.setdefault((schema, name), []).append(RoutineState(kind, owner, comment, tuple(roles)))
        for schema, name, *column in rows(_SEQUENCE_COLUMNS):
            state.sequence_columns.setdefault((schema, name), []).append(tuple(column))
        for kind, schema, name, role, privilege, grantable in rows(_PRIVILEGES):
            held = state.privileges.setdefault((kind, schema, name), {}).setdefault(role, {})
            held[privilege] = held.get(privilege, False) or grantable
    return state
