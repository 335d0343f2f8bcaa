# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The numbers in values of object identifier types (REGCLASS and the like), and the objects that they identify.

Values keep the numbers of the cluster that wrote them. A restored database has new ones, so the old numbers, by kind
and full name, are stored with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from .catalog import USER_TYPE_OID_BASE, Catalog, Database, Function, SqlType

REGPROC, REGPROCEDURE, REGCLASS, REGTYPE, REGNAMESPACE, REGROLE = 24, 2202, 2205, 2206, 4089, 4096
OBJECT_IDENTIFIERS = frozenset((REGPROC, REGPROCEDURE, REGCLASS, REGTYPE, REGNAMESPACE, REGROLE))
"""The types' own oids."""

DATABASE, SCHEMA, RELATION, SEQUENCE, TYPE, ARRAY_TYPE, ROUTINE, ROLE = (
    "database",
    "schema",
    "relation",
    "sequence",
    "type",
    "array type",
    "routine",
    "role",
)
_BUILT_IN_ROLES = ("root", "admin")
_NAMESPACE_TAG, _USER_TAG = b"\x01", b"\x09"
_FNV_OFFSET, _FNV_PRIME, _WORD = 0x811C9DC5, 0x01000193, 0xFFFFFFFF

Key = tuple[str, ...]
"""A kind and the parts of the full name in CockroachDB; for a routine, the types of its parameters follow."""


@dataclass(frozen=True)
class ObjectNumbers:
    """The ids of descriptors by the objects' keys, and the names of the roles."""

    ids: Mapping[Key, int] = field(default_factory=dict)
    roles: tuple[str, ...] = ()

    def records(self) -> list[list[Any]]:
        """Return them as JSON values; ``read_records`` reads them back."""
        return [[number, *key] for key, number in self.ids.items()] + [[0, ROLE, name] for name in self.roles]


def read_records(records: Iterable[Iterable[Any]]) -> ObjectNumbers:
    """Read what ``records`` returned."""
    found = [(int(number), tuple(map(str, key))) for number, *key in records]
    return ObjectNumbers(
        {key: number for number, key in found if key[0] != ROLE},
        tuple(key[1] for _number, key in found if key[0] == ROLE),
    )


def object_numbers(catalog: Catalog) -> ObjectNumbers:
    """Return the numbers of everything in a catalog with CockroachDB's names."""
    ids = {key: number for database in catalog.databases for key, number in keys(database)}
    return ObjectNumbers(ids, tuple(dict.fromkeys((*_BUILT_IN_ROLES, *(role.name for role in catalog.roles)))))


def keys(database: Database) -> Iterator[tuple[Key, int]]:
    """Yield the key and the id of each object of a database."""
    schemas = {schema.id: schema.name for schema in database.schemas}
    relations: list[Any] = [*database.tables, *database.views]
    types = {item.id: f"{schemas[item.schema_id]}.{item.name}" for item in [*database.types, *relations]}
    yield (DATABASE, database.name), database.id
    for schema in database.schemas:
        yield (SCHEMA, database.name, schema.name), schema.id
    for item in relations:
        yield (RELATION, database.name, schemas[item.schema_id], item.name), item.id
    for item in database.sequences:
        yield (SEQUENCE, database.name, schemas[item.schema_id], item.name), item.id
    for item in database.types:
        yield (TYPE, database.name, schemas[item.schema_id], item.name), item.id
        if item.array_type_id:
            yield (ARRAY_TYPE, database.name, schemas[item.schema_id], item.name), item.array_type_id
    for function in database.functions:
        parameters = ",".join(_type_key(kind, types) for kind in input_types(function))
        yield (ROUTINE, database.name, schemas[function.schema_id], function.name, parameters), function.id


def input_types(function: Function) -> list[SqlType]:
    """Return the parameter types that distinguish a routine from others of its name."""
    return [parameter.type for parameter in function.parameters if parameter.mode != "OUT"]


def _type_key(kind: SqlType, types: Mapping[int, str]) -> str:
    if kind.element is not None:
        return _type_key(kind.element, types) + "[]"
    return types.get(kind.domain_id or kind.oid - USER_TYPE_OID_BASE) or str(kind.oid)


def type_number(type_id: int) -> int:
    """Return a REGTYPE's number of a type, of an array type or of a table's rows; those of routines are made the same
    way."""
    return type_id + USER_TYPE_OID_BASE


def role_number(role: str) -> int:
    """Return a REGROLE's number."""
    return _hash(_USER_TAG + role.encode())


def schema_numbers(database_id: int, schema: str, schema_id: Optional[int]) -> set[int]:
    """Return a REGNAMESPACE's number, of earlier releases (a hash) and of later ones (the descriptor's id)."""
    hashed = _hash(_NAMESPACE_TAG + database_id.to_bytes(4, "big") + schema.encode())
    return {hashed} if schema_id is None else {hashed, schema_id}


def _hash(data: bytes) -> int:
    """32-bit FNV-1."""
    result = _FNV_OFFSET
    for byte in data:
        result = (result * _FNV_PRIME & _WORD) ^ byte
    return result
