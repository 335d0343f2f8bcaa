# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
"""Dumps made by hand: a small catalog with awkward names, and chunks."""
from __future__ import annotations

import os

from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.chunk_files import ChunkWriter
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.manifest import ColumnEntry, TableEntry
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._dump.paths import chunk_path
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._export.write_dump import DumpContent, write_dump
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model import catalog as model
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._model.stored_columns import (
    computed_columns,
    loaded_columns,
)
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.copy_text import escape
from ansible_collections.nomos.cockroach_migrator.plugins.module_utils._values.line_block import block_of_lines

ODD = "Ta\"b'le . ../ö/%"
TRICKY = [
    "", " ", "NULL", "\\N", "\\.", "a\tb", "a\nb", "a\rb", "a\\b", "\\t", "\\\\", "'", '"', "ünï☃😀", "\x01\x1f\x7f", "\u2028", "trailing ", "%s %", "{a,b}", "\b\f\v \\b\\\\\b",
]
INT, TEXT, BOOL, FIXED = model.SqlType("int", 20, 64), model.SqlType("string", 25), model.SqlType("bool", 16), model.SqlType("string", 1042, 5)
INET, TIMESTAMP, DECIMAL = model.SqlType("inet", 869), model.SqlType("timestamptz", 1184), model.SqlType("decimal", 1700, 2, 12)


def table(number: int, name: str, columns: list[model.Column], **fields) -> model.Table:
    """A table whose first column is the key."""
    primary = model.Index(1, f"{name}_pkey", unique=True, columns=[model.IndexColumn(columns[0].id)])
    return model.Table(number, name, fields.pop("schema_id", 1), columns, primary, **fields)


def column(number: int, name: str, kind: model.SqlType, nullable: bool = True, **fields) -> model.Column:
    return model.Column(number, name, kind, nullable, **fields)


def database(name: str) -> model.Database:
    """Keys, indexes, a foreign key, checks, computed columns, a sequence, comments and names that hurt."""
    orders = table(101, "orders", [
        column(1, "id", INT, False), column(2, "customer", TEXT, comment="who\t'pays'"), column(3, "paid", BOOL), column(4, "Fixed", FIXED, False),
        column(5, "host", INET, False), column(6, "at", TIMESTAMP, False), column(7, "total", DECIMAL),
        column(8, "twice", INT, computed="id * 2"),
    ], comment="all orders")
    orders.indexes = [
        model.Index(2, "orders_customer", columns=[model.IndexColumn(2)], created_explicitly=True),
        model.Index(3, "orders_total", columns=[model.IndexColumn(7, True)], created_explicitly=True),
    ]
    orders.checks = [model.Check("positive", "id >= 0", [1]), model.Check("unsure", "id >= 0", [1], validated=False)]
    lines = table(102, "lines", [column(1, "id", INT, False), column(2, "order_id", INT, False)])
    lines.foreign_keys = [model.ForeignKey("lines_order", [2], 101, [1])]
    return model.Database(
        id=100, name=name, schemas=[model.Schema(1, "public"), model.Schema(2, "Other. Schema/")],
        sequences=[model.Sequence(201, "Counter", 1, value=41)],
        tables=[
            orders, lines,
            table(103, ODD, [column(1, 'Ke"y', INT, False), column(2, "a.b/c d%s", TEXT)], schema_id=2, comment="it's odd"),
            table(104, "empty", [column(1, "id", INT, False)]),
            table(105, "One", [column(1, "text", TEXT, False)]),
            table(106, "only_computed", [column(1, "k", INT, False, computed="7")]),
            table(107, "Tricky", [column(1, "id", INT, False), column(2, "t", TEXT), column(3, "n", TEXT)]),
        ],
    )


def rows(orders: int) -> dict[int, list]:
    """COPY lines of each table by id; for tables with computed columns (lines, computed)."""
    customers = [f"Zoë {number}" if number % 3 else "\\N" for number in range(orders)]
    return {
        101: (
            [
                f"{number}\t{customers[number]}\t{'t' if number % 2 else 'f'}\tab{number % 10}\t10.0.{number % 256}.1/32\t"
                f"2024-02-29 12:00:{number % 60:02}+00\t{number % 977}.50" for number in range(orders)
            ],
            [str(number * 2) for number in range(orders)],
        ),
        102: ([f"{number}\t{number}" for number in range(min(orders, 500))], None),
        103: (["1\tfirst", "2\t\\N"], None),
        104: ([], None),
        105: ([escape(text) for text in TRICKY], None),
        106: ([""], ["7"]),
        107: ([f"{number}\t{escape(text)}\t{'x' if number % 2 else chr(92) + 'N'}" for number, text in enumerate(TRICKY)], None),
    }


def write(directory: str, name: str = "shop", orders: int = 600, chunk_rows: int = 100, change=lambda database: None) -> str:
    """Write a dump of one database and return its directory; ``change`` may alter the catalog first."""
    made = database(name)
    change(made)
    return write_database(directory, made, rows(orders), chunk_rows)


def write_database(directory: str, made: model.Database, content: dict[int, tuple[list, list | None]], chunk_rows: int = 100) -> str:
    """Write a dump of any database; ``content`` are COPY lines of each table by its id, as ``rows`` returns them. Return the directory."""
    name, schemas = made.name, {schema.id: schema.name for schema in made.schemas}
    os.makedirs(directory)
    entries = []
    for item in made.tables:
        lines, computed = content[item.id]
        chunks = []
        for start in range(0, len(lines), chunk_rows):
            path = chunk_path(directory, name, schemas[item.schema_id], item.name, len(chunks) + 1)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with ChunkWriter(path) as writer:
                writer.write(block_of_lines(lines[start:start + chunk_rows], computed[start:start + chunk_rows] if computed else None))
            chunks.append(writer.chunk)
        entries.append(TableEntry(
            item.id, schemas[item.schema_id], item.name, [_entry(one) for one in loaded_columns(item)], [_entry(one) for one in computed_columns(item)], chunks,
        ))
    write_dump(directory, DumpContent({"kind": "test"}, [(made, entries)], [], []))
    return directory


def _entry(one: model.Column) -> ColumnEntry:
    return ColumnEntry(one.name, one.type.family in ("string", "bytes"))
