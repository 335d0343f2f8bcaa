# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Writes a backup of many small tables as CockroachDB's own files are: one file holds the rows of many tables.

Each table is TPC-C's ``item`` (see ``tpcc_backup``) with a name and number of its own, and as many secondary indexes as wanted. The rows are always the
same ones.
"""
from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass

from described_table import stored_descriptors
from stored_rows import EPOCH, Row, point_maker
from tpcc_backup import Maker

# Found since stored_rows has set the path.
import building  # isort: skip

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._formats import protobuf
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._sources.descriptors.catalog_of_descriptors import (
    build_catalog,
)

TABLES_A_FILE = 500
DATABASE, FIRST_ID = "small_tables", 1000
"""The database's name, and the number of the first table, which is in its name, too."""
_DATABASE, _SCHEMA, _ITEM = 441, 442, 449
"""Numbers of TPC-C's descriptors: the database, its schema, and the table that all others are like."""
_NAME, _ID, _PRIMARY_INDEX, _INDEXES, _NEXT_INDEX, _REFERENCES = 1, 3, 10, 11, 12, 37
"""Fields of a table's descriptor."""
_COMMON_INDEX_FIELDS = (9, 11, 15, 16, 17, 18, 20, 21, 22, 23, 24, 25)
"""Fields of an index that say nothing of its columns."""
_INDEXED = ((b"i_im_id", 2), (b"i_name", 3), (b"i_price", 4), (b"i_data", 5))


@dataclass(frozen=True)
class Scale:
    """How much there is; ``indexes`` (a table, besides the primary key) are at most four."""

    tables: int = 600
    rows: int = 10
    indexes: int = 2


def rows_of(scale: Scale, table: int) -> Iterator[Row]:
    """Yield the rows of the table of that number: values in the columns' order."""
    make = Maker(f"small {table}")
    for key in range(1, scale.rows + 1):
        yield [key, make.number(1, 10_000), make.text(14, 24), make.decimal(100, 10_000, 2), make.text(26, 50)]


def write_backup(directory: pathlib.Path, scale: Scale) -> int:
    """Write the backup as one layer into ``directory``; return how many rows it has."""
    stored = stored_descriptors()
    numbers = range(FIRST_ID, FIRST_ID + scale.tables)
    descriptors = {
        _DATABASE: _database(stored[_DATABASE]), _SCHEMA: stored[_SCHEMA], **{number: _table(stored[_ITEM], number, scale) for number in numbers},
    }
    tables = {table.id: table for table in build_catalog(descriptors).databases[0].tables}
    points = {number: list(map(point_maker(tables[number]), rows_of(scale, number))) for number in numbers}
    entries = []
    for place in range(0, scale.tables, TABLES_A_FILE):
        part, path = numbers[place:place + TABLES_A_FILE], f"data/{place}.sst"
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(building.sst([point for number in part for point in points[number]], block_entries=300))
        entries += [(4, building.file_entry(path, _span(number), points[number])) for number in part]
    building.write_layer(directory, None, (EPOCH * 10**9, 0), [], *entries, descriptors=descriptors.values())
    return scale.tables * scale.rows


def _span(table: int) -> tuple[bytes, bytes]:
    return building.unsigned(table) + building.unsigned(1), building.unsigned(table) + building.unsigned(2)


def _database(tpcc: bytes) -> bytes:
    """Return the descriptor of TPC-C's database under another name."""
    fields = {**protobuf.parse(protobuf.blob(protobuf.parse(tpcc), 2)), _NAME: [DATABASE.encode()]}
    return building.message((2, _message(fields)))


def _message(fields: protobuf.Message) -> bytes:
    return building.message(*[(field, value) for field, values in sorted(fields.items()) for value in values])


def _table(item: bytes, number: int, scale: Scale) -> bytes:
    """Return the descriptor of ``item`` as that of another table."""
    fields = protobuf.parse(protobuf.blob(protobuf.parse(item), 1))
    primary = protobuf.parse(protobuf.blob(fields, _PRIMARY_INDEX))
    common = [(field, value) for field in _COMMON_INDEX_FIELDS for value in primary[field]]
    indexes = [
        building.message((1, b"%s_idx_%d" % (column, number)), (2, place), (3, 0), (4, column), (6, column_id), (7, 1), (8, 0), *common)
        for place, (column, column_id) in enumerate(_INDEXED[:scale.indexes], 2)
    ]
    changed: protobuf.Message = {
        **fields, _NAME: [b"small_%d" % number], _ID: [number], _PRIMARY_INDEX: [_message({**primary, _NAME: [b"small_%d_pkey" % number]})],
        _INDEXES: indexes, _NEXT_INDEX: [len(indexes) + 2], _REFERENCES: [],
    }
    return building.message((1, _message(changed)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes a backup of many small tables.")
    parser.add_argument("directory", type=pathlib.Path)
    for name in ("tables", "rows", "indexes"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Scale, name))
    arguments = parser.parse_args()
    print(json.dumps({"rows": write_backup(arguments.directory, Scale(arguments.tables, arguments.rows, arguments.indexes))}))


if __name__ == "__main__":
    main()
