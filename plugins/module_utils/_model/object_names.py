# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""The names that stand for CockroachDB's object identifiers where these become text: those of PostgreSQL's objects, as
PostgreSQL writes them."""

from __future__ import annotations

from typing import Any

from .built_in_types import BUILT_IN_TYPES
from .catalog import USER_TYPE_OID_BASE, Catalog, Database, SqlType
from .names import clip, written
from .object_numbers import (
    ARRAY_TYPE,
    DATABASE,
    OBJECT_IDENTIFIERS,
    REGCLASS,
    REGNAMESPACE,
    REGPROC,
    REGPROCEDURE,
    REGROLE,
    REGTYPE,
    RELATION,
    ROUTINE,
    SCHEMA,
    SEQUENCE,
    TYPE,
    ObjectNumbers,
    input_types,
    keys,
    role_number,
    schema_numbers,
    type_number,
)
from .table_source import ObjectNames

_PUBLIC = "public"
_VIRTUAL_SCHEMAS = ("pg_catalog", "information_schema", "crdb_internal", "pg_extension")
_SCALARS = {
    **{kind.oid: kind.postgres for kind in BUILT_IN_TYPES.values() if kind.postgres},
    22: "int2vector",
    30: "oidvector",
    114: "json",
    705: "unknown",
    1083: "time without time zone",
    1114: "timestamp without time zone",
    1184: "timestamp with time zone",
    1266: "time with time zone",
    2249: "record",
    2276: '"any"',
    2277: "anyarray",
    2278: "void",
    2279: "trigger",
    2283: "anyelement",
}
_ARRAYS = {
    **{kind.array_oid: kind.oid for kind in BUILT_IN_TYPES.values() if kind.postgres and kind.array_oid},
    199: 114,
    1006: 22,
    1013: 30,
    2287: 2249,
}
TYPE_NAMES = {**_SCALARS, **{number: _SCALARS[element] + "[]" for number, element in _ARRAYS.items()}}
"""The types that CockroachDB shares with PostgreSQL, by their oid, as regtype prints them."""


def object_names(before: Catalog, after: Catalog, numbers: ObjectNumbers) -> dict[int, ObjectNames]:
    """Return the names for the tables of each database, by the database's id in ``after``.

    ``before`` has CockroachDB's names, ``after`` is the same in PostgreSQL's. ``numbers`` are what values hold. Only
    what is migrated into the same database has a name.
    """
    homes = {database.id: _Home(database) for database in after.databases}
    for source in before.databases:
        # All databases may have become schemas of one.
        home = homes.get(source.id) or next(iter(homes.values()))
        home.add(source, numbers)
    return {number: home.names for number, home in homes.items()}


class _Home:
    """One database in PostgreSQL, and the names of the objects that were moved into it."""

    def __init__(self, database: Database) -> None:
        self._schemas = {schema.id: clip(schema.name) for schema in database.schemas}
        items: list[Any] = [
            *database.tables,
            *database.views,
            *database.sequences,
            *database.types,
            *database.functions,
        ]
        self._written = {item.id: written(self._schemas[item.schema_id], clip(item.name)) for item in items}
        self._functions = {function.id: function for function in database.functions}
        self._arrays = {item.array_type_id: item.id for item in database.types}
        self.names: dict[int, dict[int, str]] = {oid: {} for oid in OBJECT_IDENTIFIERS}
        self.names[REGTYPE].update(TYPE_NAMES)

    def add(self, source: Database, numbers: ObjectNumbers) -> None:
        """Add the names of the objects of one database in CockroachDB."""
        self.names[REGROLE].update({role_number(role): written(clip(role)) for role in numbers.roles})
        database_id = numbers.ids.get((DATABASE, source.name))
        for key, item_id in keys(source):
            number = numbers.ids.get(key)
            if number is None:
                continue
            if key[0] == SCHEMA and database_id is not None:
                # The schema public of a database that became a schema has the database's id.
                merged = key[2] == _PUBLIC and source.id in self._schemas
                self._add(
                    REGNAMESPACE,
                    schema_numbers(database_id, key[2], number),
                    written(self._schemas[source.id if merged else item_id]),
                )
            elif key[0] == ARRAY_TYPE:
                self._add(REGTYPE, {type_number(number)}, self._written[self._arrays[item_id]] + "[]")
            elif item_id in self._written:
                self._add_object(key[0], item_id, number)
        if database_id is not None:
            for name in _VIRTUAL_SCHEMAS:
                self._add(REGNAMESPACE, schema_numbers(database_id, name, None), name)

    def _add_object(self, kind: str, item_id: int, number: int) -> None:
        name = self._written[item_id]
        if kind == ROUTINE:
            self._add(REGPROC, {type_number(number)}, name)
            self._add(
                REGPROCEDURE,
                {type_number(number)},
                f"{name}({','.join(map(self._type, input_types(self._functions[item_id])))})",
            )
        if kind in (RELATION, SEQUENCE):
            self._add(REGCLASS, {number}, name)
        if kind in (RELATION, TYPE):
            # A table or view is the type of its rows, too.
            self._add(REGTYPE, {type_number(number)}, name)

    def _add(self, oid: int, numbers: set[int], name: str) -> None:
        self.names[oid].update(dict.fromkeys(numbers, name))

    def _type(self, kind: SqlType) -> str:
        if kind.element is not None:
            return self._type(kind.element) + "[]"
        if kind.domain_id:
            return self._written[kind.domain_id]
        if kind.oid in OBJECT_IDENTIFIERS:
            return "text"
        return self._written.get(kind.oid - USER_TYPE_OID_BASE) or TYPE_NAMES.get(kind.oid, kind.family)
