# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The one table of CockroachDB's built-in types: oids, families, and what they are called in PostgreSQL.

CockroachDB has PostgreSQL's oids (``src/include/catalog/pg_type.dat`` there, ``pkg/sql/oidext`` and
``pkg/sql/types/oid.go`` in CockroachDB for those from 90000 on).
"""

from __future__ import annotations

from dataclasses import dataclass

CHAR, NAME, TEXT, BPCHAR, VARCHAR = 18, 19, 25, 1042, 1043
FLOAT4, BIT, VARBIT = 700, 1560, 1562
COCKROACH_OIDS = range(90000, 100000)
"""Oids that CockroachDB assigned to its own types, such as citext."""


@dataclass(frozen=True)
class BuiltInType:
    """A type by its oid."""

    oid: int
    family: str
    """See SqlType."""
    array_oid: int = 0
    """Of the type of its arrays; 0: no column has one."""
    postgres: str = ""
    """The name in PostgreSQL; empty for types that the conversion treats each in its own way."""


BUILT_IN_TYPES = {
    kind.oid: kind
    for kind in (
        BuiltInType(16, "bool", 1000, "boolean"),
        BuiltInType(20, "int", 1016, "bigint"),
        BuiltInType(21, "int", 1005, "smallint"),
        BuiltInType(23, "int", 1007, "integer"),
        BuiltInType(701, "float", 1022, "double precision"),
        BuiltInType(700, "float", 1021, "real"),
        BuiltInType(1700, "decimal", 1231, "numeric"),
        BuiltInType(1082, "date", 1182, "date"),
        BuiltInType(1083, "time", 1183, "time"),
        BuiltInType(1266, "timetz", 1270, "timetz"),
        BuiltInType(1114, "timestamp", 1115, "timestamp"),
        BuiltInType(1184, "timestamptz", 1185, "timestamptz"),
        BuiltInType(1186, "interval", 1187, "interval"),
        BuiltInType(25, "string", 1009, "text"),
        BuiltInType(18, "string", 1002, '"char"'),
        BuiltInType(19, "string", 1003, "name"),
        BuiltInType(1042, "string", 1014, "character"),
        BuiltInType(1043, "string", 1015, "character varying"),
        BuiltInType(90008, "collated", 90009),
        BuiltInType(17, "bytes", 1001, "bytea"),
        BuiltInType(1560, "bit", 1561, "bit"),
        BuiltInType(1562, "bit", 1563, "bit varying"),
        BuiltInType(26, "oid", 1028, "oid"),
        BuiltInType(24, "oid", 1008, "regproc"),
        BuiltInType(2202, "oid", 2207, "regprocedure"),
        BuiltInType(2205, "oid", 2210, "regclass"),
        BuiltInType(2206, "oid", 2211, "regtype"),
        BuiltInType(4089, "oid", 4090, "regnamespace"),
        BuiltInType(4096, "oid", 4097, "regrole"),
        BuiltInType(2950, "uuid", 2951, "uuid"),
        BuiltInType(869, "inet", 1041, "inet"),
        BuiltInType(3802, "json", 3807, "jsonb"),
        BuiltInType(114, "json", 0, "jsonb"),
        BuiltInType(4072, "jsonpath", 4073, "jsonpath"),
        BuiltInType(3614, "tsvector", 3643, "tsvector"),
        BuiltInType(3615, "tsquery", 3645, "tsquery"),
        BuiltInType(3220, "pg_lsn", 3221, "pg_lsn"),
        BuiltInType(1790, "refcursor", 2201, "refcursor"),
        BuiltInType(90010, "ltree", 90011),
        BuiltInType(90006, "vector", 90007),
        BuiltInType(90000, "geometry", 90001),
        BuiltInType(90002, "geography", 90003),
        BuiltInType(90004, "box2d", 90005),
        BuiltInType(2283, "any", 2277),
        BuiltInType(2249, "tuple"),
        BuiltInType(2279, "trigger"),
        BuiltInType(2278, "void"),
    )
}
"""By oid; of each family the usual type comes first."""


def usual_oid(family: str) -> int:
    """Return the oid of the usual type of a family, such as that of JSONB. Raises StopIteration for another family."""
    return next(kind.oid for kind in BUILT_IN_TYPES.values() if kind.family == family)
