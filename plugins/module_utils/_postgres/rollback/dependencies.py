# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""Which objects of a database depend on which, and which there are besides those that an import has made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from ..target.object_states import COLLATION, EXTENSION, RELATION, ROUTINE, SCHEMA, TYPE, Address

_FIRST_OID = 16384
"""FirstNormalObjectId in PostgreSQL's transam.h: objects with a lower one came with the database."""

_PART, _INTERNAL, _HELD = "e", "i", ("a", "i")
"""Of pg_depend.deptype: a part of an extension, what only its holder removes, such as an identity's sequence, and all
that is removed with its holder."""
_Units = dict[tuple[int, int], Address]
"""By catalog and oid."""

# Parts belong to what they are dropped with: an index, a constraint, a trigger to their table, an array type to the
# type of its elements, and the triggers of a foreign key, also those on the table that it refers to, to its table.
_UNITS = """
SELECT catalog::oid::bigint, part::bigint, kind, unit::bigint FROM (
SELECT 'pg_class'::regclass, c.oid,
       CASE WHEN c.relkind = 'c' THEN 'type' ELSE 'relation' END,
       (CASE WHEN c.relkind = 'c' THEN c.reltype ELSE coalesce(owner.oid, x.indrelid, c.oid) END)
FROM pg_class c LEFT JOIN pg_index x ON x.indexrelid = c.oid
LEFT JOIN pg_class owner ON owner.reltoastrelid = coalesce(x.indrelid, c.oid)
UNION ALL SELECT 'pg_type'::regclass, t.oid,
       CASE WHEN r.oid IS NULL OR r.relkind = 'c' THEN 'type' ELSE 'relation' END,
       CASE WHEN r.oid IS NULL OR r.relkind = 'c' THEN coalesce(e.oid, t.oid) ELSE r.oid END
FROM pg_type t LEFT JOIN pg_type e ON e.typarray = t.oid
LEFT JOIN pg_class r ON r.oid = coalesce(e.typrelid, t.typrelid)
UNION ALL SELECT 'pg_constraint'::regclass, oid, CASE WHEN conrelid = 0 THEN 'type' ELSE 'relation' END,
       CASE WHEN conrelid = 0 THEN contypid ELSE conrelid END FROM pg_constraint
UNION ALL SELECT 'pg_trigger'::regclass, t.oid, 'relation', coalesce(nullif(k.conrelid, 0), t.tgrelid)
FROM pg_trigger t LEFT JOIN pg_constraint k ON k.oid = t.tgconstraint
UNION ALL SELECT 'pg_rewrite'::regclass, oid, 'relation', ev_class FROM pg_rewrite
UNION ALL SELECT 'pg_attrdef'::regclass, oid, 'relation', adrelid FROM pg_attrdef
UNION ALL SELECT 'pg_policy'::regclass, oid, 'relation', polrelid FROM pg_policy
UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, 'relation', stxrelid FROM pg_statistic_ext
UNION ALL SELECT 'pg_publication_rel'::regclass, oid, 'relation', prrelid FROM pg_publication_rel
UNION ALL SELECT 'pg_proc'::regclass, oid, 'routine', oid FROM pg_proc
UNION ALL SELECT 'pg_collation'::regclass, oid, 'collation', oid FROM pg_collation
UNION ALL SELECT 'pg_namespace'::regclass, oid, 'schema', oid FROM pg_namespace
UNION ALL SELECT 'pg_extension'::regclass, oid, 'extension', oid FROM pg_extension
UNION ALL SELECT 'pg_default_acl'::regclass, oid, 'default privileges', 0 FROM pg_default_acl
) AS units (catalog, part, kind, unit)
"""
_OTHER_CATALOGS = (
    "pg_am",
    "pg_cast",
    "pg_conversion",
    "pg_event_trigger",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_language",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_publication",
    "pg_transform",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
)
"""Catalogs of objects that an import never makes."""
_DEPENDS = """
SELECT classid::bigint, objid::bigint, refclassid::bigint, refobjid::bigint, deptype::text
FROM pg_depend WHERE refobjid >= %(first)s AND objid <> 0
"""
_BOOKKEEPING = """
SELECT oid::bigint FROM pg_class WHERE relnamespace = to_regnamespace('cockroach_migrator')
AND (relname IN ('ledger', 'left_out', 'objects', 'rejects', 'tables', 'progress'))
"""


@dataclass(frozen=True)
class Dependencies:
    """``needed_by`` has for each object those that depend on it. Objects that no class of ``object_states`` has are
    addressed by the oid of their catalog, as text."""

    needed_by: dict[Address, set[Address]]
    everything: frozenset[Address]
    """All objects of the database but those that came with it, the ledger and the parts of extensions."""


def read_dependencies(cursor: Any) -> Dependencies:
    """Read the dependencies of the connected database."""
    cursor.execute(_UNITS)
    rows = cursor.fetchall()
    units = {(catalog, oid): Address(kind, unit) for catalog, oid, kind, unit in rows}
    cursor.execute("SELECT to_regnamespace('cockroach_migrator')::oid::bigint")
    own = {Address(SCHEMA, cursor.fetchone()[0])}
    cursor.execute(_BOOKKEEPING)
    own |= {Address(RELATION, oid) for (oid,) in cursor.fetchall()}
    cursor.execute(_DEPENDS, {"first": _FIRST_OID})
    depends = cursor.fetchall()
    parts = {(catalog, oid): units[of, unit] for catalog, oid, of, unit, kind in depends if kind == _PART}
    units = _with_parts_of_extensions(units, parts, depends)
    needed_by: dict[Address, set[Address]] = {}
    for catalog, oid, of, unit, kind in depends:
        dependent = units.get((catalog, oid), Address(str(catalog), oid))
        needed = units.get((of, unit), Address(str(of), unit))
        if dependent != needed and dependent not in own:
            needed_by.setdefault(needed, set()).add(dependent)
            if kind == _INTERNAL:
                needed_by.setdefault(dependent, set()).add(needed)
    return Dependencies(needed_by, frozenset(_everything(cursor, units, parts) - own))


def _with_parts_of_extensions(units: _Units, parts: _Units, depends: Sequence[Any]) -> _Units:
    """Return to what each object belongs, the extension for all that is dropped with one: its ``parts``, what belongs
    to these, such as the indexes of a table, and parts of kinds that no class has, such as operators of a class."""
    holders = {units[key]: extension for key, extension in parts.items() if key in units}
    found = {**{key: holders.get(unit, unit) for key, unit in units.items()}, **parts}
    while True:
        more = {
            (catalog, oid): found[of, unit]
            for catalog, oid, of, unit, kind in depends
            if kind in _HELD and (catalog, oid) not in found and (of, unit) in found
            if found[of, unit].kind == EXTENSION
        }
        if not more:
            return found
        found.update(more)


def _everything(cursor: Any, units: dict[tuple[int, int], Address], parts: Collection[tuple[int, int]]) -> set[Address]:
    found = {unit for (_catalog, oid), unit in units.items() if oid >= _FIRST_OID and unit.oid >= _FIRST_OID}
    queries = " UNION ALL ".join(
        f"SELECT '{catalog}'::regclass, oid::bigint FROM {catalog} WHERE oid >= {_FIRST_OID}"
        for catalog in _OTHER_CATALOGS
    )
    # Large objects are addressed by the catalog of their pages.
    large = " UNION ALL SELECT 'pg_largeobject'::regclass, oid FROM pg_largeobject_metadata"
    cursor.execute(f"SELECT catalog::oid::bigint, oid FROM ({queries}{large}) AS others (catalog, oid)")
    return found | {Address(str(catalog), oid) for catalog, oid in cursor.fetchall() if (catalog, oid) not in parts}


_CATALOGS = {
    RELATION: "pg_class",
    TYPE: "pg_type",
    ROUTINE: "pg_proc",
    COLLATION: "pg_collation",
    SCHEMA: "pg_namespace",
    EXTENSION: "pg_extension",
}


def describe(cursor: Any, address: Address) -> str:
    """Return what PostgreSQL calls an object, such as ``view public.recent``."""
    if address.kind in _CATALOGS:
        cursor.execute("SELECT pg_describe_object(%s::regclass, %s::oid, 0)", (_CATALOGS[address.kind], address.oid))
    else:
        cursor.execute("SELECT pg_describe_object(%s::oid, %s::oid, 0)", (address.kind, address.oid))
    return cursor.fetchone()[0] or f"object {address.oid}"
