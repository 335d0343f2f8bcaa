# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Descriptors of a table of any columns, made from those of TPC-C's ``item`` (see ``tpcc_backup``): a backup with it looks as CockroachDB v22.1 wrote it."""
from __future__ import annotations

import base64
import json
import pathlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS.parent / ".collections"), str(TESTS)]

import building

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats import protobuf
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.catalog import Table
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.descriptors.catalog_of_descriptors import (
    build_catalog,
)

DESCRIPTORS = pathlib.Path(__file__).resolve().parent / "tpcc_descriptors.json"
DATABASE, SCHEMA, ITEM = 441, 442, 449
"""Numbers of descriptors of TPC-C."""
_NUMBER = 1000
_REFERS, _REFERRED = 36, 37
"""Fields of a table's descriptor: its foreign keys, and those of others to it."""
_TYPES = {
    "bool": ((1, 0), (10, 16)), "int": ((1, 1), (2, 64), (10, 20)), "float": ((1, 2), (2, 64), (10, 701)), "decimal": ((1, 3), (10, 1700)),
    "date": ((1, 4), (10, 1082)), "timestamp": ((1, 5), (10, 1114)), "string": ((1, 7), (10, 25)), "bytes": ((1, 8), (10, 17)),
    "timestamptz": ((1, 9), (10, 1184)), "uuid": ((1, 14), (10, 2950)), "json": ((1, 18), (10, 3802)),
}
"""Fields of a type's message by the family: sql.sem.types of CockroachDB's pkg/sql/types/types.proto."""
_COMMON_INDEX_FIELDS = (2, 3, 9, 11, 15, 16, 17, 18, 20, 21, 22, 23, 24, 25, 26)
"""Fields of an index that say nothing of its columns and name."""


@dataclass(frozen=True)
class Column:
    """A column that may be NULL, unless it belongs to the primary key. ``family`` is that of SqlType."""

    name: str
    family: str


def stored_descriptors() -> dict[int, bytes]:
    """Return TPC-C's descriptors by their numbers."""
    texts = json.loads(DESCRIPTORS.read_text(encoding="utf-8"))["descriptors"]
    return {int(number): base64.b64decode(text) for number, text in texts.items()}


def table_alone(name: str) -> dict[int, bytes]:
    """Return the descriptors of TPC-C's database with this table only, without its foreign keys, by their numbers."""
    stored = stored_descriptors()
    [number] = [table.id for table in build_catalog(stored).databases[0].tables if table.name == name]
    fields = protobuf.parse(protobuf.blob(protobuf.parse(stored[number]), 1))
    kept = [(field, value) for field, values in sorted(fields.items()) if field not in (_REFERS, _REFERRED) for value in values]
    return {DATABASE: stored[DATABASE], SCHEMA: stored[SCHEMA], number: building.message((1, building.message(*kept)))}


def described_table(name: str, columns: Sequence[Column], key_columns: int = 1) -> tuple[list[bytes], Table]:
    """Return the descriptors of the database ``tpcc`` with this table only, and the table; its primary key are the first columns."""
    stored = stored_descriptors()
    descriptors = {DATABASE: stored[DATABASE], SCHEMA: stored[SCHEMA], _NUMBER: _table(stored[ITEM], name, columns, key_columns)}
    [table] = build_catalog(descriptors).databases[0].tables
    return list(descriptors.values()), table


def _table(item: bytes, name: str, columns: Sequence[Column], key_columns: int) -> bytes:
    fields = protobuf.parse(protobuf.blob(protobuf.parse(item), 1))
    names = [column.name.encode() for column in columns]
    numbers = range(1, len(columns) + 1)
    common = [(field, value) for field, values in protobuf.parse(protobuf.blob(fields, 10)).items() for value in values if field in _COMMON_INDEX_FIELDS]
    primary = building.message(
        (1, f"{name}_pkey".encode()), *[(4, item) for item in names[:key_columns]], *[(5, item) for item in names[key_columns:]],
        *[(6, number) for number in numbers[:key_columns]], *[(8, 0) for _number in numbers[:key_columns]],
        *[(14, number) for number in numbers[key_columns:]], *common)
    family = building.message((1, b"primary"), (2, 0), *[(3, item) for item in names], *[(4, number) for number in numbers], (5, 0))
    described = [
        building.message((1, column.name.encode()), (2, number), (3, building.message(*_TYPES[column.family])), (4, int(number > key_columns)))
        for number, column in zip(numbers, columns)
    ]
    changed = {**fields, 1: [name.encode()], 3: [_NUMBER], 8: described, 9: [len(columns) + 1], 10: [primary], 22: [family], _REFERRED: []}
    return building.message((1, building.message(*[(field, value) for field, values in sorted(changed.items()) for value in values])))
